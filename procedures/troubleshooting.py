"""What messages and signs are about: the sections of docs/troubleshooting.md.

A message names its step; the section of that step says what it means and what usually causes it.
Each sign of ``make doctor`` has a section, too.
``make docs`` adds the messages themselves, from the code.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hosts.errors import HostError

PAGE = "docs/troubleshooting.md"


@dataclass(frozen=True)
class Topic:
    """A section of the page: a subject, and the steps whose messages belong to it."""

    title: str
    means: str
    cause: str
    steps: tuple[str, ...] = ()
    """A step that ends in … stands for all that begin so."""
    check: str = ""
    """The name by which ``skip_checks`` skips it."""
    signs: tuple[str, ...] = ()
    """The signs of docs/status.md that are about the same."""

    @property
    def anchor(self) -> str:
        """Return the anchor of the section, as code hosts and the web site make it."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


ANY = Topic(
    "Messages of any step",
    "These messages come with the name of any step.",
    "The connection broke off, the disk is full, another run holds a lock, or a command on the host"
    " failed. The step that the message names did not complete; the next `up` resumes there.",
    ("preflight", "oned log"),
)
CONFIG = Topic(
    "Config faults",
    "The stack's config is not valid. No host was contacted.",
    "A key that does not exist, a value of another form, or two keys that exclude each other. All"
    " faults are listed at once; [every key](config.md) has its type and default.",
)
TOPICS: dict[str, tuple[Topic, ...]] = {
    "Config and state": (
        CONFIG,
        Topic(
            "State",
            "Pulumi's state of this stack has something that this program did not write.",
            "The state was edited by hand, or belongs to another program.",
            ("read the stack's state",),
        ),
    ),
    "Connection": (
        Topic(
            "Connect",
            "The SSH server of a front-end, or of its bastion, does not answer.",
            "The host is down, the address or port is wrong, a firewall drops the connection, or"
            " sshd does not forward connections. oned's API is reached through SSH, too.",
            ("connect", "ask oned through SSH"),
            signs=("unreachable", "unobserved"),
        ),
        Topic(
            "Log in",
            "sshd answers, but does not accept the login; or there is no usable key.",
            "The public key is not in the account's `authorized_keys`, the agent is empty, or the"
            " key has a passphrase and is not in the agent.",
            ("log in", "read the SSH key", "read the SSH client's configuration"),
        ),
        Topic(
            "Host key",
            "The host could not be identified. Nothing was sent to it.",
            "The host's key is not in `known_hosts`, the host was reinstalled, or another host"
            " answers at its address. Compare the fingerprint on the host's console first.",
            ("verify the host key",),
        ),
        Topic(
            "Root",
            "The login works, but commands do not run as root.",
            "sudo asks for a password or a terminal, or the login shell or its startup files print"
            " or run something else.",
            ("become root", "start a shell"),
        ),
    ),
    "Preflight": (
        Topic(
            "Another OpenNebula",
            "A host holds data or keys that do not belong to this stack. Nothing on it was"
            " changed.",
            "The host was used before, is a server of another zone, or `db_name` is the database"
            " of another application. See [which hosts are"
            " ours](safety.md#blank-ours-the-zones).",
            ("identify the OpenNebula on the host",),
            signs=("other_database",),
        ),
        Topic(
            "Distribution",
            "OpenNebula has no packages for this host.",
            "The distribution's release is too old or too new for that `one_version`, or systemd"
            " does not run there. See [the list](config.md#distributions).",
            ("choose the package repository", "check for systemd"),
        ),
        Topic(
            "Memory",
            "The host has less memory than a front-end needs.",
            "The virtual machine was created too small.",
            ("check the memory",),
            "memory",
        ),
        Topic(
            "Disk space",
            "A file system has less free space than the change needs.",
            "The disk is small, or old packages, logs or dumps fill it.",
            ("check the free space",),
            "disk",
            signs=("disk_full", "disk_low"),
        ),
        Topic(
            "Clock",
            "The clocks of the front-ends differ.",
            "No time service runs on one of them, or they ask different servers. Set `ntp`.",
            ("compare the clocks",),
            "clock",
        ),
        Topic(
            "Names",
            "A front-end resolves the name of another one to another address, or to none.",
            "DNS or `/etc/hosts` has an old entry; `ensure_hosts` is false and nothing else"
            " resolves the names.",
            ("resolve the front-ends' names",),
            "names",
        ),
        Topic(
            "Own name",
            "The host cannot resolve its own name, which services look up at their start.",
            "The host's name was changed, and `/etc/hosts` was not.",
            ("resolve its own name",),
            "own_name",
        ),
        Topic(
            "Renamed front-ends",
            "A front-end is listed under another name than before.",
            "A zone server keeps the name with which it was registered; a renamed host would look"
            " like a second one.",
            ("compare the front-ends' names",),
        ),
        Topic(
            "Ports between front-ends",
            "A front-end does not reach another one on a port that the zone needs.",
            "A firewall on a host or between them, or a security group of the cloud.",
            ("check that the front-ends reach each other",),
            "ports` or `service_ports",
        ),
        Topic(
            "Ports in use",
            "Another program listens on a port of OpenNebula or MariaDB.",
            "Another service was installed on the host before.",
            ("check that the ports of its services are free",),
            "listeners",
        ),
        Topic(
            "VIP interface",
            "The interface of the VIP does not exist on a host, or is not in the VIP's subnet.",
            "Interfaces have different names on the hosts (`frontends.NAME.one_vip_if`), or the"
            " prefix (`one_vip_cidr`) is wrong.",
            ("check the VIP's interface",),
            "interface",
        ),
        Topic(
            "VIP in use",
            "Another host answers at the VIP.",
            "The address is taken, or an earlier zone still holds it.",
            ("check that the VIP is free",),
            "vip",
        ),
        Topic(
            "VIP managers",
            "Another program also adds the VIP or removes it.",
            "The VIP is in a host's network configuration, or keepalived, systemd-networkd or"
            " NetworkManager manages the interface. Only the leader's hook may add it.",
            ("check that nothing else configures the VIP", "check what manages addresses"),
            "vip_managers",
        ),
        Topic(
            "Rights of the hooks",
            "sudo on a host does not let oneadmin run what moves the VIP.",
            "A file in /etc/sudoers.d after OpenNebula's own has `Defaults requiretty`,"
            " or a rule that asks for a password.",
            ("ask sudo what oneadmin may do",),
            "hook_rights",
        ),
        Topic(
            "Logins between front-ends",
            "sshd of a new front-end does not let the login account in from the other ones, which"
            " send it the zone's data.",
            "AllowUsers, DenyGroups, ForceCommand and the like in `sshd_config`.",
            ("check the logins that sshd accepts",),
            "logins",
        ),
        Topic(
            "Proxy",
            "Services on the host would send the zone's own traffic to an HTTP proxy.",
            "A proxy is set for all services, without the front-ends in `no_proxy`.",
            ("check the proxies of services",),
            "proxy",
            signs=("proxy",),
        ),
        Topic(
            "Password policy",
            "MariaDB does not accept `db_password`.",
            "A password plugin of MariaDB demands other characters, or more of them.",
            ("compare the database's password with MariaDB's policy",),
            "password_policy",
        ),
        Topic(
            "Database server",
            "MySQL or Percona is installed, or the releases of MariaDB differ.",
            "The hosts were installed at different times or from different images.",
            ("check for another database server", "compare the releases of MariaDB"),
        ),
        Topic(
            "Locale",
            "A locale in `ntp` does not exist on the host.",
            "It was not generated there.",
            ("check the locales",),
            "locale",
        ),
        Topic(
            "Access control",
            "SELinux or AppArmor is on. This is not an error by itself.",
            "The distribution turns it on. Look there if a service is denied a file.",
            ("check mandatory access control",),
        ),
        Topic(
            "Cloud-init",
            "cloud-init writes `/etc/hosts` at each boot.",
            "The image's cloud-init has `manage_etc_hosts`. This program adds the names to its"
            " template.",
            ("check for cloud-init",),
        ),
        Topic(
            "Registered endpoints",
            "The endpoint of a zone server does not lead to that server, or does not fit"
            " `register_grpc`.",
            "The zone was built with names or addresses that changed since.",
            (
                "check the registered endpoints of the zone's servers",
                "check the zone's gRPC endpoints",
            ),
        ),
    ),
    "Installation": (
        Topic(
            "Packages",
            "The package manager did not do what was asked.",
            "The repository cannot be reached or lacks that version, a proxy is needed"
            " (`pkg_cache_proxy`), another program holds the package manager's lock, or a package"
            " is held back.",
            (
                "add the package repository",
                "configure package sources",
                "remove the staged packages",
                "stage OpenNebula …",
                "install packages",
                "refresh the lists of all package repositories",
                "release the packages that are held back",
                "rollback unavailable: …",
                "wait up to …",
                "install",
                "packages",
                "unhold",
                "unstage",
            ),
        ),
        Topic(
            "Configuration files",
            "A configuration file on the host could not be read or written.",
            "A syntax error from a manual change, or a file that was deleted.",
            (
                "start the leader check for load balancers",
                "change the front-ends' names in …",
                "configure",
                "edit …",
                "hosts names",
                "make the front-ends' names resolve",
                "read …",
                "restart …",
                "find the program …",
                "check the time service",
                "set the hostname",
                "set the time zone",
                "start the timer of the dumps",
                "write the configuration",
            ),
        ),
        Topic(
            "Database account",
            "MariaDB did not answer, or did not do what was asked.",
            "MariaDB is stopped or damaged, or an account of that name exists with other rights.",
            (
                "bootstrap the database",
                "drop the database account …",
                "keep the account …",
                "create the database and its account",
                "observe",
                "revoke accounts",
                "snapshot",
            ),
            signs=("database_down",),
        ),
        Topic(
            "Storage",
            "A share of `fstab` or a datastore of `ds` could not be put in place.",
            "The server of the share is down or does not export it, the mount point is not empty,"
            " or owner and mode cannot be set there (root squash).",
            (
                "compare …",
                "link datastore …",
                "link the datastores",
                "check the mount point …",
                "mount …",
                "read /etc/fstab",
                "remove the link of datastore …",
                "storage",
                "unmount …",
                "write /etc/fstab",
            ),
        ),
        Topic(
            "Web server",
            "The web server in front of FireEdge could not be set up.",
            "Another site has the same port, or the certificate or its key is missing or wrong.",
            (
                "install…",
                "create a certificate",
                "set up …",
                "install the certificate",
                "remove the site from …",
                "web server",
            ),
            signs=("certificate", "web_server_down"),
        ),
        Topic(
            "Removal",
            "A host that left the stack could not be cleaned up.",
            "A service does not stop, or a folder is in use.",
            (
                "keep the database that DB points to, …",
                "keep what is mounted on …",
                "purge OpenNebula and its data",
                "remove the hooks and the VIPs",
                "stop and disable the services",
                "take down",
                "uninstall",
            ),
        ),
    ),
    "Zone": (
        Topic(
            "Start and stop of oned",
            "oned did not start, did not answer, or did not stop.",
            "A setting that oned rejects, MariaDB that is down, a plugin that is missing, or an"
            " `one_auth` that is not oneadmin's. After a rejected setting oned runs again with the"
            " former file. `make logs` shows what oned said.",
            (
                "assign server id",
                "await stopped",
                "kill oned: …",
                "restart",
                "restart oned",
                "restart oned with its new configuration",
                "set SERVER_ID",
                "start",
                "start oned",
                "stop",
                "stop oned",
                "wait for oned",
                "wait until oned has stopped",
            ),
            signs=("restart_loop", "stop_hangs", "oned_stopped", "oned_silent"),
        ),
        Topic(
            "Create or adopt a zone",
            "The front-ends hold data from which no single zone follows, or the zone is not the one"
            " in the config.",
            "Hosts of two zones in one list, a zone server that is not listed, lost data, or a"
            " SERVER_ID that was changed by hand. See [adopt a running zone](guides/adopt.md).",
            (
                "adopt the zone",
                "bootstrap",
                "bootstrap the zone",
                "register the zone's servers",
                "remove servers from the pool",
            ),
            signs=("no_zone",),
        ),
        Topic(
            "Join",
            "A front-end did not become a server of the zone.",
            "Another server is down, so that the change would endanger the quorum; or the host"
            " holds other data. See [add front-ends](guides/grow.md).",
            ("join the zone", "register the server", "reset the server in the leader's log"),
            signs=("not_in_zone", "not_set_up"),
        ),
        Topic(
            "Leave",
            "A front-end cannot leave the zone now.",
            "Too few of the others are up, or the host cannot be reached to stop its oned. See"
            " [remove front-ends](guides/shrink.md) and [replace a lost"
            " host](guides/replace.md).",
            (
                "leave the zone",
                "check that lost servers stay off",
                "shrink the zone",
                "remove the lost servers from the zone",
            ),
            signs=("unknown_server",),
        ),
        Topic(
            "Leader",
            "The zone has no leader, two, or one that does not take writes.",
            "Too few servers are up (quorum), or they do not reach each other on port 2633."
            " `make doctor` shows which; `make logs` shows the elections.",
            ("switch over", "wait for a leader", "write through the leader"),
            signs=("no_quorum", "no_leader", "two_leaders"),
        ),
        Topic(
            "Copy of the data",
            "The database and the keys did not arrive on another front-end, or a dump could not be"
            " made or read.",
            "The front-ends do not reach each other by SSH, a disk is full, or MariaDB rejects the"
            " dump. The former database stays in place until the copy is complete.",
            (
                "allow the transfer",
                "allow transfer",
                "copy the dump",
                "dump",
                "dump the database…",
                "revoke the transfer's access",
                "keep the keys and the settings",
                "put the database in place",
                "read the dump",
                "receive",
                "restore",
                "restore the database",
                "send",
                "send the database and the keys…",
                "put the keys and the remotes in place",
                "timed dump",
            ),
            signs=("dump_failed",),
        ),
        Topic(
            "Health check",
            "The change was made, and the zone is not as the stack promises.",
            "A server lags or is down, its data differ, or a service does not run. `make doctor`"
            " explains what it sees.",
            (
                "compare the data",
                "refuse services",
                "verify the front-end",
                "verify the services",
                "verify the zone",
                "watch tables",
            ),
            signs=("wrong_server_id", "not_following", "log_dropped", "lagging", "stale_pool"),
        ),
        Topic(
            "Services",
            "A service of OpenNebula does not start or stop.",
            "Its configuration is wrong, or its port is in use. The message has the unit's own"
            " words.",
            ("services", "start …", "stop …"),
            signs=("service_down", "service_stray"),
        ),
        Topic(
            "Drift",
            "A host differs from the stack, or a server's data and keys from the leader's.",
            "They were changed outside the stack. [Drift](drift.md) lists each difference, and what"
            " `up` does with it.",
            signs=("drift", "pending_restart", "data_differ", "keys_differ"),
        ),
        Topic(
            "VIP",
            "The VIP is not on the leader alone, or ENDPOINT does not follow it.",
            "Raft's hook failed, the interface is down, or another program adds the address. See"
            " [move the VIP](guides/vip.md).",
            (
                "address managers",
                "announce",
                "announce the VIP",
                "drop addresses",
                "gui",
                "remove …",
                "run the leader's hook",
                "set the zone's ENDPOINT",
                "take addresses",
                "verify the VIP",
                "wait for the end of Raft's hook",
            ),
            signs=("vip_missing", "vip_leftover"),
        ),
        Topic(
            "Passwords and keys of oneadmin",
            "oneadmin cannot log in to oned, or the password cannot be changed now.",
            "`one_pass` is not the password of the zone that runs, or a zone server is down. See"
            " [rotate passwords](guides/secrets.md).",
            (
                "change oneadmin's password",
                "hide login tokens in the logs",
                "hide tokens",
                "log in to oned",
                "read file",
                "read one auth",
                "refused logins",
                "set oneadmin's public key",
                "write one auth",
                "write one_auth",
            ),
            signs=("login_refused",),
        ),
        Topic(
            "Login keys",
            "An account of `ensure_keys_for` cannot log in from host to host.",
            "`sshd_config` does not allow it, or the account's home or `.ssh` has a wrong owner or"
            " mode.",
            (
                "allow the other front-ends' keys for …",
                "authorize",
                "log in from host to host",
                "login keys",
                "create a key for …",
                "try logins",
            ),
        ),
        Topic(
            "Upgrade",
            "The version cannot be changed in this way, or the new version did not start.",
            "The database needs another version (`upgrade_database`), the repository lacks a"
            " package, or an earlier upgrade waits to be completed. See [upgrade and roll"
            " back](guides/upgrade.md).",
            (
                "begin upgrade",
                "change the version of the database",
                "compare the version",
                "compare the version of the database",
                "roll back to …",
                "end upgrade",
                "install OpenNebula …",
                "find the dump from before the upgrade",
                "restore the database from before an interrupted upgrade",
                "put the kept database in place",
                "swap",
                "upgrade database",
                "upgrade the database",
            ),
            signs=("upgrade_interrupted", "versions"),
        ),
        Topic(
            "From SQLite to MariaDB",
            "The data could not be moved to MariaDB. oned runs on SQLite again.",
            "Other data in that database, a federation, another version, or two names that MariaDB"
            " takes for one. See [the conversion](safety.md#from-sqlite-to-mariadb).",
            (
                "compare all rows of SQLite and MariaDB",
                "convert database",
                "convert the database",
                "copy all rows to MariaDB",
                "switch oned to MariaDB",
                "keep a copy of …",
                "check the SQLite database",
                "create the tables in MariaDB",
                "start oned on MariaDB",
            ),
        ),
    ),
    "Other": (
        ANY,
        Topic(
            "Monitoring file",
            "`make status` could not write its file for Prometheus.",
            "The folder does not exist, or belongs to another account.",
            ("write …",),
        ),
    ),
}


def topic(step: str) -> Topic:
    """Return the section of that step: of its whole name, or of the longest beginning."""
    fits = [
        (len(name), section)
        for sections in TOPICS.values()
        for section in sections
        for name in section.steps
        if step == name or (name.endswith("…") and step.startswith(name[:-1]))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else ANY


def topic_of_sign(sign: str) -> Topic:
    """Return the section of a sign of docs/status.md."""
    sections = (section for group in TOPICS.values() for section in group)
    return next((section for section in sections if sign in section.signs), ANY)


def explained(*errors: HostError) -> str:
    """Return the text of the errors, and where the page explains them: each section once."""
    each = [part for error in errors for part in getattr(error, "errors", [error])]
    return "\n".join(map(str, errors)) + f"\n  {see(topic(part.step).anchor for part in each)}"


def see(anchors: Iterable[str]) -> str:
    """Return where the page explains these sections, each of them once."""
    return f"see {PAGE}{', '.join(dict.fromkeys(f'#{anchor}' for anchor in anchors))}"
