"""Configs with one error each, and the message of a preview for it."""

from typing import Any

from procedures.preflight.checks import SKIPPABLE

CANARY = "canary-that-nobody-may-see"
MISSING = object()
"""The value of a key that is not set."""

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "version missing": (
        {"one_version": MISSING},
        "one_version: missing; such as pulumi config set one_version 7.2",
    ),
    "password missing": (
        {"one_pass": MISSING},
        "one_pass: missing; oneadmin's password: pulumi config set --secret one_pass",
    ),
    "front-ends missing": (
        {"frontends": MISSING},
        "frontends: missing; such as pulumi config set --path frontends.n1a1.address 10.2.50.10",
    ),
    "no front-end": ({"frontends": {}}, "frontends: expected at least 1 entry"),
    "database password missing": (
        {"db_password": MISSING},
        "db_password: missing; pulumi config set --secret db_password",
    ),
    "unknown key": (
        {"one_vipp": "x"},
        "one_vipp: not a key of this project; did you mean one_vip?",
    ),
    "unknown key, like no other": ({"zzz": "x"}, "zzz: not a key of this project"),
    "unknown key of a front-end": (
        {"frontends": {"n1": {"address": "10.2.50.1", "adress": "x"}}, "force_ha": True},
        "frontends.n1.adress: not a key of this project; did you mean address?",
    ),
    "unknown key of ssh": (
        {"ssh": {"usr": "x"}},
        "ssh.usr: not a key of this project; did you mean user?",
    ),
    "unknown key of a front-end's ssh": (
        {"frontends": {"n1": {"address": "10.2.50.1", "ssh": {"key": "x"}}}, "force_ha": True},
        "frontends.n1.ssh.key: not a key of this project",
    ),
    "unknown feature": (
        {"features": {"gate2": True}},
        "features.gate2: not a key of this project; did you mean gate?",
    ),
    "unknown key of the repository": (
        {"repository": {"uri": "x"}},
        "repository.uri: not a key of this project; did you mean url?",
    ),
    "no version": (
        {"one_version": "latest"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw latest',
    ),
    "no boolean": ({"force_ha": "maybe"}, "force_ha: expected true or false, saw maybe"),
    "no number": ({"one_vip_cidr": "wide"}, "one_vip_cidr: expected a whole number, saw wide"),
    "no object": ({"ssh": "root@gate"}, "ssh: expected an object"),
    "an object as a text": (
        {"frontends": {"n1": "{address: 10.2.50.1}"}},
        "frontends.n1: expected an object without quotes, saw {address: 10.2.50.1}",
    ),
    "no address": (
        {"one_vip": "10.2.50"},
        "one_vip: expected an IPv4 or IPv6 address, such as 10.2.50.86, saw 10.2.50",
    ),
    "a prefix too long": (
        {"one_vip_cidr": 33},
        "one_vip_cidr: 33 is not a prefix length of 10.2.50.86: expected at most 32",
    ),
    "a prefix too long for any": (
        {"one_vip_cidr": 129},
        "one_vip_cidr: expected at most 128, saw 129",
    ),
    "a host name with capitals": (
        {"frontends": {"N1": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.N1: expected a host name of lower-case letters, digits and inner"
        " hyphens, such as n1a1, saw N1",
    ),
    "a name where a front-end's address must be": (
        {"frontends": {"n1": {"address": "n1.example.org"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw"
        " n1.example.org: write the address of that name, which the front-ends keep in"
        " /etc/hosts",
    ),
    "an interface with a blank": (
        {"one_vip_if": "eth0 1"},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        " such as eth0 or bond0.100, saw eth0 1",
    ),
    "a front-end's interface with a blank": (
        {"frontends": {"n1": {"address": "10.2.50.1", "one_vip_if": "a b"}}, "force_ha": True},
        "frontends.n1.one_vip_if: expected a network interface of at most 15 letters,"
        " digits and _.-, such as eth0 or bond0.100, saw a b",
    ),
    "a port beyond the last": ({"ssh": {"port": 70000}}, "ssh.port: expected at most 65535"),
    "a bastion of another form": (
        {"ssh": {"bastion": "gate:ssh"}},
        "ssh.bastion: expected [user@]host[:port], saw 'gate:ssh'",
    ),
    "another backend": (
        {"db_backend": "Postgres"},
        "db_backend: expected 'MariaDB' or 'SQLite', saw Postgres",
    ),
    "a database name with a quote": (
        {"db_name": "a`b"},
        "db_name: expected a letter and at most 63 letters, digits and underscores after"
        " it, such as one_1, saw a`b",
    ),
    "an even number": (
        {"frontends": {"n1": {"address": "10.2.50.1"}, "n2": {"address": "10.2.50.2"}}},
        "frontends: 2 front-ends tolerate no more failures than 1; list 1 or 3; for a zone that"
        " already runs with 2 servers, set allow_even: true",
    ),
    "two with one zone server": (
        {
            "frontends": {
                "n1": {"address": "10.2.50.1", "zone_server": "One"},
                "n2": {"address": "10.2.50.2", "zone_server": "One"},
                "n3": {"address": "10.2.50.3"},
            }
        },
        "frontends: several have zone_server One, which is one zone server",
    ),
    "a zone server that is no name": (
        {"frontends": {"n1": {"address": "10.2.50.1", "zone_server": "a]"}}, "force_ha": True},
        "frontends.n1.zone_server: expected the NAME of a zone server, as onezone show 0 prints it,"
        " such as n1a1 or 10.2.50.10, saw a]",
    ),
    "a login at a URL": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "ssh": {"address": "ssh://n1"}}},
            "force_ha": True,
        },
        "frontends.n1.ssh.address: expected an address or a host name, such as"
        " n1a1.mgmt.example.org, saw ssh://n1",
    ),
    "an address twice": (
        {
            "frontends": {
                "n1": {"address": "10.2.50.1"},
                "n2": {"address": "10.2.50.2"},
                "n3": {"address": "10.2.50.1"},
            }
        },
        "frontends.n3.address: 10.2.50.1 is the address of n1",
    ),
    "a loopback address": (
        {
            "frontends": {
                "n1": {"address": "10.2.50.1"},
                "n2": {"address": "10.2.50.2"},
                "n3": {"address": "127.0.0.1"},
            },
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "frontends.n3: expected a name and an address that the other front-ends can use",
    ),
    "SQLite with several": (
        {"db_backend": "SQLite"},
        "db_backend: SQLite cannot be replicated; set MariaDB, with convert_database:"
        " true if there are data, or use one front-end without force_ha",
    ),
    "SQLite with force_ha": (
        {"db_backend": "SQLite", "force_ha": True, "frontends": {"n1": {"address": "10.2.50.1"}}},
        "db_backend: SQLite cannot be replicated; set MariaDB, with convert_database:"
        " true if there are data, or use one front-end without force_ha",
    ),
    "no interface for the VIP": (
        {"one_vip_if": MISSING},
        "one_vip_if: missing; one_vip, one_vip_cidr and one_vip_if go together",
    ),
    "no prefix for the VIP": (
        {"one_vip_cidr": MISSING},
        "one_vip_cidr: missing; one_vip, one_vip_cidr and one_vip_if go together",
    ),
    "a prefix without a VIP": (
        {"one_vip": MISSING},
        "one_vip: missing; one_vip, one_vip_cidr and one_vip_if go together",
    ),
    "the VIP is a front-end": (
        {"one_vip": "10.2.50.11"},
        "one_vip: 10.2.50.11 is the address of n1a2; expected an unused address",
    ),
    "the VIP is the broadcast": (
        {"one_vip": "10.2.50.255"},
        "one_vip: 10.2.50.255 is the network's or broadcast address of 10.2.50.0/24",
    ),
    "the VIP is the network": (
        {"one_vip": "10.2.50.0"},
        "one_vip: 10.2.50.0 is the network's or broadcast address of 10.2.50.0/24",
    ),
    "an address of one link": (
        {"one_vip": "fe80::1", "one_vip_cidr": 64},
        "one_vip: expected an address that clients can use, not fe80::1",
    ),
    "IPv4 in IPv6": (
        {"one_vips": [{"address": "::ffff:10.2.50.9", "cidr": 64}]},
        "one_vips: expected an address that clients can use, not ::ffff:a02:3209",
    ),
    "a further prefix too long": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 64}]},
        "one_vips: 64 is not a prefix length of 10.2.50.9: expected at most 32",
    ),
    "a VIP twice": (
        {"one_vips": [{"address": "10.2.50.86", "cidr": 24}]},
        "one_vips: 10.2.50.86 is listed twice",
    ),
    "a further VIP is a front-end": (
        {"one_vips": [{"address": "10.2.50.11", "cidr": 24}]},
        "one_vips: 10.2.50.11 is the address of n1a2; expected an unused address",
    ),
    "an interface of an unknown host": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 24, "interfaces": {"n9": "eth1"}}]},
        "one_vips: 10.2.50.9 has an interface for n9, which is not in frontends",
    ),
    "an unknown key of a further VIP": (
        {"one_vips": [{"address": "10.2.50.9", "cidr": 24, "if": "eth1"}]},
        "one_vips.0.if: not a key of this project",
    ),
    "further VIPs without the first": (
        {
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
            "one_vips": [{"address": "10.2.50.9", "cidr": 24, "interface": "eth0"}],
        },
        "one_vips: one_vip is missing: set the first VIP there",
    ),
    "a hook with arguments": (
        {"leader_hook": "raft/x.sh now"},
        "leader_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw raft/x.sh now",
    ),
    "no URL": (
        {"zone_endpoint": "one.example.org"},
        "zone_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw one.example.org",
    ),
    "a port that is taken": (
        {"leader_check": {"port": 2633}},
        "leader_check.port: 2633 is a port of OpenNebula's own",
    ),
    "no port": ({"leader_check": {"port": 0}}, "leader_check.port: expected 1 or more, saw 0"),
    "a check for one alone": (
        {
            "frontends": {"n1": {"address": "10.2.50.1"}},
            "leader_check": {"port": 2636},
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "leader_check: one front-end alone has no leader; set force_ha: true, or remove it",
    ),
    "dumps at no time": (
        {"backup": {"schedule": "nightly"}},
        "backup.schedule: expected times as in systemd's OnCalendar, such as daily, *-*-* 03:00 or"
        " Mon..Fri 22:30, and not every minute; saw nightly",
    ),
    "dumps every second": (
        {"backup": {"schedule": "*-*-* *:*:*"}},
        "backup.schedule: expected times as in systemd's OnCalendar, such as daily, *-*-* 03:00 or"
        " Mon..Fri 22:30, and not every minute; saw *-*-* *:*:*",
    ),
    "dumps without a time": (
        {"backup": {"copy_to": "/mnt/backups"}},
        "backup.copy_to: there is no backup.schedule; set it, such as daily",
    ),
    "no dump to keep": (
        {"backup": {"schedule": "daily", "keep": 0}},
        "backup.keep: expected 1 or more, saw 0",
    ),
    "dumps to where they are": (
        {"backup": {"schedule": "daily", "copy_to": "/var/backups/opennebula"}},
        "backup.copy_to: /var/backups/opennebula holds the host's dumps and keys, for root alone:"
        " copy the dumps somewhere else, such as /mnt/backups",
    ),
    "dumps into the system": (
        {"backup": {"schedule": "daily", "copy_to": "/etc/one"}},
        "backup.copy_to: /etc/one is in /etc, which holds the configuration of the system, MariaDB"
        " and OpenNebula: copy the dumps somewhere else, such as /mnt/backups",
    ),
    "dumps of SQLite": (
        {
            "frontends": {"n1": {"address": "10.2.50.1"}},
            "db_backend": "SQLite",
            "backup": {"schedule": "daily"},
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "backup: SQLite is not dumped; set db_backend: MariaDB",
    ),
    "the VIP for one alone": (
        {"frontends": {"n1": {"address": "10.2.50.1"}}},
        "one_vip: one front-end alone has no leader; set force_ha: true, or remove it",
    ),
    "two private keys": (
        {"ssh": {"private_key": f"{CANARY}-3", "private_key_file": "id"}},
        "ssh: private_key and private_key_file exclude each other",
    ),
    "a host key without a host": (
        {"ssh": {"host_keys": {"n9": "ssh-ed25519 AAAA"}}},
        "ssh.host_keys.n9: no such front-end in frontends",
    ),
    "an empty password": (
        {"one_pass": ""},
        "one_pass: expected one line of printable characters, not empty",
    ),
    "a password of two lines": (
        {"one_pass": f"{CANARY}\nmore"},
        "one_pass: expected one line of printable characters, not empty",
    ),
    "a password with a space": (
        {"one_pass": f"{CANARY} x"},
        "one_pass: OpenNebula allows no spaces in a password, and at most 256 bytes",
    ),
    "a password that oned.conf cannot hold": (
        {"db_password": f"{CANARY}\\"},
        "db_password: oned.conf cannot hold ]]> or a backslash at the end",
    ),
    "a token without its user": (
        {"one_token": f"{CANARY}"},
        "one_token: expected user:password without blanks, as in the customer's e-mail",
    ),
    "an attribute that the program sets": (
        {"oned": {"federation": {"SERVER_ID": 1}}},
        "oned.federation: set by this program itself; the zone sets SERVER_ID",
    ),
    "an attribute given twice": (
        {"oned": {"PORT": 1, "port": 1}},
        "oned.port: given twice: upper and lower case do not differ",
    ),
    "an attribute of no kind": (
        {"oned": {"LOG": {"LEVELS": [1]}}},
        "oned.LOG: expected a value, null, an object of values, or a list of values or"
        " objects, none of them empty",
    ),
    "an empty list of attributes": (
        {"oned": {"HOOK": []}},
        "oned.HOOK: expected a value, null, an object of values, or a list of values or"
        " objects, none of them empty",
    ),
    "one of several attributes, of no name": (
        {"oned": {"VM_MAD": {"ARGUMENTS": "-t 15"}}},
        "oned.VM_MAD: oned.conf has several: expected a list, or an object with its NAME",
    ),
    "one of several attributes in place of the first": (
        {"oned": {"VM_RESTRICTED_ATTR": "NIC/MAC"}},
        "oned.VM_RESTRICTED_ATTR: oned.conf has several: expected a list, or an object"
        " with its NAME",
    ),
    "an entry without a name": (
        {"oned": {"DRIVER": [{"NAME": "kvm"}, {"KEEP": "yes"}]}},
        "oned.DRIVER: expected a NAME in each object of the list, or remove: NAME",
    ),
    "an entry whose name is null": (
        {"oned": {"DRIVER": {"NAME": None, "KEEP": "yes"}}},
        "oned.DRIVER: expected a NAME in each object of the list, or remove: NAME",
    ),
    "a removal of nothing": (
        {"oned": {"DRIVER": {"remove": None}}},
        "oned.DRIVER: expected a NAME in each object of the list, or remove: NAME",
    ),
    "an entry of the other kind": (
        {"oned": {"VM_MAD": ["kvm"]}},
        "oned.VM_MAD: expected a list of objects",
    ),
    "an entry that is set and removed": (
        {"oned": {"VM_MAD": [{"NAME": "kvm", "TYPE": "kvm"}, {"remove": "kvm"}]}},
        "oned.VM_MAD: kvm is listed twice",
    ),
    "an entry that oned.conf cannot hold": (
        {"oned": {"VM_MAD": [{"NAME": "kvm", "TYPE": "a]]>b"}]}},
        "oned.VM_MAD.TYPE: oned.conf cannot hold ]]> or a backslash at the end",
    ),
    "an attribute of the scheduler that it cannot hold": (
        {"sched_rank": {"LOG": {"SYSTEM": "a]]>b"}}},
        "sched_rank.LOG.SYSTEM: oned.conf cannot hold ]]> or a backslash at the end",
    ),
    "a null of the other scheduler": (
        {"sched_drs": {"PLACE": {"WEIGHTS": {"CPU": None}}}},
        "sched_drs.PLACE: expected a value, not null; remove the key instead",
    ),
    "a name in the place of an address": (
        {"flow_bind_addr": "localhost"},
        "flow_bind_addr: expected an address of the host, such as 0.0.0.0, saw localhost",
    ),
    "an invalid address": (
        {"gate_bind_addr": "10.0.0.256"},
        "gate_bind_addr: expected an address of the host, such as 0.0.0.0, saw 10.0.0.256",
    ),
    "a proxy without colons": (
        {"gate_tproxy": [{"service_port": 5030}]},
        "gate_tproxy: expected keys such as :service_port, each with a value",
    ),
    "a public key with a quote": (
        {"admin_pubkey": 'ssh-rsa A "x"'},
        "admin_pubkey: expected public keys, one a line as in authorized_keys without"
        ' options (ssh-ed25519 AAAA… name), leader, or none, saw ssh-rsa A "x"',
    ),
    "a short key": ({"rsa_key_size": 512}, "rsa_key_size: expected 1024 or more, saw 512"),
    "an entry of ntp with nothing": (
        {"ntp": [{}]},
        "ntp: expected timezone, locale, pool or server in each entry",
    ),
    "an entry of ntp of another kind": (
        {"ntp": [{"peer": "a"}]},
        "ntp.0.peer: not a key of this project",
    ),
    "TLS in front of nothing": (
        {"ssl": {"web_server": "nginx"}, "features": {"gui": False}},
        "ssl: FireEdge is off: set features.gui: true, or remove ssl",
    ),
    "another web server": (
        {"ssl": {"web_server": "caddy"}},
        "ssl.web_server: expected 'apache' or 'nginx', saw caddy",
    ),
    "a key without its whole path": (
        {"ssl": {"key": "k.pem"}},
        "ssl.key: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw k.pem",
    ),
    "LDAP without a server": (
        {"auth": {"default": "ldap"}},
        "auth.ldap.config: missing; auth.default is ldap: expected a server",
    ),
    "a server without colons": (
        {"auth": {"ldap": {"config": {":order": ["a"], "a": {"host": "b"}}}}},
        "auth.ldap.config.a: expected keys such as :host and :base, each with a value",
    ),
    "servers of which none is asked": (
        {"auth": {"ldap": {"config": {"a": {":host": "b"}}}}},
        "auth.ldap.config: expected one of :order and :match_user_regex with the servers",
    ),
    "a server without a description": (
        {"auth": {"ldap": {"config": {":order": [["a", "z"]], "a": {":host": "b"}}}}},
        "auth.ldap.config.:order: z is not one of the servers",
    ),
    "a mapping without a file": (
        {
            "auth": {
                "ldap": {
                    "config": {":order": ["a"], "a": {":host": "b"}},
                    "mapping": {"a": {"cn=x": 1}},
                }
            }
        },
        "auth.ldap.mapping.a: expected a server of that name with a :mapping_filename of"
        " its own, such as a.yaml",
    ),
    "a default that is set in two places": (
        {
            "auth": {"default": "ldap", "ldap": {"config": {":order": ["a"], "a": {":host": "b"}}}},
            "oned": {"DEFAULT_AUTH": "x509"},
        },
        "oned.DEFAULT_AUTH: also set by auth.default; remove one of them",
    ),
    "a default that is not allowed": (
        {
            "auth": {"default": "ldap", "ldap": {"config": {":order": ["a"], "a": {":host": "b"}}}},
            "oned": {"AUTH_MAD": {"AUTHN": "ssh"}},
        },
        "oned.AUTH_MAD.AUTHN: expected ldap in the list: auth.default is ldap",
    ),
    "an attribute that oned.conf cannot hold": (
        {"oned": {"LOG": {"SYSTEM": "a]]>b"}}},
        "oned.LOG.SYSTEM: oned.conf cannot hold ]]> or a backslash at the end",
    ),
    "repository 0": (
        {"repository": {"url": "mirror.example.org/opennebula/repo"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw"
        " mirror.example.org/opennebula/repo",
    ),
    "repository 1": (
        {"repository": {"url": "ftp://mirror"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw ftp://mirror",
    ),
    "repository 2": (
        {"repository": {"url": "http://a b"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw http://a b",
    ),
    "repository 3": (
        {"repository": {"url": "http:///repo"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw http:///repo",
    ),
    "repository 4": (
        {"repository": {"url": "https://m/$(id)"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw https://m/$(id)",
    ),
    "repository 5": (
        {"repository": {"url": "https://m/a\nSigned-By: x"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw https://m/a…",
    ),
    "repository 6": (
        {"repository": {"key_url": "repo2.key"}},
        "repository.key_url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw repo2.key",
    ),
    "repository 7": (
        {"repository": {"key": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx"}},
        "repository.key: expected an armored public key, which begins with -----BEGIN"
        " PGP PUBLIC KEY BLOCK-----, saw -----BEGIN PGP PRIVATE KEY BLOCK-----…",
    ),
    "repository 8": (
        {"repository": {"url": f"https://user:{CANARY}@mirror/repo"}},
        "repository.url: expected a URL without a password, which others could read"
        " there; pulumi config set --secret one_token is for user:password",
    ),
    "pkg_cache_proxy 9": (
        {"pkg_cache_proxy": f"http://u:{CANARY}@proxy"},
        "pkg_cache_proxy: expected a URL without a password, which others could read there",
    ),
    "pkg_cache_proxy 10": (
        {"pkg_cache_proxy": "proxy:3142"},
        "pkg_cache_proxy: expected a URL of a host and its port alone, such as"
        " http://10.2.11.1:3142, saw proxy:3142",
    ),
    "zone_endpoint 11": (
        {"zone_endpoint": f"http://u:{CANARY}@one/RPC2"},
        "zone_endpoint: expected a URL without a password, which others could read there",
    ),
    "gate_endpoint 12": (
        {"gate_endpoint": "one.example.org:5030"},
        "gate_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw one.example.org:5030",
    ),
    "gate_endpoint 13": (
        {"gate_endpoint": 'http://one"\nDB = ['},
        "gate_endpoint: expected a URL with http:// or https:// and without blanks, such"
        ' as http://one.example.org:2633/RPC2, saw http://one"…',
    ),
    "zone_name 14": (
        {"zone_name": 'one" x'},
        "zone_name: expected a name of at most 128 characters on one line, without"
        ' quotes, backslashes, <, > and &, such as OpenNebula, saw one" x',
    ),
    "zone_name 15": (
        {"zone_name": "a\nb"},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw a…",
    ),
    "one_vip_if 16": (
        {"one_vip_if": 'eth0"'},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        ' such as eth0 or bond0.100, saw eth0"',
    ),
    "one_vip_if 17": (
        {"one_vip_if": "-eth0"},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        " such as eth0 or bond0.100, saw -eth0",
    ),
    "one_vip_if 18": (
        {"one_vip_if": "eth0:1"},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        " such as eth0 or bond0.100, saw eth0:1",
    ),
    "leader_hook 19": (
        {"leader_hook": "../x.sh"},
        "leader_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw ../x.sh",
    ),
    "follower_hook 20": (
        {"follower_hook": "x.sh;id"},
        "follower_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw x.sh;id",
    ),
    "ensure_keys_for 21": (
        {"ensure_keys_for": ["$(id)"]},
        "ensure_keys_for.0: expected an account of the hosts: lower-case letters,"
        " digits, _ and -, such as ubuntu, saw $(id)",
    ),
    "ntp 22": (
        {"ntp": [{"timezone": "../etc/x"}]},
        "ntp.0.timezone: expected a time zone, such as UTC or Europe/Berlin, saw ../etc/x",
    ),
    "ntp 23": (
        {"ntp": [{"locale": "LANG=C;x"}]},
        "ntp.0.locale: expected a locale or a variable of it, such as C.UTF-8 or"
        " LC_TIME=C.UTF-8, saw LANG=C;x",
    ),
    "ntp 24": (
        {"ntp": [{"pool": "a iburst"}]},
        "ntp.0.pool: expected a host name or address without options, such as"
        " pool.ntp.org, saw a iburst",
    ),
    "ntp 25": (
        {"ntp": [{"server": "-x"}]},
        "ntp.0.server: expected a host name or address without options, such as"
        " pool.ntp.org, saw -x",
    ),
    "ssl 26": (
        {"ssl": {"key": "/etc/../x"}},
        "ssl.key: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw /etc/../x",
    ),
    "one_fqdn 27": (
        {"one_fqdn": "10.2.50.86"},
        "one_fqdn: expected a host name such as n1a1, saw 10.2.50.86, which reads as an address",
    ),
    "one_fqdn 28": (
        {"one_fqdn": "one_1.example.org"},
        "one_fqdn: expected a host name of lower-case letters, digits and inner hyphens,"
        " such as n1a1, saw one_1.example.org",
    ),
    "lost 29": (
        {"lost": ["-n1"]},
        "lost.0: expected the NAME of a zone server, as onezone show 0 prints it, such as n1a1"
        " or 10.2.50.10, saw -n1",
    ),
    "admin_pubkey 30": (
        {"admin_pubkey": f"-----BEGIN KEY-----\n{CANARY}"},
        "admin_pubkey: expected public keys, one a line as in authorized_keys without"
        " options (ssh-ed25519 AAAA… name), leader, or none, saw -----BEGIN KEY-----…",
    ),
    "restore_from 31": (
        {"restore_from": "dump.sql"},
        "restore_from: expected the absolute path of a dump on your machine, such as"
        " /srv/dumps/one.sql, saw dump.sql",
    ),
    "commands 32": (
        {"commands": [{"name": "x", "when": "after-join", "create": " "}]},
        "commands.0.create: expected a command, such as sudo systemctl reload rsyslog, saw  ",
    ),
    "ssh 33": (
        {"ssh": {"user": ""}},
        "ssh.user: expected a user of the hosts, such as ubuntu, saw nothing",
    ),
    "ssh 34": (
        {"ssh": {"user": "a b"}},
        "ssh.user: expected a user of the hosts, such as ubuntu, saw a b",
    ),
    "ssh 35": (
        {"ssh": {"private_key_file": f"x\n{CANARY}"}},
        "ssh.private_key_file: expected the path of a key, not the key itself",
    ),
    "ssh 36": (
        {"ssh": {"host_keys": {"n1a1": "n1a1 ssh-rsa AAAA"}}},
        "ssh.host_keys.n1a1: expected a public key as ssh-keyscan prints it after the"
        " name, such as ssh-ed25519 AAAA…, saw n1a1 ssh-rsa AAAA",
    ),
    "ssl 37": (
        {"ssl": {"generate_cert": True, "key": "/etc/shadow"}},
        "ssl.key: expected a file of its own, such as /etc/ssl/private/one.key, since it"
        " is created; saw /etc/shadow",
    ),
    "ssl 38": (
        {"ssl": {"generate_cert": True, "certchain": "/etc/ssl/certs/ca-certificates.crt"}},
        "ssl.certchain: expected a file of its own, such as /etc/ssl/certs/one.crt,"
        " since it is created; saw /etc/ssl/certs/ca-certificates.crt",
    ),
    "ssl 39": (
        {"ssl": {"key": "/etc/ssl/one.pem", "certchain": "/etc/ssl/one.pem"}},
        "ssl: expected key and certchain in two files, saw /etc/ssl/one.pem for both",
    ),
    "one_token 40": (
        {"one_token": "user:with a blank"},
        "one_token: expected user:password without blanks, as in the customer's e-mail",
    ),
    "an IPv6 address of a front-end": (
        {"frontends": {"n1": {"address": "fd00:2:50::10"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw"
        " fd00:2:50::10: front-ends find each other by IPv4; only a VIP may be IPv6",
    ),
    "an IPv4-mapped address of a front-end": (
        {"frontends": {"n1": {"address": "::ffff:10.2.50.1"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw"
        " ::ffff:10.2.50.1: front-ends find each other by IPv4; only a VIP may be IPv6",
    ),
    "a short name as an address": (
        {"frontends": {"n1": {"address": "n1"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw n1:"
        " write the address of that name, which the front-ends keep in /etc/hosts",
    ),
    "a fully qualified name as an address": (
        {"frontends": {"n1": {"address": "n1.dc1.example.org"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw"
        " n1.dc1.example.org: write the address of that name, which the front-ends keep"
        " in /etc/hosts",
    ),
    "an address with its prefix": (
        {"frontends": {"n1": {"address": "10.2.50.1/24"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw 10.2.50.1/24",
    ),
    "an address with a port": (
        {"frontends": {"n1": {"address": "10.2.50.1:22"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw 10.2.50.1:22",
    ),
    "an address with leading zeros": (
        {"frontends": {"n1": {"address": "010.2.50.1"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw 010.2.50.1",
    ),
    "an address of three parts": (
        {"frontends": {"n1": {"address": "10.2.50"}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw 10.2.50",
    ),
    "an address with a blank": (
        {"frontends": {"n1": {"address": "10.2.50.1 "}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw 10.2.50.1 ",
    ),
    "an address that is a number": (
        {"frontends": {"n1": {"address": 167916033}}, "force_ha": True},
        "frontends.n1.address: expected an address in quotes, such as 10.2.50.10, saw 167916033",
    ),
    "an address that is null": (
        {"frontends": {"n1": {"address": None}}, "force_ha": True},
        "frontends.n1.address: expected an address in quotes, such as 10.2.50.10, saw null",
    ),
    "an address that is a list": (
        {"frontends": {"n1": {"address": ["10.2.50.1"]}}, "force_ha": True},
        "frontends.n1.address: expected an address in quotes, such as 10.2.50.10, saw ",
    ),
    "an empty address": (
        {"frontends": {"n1": {"address": ""}}, "force_ha": True},
        "frontends.n1.address: expected an IPv4 address, such as 10.2.50.10, saw nothing",
    ),
    "an address of no front-end": (
        {
            "frontends": {"n1": {"address": "0.0.0.0"}},
            "force_ha": True,
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "frontends.n1: expected a name and an address that the other front-ends can use",
    ),
    "a multicast address": (
        {
            "frontends": {"n1": {"address": "224.0.0.1"}},
            "force_ha": True,
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "frontends.n1: expected a name and an address that the other front-ends can use",
    ),
    "the broadcast address": (
        {
            "frontends": {"n1": {"address": "255.255.255.255"}},
            "force_ha": True,
            "one_vip": MISSING,
            "one_vip_cidr": MISSING,
            "one_vip_if": MISSING,
        },
        "frontends.n1: expected a name and an address that the other front-ends can use",
    ),
    "one-deploy's name of the address": (
        {
            "frontends": {"n1": {"ansible_host": "10.2.50.1", "address": "10.2.50.1"}},
            "force_ha": True,
        },
        "frontends.n1.ansible_host: not a key of this project",
    ),
    "front-ends as a list": ({"frontends": ["10.2.50.1"]}, "frontends: expected an object"),
    "front-ends as a text": ({"frontends": "n1,n2,n3"}, "frontends: expected an object"),
    "a front-end as a text": (
        {"frontends": {"n1": "10.2.50.1"}, "force_ha": True},
        "frontends.n1: expected an object, saw 10.2.50.1",
    ),
    "a front-end that is null": (
        {"frontends": {"n1": None}, "force_ha": True},
        "frontends.n1: expected an object, saw null",
    ),
    "a front-end without an address": (
        {"frontends": {"n1": {}}, "force_ha": True},
        "frontends.n1.address: missing",
    ),
    "a name with an underscore": (
        {"frontends": {"n_1": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.n_1: expected a host name of lower-case letters, digits and inner"
        " hyphens, such as n1a1, saw n_1",
    ),
    "a name that ends with a dot": (
        {"frontends": {"n1.": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.n1.: expected a host name of lower-case letters, digits and inner"
        " hyphens, such as n1a1, saw n1.",
    ),
    "a name with a blank": (
        {"frontends": {"n 1": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.n 1: expected a host name of lower-case letters, digits and inner"
        " hyphens, such as n1a1, saw n 1",
    ),
    "an empty name": (
        {"frontends": {"": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.: expected a host name of lower-case letters, digits and inner"
        " hyphens, such as n1a1, saw nothing",
    ),
    "a name of 64 characters": (
        {"frontends": {"n" * 64: {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn:"
        " expected a host name of lower-case letters, digits and inner hyphens, such as"
        " n1a1, saw nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…",
    ),
    "an address as a name": (
        {"frontends": {"10.2.50.1": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.10.2.50.1: expected a host name such as n1a1, saw 10.2.50.1, which"
        " reads as an address",
    ),
    "localhost as a name": (
        {"frontends": {"localhost": {"address": "10.2.50.1"}}, "force_ha": True},
        "frontends.localhost: expected a name and an address that the other front-ends can use",
    ),
    "four front-ends": (
        {
            "frontends": {
                "n1": {"address": "10.2.50.1"},
                "n2": {"address": "10.2.50.2"},
                "n3": {"address": "10.2.50.3"},
                "n4": {"address": "10.2.50.4"},
            }
        },
        "frontends: 4 front-ends tolerate no more failures than 3; list 3 or 5; for a zone that"
        " already runs with 4 servers, set allow_even: true",
    ),
    "a front-end that is lost": (
        {"lost": ["n1a2"]},
        "frontends.n1a2: also listed under lost; remove it from one of them",
    ),
    "a port of a front-end that is a text": (
        {"frontends": {"n1": {"address": "10.2.50.1", "ssh": {"port": "ssh"}}}, "force_ha": True},
        "frontends.n1.ssh.port: expected a whole number, saw ssh",
    ),
    "a port of a front-end of 0": (
        {"frontends": {"n1": {"address": "10.2.50.1", "ssh": {"port": 0}}}, "force_ha": True},
        "frontends.n1.ssh.port: expected 1 or more, saw 0",
    ),
    "a user of a front-end with a blank": (
        {"frontends": {"n1": {"address": "10.2.50.1", "ssh": {"user": "a b"}}}, "force_ha": True},
        "frontends.n1.ssh.user: expected a user of the hosts, such as ubuntu, saw a b",
    ),
    "a user of a front-end that is an option": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "ssh": {"user": "-oProxyCommand=x"}}},
            "force_ha": True,
        },
        "frontends.n1.ssh.user: expected a user of the hosts, such as ubuntu, saw -oProxyCommand=x",
    ),
    "a password of sudo at a front-end": (
        {
            "frontends": {"n1": {"address": "10.2.50.1", "ssh": {"sudo_password": f"{CANARY}"}}},
            "force_ha": True,
        },
        "frontends.n1.ssh.sudo_password: not a key of this project",
    ),
    "an interface of a front-end with a quote": (
        {"frontends": {"n1": {"address": "10.2.50.1", "one_vip_if": 'eth0"'}}, "force_ha": True},
        "frontends.n1.one_vip_if: expected a network interface of at most 15 letters,"
        ' digits and _.-, such as eth0 or bond0.100, saw eth0"',
    ),
    "an empty interface of a front-end": (
        {"frontends": {"n1": {"address": "10.2.50.1", "one_vip_if": ""}}, "force_ha": True},
        "frontends.n1.one_vip_if: expected a network interface of at most 15 letters,"
        " digits and _.-, such as eth0 or bond0.100, saw nothing",
    ),
    "a version of one number": (
        {"one_version": "7"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw 7',
    ),
    "a version of four numbers": (
        {"one_version": "7.2.0.1"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw 7.2.0.1',
    ),
    "a version with a letter": (
        {"one_version": "v7.2"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw v7.2',
    ),
    "a version of a package": (
        {"one_version": "7.2.0-1"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw 7.2.0-1',
    ),
    "a version with a blank": (
        {"one_version": " 7.2"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw  7.2',
    ),
    "a version with a comma": (
        {"one_version": "7,2"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw 7,2',
    ),
    "a version in Arabic digits": (
        {"one_version": "\u0667.\u0662"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw \u0667.\u0662',
    ),
    "the newest version": (
        {"one_version": "stable"},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw stable',
    ),
    "an empty version": (
        {"one_version": ""},
        'one_version: expected a version in quotes, such as "7.2" or "7.2.1", saw nothing',
    ),
    "an invalid version to upgrade to": (
        {"upgrade_database": "next"},
        'upgrade_database: expected a version in quotes, such as "7.2" or "7.2.1", saw next',
    ),
    "a password with a tab": (
        {"one_pass": f"{CANARY}\t"},
        "one_pass: expected one line of printable characters, not empty",
    ),
    "a password with a carriage return": (
        {"one_pass": f"{CANARY}\r"},
        "one_pass: expected one line of printable characters, not empty",
    ),
    "a password of 257 bytes": (
        {"one_pass": "é" * 129},
        "one_pass: OpenNebula allows no spaces in a password, and at most 256 bytes",
    ),
    "an empty database password": (
        {"db_password": " \n"},
        "db_password: expected one line of printable characters, not empty",
    ),
    "a database password with a null": (
        {"db_password": f"{CANARY}\x00"},
        "db_password: expected one line of printable characters, not empty",
    ),
    "a database password with ]]>": (
        {"db_password": f"{CANARY}]]>"},
        "db_password: oned.conf cannot hold ]]> or a backslash at the end",
    ),
    "a token with a blank": (
        {"one_token": f"user:{CANARY} x"},
        "one_token: expected user:password without blanks, as in the customer's e-mail",
    ),
    "a token without a password": (
        {"one_token": "user:"},
        "one_token: expected user:password without blanks, as in the customer's e-mail",
    ),
    "a token without a user": (
        {"one_token": f":{CANARY}"},
        "one_token: expected user:password without blanks, as in the customer's e-mail",
    ),
    "a token of two lines": (
        {"one_token": f"user:{CANARY}\nx"},
        "one_token: expected one line of printable characters, not empty",
    ),
    "a zone name with a quote": (
        {"zone_name": 'a"b'},
        "zone_name: expected a name of at most 128 characters on one line, without"
        ' quotes, backslashes, <, > and &, such as OpenNebula, saw a"b',
    ),
    "a zone name with a backslash": (
        {"zone_name": "a\\b"},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw a\\b",
    ),
    "a zone name with markup": (
        {"zone_name": "<a>"},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw <a>",
    ),
    "a zone name with an ampersand": (
        {"zone_name": "R&D"},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw R&D",
    ),
    "a zone name that begins with a blank": (
        {"zone_name": " a"},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw  a",
    ),
    "a zone name of 129 characters": (
        {"zone_name": "a" * 129},
        "zone_name: expected a name of at most 128 characters on one line, without"
        " quotes, backslashes, <, > and &, such as OpenNebula, saw"
        " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…",
    ),
    "force_ha in capitals": ({"force_ha": "TRUE"}, "force_ha: expected true or false, saw TRUE"),
    "a VIP that is a name": (
        {"one_vip": "one.example.org"},
        "one_vip: expected an IPv4 or IPv6 address, such as 10.2.50.86, saw one.example.org",
    ),
    "a VIP with its prefix": (
        {"one_vip": "10.2.50.86/24"},
        "one_vip: expected an IPv4 or IPv6 address, such as 10.2.50.86, saw 10.2.50.86/24",
    ),
    "a VIP that is loopback": (
        {"one_vip": "127.0.0.1"},
        "one_vip: expected an address that clients can use, not 127.0.0.1",
    ),
    "a VIP that is multicast": (
        {"one_vip": "239.1.1.1"},
        "one_vip: expected an address that clients can use, not 239.1.1.1",
    ),
    "a VIP of no address": (
        {"one_vip": "0.0.0.0"},
        "one_vip: expected an address that clients can use, not 0.0.0.0",
    ),
    "an IPv6 VIP of one link": (
        {"one_vip": "fe80::86", "one_vip_cidr": 64},
        "one_vip: expected an address that clients can use, not fe80::86",
    ),
    "a prefix of 0": ({"one_vip_cidr": 0.5}, "one_vip_cidr: expected a whole number, saw 0.5"),
    "a negative prefix": ({"one_vip_cidr": -1}, "one_vip_cidr: expected 1 or more, saw -1"),
    "a prefix that is a mask": (
        {"one_vip_cidr": "255.255.255.0"},
        "one_vip_cidr: expected a whole number, saw 255.255.255.0",
    ),
    "a prefix with a slash": (
        {"one_vip_cidr": "/24"},
        "one_vip_cidr: expected a whole number, saw /24",
    ),
    "an interface that is too long": (
        {"one_vip_if": "aaaaaaaaaaaaaaaa"},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        " such as eth0 or bond0.100, saw aaaaaaaaaaaaaaaa",
    ),
    "an interface with a slash": (
        {"one_vip_if": "eth0/1"},
        "one_vip_if: expected a network interface of at most 15 letters, digits and _.-,"
        " such as eth0 or bond0.100, saw eth0/1",
    ),
    "further VIPs as an object": (
        {"one_vips": {"address": "10.2.50.87"}},
        "one_vips: expected a list",
    ),
    "a further VIP as a text": (
        {"one_vips": ["10.2.50.87/24"]},
        "one_vips.0: expected an object, saw 10.2.50.87/24",
    ),
    "a further VIP without a prefix": (
        {"one_vips": [{"address": "10.2.50.87"}]},
        "one_vips.0.cidr: missing",
    ),
    "a further VIP that is a name": (
        {"one_vips": [{"address": "vip2", "cidr": 24}]},
        "one_vips.0.address: expected an IPv4 or IPv6 address, such as 10.2.50.86, saw vip2",
    ),
    "a further VIP that is the broadcast address": (
        {"one_vips": [{"address": "10.2.50.255", "cidr": 24}]},
        "one_vips: 10.2.50.255 is the network's or broadcast address of 10.2.50.0/24",
    ),
    "a further VIP with a bad interface": (
        {"one_vips": [{"address": "10.2.50.87", "cidr": 24, "interface": "eth 0"}]},
        "one_vips.0.interface: expected a network interface of at most 15 letters,"
        " digits and _.-, such as eth0 or bond0.100, saw eth 0",
    ),
    "a further VIP with a bad interface of a host": (
        {"one_vips": [{"address": "10.2.50.87", "cidr": 24, "interfaces": {"n1a1": "eth 0"}}]},
        "one_vips.0.interfaces.n1a1: expected a network interface of at most 15 letters,"
        " digits and _.-, such as eth0 or bond0.100, saw eth 0",
    ),
    "a further VIP with a prefix of 0": (
        {"one_vips": [{"address": "10.2.50.87", "cidr": 0}]},
        "one_vips.0.cidr: expected 1 or more, saw 0",
    ),
    "a hook with ..": (
        {"leader_hook": "raft/../x.sh"},
        "leader_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw raft/../x.sh",
    ),
    "a hook with a blank": (
        {"follower_hook": "/usr/local/bin/my hook"},
        "follower_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw /usr/local/bin/my hook",
    ),
    "an empty part of a hook": (
        {"leader_hook": "raft//vip.sh"},
        "leader_hook: expected the path of a program without arguments, blanks and ..,"
        " such as raft/vip.sh, saw raft//vip.sh",
    ),
    "an endpoint without a scheme": (
        {"zone_endpoint": "one.example.org:2633/RPC2"},
        "zone_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw one.example.org:2633/RPC2",
    ),
    "an endpoint of another scheme": (
        {"zone_endpoint": "ftp://one.example.org"},
        "zone_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw ftp://one.example.org",
    ),
    "an endpoint with a blank": (
        {"zone_endpoint": "http://one.example.org/RPC2 x"},
        "zone_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw http://one.example.org/RPC2 x",
    ),
    "an endpoint with a password": (
        {"zone_endpoint": f"http://u:{CANARY}@one.example.org/RPC2"},
        "zone_endpoint: expected a URL without a password, which others could read there",
    ),
    "a check at FireEdge's port": (
        {"leader_check": {"port": 2616}},
        "leader_check.port: 2616 is a port of OpenNebula's own",
    ),
    "a check at a port too high": (
        {"leader_check": {"port": 65536}},
        "leader_check.port: expected at most 65535, saw 65536",
    ),
    "a check with an unknown key": (
        {"leader_check": {"ports": 2636}},
        "leader_check.ports: not a key of this project; did you mean port?",
    ),
    "a check as a number": ({"leader_check": 2636}, "leader_check: expected an object, saw 2636"),
    "an unknown key of the login": (
        {"ssh": {"password": "x"}},
        "ssh.password: not a key of this project; did you mean sudo_password?",
    ),
    "a login as an option": (
        {"ssh": {"user": "-l"}},
        "ssh.user: expected a user of the hosts, such as ubuntu, saw -l",
    ),
    "a login that is a number": ({"ssh": {"user": 1000}}, "ssh.user: expected text in quotes"),
    "a port that is negative": ({"ssh": {"port": -22}}, "ssh.port: expected 1 or more"),
    "a jump host that is null in a list": (
        {"ssh": {"bastion": ["gate"]}},
        "ssh.bastion: expected text",
    ),
    "a jump host with a blank": (
        {"ssh": {"bastion": "ops@gate 22"}},
        "ssh.bastion: expected [user@]host[:port], saw 'ops@gate 22'",
    ),
    "a jump host with an empty hop": (
        {"ssh": {"bastion": "gate,,inner"}},
        "ssh.bastion: expected [user@]host[:port], saw ''",
    ),
    "a jump host at port 0": (
        {"ssh": {"bastion": "gate:0"}},
        "ssh.bastion: expected [user@]host[:port], saw 'gate:0'",
    ),
    "an IPv6 jump host without brackets": (
        {"ssh": {"bastion": "fd00::1"}},
        "ssh.bastion: expected [user@]host[:port], saw 'fd00::1'",
    ),
    "a private key in place of its path": (
        {"ssh": {"private_key_file": f"-----BEGIN\n{CANARY}"}},
        "ssh.private_key_file: expected the path of a key, not the key itself",
    ),
    "a key of a host that is no key": (
        {"ssh": {"host_keys": {"n1a1": "SHA256:abc"}}},
        "ssh.host_keys.n1a1: expected a public key as ssh-keyscan prints it after the"
        " name, such as ssh-ed25519 AAAA…, saw SHA256:abc",
    ),
    "a key of a host as a list": (
        {"ssh": {"host_keys": ["ssh-ed25519 AAAA"]}},
        "ssh.host_keys: expected an object",
    ),
    "new keys as a word": (
        {"ssh": {"accept_new_host_keys": "ask"}},
        "ssh.accept_new_host_keys: expected true or false",
    ),
    "an agent as a path": (
        {"ssh": {"forward_agent": "/run/agent"}},
        "ssh.forward_agent: expected true or false",
    ),
    "a configuration file as a list": (
        {"ssh": {"config_file": ["a"]}},
        "ssh.config_file: expected the path of a file",
    ),
    "an empty password for sudo": (
        {"ssh": {"sudo_password": ""}},
        "ssh.sudo_password: expected one line of printable characters, not empty",
    ),
    "a password for sudo of two lines": (
        {"ssh": {"sudo_password": f"{CANARY}\nx"}},
        "ssh.sudo_password: expected one line of printable characters, not empty",
    ),
    "an account in capitals": (
        {"ensure_keys_for": ["Root"]},
        "ensure_keys_for.0: expected an account of the hosts: lower-case letters,"
        " digits, _ and -, such as ubuntu, saw Root",
    ),
    "oneadmin among the accounts": (
        {"ensure_keys_for": ["oneadmin"]},
        "ensure_keys_for: oneadmin's keys belong to the zone: remove it from the list",
    ),
    "accounts as a text": ({"ensure_keys_for": "ubuntu"}, "ensure_keys_for: expected a list"),
    "an account with a slash": (
        {"ensure_keys_for": ["../root"]},
        "ensure_keys_for.0: expected an account of the hosts: lower-case letters,"
        " digits, _ and -, such as ubuntu, saw ../root",
    ),
    "a key that is too large": (
        {"rsa_key_size": 32768},
        "rsa_key_size: expected at most 16384, saw 32768",
    ),
    "a key of no number": (
        {"rsa_key_size": "large"},
        "rsa_key_size: expected a whole number, saw large",
    ),
    "a backend in small letters": (
        {"db_backend": "mariadb"},
        "db_backend: expected 'MariaDB' or 'SQLite', saw mariadb",
    ),
    "the name MySQL of a backend": (
        {"db_backend": "mysql"},
        "db_backend: expected 'MariaDB' or 'SQLite', saw mysql",
    ),
    "a database of MariaDB's own": (
        {"db_name": "mysql"},
        "db_name: expected a database of OpenNebula's own, such as opennebula: mysql is"
        " a database of MariaDB's own",
    ),
    "a database of MariaDB's own in capitals": (
        {"db_name": "SYS"},
        "db_name: expected a database of OpenNebula's own, such as opennebula: SYS is a"
        " database of MariaDB's own",
    ),
    "a database with a hyphen": (
        {"db_name": "open-nebula"},
        "db_name: expected a letter and at most 63 letters, digits and underscores after"
        " it, such as one_1, saw open-nebula",
    ),
    "root as an account": (
        {"db_owner": "root"},
        "db_owner: expected an account of OpenNebula's own, such as oneadmin: root is"
        " MariaDB's administrator on the host, and would lose its rights",
    ),
    "an account with a host": (
        {"db_owner": "one@localhost"},
        "db_owner: expected a letter and at most 63 letters, digits and underscores"
        " after it, such as one_1, saw one@localhost",
    ),
    "an account that is too long": (
        {"db_owner": "a" * 65},
        "db_owner: expected a letter and at most 63 letters, digits and underscores"
        " after it, such as one_1, saw"
        " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…",
    ),
    "convert as a word": (
        {"convert_database": "later"},
        "convert_database: expected true or false, saw later",
    ),
    "a mirror without a scheme": (
        {"repository": {"url": "mirror.example.org"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw mirror.example.org",
    ),
    "a mirror with a password": (
        {"repository": {"url": f"https://u:{CANARY}@mirror/repo"}},
        "repository.url: expected a URL without a password, which others could read"
        " there; pulumi config set --secret one_token is for user:password",
    ),
    "a mirror in a relative folder": (
        {"repository": {"url": "file://srv/mirror"}},
        "repository.url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw file://srv/mirror",
    ),
    "a mirror as a text": (
        {"repository": "https://mirror.example.org"},
        "repository: expected an object",
    ),
    "a key URL with a blank": (
        {"repository": {"key_url": "https://m/repo 2.key"}},
        "repository.key_url: expected a URL with http:// or https:// (or file:/// for a"
        " folder on the hosts) and without blanks, such as"
        " https://mirror.example.org/opennebula/repo, saw https://m/repo 2.key",
    ),
    "pre_enable as a word": (
        {"repository": {"pre_enable": "no way"}},
        "repository.pre_enable: expected true or false, saw no way",
    ),
    "a proxy with a path": (
        {"pkg_cache_proxy": "http://proxy:3142/acng"},
        "pkg_cache_proxy: expected a URL of a host and its port alone, such as"
        " http://10.2.11.1:3142, saw http://proxy:3142/acng",
    ),
    "a proxy without a scheme": (
        {"pkg_cache_proxy": "10.2.11.1:3142"},
        "pkg_cache_proxy: expected a URL of a host and its port alone, such as"
        " http://10.2.11.1:3142, saw 10.2.11.1:3142",
    ),
    "a proxy of another scheme": (
        {"pkg_cache_proxy": "socks5://10.2.11.1"},
        "pkg_cache_proxy: expected a URL of a host and its port alone, such as"
        " http://10.2.11.1:3142, saw socks5://10.2.11.1",
    ),
    "a proxy with a password": (
        {"pkg_cache_proxy": f"http://u:{CANARY}@10.2.11.1"},
        "pkg_cache_proxy: expected a URL without a password, which others could read there",
    ),
    "a feature as a text": (
        {"features": {"gui": "FireEdge"}},
        "features.gui: expected true or false, saw FireEdge",
    ),
    "features as a list": ({"features": ["gui", "gate"]}, "features: expected an object"),
    "a share at /etc": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/etc", "fstype": "nfs"}]},
        "fstab.0.path: /etc holds the configuration of the system, MariaDB and"
        " OpenNebula: mount it somewhere else, such as /mnt/one",
    ),
    "a share in /usr": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/usr/share/one", "fstype": "nfs"}]},
        "fstab.0.path: /usr/share/one is in /usr, which holds the programs of the system"
        " and OpenNebula: mount it somewhere else, such as /mnt/one",
    ),
    "a share at the root": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/", "fstype": "nfs"}]},
        "fstab.0.path: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw /",
    ),
    "a share above others": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/var/lib", "fstype": "nfs"}]},
        "fstab.0.path: /var/lib holds the data of all services: mount it somewhere else,"
        " such as /mnt/one",
    ),
    "a share on a relative path": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "mnt/one", "fstype": "nfs"}]},
        "fstab.0.path: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw mnt/one",
    ),
    "a share on a path with ..": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/../etc", "fstype": "nfs"}]},
        "fstab.0.path: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw /mnt/../etc",
    ),
    "a share on a path with a slash at its end": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one/", "fstype": "nfs"}]},
        "fstab.0.path: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw /mnt/one/",
    ),
    "a share on a path with a blank": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one two", "fstype": "nfs"}]},
        "fstab.0.path: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw /mnt/one two",
    ),
    "a share at the home of who logs in": (
        {
            "fstab": [{"src": "10.2.50.1:/one", "path": "/home/ubuntu", "fstype": "nfs"}],
            "ssh": {"user": "ubuntu"},
        },
        "fstab.0.path: /home/ubuntu is the home of ubuntu, with the keys that log in by"
        " SSH: mount it somewhere else, such as /mnt/one",
    ),
    "a share without a source": (
        {"fstab": [{"path": "/mnt/one", "fstype": "nfs"}]},
        "fstab.0.src: missing",
    ),
    "a share with a source with a blank": (
        {"fstab": [{"src": "10.2.50.1:/my share", "path": "/mnt/one", "fstype": "nfs"}]},
        "fstab.0.src: expected what to mount, without blanks and quotes (\\040 is a"
        " blank), such as 10.2.50.1:/nfs/one, saw 10.2.50.1:/my share",
    ),
    "a share of a type with capitals": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "NFS"}]},
        "fstab.0.fstype: expected a type of file system, such as nfs or ext4, saw NFS",
    ),
    "a share with a blank in its options": (
        {
            "fstab": [
                {
                    "src": "10.2.50.1:/one",
                    "path": "/mnt/one",
                    "fstype": "nfs",
                    "opts": "rw, relatime",
                }
            ]
        },
        "fstab.0.opts: expected options with commas and without blanks, such as"
        " rw,relatime, saw rw, relatime",
    ),
    "a share with a password": (
        {
            "fstab": [
                {
                    "src": "10.2.50.1:/one",
                    "path": "/mnt/one",
                    "fstype": "nfs",
                    "opts": f"rw,password={CANARY}",
                }
            ]
        },
        "fstab.0.opts: contains a password, which others could read there; put it into a"
        " file on the hosts that only root can read, and set credentials=/etc/one-share",
    ),
    "a share of an owner with capitals": (
        {
            "fstab": [
                {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "owner": "OneAdmin"}
            ]
        },
        "fstab.0.owner: expected the name or number of an account or group on the hosts,"
        " such as oneadmin or 9869, saw OneAdmin",
    ),
    "a share of a mode of four digits": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "mode": "1777"}]},
        'fstab.0.mode: expected three octal digits in quotes, such as "0750", saw 1777',
    ),
    "a share of a mode of a letter": (
        {
            "fstab": [
                {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "mode": "rwxr-x---"}
            ]
        },
        'fstab.0.mode: expected three octal digits in quotes, such as "0750", saw rwxr-x---',
    ),
    "a share of a mode without quotes": (
        {"fstab": [{"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs", "mode": 750}]},
        "fstab.0.mode: expected text in quotes, saw 750",
    ),
    "a share bound from /etc": (
        {"fstab": [{"src": "/etc/one", "path": "/mnt/one", "fstype": "nfs", "opts": "bind"}]},
        "fstab.0.src: /etc/one is in /etc, which holds the configuration of the system,"
        " MariaDB and OpenNebula: it would get the owner and mode of this entry; name a"
        " folder of the share's own, such as /srv/one",
    ),
    "two shares at one path": (
        {
            "fstab": [
                {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs"},
                {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs"},
            ]
        },
        "fstab: /mnt/one is listed 2 times; expected one entry per path",
    ),
    "shares as an object": (
        {"fstab": {"src": "10.2.50.1:/one", "path": "/mnt/one", "fstype": "nfs"}},
        "fstab: expected a list",
    ),
    "a datastore of another type": (
        {"ds": {"mode": "shared", "config": {"mounts": [{"type": "images", "path": "/mnt/one"}]}}},
        "ds.config.mounts.0.type: expected 'image', 'system' or 'file', saw images",
    ),
    "a datastore at the place of datastores": (
        {
            "ds": {
                "mode": "shared",
                "config": {"mounts": [{"type": "image", "path": "/var/lib/one/datastores/1"}]},
            }
        },
        "ds.config.mounts.0.path: /var/lib/one/datastores/1 is where the datastores"
        " themselves are: mount the share there with fstab, and remove this entry",
    ),
    "a datastore in /root": (
        {
            "ds": {
                "mode": "shared",
                "config": {"mounts": [{"type": "image", "path": "/root/images"}]},
            }
        },
        "ds.config.mounts.0.path: /root/images is in /root, which is root's home, with"
        " its SSH keys: keep the datastore somewhere else, such as /mnt/one",
    ),
    "a datastore on a relative path": (
        {"ds": {"mode": "shared", "config": {"mounts": [{"type": "image", "path": "images"}]}}},
        "ds.config.mounts.0.path: expected an absolute path such as /mnt/one: no blanks,"
        " quotes or backslashes, no . or .. in it, no //, no / at its end, saw images",
    ),
    "a datastore without a path": (
        {"ds": {"mode": "shared", "config": {"mounts": [{"type": "image"}]}}},
        "ds.config.mounts.0.path: missing",
    ),
    "a datastore twice": (
        {
            "ds": {
                "config": {
                    "mounts": [
                        {"type": "image", "path": "/mnt/a"},
                        {"type": "image", "path": "/mnt/b"},
                    ]
                }
            }
        },
        "ds.config.mounts: image is listed 2 times; expected it once",
    ),
    "datastores of another mode": (
        {"ds": {"mode": "nfs"}},
        "ds.mode: expected 'ssh' or 'shared', saw nfs",
    ),
    "a datastore that is also mounted": (
        {
            "fstab": [
                {"src": "10.2.50.1:/one", "path": "/var/lib/one/datastores/1", "fstype": "nfs"}
            ],
            "ds": {"config": {"mounts": [{"type": "image", "path": "/mnt/a"}]}},
        },
        "ds.config.mounts: /var/lib/one/datastores/1 is also mounted by fstab; remove it"
        " from one of them",
    ),
    "OneGate without a scheme": (
        {"gate_endpoint": "10.2.50.86:5030"},
        "gate_endpoint: expected a URL with http:// or https:// and without blanks, such"
        " as http://one.example.org:2633/RPC2, saw 10.2.50.86:5030",
    ),
    "OneGate at a name": (
        {"gate_bind_addr": "any"},
        "gate_bind_addr: expected an address of the host, such as 0.0.0.0, saw any",
    ),
    "OneFlow at an address with a port": (
        {"flow_bind_addr": "0.0.0.0:2474"},
        "flow_bind_addr: expected an address of the host, such as 0.0.0.0, saw 0.0.0.0:2474",
    ),
    "OneForm at an address with a prefix": (
        {"form_bind_addr": "10.2.50.0/24"},
        "form_bind_addr: expected an address of the host, such as 0.0.0.0, saw 10.2.50.0/24",
    ),
    "proxies as an object": (
        {"gate_tproxy": {":service_port": 5030}},
        "gate_tproxy: expected a list",
    ),
    "a proxy with a null": (
        {"gate_tproxy": [{":service_port": None}]},
        "gate_tproxy: expected keys such as :service_port, each with a value",
    ),
    "a private key as a public one": (
        {"admin_pubkey": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}"},
        "admin_pubkey: expected public keys, one a line as in authorized_keys without"
        " options (ssh-ed25519 AAAA… name), leader, or none, saw -----BEGIN OPENSSH"
        " PRIVATE KEY-----…",
    ),
    "a public key with options": (
        {"admin_pubkey": "no-pty ssh-ed25519 AAAA"},
        "admin_pubkey: expected public keys, one a line as in authorized_keys without"
        " options (ssh-ed25519 AAAA… name), leader, or none, saw no-pty ssh-ed25519 AAAA",
    ),
    "migrations as a word": (
        {"unsafe_migrations": "sometimes"},
        "unsafe_migrations: expected true or false, saw sometimes",
    ),
    "bridges as a number": (
        {"keep_empty_bridge": 2},
        "keep_empty_bridge: expected true or false, saw 2",
    ),
    "a rank without a name": (
        {"sched_rank": {"1A": 1}},
        "sched_rank.1A: expected a letter and at most 63 letters, digits and underscores"
        " after it, such as one_1, saw 1A",
    ),
    "a section of a list": (
        {"sched_drs": {"OPTIMIZE": ["PACK"]}},
        "sched_drs.OPTIMIZE: expected a value, or an object such as {POLICY: PACK}",
    ),
    "a section that is null": (
        {"sched_drs": {"OPTIMIZE": None}},
        "sched_drs.OPTIMIZE: expected a value, or an object such as {POLICY: PACK}",
    ),
    "another default of authentication": (
        {"auth": {"default": "x509"}},
        "auth.default: expected 'ldap'",
    ),
    "LDAP servers as a list": (
        {"auth": {"ldap": {"config": ["a"]}}},
        "auth.ldap.config: expected an object",
    ),
    "an LDAP server as a text": (
        {"auth": {"ldap": {"config": {":order": ["a"], "a": "ldap://a"}}}},
        "auth.ldap.config.a: expected keys such as :host and :base, each with a value",
    ),
    "a server with an empty value": (
        {"auth": {"ldap": {"config": {":order": ["a"], "a": {":host": None}}}}},
        "auth.ldap.config.a: expected keys such as :host and :base, each with a value",
    ),
    "two ways to choose a server": (
        {
            "auth": {
                "ldap": {
                    "config": {
                        ":order": ["a"],
                        ":match_user_regex": {"x": "a"},
                        "a": {":host": "b"},
                    }
                }
            }
        },
        "auth.ldap.config: expected one of :order and :match_user_regex with the servers",
    ),
    "a mapping to a name": (
        {
            "auth": {
                "ldap": {
                    "config": {":order": ["a"], "a": {":host": "b", ":mapping_filename": "a.yaml"}},
                    "mapping": {"a": {"cn=x": "users"}},
                }
            }
        },
        "auth.ldap.mapping.a.cn=x: expected a whole number",
    ),
    "a mapping in another folder": (
        {
            "auth": {
                "ldap": {
                    "config": {
                        ":order": ["a"],
                        "a": {":host": "b", ":mapping_filename": "../a.yaml"},
                    },
                    "mapping": {"a": {"cn=x": 1}},
                }
            }
        },
        "auth.ldap.mapping.a: expected a server of that name with a :mapping_filename of"
        " its own, such as a.yaml",
    ),
    "a URL as FireEdge's name": (
        {"one_fqdn": "https://one.example.org"},
        "one_fqdn: expected a host name of lower-case letters, digits and inner hyphens,"
        " such as n1a1, saw https://one.example.org",
    ),
    "a port in FireEdge's name": (
        {"one_fqdn": "one.example.org:443"},
        "one_fqdn: expected a host name of lower-case letters, digits and inner hyphens,"
        " such as n1a1, saw one.example.org:443",
    ),
    "an unknown key of TLS": (
        {"ssl": {"cert": "/etc/ssl/one.pem"}},
        "ssl.cert: not a key of this project; did you mean certchain?",
    ),
    "a relative certificate": (
        {"ssl": {"certchain": "one.pem"}},
        "ssl.certchain: expected an absolute path such as /mnt/one: no blanks, quotes or"
        " backslashes, no . or .. in it, no //, no / at its end, saw one.pem",
    ),
    "generate_cert as a word": (
        {"ssl": {"generate_cert": "yes please"}},
        "ssl.generate_cert: expected true or false, saw yes please",
    ),
    "time servers as a text": ({"ntp": "pool.ntp.org"}, "ntp: expected a list"),
    "a time server with options": (
        {"ntp": [{"server": "ntp.example.org iburst"}]},
        "ntp.0.server: expected a host name or address without options, such as"
        " pool.ntp.org, saw ntp.example.org iburst",
    ),
    "a time zone with ..": (
        {"ntp": [{"timezone": "../etc/passwd"}]},
        "ntp.0.timezone: expected a time zone, such as UTC or Europe/Berlin, saw ../etc/passwd",
    ),
    "a time zone as an offset": (
        {"ntp": [{"timezone": "+01:00"}]},
        "ntp.0.timezone: expected a time zone, such as UTC or Europe/Berlin, saw +01:00",
    ),
    "a locale with a blank": (
        {"ntp": [{"locale": "LANG=C UTF-8"}]},
        "ntp.0.locale: expected a locale or a variable of it, such as C.UTF-8 or"
        " LC_TIME=C.UTF-8, saw LANG=C UTF-8",
    ),
    "a pool that begins with a hyphen": (
        {"ntp": [{"pool": "-x"}]},
        "ntp.0.pool: expected a host name or address without options, such as pool.ntp.org, saw -x",
    ),
    "oned as a text": ({"oned": "LOG"}, "oned: expected an object"),
    "the database of oned": (
        {"oned": {"DB": {"BACKEND": "mysql"}}},
        "oned.DB: set by this program itself; use the db_… keys",
    ),
    "the hook of oned": (
        {"oned": {"RAFT_LEADER_HOOK": {"COMMAND": "x"}}},
        "oned.RAFT_LEADER_HOOK: set by this program itself; use leader_hook, and the one_vip… keys",
    ),
    "the endpoint of OneGate in oned": (
        {"oned": {"ONEGATE_ENDPOINT": "http://x"}},
        "oned.ONEGATE_ENDPOINT: set by this program itself; use gate_endpoint",
    ),
    "an attribute with a hyphen": (
        {"oned": {"LOG-LEVEL": 3}},
        "oned.LOG-LEVEL: expected a letter and at most 63 letters, digits and"
        " underscores after it, such as one_1, saw LOG-LEVEL",
    ),
    "an empty vector": (
        {"oned": {"LOG": {}}},
        "oned.LOG: expected a value, null, an object of values, or a list of values or"
        " objects, none of them empty",
    ),
    "commands as an object": ({"commands": {"x": "true"}}, "commands: expected a list"),
    "a command with an unknown key": (
        {"commands": [{"name": "x", "when": "after-join", "create": "true", "run": "x"}]},
        "commands.0.run: not a key of this project",
    ),
    "a command without a name": (
        {"commands": [{"when": "after-join", "create": "true"}]},
        "commands.0.name: missing",
    ),
    "a command with a name in capitals": (
        {"commands": [{"name": "Motd", "when": "after-join", "create": "true"}]},
        "commands.0.name: expected lower-case letters, digits and inner hyphens, such as"
        " vm-log, saw Motd",
    ),
    "a command at another time": (
        {"commands": [{"name": "x", "when": "before-join", "create": "true"}]},
        "commands.0.when: expected 'before-installation' or 'after-join', saw before-join",
    ),
    "a command that is empty": (
        {"commands": [{"name": "x", "when": "after-join", "create": ""}]},
        "commands.0.create: expected a command, such as sudo systemctl reload rsyslog, saw nothing",
    ),
    "a command with a null byte": (
        {"commands": [{"name": "x", "when": "after-join", "create": "a\x00b"}]},
        "commands.0.create: expected a command, such as sudo systemctl reload rsyslog,"
        ' saw "a\\u0000b"',
    ),
    "a command on an unknown host": (
        {"commands": [{"name": "x", "when": "after-join", "create": "true", "hosts": ["n9"]}]},
        "commands: x names n9, which is not in frontends",
    ),
    "a command twice": (
        {
            "commands": [
                {"name": "x", "when": "after-join", "create": "true"},
                {"name": "x", "when": "after-join", "create": "true"},
            ]
        },
        "commands: x is listed 2 times; expected each name once",
    ),
    "a command with a number as a trigger": (
        {"commands": [{"name": "x", "when": "after-join", "create": "true", "triggers": [1]}]},
        "commands.0.triggers.0: expected text in quotes, saw 1",
    ),
    "another way to adopt": ({"adopt": "yes"}, "adopt: expected 'observe', saw yes"),
    "lost front-ends as a text": ({"lost": "n1a4"}, "lost: expected a list"),
    "an even number that is no boolean": (
        {"allow_even": "maybe"},
        "allow_even: expected true or false, saw maybe",
    ),
    "gRPC that is no boolean": (
        {"register_grpc": "maybe"},
        "register_grpc: expected true or false, saw maybe",
    ),
    "degraded as a word": (
        {"allow_degraded": "ok"},
        "allow_degraded: expected true or false, saw ok",
    ),
    "a check that cannot be skipped": (
        {"skip_checks": ["blank"]},
        f"skip_checks.0: expected one of {', '.join(sorted(SKIPPABLE))}, saw blank",
    ),
    "checks as a text": ({"skip_checks": "memory"}, "skip_checks: expected a list"),
    "no dump at all": ({"keep_dumps": 0}, "keep_dumps: expected 1 or more, saw 0"),
    "a negative number of dumps": ({"keep_dumps": -1}, "keep_dumps: expected 1 or more, saw -1"),
    "a fraction of a dump": ({"keep_dumps": 1.5}, "keep_dumps: expected a whole number, saw 1.5"),
    "dumps as a word": ({"keep_dumps": "all"}, "keep_dumps: expected a whole number, saw all"),
    "purge as a word": ({"purge": "all"}, "purge: expected true or false, saw all"),
    "one-deploy's key of a mirror": (
        {"opennebula_repo_url": "https://m"},
        "opennebula_repo_url: not a key of this project",
    ),
    "a key with a hyphen": (
        {"one-version": "7.2"},
        "one-version: not a key of this project; did you mean one_version?",
    ),
    "a key in capitals": (
        {"ONE_VERSION": "7.2"},
        "ONE_VERSION: not a key of this project; did you mean one_version?",
    ),
    "unattend_disable as a word": (
        {"unattend_disable": "always"},
        "unattend_disable: expected true or false, saw always",
    ),
    "ensure_hostname as a word": (
        {"ensure_hostname": "always"},
        "ensure_hostname: expected true or false, saw always",
    ),
    "update_pkg_cache as a word": (
        {"update_pkg_cache": "always"},
        "update_pkg_cache: expected true or false, saw always",
    ),
    "ensure_hosts as a word": (
        {"ensure_hosts": "always"},
        "ensure_hosts: expected true or false, saw always",
    ),
    "an invisible character in a key": (
        {"one_\ufeffvip": "10.2.50.86"},
        "one_\\ufeffvip: not a key of this project; did you mean one_vip?",
    ),
}
