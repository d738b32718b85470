"""A sentence for each key of one-deploy and Ansible that is not a key of a stack."""

import re

_HYPERVISORS = "for hypervisors, which this program does not manage"
_INFRA = (
    "one-deploy creates virtual machines for the front-ends from it; this program needs hosts that"
    " exist"
)
_CEPH = "for Ceph, which this program does not manage"

_NO_MEANING = {
    "env_name": "the stack's name identifies the environment",
    "prod_env": "each preview warns about weak passwords",
    "ansible_python_interpreter|python3_(os|pip)_packages": (
        "this program needs no Python on the hosts"
    ),
    "ansible_connection": "the connection is always SSH",
    "ansible_become": "sudo is used for any login user but root",
    "ansible_become_user": "sudo runs commands as root",
    "ansible_become_method": "sudo is always used",
    "ansible_ssh_retries|retry_no|ping_port": "waits and retries have fixed deadlines",
    "(ansible_ssh|ansible)_pipelining": "each step is one remote execution",
    "vn|template": (
        "one-deploy creates records in OpenNebula from it; they are in the zone's database and stay"
    ),
    "online_(timeout|delay)": "preflight reports hosts that do not answer",
    "node_(hv|hypervisor|group)|kernel_(params|modules)|libvirtd_args": _HYPERVISORS,
    "disable_default_net|template_override_units": _HYPERVISORS,
    "kernel_ok_to_reboot": "this program does not reboot hosts",
    "os_image_(url|size)|memory_KiB|vcpu_static|vnc_max_port|passthrough_fs": _INFRA,
    "runtime_dir|context": _INFRA,
    "parallel_federation": "one-deploy does not support it any more",
    "opennebula_repo_path": "this program chooses the path of the repository file",
    "opennebula_repo_key_path": "this program chooses the path of the signing key",
    "frontend_group": "the hosts of that group are the stack's frontends",
    "bastion_group": "see ssh.bastion",
    "mkfs_ok_to_wipefs": "this program does not format disks",
    r"(ceph|cephadm|osd|mon|mgr)(_.*)?": _CEPH,
    r"(evpn|frr)_.*|router_group": (
        "for routing between hypervisors, which this program does not manage"
    ),
    r"(ovs|openvswitch)_.*": _HYPERVISORS,
    r"(grafana|oneprometheus|prometheus)_.*": "for monitoring, which this program does not manage",
    r"infra_.*": _INFRA,
    r"(kvm|qemu|libvirt|hv|pci)_.*": _HYPERVISORS,
    r"(ds|vn|features|ssl|fstab|pki)_defaults": "it sets one-deploy's defaults",
    "federation_group": "it names a group of the inventory",
    r"facts_subset|ansible_.*": "a setting of Ansible, which this program does not use",
}
"""Pattern of keys, and why they have no meaning for a stack. The first that matches counts."""

_DECISIONS = {
    "ansible_password": (
        "this program logs in with a key or an SSH agent, not with a password: install your key on"
        " each front-end with ssh-copy-id"
    ),
    "ansible_become_password": (
        "if sudo asks for a password on the front-ends, set it: pulumi config set --secret --path"
        " ssh.sudo_password"
    ),
    "force_master": (
        "the zone is a federation's master, and this program refuses federations: keep using"
        " one-deploy, or end the federation first"
    ),
    "opennebula_repo_force_trusted": (
        "package signatures are always verified: set repository.key or repository.key_url if your"
        " mirror has its own key"
    ),
    "opennebula_repo_pre_enable": (
        "this program enables the repositories that OpenNebula's packages need (see"
        " docs/config.md): to use your own instead, set repository: {pre_enable: false}"
    ),
    "repos_enabled": (
        "this program always configures OpenNebula's repository: set repository.url for a mirror"
    ),
    "sunstone_views(_config_file|_base_dir)?": (
        "Sunstone views are not supported: those on the hosts stay, a new front-end does not get"
        " them"
    ),
    "private_fireedge_endpoint": (
        "FireEdge uses the oned on its own host: there is no key for another endpoint"
    ),
    "mkfs": (
        "this program does not format disks: prepare those of a new front-end yourself, or with an"
        " entry in commands"
    ),
    "rsyslog(_collector)?": (
        "this program does not configure rsyslog: use an entry in commands, or another tool"
    ),
    "logrotate": (
        "this program does not configure logrotate: use an entry in commands, or another tool"
    ),
    "vmdns_server": (
        "one-deploy's DNS for virtual machines stays on the hosts; a new front-end does not get it"
    ),
    "pci_(devices|default_filter)": (
        "the PCI filter in OpenNebula's remotes stays; this program does not change it"
    ),
    "alertmanager_config": (
        "Prometheus and its alerts stay on the hosts; a new front-end does not get them"
    ),
    "ansible_ssh_executable": "this program has its own SSH client",
    "ansible_shell_(type|executable)": "scripts run in bash, which each front-end must have",
}
"""Pattern of keys, and what the user must decide or do."""

GROUPS = {
    "node": "hypervisors, which this program does not manage; they stay in OpenNebula",
    "bastion": "a jump host: see ssh.bastion",
    "infra": f"hypervisors of the front-ends: {_INFRA}",
    "grafana": "monitoring, which this program does not manage",
    "router": "EVPN route reflectors, which this program does not manage",
    **dict.fromkeys(("ceph", "mon", "mgr", "osd", "client"), _CEPH),
}
"""By group of one-deploy: why its hosts are not in the stack."""

FEATURES = {
    "prometheus": "Prometheus stays on the hosts; a new front-end does not get it",
    "ceph": (
        "Ceph's packages and keys stay on the front-ends; install them on a new one yourself, or"
        " with an entry in commands"
    ),
    "evpn": "for hypervisors and routers, which this program does not manage",
}
"""Features of one-deploy that the stack does not have."""

FEDERATION = (
    "the zone is in a federation, and this program refuses federations: keep using one-deploy, or"
    " end the federation first"
)


def no_meaning(key: str) -> str:
    """Return why that key has no meaning for a stack; empty if that is not known."""
    return _first(_NO_MEANING, key)


def decision(key: str) -> str:
    """Return what the user must decide because of that key; empty if nothing."""
    return _first(_DECISIONS, key)


def _first(answers: dict[str, str], key: str) -> str:
    return next((answer for pattern, answer in answers.items() if re.fullmatch(pattern, key)), "")
