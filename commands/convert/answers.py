"""What the keys of one-deploy and Ansible that are no keys of a stack come to, a sentence each."""

import re

_HYPERVISORS = "it concerns the hypervisors, which this program does not touch"
_RECORDS = "it made records in OpenNebula, which are in the zone's database and stay"
_ANSIBLE = "a setting of Ansible's own; this program does not use it"
_INFRA = (
    "it made the virtual machines that the front-ends are; this program starts with machines that"
    " are there"
)
_CEPH = "it built a Ceph cluster, which this program neither builds nor changes"

NO_MEANING = {
    "env_name": "it named files of one-deploy; here the stack's name tells environments apart",
    "prod_env": "it had one-deploy refuse weak passwords; here each preview warns of them",
    "ansible_python_interpreter": "this program needs no Python on the hosts",
    "ansible_connection": "hosts are always reached by SSH",
    "ansible_become": "root's work is done with sudo, for any user but root",
    "ansible_become_user": "root's work is done as root",
    "ansible_become_method": "root's work is done with sudo",
    "ansible_ssh_retries": "a host that does not answer is tried again in any case",
    "ansible_ssh_pipelining": "every step is one remote execution in any case",
    "ansible_pipelining": "every step is one remote execution in any case",
    "ansible_group_priority": "it only orders Ansible's groups",
    "vn": _RECORDS,
    "template": _RECORDS,
    "retry_no": "each wait here has a deadline of its own",
    "ping_port": "each wait here has a deadline of its own",
    "online_timeout": "the checks that come first say at once which host does not answer",
    "online_delay": "the checks that come first say at once which host does not answer",
    "node_hv": _HYPERVISORS,
    "node_hypervisor": _HYPERVISORS,
    "kernel_params": _HYPERVISORS,
    "kernel_modules": _HYPERVISORS,
    "kernel_ok_to_reboot": "this program restarts no host",
    "disable_default_net": _HYPERVISORS,
    "libvirtd_args": _HYPERVISORS,
    "template_override_units": _HYPERVISORS,
    "facts_subset": _ANSIBLE,
    "runtime_dir": _INFRA,
    "os_image_url": _INFRA,
    "os_image_size": _INFRA,
    "memory_KiB": _INFRA,
    "vcpu_static": _INFRA,
    "vnc_max_port": _INFRA,
    "passthrough_fs": _INFRA,
    "context": _INFRA,
    "parallel_federation": "one-deploy itself has dropped it",
    "python3_os_packages": "this program needs no Python on the hosts",
    "python3_pip_packages": "this program needs no Python on the hosts",
    "opennebula_repo_path": "the path of the repository's file is this program's matter",
    "opennebula_repo_key_path": "the path of the signing key is this program's matter",
    "frontend_group": "the group's hosts are the stack's frontends",
    "node_group": _HYPERVISORS,
    "bastion_group": "see the jump host",
    "mkfs_ok_to_wipefs": "this program formats no disks",
}
"""By key."""

DECISIONS = {
    "ansible_password": (
        "this program logs in with a key or the agent, not with a password: ssh-copy-id puts your"
        " key on each front-end; then take this password out of the inventory"
    ),
    "ansible_become_password": (
        "this program needs sudo without a password, or root: add 'USER ALL=(ALL) NOPASSWD: ALL'"
        " to a file in /etc/sudoers.d on each front-end"
    ),
    "force_master": (
        "a federation's master: this program operates zones outside any federation, and refuses"
        " this one; keep it with one-deploy, or end the federation first"
    ),
    "opennebula_repo_force_trusted": (
        "packages are always verified here: give repository.key or repository.key_url of your"
        " mirror"
    ),
    "opennebula_repo_pre_enable": (
        "what OpenNebula's packages need besides is enabled by this program; with repositories of"
        " your own in their place set repository: {pre_enable: false}"
    ),
    "repos_enabled": (
        "OpenNebula's repository is always set up here; for a mirror set repository.url"
    ),
    "sunstone_views": "Sunstone's views of your own have no key here; those on the hosts stay",
    "sunstone_views_config_file": "Sunstone's views have no key here; those on the hosts stay",
    "sunstone_views_base_dir": "Sunstone's views have no key here; those on the hosts stay",
    "private_fireedge_endpoint": (
        "this program has FireEdge ask the oned of its own host; where you need another endpoint"
        " set zone_endpoint"
    ),
    "mkfs": (
        "this program formats no disks; those that one-deploy made stay. A new front-end's disks"
        " are yours to make, or a step in commands"
    ),
    "rsyslog": "logs are not shipped by this program; use a step in commands, or another tool",
    "rsyslog_collector": (
        "logs are not shipped by this program; use a step in commands, or another tool"
    ),
    "logrotate": "logs are not rotated by this program; use a step in commands, or another tool",
    "vmdns_server": (
        "one-deploy's name service for virtual machines stays on the hosts as it is; a new"
        " front-end does not get it"
    ),
    "pci_devices": (
        "on front-ends it filtered PCI devices in OpenNebula's remotes; what is there stays"
    ),
    "pci_default_filter": (
        "on front-ends it filtered PCI devices in OpenNebula's remotes; what is there stays"
    ),
    "alertmanager_config": (
        "Prometheus and its alerts stay on the hosts as they are; a new front-end does not get them"
    ),
    "ansible_ssh_executable": "this program has an SSH client of its own",
    "ansible_shell_type": "scripts run in bash, which each front-end must have",
    "ansible_shell_executable": "scripts run in bash, which each front-end must have",
}
"""By key: what the user must decide, or do."""

_PATTERNS = (
    (r"(ceph|cephadm|osd|mon|mgr)(_.*)?", _CEPH),
    (r"(evpn|frr)_.*|router_group", "it built routing between the hypervisors, which stays"),
    (r"(ovs|openvswitch)_.*", _HYPERVISORS),
    (r"(grafana|oneprometheus|prometheus)_.*", "monitoring stays as one-deploy made it"),
    (r"infra_.*", _INFRA),
    (r"(kvm|qemu|libvirt|hv|pci)_.*", _HYPERVISORS),
    (r"(ds|vn|features|ssl|fstab|ceph|pki)_defaults", "it names one-deploy's own defaults"),
    (r"(federation|mon|mgr|osd|grafana|infra|router)_group", "it names a group of the inventory"),
    (r"ansible_.*", _ANSIBLE),
)

GROUPS = {
    "node": "hypervisors: this program does not touch them; they stay in the zone as hosts",
    "bastion": "a jump host: see ssh.bastion",
    "infra": f"machines under the front-ends: {_INFRA}",
    "grafana": "monitoring stays as one-deploy made it; this program does not touch it",
    "router": "route reflectors of EVPN: they stay as one-deploy made them",
    "ceph": _CEPH,
    "mon": _CEPH,
    "mgr": _CEPH,
    "osd": _CEPH,
    "client": _CEPH,
}
"""By group of one-deploy: why its hosts are no matter of the stack."""

FEATURES = {
    "prometheus": (
        "Prometheus stays on the hosts as it is; a new front-end does not get it from this program"
    ),
    "ceph": (
        "Ceph's packages and keys stay on the front-ends; put them on a new one yourself, or with"
        " a step in commands"
    ),
    "evpn": "it concerns the hypervisors and routers, which this program does not touch",
}
"""Features of one-deploy that are none here."""

FEDERATION = (
    "a federation's slave or master: this program operates zones outside any federation, and"
    " refuses one that is in one; keep it with one-deploy, or end the federation first"
)


def no_meaning(key: str) -> str:
    """Why that key has no meaning for a stack; empty where that is not known."""
    if key in NO_MEANING:
        return NO_MEANING[key]
    return next((why for pattern, why in _PATTERNS if re.fullmatch(pattern, key)), "")
