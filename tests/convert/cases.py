"""Inventories in the forms that users of one-deploy have, and the result of each.

Every secret in them begins with ``hush``: no report and no stack may have that word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.convert.sealing import PASSWORD, sealed, value

THREE = """
frontend:
  hosts:
    n1a1: {ansible_host: 10.2.50.10}
    n1a2: {ansible_host: 10.2.50.11}
    n1a3: {ansible_host: 10.2.50.12}
"""
ONE = "frontend: {hosts: {n1a1: {ansible_host: 10.2.50.10}}}\n"
VIP = {"one_vip": "10.2.50.86", "one_vip_cidr": 24, "one_vip_if": "eth0"}
HA = """
    ansible_user: ubuntu
    one_version: '7.2'
    one_pass: hush-one
    db_password: hush-db
    one_vip: 10.2.50.86
    one_vip_cidr: 24
    one_vip_if: eth0
"""
FRONT_ENDS = {f"n1a{n}": {"address": f"10.2.50.{9 + n}"} for n in (1, 2, 3)}


@dataclass(frozen=True)
class Case:
    """An inventory, and the expected result."""

    name: str
    files: Mapping[str, str]
    """Files by path; the first file, or its folder if there are several, is the inventory."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the stack's config has, among others; None: the key is missing."""
    says: Mapping[str, str] = field(default_factory=dict)
    """Words of the answer to a key, by ``section key``."""
    faults: tuple[str, ...] = ()
    """The beginning of the program's refusal, if any."""
    passwords: tuple[str, ...] = ()
    secrets: Mapping[str, str | None] = field(default_factory=dict)


def ha(extra: str = "", more: str = "", front_ends: str = THREE) -> dict[str, str]:
    """Make a zone of three with further variables of all hosts, and further groups."""
    return {"inventory.yml": f"all:\n  vars:{HA}{extra}{front_ends}{more}"}


def only(variables: str, more: str = "") -> dict[str, str]:
    """Make one front-end with those variables."""
    return {"inventory.yml": f"all:\n  vars:\n    one_version: '7.2'\n{variables}{ONE}{more}"}


CASES = [
    Case(
        "passwords where nobody looks for them",
        ha(
            "    ansible_ssh_common_args: '-o ProxyCommand=\"sshpass -p hush ssh -W %h:%p a\"'\n"
            '    ansible_ssh_extra_args: "-o \'Weird=hush"\n'
            "    pkg_cache_proxy: http://me:hush@10.2.11.1:3142\n"
            "    gate_endpoint: http://hush@10.2.50.86:5030\n"
            "    fstab: [{src: //10.2.50.1/one, path: /mnt/one, fstype: cifs,"
            " opts: 'username=one,password=hush'}]\n"
        ),
        {"pkg_cache_proxy": None, "gate_endpoint": None, "fstab": None},
        {
            "decisions ansible_ssh_common_args": "it has a password",
            "decisions ansible_ssh_extra_args": "a quote that does not end",
            "decisions fstab": "it has a password",
        },
    ),
    Case(
        "three front-ends with a VIP",
        ha("    env_name: production\n    prod_env: true\n"),
        {
            "frontends": FRONT_ENDS,
            **VIP,
            "one_version": "7.2",
            "ssh": {"user": "ubuntu"},
            "adopt": "observe",
            "ensure_hosts": False,
            "one_pass": None,
        },
        {
            "taken one_version": "one_version: 7.2",
            "taken ansible_host of n1a1": "frontends.n1a1.address: 10.2.50.10",
            "no_meaning env_name": "stack's name",
            "no_meaning prod_env": "weak passwords",
            "taken one_pass": "a secret, set by a command",
        },
        secrets={"one_pass": "hush-one", "db_password": "hush-db"},
    ),
    Case(
        "two front-ends",
        ha(front_ends=THREE.replace("    n1a3: {ansible_host: 10.2.50.12}\n", "")),
        {"adopt": "observe", "allow_even": True},
        {"decisions group frontend": "2 front-ends tolerate no more failures than 1"},
    ),
    Case(
        "four front-ends",
        ha(front_ends=THREE + "    n1a4: {ansible_host: 10.2.50.13}\n"),
        {"adopt": "observe", "allow_even": True},
        {"decisions group frontend": "add or remove a front-end, and remove allow_even"},
    ),
    Case(
        "five front-ends without a VIP",
        {
            "inventory.yml": "all:\n  vars: {ansible_user: root, one_version: '7.2', one_pass: x}\n"
            + THREE
            + "    n1a4: {ansible_host: 10.2.50.13}\n    n1a5: {ansible_host: 10.2.50.14}\n"
        },
        {"one_vip": None},
        {"decisions one_vip": "missing"},
    ),
    Case(
        "one front-end as in the guide",
        only(
            "    ansible_user: root\n    one_pass: hush\n    ds: {mode: ssh}\n"
            "    vn: {admin_net: {managed: true, template: {VN_MAD: bridge}}}\n",
            "node: {hosts: {n1: {ansible_host: 10.2.50.20}}}\n",
        ),
        {"frontends": {"n1a1": {"address": "10.2.50.10"}}, "ds": {"mode": "ssh"}},
        {
            "decisions force_ha": "force_ha: true",
            "no_meaning vn": "zone's database",
            "no_meaning group node": "does not manage",
            "decisions db_password": "public default",
        },
    ),
    Case(
        "one front-end with force_ha",
        only(
            "    force_ha: 'yes'\n    one_vip: 10.2.50.86\n    one_vip_cidr: '24'\n"
            "    one_vip_if: br0\n    ansible_user: root\n"
        ),
        {"force_ha": True, "one_vip": "10.2.50.86", "one_vip_cidr": 24, "one_vip_if": "br0"},
    ),
    Case(
        "one front-end with a VIP that one-deploy never set",
        only("    one_vip: 10.2.50.86\n    one_vip_cidr: 24\n    one_vip_if: br0\n"),
        {"one_vip": None, "one_vip_if": None},
        {"decisions one_vip": "force_ha: true", "decisions ansible_user": "~/.ssh/config"},
    ),
    Case(
        "SQLite",
        only("    db_backend: SQLite\n    db_password: hush\n    ansible_user: root\n"),
        {"db_backend": "SQLite"},
        {
            "taken db_backend": "convert_database: true",
            "no_meaning db_password": "no accounts",
        },
        secrets={"one_pass": None},
    ),
    Case(
        "SQLite on three front-ends",
        ha("    db_backend: SQLite\n"),
        {"db_backend": None},
        {"decisions db_backend": "cannot use SQLite"},
    ),
    Case(
        "a file in INI with ranges",
        {
            "hosts": "[frontend]\nn1a[1:3] ansible_host=10.2.50.10\n\n[frontend:vars]\n"
            "one_version='7.2'\none_vip=10.2.50.86\none_vip_cidr=24\none_vip_if=eth0\n"
        },
        {"frontends": {name: {"address": "10.2.50.10"} for name in FRONT_ENDS}, **VIP},
        {},
        (
            "frontends.n1a2.address: 10.2.50.10 is the address of n1a1",
            "frontends.n1a3.address: 10.2.50.10 is the address of",
        ),
    ),
    Case(
        "a file in INI with everything",
        {
            "inventory.ini": """
; of ours
[frontend]
n1a1 ansible_host=10.2.50.10 ansible_port=2222   # the first
n1a2 ansible_ssh_host=10.2.50.11 one_vip_if=ens3
n1a3:2222 ansible_host=10.2.50.12

[node]
node01 ansible_host=10.2.50.20

[cloud:children]
frontend
node

[cloud:vars]
ansible_user=ubuntu
one_version="7.2"
one_pass='hush#and_no_comment'
one_vip=10.2.50.86
one_vip_cidr=24
one_vip_if=eth0
features={"gate": True, "flow": False}
ensure_keys_for=['ubuntu', 'root']
"""
        },
        {
            "frontends": {
                "n1a1": {"address": "10.2.50.10"},
                "n1a2": {"address": "10.2.50.11", "one_vip_if": "ens3", "ssh": {"port": 22}},
                "n1a3": {"address": "10.2.50.12"},
            },
            "ensure_keys_for": ["ubuntu", "root"],
            "features": {"gate": True, "flow": False},
        },
        {
            "taken ansible_ssh_host of n1a2": "10.2.50.11",
            "taken ansible_port": "ssh.port: 2222",
            "no_meaning group cloud": "converted for the front-ends",
        },
        secrets={"one_pass": "hush#and_no_comment"},
    ),
    Case(
        "front-ends whose names have a domain",
        ha(
            front_ends="frontend:\n  hosts:\n"
            "    n1.example.org: {ansible_host: 10.2.50.10}\n"
            "    n2.example.org:\n      {ansible_host: 10.2.50.11, ansible_port: 2222,"
            " one_vip_if: ens3}\n"
            "    n3.example.org: {ansible_host: 10.2.50.12}\n"
        ),
        {
            "frontends": {
                "n1.example.org": {"address": "10.2.50.10"},
                "n2.example.org": {
                    "address": "10.2.50.11",
                    "one_vip_if": "ens3",
                    "ssh": {"port": 2222},
                },
                "n3.example.org": {"address": "10.2.50.12"},
            },
        },
        {"taken one_vip_if of n2.example.org": "frontends.n2.example.org.one_vip_if: ens3"},
    ),
    Case(
        "a folder with group_vars and host_vars",
        {
            "inventory/hosts.yml": THREE,
            "inventory/group_vars/all.yml": "one_version: '7.0'\none_vip: 10.2.50.86\n",
            "inventory/group_vars/frontend.yml": "one_version: '7.2'\none_vip_cidr: 24\n",
            "inventory/group_vars/frontend.yml.bak": "one_version: '5.0'\n",
            "inventory/host_vars/n1a2.yml": "one_vip_if: ens3\n",
            "inventory/host_vars/n1a1/net.yaml": "one_vip_if: eth0\n",
            "inventory/host_vars/n1a3": "one_vip_if: eth0\n",
            "inventory/host_vars/gone.yml": "one_vip_if: eth9\n",
            "inventory/README.md": "not an inventory",
        },
        {
            "one_version": "7.2",
            "one_vip_if": "eth0",
            "frontends": {**FRONT_ENDS, "n1a2": {"address": "10.2.50.11", "one_vip_if": "ens3"}},
        },
        {"no_meaning one_vip_if of host_vars/gone": "applies to no host"},
    ),
    Case(
        "a folder with an encrypted file, and its password",
        {
            "inventory/hosts.yml": THREE,
            "inventory/group_vars/all/main.yml": "one_version: '7.2'\n"
            "one_pass: '{{ vault_one_pass }}'\none_token: \"{{ vault_user }}:{{ vault_token }}\"\n",
            "inventory/group_vars/all/vault.yml": sealed(
                "vault_one_pass: hush-pass\nvault_user: hush\nvault_token: hush-token\n"
                "unused_secret: hush-more\n",
                label="prod",
            ),
        },
        {},
        {
            "no_meaning vault_token": "used in the values",
            "unknown unused_secret": "not a key of one-deploy",
        },
        passwords=("another one", PASSWORD),
        secrets={"one_pass": "hush-pass", "one_token": "hush:hush-token"},
    ),
    Case(
        "an encrypted file without its password",
        {
            "inventory/hosts.yml": THREE,
            "inventory/group_vars/all/main.yml": "one_version: '7.2'\none_pass: '{{ secret }}'\n",
            "inventory/group_vars/all/vault.yml": sealed("secret: hush\n"),
        },
        {"one_version": "7.2"},
        {"taken one_pass": "a template that needs"},
        secrets={"one_pass": None},
    ),
    Case(
        "encrypted values",
        ha(
            f"    ansible_become_password: {value('hush-root', 6)}\n"
            f"    zone_name: {value('hush-hush-zone', 6)}\n"
        ),
        {"zone_name": None},
        {
            "decisions ansible_become_password": "ssh.sudo_password",
            "decisions zone_name": "encrypted in the inventory",
        },
        passwords=(PASSWORD,),
    ),
    Case(
        "login settings that cannot be read or shown",
        {
            "inventory.yml": f"all:\n  vars:{HA}"
            "    ansible_ssh_common_args: -J {{ ansible_fqdn }}\n"
            "frontend:\n  hosts:\n"
            "    n1a1:\n      ansible_host: 10.2.50.10\n"
            f"      ansible_ssh_private_key_file: {value('/root/hush', 8)}\n"
            "    n1a2: {ansible_host: 10.2.50.11, ansible_ssh_private_key_file: /root/a}\n"
            "    n1a3: {ansible_host: 10.2.50.12}\n"
        },
        {"ssh": {"user": "ubuntu"}},
        {
            "decisions ansible_ssh_common_args": "(-J {{ ansible_fqdn }}). Set it yourself",
            "decisions ansible_ssh_private_key_file": "between front-ends (n1a1, n1a2)",
        },
        passwords=(PASSWORD,),
    ),
    Case(
        "encrypted values without the password",
        ha(f"    one_token: {value('hush:hush', 6)}\n    one_fqdn: {value('hush.example', 6)}\n"),
        {"one_fqdn": None},
        {
            "taken one_token": "no vault password was given",
            "decisions one_fqdn": "no vault password was given",
        },
        secrets={"one_token": None, "one_pass": "hush-one"},
    ),
    Case(
        "anchors and merges",
        {
            "inventory.yml": "x: &v {one_vip: 10.2.50.86, one_vip_cidr: 24, one_vip_if: &if br0}\n"
            "all:\n  vars: {<<: *v, one_version: '7.2'}\n"
            "frontend:\n  hosts: &hosts\n    n1a1: {ansible_host: 10.2.50.10, one_vip_if: *if}\n"
            "    n1a2: {ansible_host: 10.2.50.11}\n    n1a3: {ansible_host: 10.2.50.12}\n"
            "node: {hosts: *hosts}\n"
        },
        {"one_vip_if": "br0", "frontends": FRONT_ENDS},
    ),
    Case(
        "templates of names and of facts",
        ha(
            "    net: 10.2.50\n    gate_endpoint: http://{{ one_vip }}:5030\n"
            '    one_fqdn: "{{ ansible_fqdn }}"\n    zone_name: "{{ zone_name }}"\n',
        ),
        {"gate_endpoint": "http://10.2.50.86:5030", "one_fqdn": None, "zone_name": None},
        {"decisions one_fqdn": "not converted", "decisions zone_name": "not converted"},
    ),
    Case(
        "a jump host of the inventory",
        ha(
            "    ansible_ssh_common_args: -o ProxyJump=ops@gate -o StrictHostKeyChecking=no"
            " -o ControlMaster=auto\n",
            "bastion: {hosts: {gate: {ansible_host: 192.0.2.1, ansible_port: 2222,"
            " ansible_user: ubuntu}}}\n",
        ),
        {"ssh": {"user": "ubuntu", "bastion": "ops@192.0.2.1:2222"}},
        {
            "no_meaning group bastion": "jump host",
            "no_meaning ansible_ssh_common_args": "host keys are always verified",
        },
    ),
    Case(
        "a jump host of the inventory whose user is a template",
        ha(
            "    ansible_ssh_common_args: -o ProxyJump=gate\n",
            'bastion: {hosts: {gate: {ansible_host: 192.0.2.1, ansible_user: "{{ who }}"}}}\n',
        ),
        {"ssh": {"user": "ubuntu"}},
        {"decisions ansible_ssh_common_args": "the jump host gate has a user, an address or"},
    ),
    Case(
        "a jump host as a command",
        ha(
            "    ansible_ssh_common_args: '-o ProxyCommand=\"ssh -q -W %h:%p -p 2200 -i ~/.ssh/jump"
            " -l ops gate.example.org\" -i ~/.ssh/id -o UserKnownHostsFile=~/hosts -A'\n"
        ),
        {
            "ssh": {
                "user": "ubuntu",
                "bastion": "ops@gate.example.org:2200",
                "private_key_file": "~/.ssh/id",
                "known_hosts_file": "~/hosts",
            }
        },
        {"decisions ansible_ssh_common_args": "~/.ssh/jump"},
    ),
    Case(
        "two jump hosts, one after the other",
        ha("    ansible_ssh_common_args: -4Cv -J a@one,b@two -o Weird=yes\n"),
        {"ssh": {"user": "ubuntu", "bastion": "a@one,b@two"}},
        {
            "decisions ansible_ssh_common_args": "Weird=yes",
            "no_meaning ansible_ssh_common_args": "-4, -C, -v: this program has its own",
        },
    ),
    Case(
        "one-deploy's own bastion, which is a front-end",
        ha(
            "    env_name: nebula\n    ansible_ssh_common_args: -F .one-deploy/bastion\n",
            "bastion: {hosts: {b1: {ansible_host: 10.2.50.10}}}\n",
        ),
        {"ssh": {"user": "ubuntu", "bastion": "ubuntu@10.2.50.10"}},
        {"decisions ansible_ssh_common_args": "is a front-end"},
    ),
    Case(
        "an SSH configuration, and a command that is no ssh",
        {
            "inventory.yml": "all:\n  vars: {ansible_ssh_extra_args: -F ssh.cfg, ansible_ssh_args:"
            " '-o ProxyCommand=\"connect -S proxy %h %p\"', ansible_user: root}\n" + THREE
        },
        {"ssh": {"user": "root", "config_file": "ssh.cfg"}},
        {
            "taken ansible_ssh_extra_args": "ssh.config_file",
            "decisions ansible_ssh_args": "ProxyCommand with connect",
            "decisions one_version": "missing",
        },
        ("one_version: missing",),
    ),
    Case(
        "front-ends that log in differently",
        {
            "inventory.yml": f"all:\n  vars:{HA}"
            "frontend:\n  hosts:\n"
            "    n1a1: {ansible_host: 10.2.50.10, ansible_user: admin, ansible_port: 2222,"
            " ansible_ssh_private_key_file: ~/.ssh/a}\n"
            "    n1a2: {ansible_host: 10.2.50.11, ansible_ssh_private_key_file: keys/b}\n"
            "    n1a3: {ansible_host: 10.2.50.12, one_vip_if: ens3, zone_name: other}\n"
        },
        {
            "frontends": {
                "n1a1": {"address": "10.2.50.10", "ssh": {"user": "admin", "port": 2222}},
                "n1a2": {"address": "10.2.50.11"},
                "n1a3": {"address": "10.2.50.12", "one_vip_if": "ens3"},
            },
        },
        {
            "decisions ansible_ssh_private_key_file": "has one key",
            "taken ansible_user of n1a1": "frontends.n1a1.ssh.user: admin",
        },
    ),
    Case(
        "one key for all, by a relative path",
        ha("    ansible_ssh_private_key_file: keys/id\n    ansible_port: '2222'\n"),
        {"ssh": {"user": "ubuntu", "port": 2222, "private_key_file": "keys/id"}},
        {"decisions ansible_ssh_private_key_file": "a relative path"},
    ),
    Case(
        "the old names of addresses",
        {
            "inventory.yml": f"all:\n  vars:{HA}"
            "frontend:\n  hosts:\n"
            "    n1a1: {ansible_host: 10.2.50.10, ansible_ssh_host: 192.0.2.10}\n"
            "    n1a2: {ansible_ssh_host: 10.2.50.11}\n"
            "    n1a3: {ansible_host: 10.2.50.12, ansible_ssh_host: 10.2.50.12}\n"
        },
        {"frontends": FRONT_ENDS},
        {
            "decisions ansible_ssh_host of n1a1": "differs from ansible_host",
            "no_meaning ansible_ssh_host of n1a3": "the same as ansible_host",
        },
    ),
    Case(
        "passwords to log in",
        ha(
            "    ansible_password: hush\n    ansible_ssh_pass: hush\n"
            "    ansible_become_pass: hush\n"
            "    ansible_become: true\n    ansible_python_interpreter: /usr/bin/python3\n"
        ),
        {},
        {
            "decisions ansible_password": "ssh-copy-id",
            "decisions ansible_ssh_pass": "ssh-copy-id",
            "decisions ansible_become_pass": "ssh.sudo_password",
            "no_meaning ansible_become": "sudo",
            "no_meaning ansible_python_interpreter": "no Python",
        },
    ),
    Case(
        "the master of a federation",
        ha("    force_master: true\n    zone_name: Frankfurt\n"),
        {"zone_name": "Frankfurt"},
        {"decisions force_master": "federation's master"},
    ),
    Case(
        "a slave of a federation",
        ha(
            "    force_master: false\n",
            "federation: {hosts: {master: {ansible_host: 10.2.50.111}}}\n",
        ),
        {},
        {
            "decisions group federation": "refuses federations",
            "no_meaning force_master": "it is off",
        },
    ),
    Case(
        "machines made by one-deploy",
        ha(
            more="infra:\n  vars: {os_image_size: 20G, infra_bridge: br0}\n"
            "  hosts: {k1: {ansible_host: 10.2.50.2}}\n",
            extra="    context: {PASSWORD: hush, ETH0_IP: '{{ ansible_host }}'}\n"
            "    infra_hostname: k1\n",
        ),
        {},
        {
            "no_meaning group infra": "virtual machines",
            "no_meaning context": "virtual machines",
            "no_meaning infra_hostname": "virtual machines",
            "no_meaning os_image_size of k1": "virtual machines",
        },
    ),
    Case(
        "Prometheus and Grafana",
        ha(
            "    features: {prometheus: true, gui: false, evpn: false, new: true}\n"
            "    alertmanager_config: 'x: y'\n    grafana_repo_url: {Debian: http://x}\n",
            "grafana: {hosts: {n1a1: {}}}\n",
        ),
        {"features": {"gui": False}},
        {
            "decisions features.prometheus": "stays on the hosts",
            "no_meaning features.evpn": "it is off",
            "unknown features.new": "not a feature",
            "no_meaning group grafana": "monitoring",
            "decisions alertmanager_config": "stay",
            "no_meaning grafana_repo_url": "monitoring",
        },
    ),
    Case(
        "Ceph",
        ha(
            "    features: {ceph: true}\n    ds: {mode: ceph}\n    ceph: {pool: one}\n",
            "ceph: {children: {mon: {}, mgr: {}, osd: {}}}\n"
            "mon: {hosts: {n1a1: {}}}\nmgr: {hosts: {n1a1: {}}}\n"
            "osd: {hosts: {o1: {ansible_host: 10.2.50.30, osd_memory_target: '1'}}}\n",
        ),
        {"features": None, "ds": None},
        {
            "decisions features.ceph": "Ceph's packages",
            "decisions ds.mode": "ceph is not converted",
            "no_meaning ceph": "for Ceph",
            "no_meaning group osd": "for Ceph",
            "no_meaning osd_memory_target of o1": "for Ceph",
        },
    ),
    Case(
        "EVPN with a router",
        ha("    features: {evpn: true}\n    evpn_if: eth1\n", "router: {hosts: {r1: {}}}\n"),
        {},
        {
            "decisions features.evpn": "hypervisors",
            "no_meaning evpn_if": "routing",
            "no_meaning group router": "route reflectors",
        },
    ),
    Case(
        "shared datastores",
        ha(
            "    ds: {mode: shared, config: {mounts: [{type: system, path: /mnt/one/0/},"
            " {type: image, path: /mnt/one/1/}]}}\n"
            "    fstab: [{src: '10.2.50.1:/one', path: /mnt/one/, fstype: nfs,"
            " opts: 'rw,comment=one-deploy,soft', owner: 9869, mode: 'u=rwx,g=rx,o='},"
            " {src: '10.2.50.1:/b', path: /mnt/b, fstype: nfs, mode: 0750, dump: 1}]\n"
        ),
        {
            "ds": {
                "mode": "shared",
                "config": {
                    "mounts": [
                        {"type": "system", "path": "/mnt/one/0"},
                        {"type": "image", "path": "/mnt/one/1"},
                    ]
                },
            },
            "fstab": [
                {
                    "src": "10.2.50.1:/one",
                    "path": "/mnt/one",
                    "fstype": "nfs",
                    "opts": "rw,soft",
                    "owner": "9869",
                    "mode": "0750",
                },
                {"src": "10.2.50.1:/b", "path": "/mnt/b", "fstype": "nfs", "mode": "0750"},
            ],
        },
        {
            "decisions fstab": "/etc/fstab",
            "unknown fstab.1.dump": "not a key",
            "no_meaning ds.mode": "BRIDGE_LIST",
        },
    ),
    Case(
        "a share over the datastores themselves",
        ha(
            "    ds: {config: {mounts: [{type: image, path: /var/lib/one/datastores/1}]}}\n"
            "    fstab: [{src: '10.2.50.1:/one', path: /var/lib/one, fstype: nfs, mode: 'g+s'}]\n"
        ),
        {},
        {"decisions fstab.0.mode": "expected a mode"},
        ("fstab.0.path: /var/lib/one", "ds.config.mounts.0.path"),
    ),
    Case(
        "generic datastores",
        ha("    ds: {mode: generic, config: {FILE_DS: {files: {symlink: {src: /mnt/2}}}}, x: 1}\n"),
        {"ds": None},
        {
            "decisions ds.mode": "generic is not converted",
            "no_meaning ds.config.FILE_DS": "stay as they are",
            "unknown ds.x": "not a key",
        },
    ),
    Case(
        "a mirror as text",
        ha(
            "    opennebula_repo_url: 'https://mirror.example.org/one/repo/{{ one_version }}/"
            "{{ ansible_distribution }}/{{ ansible_distribution_major_version }}'\n"
            "    opennebula_repo_key_url: https://mirror.example.org/one/repo2.key\n"
            "    opennebula_repo_force_trusted: true\n    pkg_cache_proxy: http://10.2.11.1:3142\n"
        ),
        {
            "repository": {
                "url": "https://mirror.example.org/one/repo",
                "key_url": "https://mirror.example.org/one/repo2.key",
            },
            "pkg_cache_proxy": "http://10.2.11.1:3142",
        },
        {"decisions opennebula_repo_force_trusted": "always verified"},
    ),
    Case(
        "a mirror by family",
        ha(
            "    opennebula_repo_url:\n      RedHat: http://10.2.50.1/repo/7.2/AlmaLinux/\n"
            "      Ubuntu: http://10.2.50.1/repo/7.2/Ubuntu/22.04/\n"
            "    opennebula_repo_key_url: {Debian: null}\n"
            "    opennebula_repo_path: {Debian: /etc/apt/x}\n    repos_enabled: [opennebula]\n"
        ),
        {"repository": {"url": "http://10.2.50.1/repo"}},
        {
            "no_meaning opennebula_repo_key_url": "empty",
            "no_meaning opennebula_repo_path": "chooses the path",
            "decisions repos_enabled": "repository.url",
        },
    ),
    Case(
        "mirrors that differ by family, and one with a password",
        ha(
            "    opennebula_repo_url: {RedHat: http://a/repo/7.2/AlmaLinux, Debian: http://b/x}\n"
            "    opennebula_repo_key_url: https://hush:hush@enterprise.example.org/repo2.key\n"
        ),
        {"repository": None},
        {
            "decisions opennebula_repo_url": "differs between distributions",
            "decisions opennebula_repo_key_url": "a URL with a password",
        },
    ),
    Case(
        "TLS and time",
        ha(
            "    one_fqdn: one.example.org\n    ssl: {web_server: nginx, generate_cert: true}\n"
            "    ntp: [{timezone: UTC}, {pool: pool.ntp.org}]\n"
        ),
        {
            "one_fqdn": "one.example.org",
            "ssl": {"web_server": "nginx", "generate_cert": True},
            "ntp": [{"timezone": "UTC"}, {"pool": "pool.ntp.org"}],
        },
    ),
    Case(
        "LDAP",
        ha(
            "    auth:\n      default: ldap\n      ldap:\n        config:\n"
            "          ':order': [dirsrv]\n          dirsrv: {':host': 10.3.10.1,"
            " ':user': cn=admin, ':password': hush-ldap, ':base': 'dc=x',"
            " ':mapping_filename': dirsrv.yaml}\n        mapping: {dirsrv: {cn=users: 1}}\n"
        ),
        {
            "auth": {
                "default": "ldap",
                "ldap": {
                    "config": {
                        ":order": ["dirsrv"],
                        "dirsrv": {
                            ":host": "10.3.10.1",
                            ":user": "cn=admin",
                            ":base": "dc=x",
                            ":mapping_filename": "dirsrv.yaml",
                        },
                    },
                    "mapping": {"dirsrv": {"cn=users": 1}},
                },
            }
        },
        {"taken auth.ldap.config.dirsrv.:password": "a secret"},
        secrets={'auth.ldap.config.dirsrv[":password"]': "hush-ldap"},
    ),
    Case(
        "schedulers, hooks, proxies and keys",
        ha(
            "    sched_rank: {MAX_VM: 5000}\n    sched_drs: {OPTIMIZE: {POLICY: PACK}}\n"
            "    leader_hook: raft/mine.sh\n    gate_tproxy: [{':service_port': 5030,"
            " ':remote_addr': 10.2.50.86, ':remote_port': 5030}]\n    admin_pubkey: null\n"
            "    unsafe_migrations: no\n    keep_empty_bridge: false\n    rsa_key_size: 4096\n"
            "    ensure_keys_for: [oneadmin, root]\n    auth: {default: null}\n"
        ),
        {
            "sched_rank": {"MAX_VM": 5000},
            "sched_drs": {"OPTIMIZE": {"POLICY": "PACK"}},
            "leader_hook": "raft/mine.sh",
            "admin_pubkey": "none",
            "unsafe_migrations": False,
            "rsa_key_size": 4096,
            "ensure_keys_for": ["root"],
        },
        {"no_meaning ensure_keys_for": "oneadmin", "no_meaning auth": "no value"},
    ),
    Case(
        "a version without quotes",
        {"inventory.yml": "all: {vars: {one_version: 7.2, ansible_user: root}}\n" + ONE},
        {"one_version": "7.2"},
    ),
    Case(
        "a version that YAML spoils",
        {"inventory.yml": "all: {vars: {one_version: 7.10, ansible_user: root}}\n" + ONE},
        {"one_version": None},
        {"decisions one_version": "reads 7.10 without quotes"},
        ("one_version: missing",),
    ),
    Case(
        "a version from before this program",
        {"inventory.yml": "all: {vars: {one_version: '6.8', ansible_user: root}}\n" + ONE},
        {"one_version": "6.8"},
        {"decisions one_version": "upgrade the zone first"},
    ),
    Case(
        "addresses for names, and names for addresses",
        {
            "inventory.yml": "all: {vars: {one_version: '7.2', ansible_user: root}}\n"
            "frontend: {hosts: {10.2.50.10: , fd00::1: , One.Example.org: }}\n"
        },
        {},
        {
            "decisions host 10.2.50.10": "onezone show 0",
            "decisions host One.Example.org": "not an IPv4 address",
        },
        ("frontends.One.Example.org", "frontends.One.Example.org.address", "frontends.frontend2"),
    ),
    Case(
        "this machine is a front-end",
        {"hosts.ini": "[frontend]\nn1a1 ansible_connection=local ansible_host=127.0.0.1\n"},
        {},
        {"decisions ansible_connection of n1a1": "needs SSH"},
        ("one_version: missing", "frontends.n1a1"),
    ),
    Case(
        "a file made on Windows",
        {"inventory.yml": "\ufeff" + ha()["inventory.yml"].replace("\n", "\r\n")},
        {"frontends": FRONT_ENDS, **VIP},
    ),
    Case(
        "a file in JSON",
        {
            "inventory.json": '{"all": {"vars": {"one_version": "7.2", "ansible_user": "root"}},'
            ' "frontend": {"hosts": {"n1a1": {"ansible_host": "10.2.50.10"}}}}'
        },
        {"frontends": {"n1a1": {"address": "10.2.50.10"}}},
    ),
    Case(
        "unknown keys, and groups without hosts",
        ha(
            "    company_color: blue\n    ansible_foo: 1\n    frontend_group: control\n",
            "spare: {vars: {one_vip: 10.9.9.9}}\nweb: {hosts: {w1: {nginx_port: 80}}}\n",
            front_ends=THREE.replace("frontend:", "control:"),
        ),
        {"frontends": FRONT_ENDS},
        {
            "unknown company_color": "not a key of one-deploy",
            "no_meaning ansible_foo": "setting of Ansible",
            "no_meaning one_vip of spare": "no host",
            "no_meaning nginx_port of w1": "not set for front-ends",
            "taken group control": "n1a1, n1a2, n1a3",
        },
    ),
    Case(
        "values that differ",
        {
            "inventory.yml": f"all:\n  vars:{HA}"
            "frontend:\n  hosts:\n"
            "    n1a1: {ansible_host: 10.2.50.10, one_version: '7.0', one_pass: hush-other}\n"
            "    n1a2: {ansible_host: 10.2.50.11}\n    n1a3: {ansible_host: 10.2.50.12}\n"
        },
        {"one_version": None},
        {
            "decisions one_version": "n1a1: 7.0",
            "decisions one_pass": "differs between front-ends (n1a1, n1a2, n1a3)",
        },
        ("one_version: missing",),
        secrets={"one_pass": None},
    ),
    Case(
        "values of another kind",
        ha(
            "    features: [gate]\n    ds: ssh\n    fstab: {src: x}\n    auth: ldap\n"
            "    ensure_keys_for: ubuntu\n    ntp: UTC\n    ssl: true\n    force_ha: maybe\n"
            "    rsa_key_size: long\n    zone_name: [a]\n    db_backend: Oracle\n"
            "    sched_rank: []\n    leader_hook: {a: b}\n    opennebula_repo_url: [x]\n"
            "    admin_pubkey: 7\n    ansible_ssh_common_args: 'it''s'\n    when: 2026-01-01\n"
        ),
        {"ensure_keys_for": ["ubuntu"], "features": None, "ds": None, "auth": None},
        {
            "decisions features": "expected an object",
            "decisions ds": "expected an object",
            "decisions fstab": "expected a list",
            "decisions auth": "expected an object",
            "decisions ntp": "expected a list",
            "decisions force_ha": "true or false",
            "decisions db_backend": "MariaDB or SQLite",
            "decisions rsa_key_size": "a whole number",
        },
    ),
    Case(
        "keys without values",
        ha(
            "    one_fqdn:\n    features:\n    ds:\n    fstab: []\n    ntp: []\n    ssl: {}\n"
            "    ensure_keys_for: []\n    opennebula_repo_url:\n    one_token:\n    mkfs:\n"
            "    ansible_ssh_common_args: ''\n"
        ),
        {"one_fqdn": None, "fstab": None},
        {"no_meaning one_fqdn": "no value", "no_meaning fstab": "empty"},
    ),
]
