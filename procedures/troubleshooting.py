"""What messages and signs are about: the sections of docs/troubleshooting.md.

A message names its step; the section of that step says what it means and what usually causes it.
Each sign of ``make doctor`` has a section, too. The page has their texts; ``make docs`` adds the
steps, the signs and the messages, from the code.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hosts.errors import HostError

PAGE = "docs/troubleshooting.md"


@dataclass(frozen=True)
class Topic:
    """A section of the page, with the steps whose messages and the signs that belong to it."""

    title: str
    steps: tuple[str, ...] = ()
    """A step that ends in … stands for all that begin so."""
    signs: tuple[str, ...] = ()
    """Those of docs/status.md that are about the same."""

    @property
    def anchor(self) -> str:
        """Return the anchor of the section, as code hosts and the web site make it."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


# By title of the section.
_STEPS = {
    "State": "read the stack's state",
    "Connect": "connect; ask oned through SSH",
    "Log in": "log in; read the SSH key; read the SSH client's configuration",
    "Host key": "verify the host key",
    "Root": "become root; start a shell",
    "Another OpenNebula": "identify the OpenNebula on the host",
    "Distribution": "choose the package repository; check for systemd; check the systemd units",
    "Memory": "check the memory",
    "Disk space": "check the free space",
    "Clock": "compare the clocks; check the time service",
    "Names": "resolve the front-ends' names",
    "Own name": "resolve its own name",
    "Renamed front-ends": "compare the front-ends' names",
    "Ports between front-ends": "check that the front-ends reach each other",
    "Ports in use": "check that the ports of its services are free",
    "VIP interface": "check the VIP's interface",
    "VIP in use": "check that the VIP is free",
    "VIP managers": "check that nothing else configures the VIP; check what manages addresses",
    "Rights of the hooks": "ask sudo what oneadmin may do",
    "Logins between front-ends": "check the logins that sshd accepts",
    "Proxy": "check the proxies of services",
    "Password policy": "compare the database's password with MariaDB's policy",
    "Database server": "check for another database server; compare the releases of MariaDB",
    "Locale": "check the locales",
    "Preparations": "check the accounts; check the Raft hooks; check the shares;"
    " check the time zone; check the web server's certificate",
    "Access control": "check mandatory access control",
    "Cloud-init": "check for cloud-init",
    "Registered endpoints": "check the registered endpoints of the zone's servers;"
    " check the zone's gRPC endpoints",
    "Packages": "add the package repository; check the package repository; check repository;"
    " configure package sources; remove the staged packages; stage OpenNebula …; install packages;"
    " refresh the lists of all package repositories; release the packages that are held back;"
    " rollback unavailable: …; wait up to …; install; packages; unhold; unstage",
    "Configuration files": "start the leader check for load balancers;"
    " change the front-ends' names in …; configure; edit …; hosts names;"
    " make the front-ends' names resolve; read …; restart …; find the program …; set the hostname;"
    " set the time zone; start the timer of the dumps; write the configuration",
    "Database account": "bootstrap the database; drop the database account …; keep the account …;"
    " create the database and its account; observe; revoke accounts; snapshot",
    "Storage": "compare …; link datastore …; link the datastores; check the link …;"
    " check the mount point …; mount …; read /etc/fstab; remove the link of datastore …; storage;"
    " unmount …; write /etc/fstab",
    "Web server": "install…; create a certificate; set up …; install the certificate;"
    " remove the site from …; web server",
    "Removal": "keep the database that DB points to, …; keep what is mounted on …;"
    " purge OpenNebula and its data; remove the hooks and the VIPs; stop and disable the services;"
    " take down; uninstall",
    "Start and stop of oned": "assign server id; await stopped; kill; kill oned: …; restart;"
    " restart oned; restart oned with its new configuration; set SERVER_ID; start; start oned;"
    " stop; stop oned; wait for oned; wait until oned has stopped",
    "Create or adopt a zone": "adopt the zone; bootstrap; bootstrap the zone;"
    " register the zone's servers; remove servers from the pool",
    "Join": "join the zone; register the server; reset the server in the leader's log",
    "Leave": "leave the zone; check that lost servers stay off; shrink the zone;"
    " remove the lost servers from the zone",
    "Leader": "switch over; wait for a leader; write through the leader",
    "Copy of the data": "allow the transfer; allow transfer; copy the dump; dump;"
    " dump the database…; revoke the transfer's access; keep the keys and the settings;"
    " put the database in place; read the dump; receive; restore; restore the database; send;"
    " send the database and the keys…; put the keys and the remotes in place; timed dump",
    "Health check": "compare the data; refuse services; verify the front-end; verify the services;"
    " verify the zone; watch tables",
    "Services": "services; start …; stop …",
    "Drift": "",
    "VIP": "address managers; announce; announce the VIP; drop addresses; gui; remove …;"
    " run the leader's hook; set the zone's ENDPOINT; take addresses; verify the VIP;"
    " wait for the end of Raft's hook",
    "Passwords and keys of oneadmin": "change oneadmin's password; hide login tokens in the logs;"
    " hide tokens; log in to oned; read file; read one auth; refused logins;"
    " set oneadmin's public key; write one auth; write one_auth",
    "Login keys": "allow the other front-ends' keys for …; authorize; log in from host to host;"
    " login keys; create a key for …; try logins",
    "Upgrade": "begin upgrade; change the version of the database; compare the version;"
    " compare the version of the database; roll back to …; end upgrade; install OpenNebula …;"
    " find the dump from before the upgrade;"
    " restore the database from before an interrupted upgrade; put the kept database in place;"
    " swap; upgrade database; upgrade the database",
    "From SQLite to MariaDB": "compare all rows of SQLite and MariaDB; convert database;"
    " convert the database; copy all rows to MariaDB; switch oned to MariaDB; keep a copy of …;"
    " check the SQLite database; create the tables in MariaDB; start oned on MariaDB",
    "Monitoring file": "write …",
    "Messages of any step": "preflight; oned log",
}
_SIGNS = {
    "Connect": "unreachable unobserved",
    "Another OpenNebula": "other_database",
    "Disk space": "disk_full disk_low",
    "Proxy": "proxy",
    "Database account": "database_down",
    "Web server": "certificate web_server_down",
    "Start and stop of oned": "restart_loop stop_hangs oned_stopped oned_silent",
    "Create or adopt a zone": "no_zone",
    "Join": "not_in_zone not_set_up",
    "Leave": "unknown_server",
    "Leader": "no_quorum no_leader two_leaders",
    "Copy of the data": "dump_failed",
    "Health check": "wrong_server_id not_following log_dropped lagging stale_pool",
    "Services": "service_down service_stray",
    "Drift": "drift pending_restart data_differ keys_differ",
    "VIP": "vip_missing vip_leftover",
    "Passwords and keys of oneadmin": "login_refused",
    "Upgrade": "upgrade_interrupted versions",
}
TOPICS = tuple(
    Topic(title, tuple(filter(None, steps.split("; "))), tuple(_SIGNS.get(title, "").split()))
    for title, steps in _STEPS.items()
)
ANY = TOPICS[-1]


def topic(step: str) -> Topic:
    """Return the section of that step: of its whole name, or of the longest beginning."""
    fits = [
        (len(name), section)
        for section in TOPICS
        for name in section.steps
        if step == name or (name.endswith("…") and step.startswith(name[:-1]))
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else ANY


def topic_of_sign(sign: str) -> Topic:
    """Return the section of a sign of docs/status.md."""
    return next((section for section in TOPICS if sign in section.signs), ANY)


def explained(*errors: HostError) -> str:
    """Return the text of the errors, and where the page explains them: each section once."""
    each = [part for error in errors for part in getattr(error, "errors", [error])]
    return "\n".join(map(str, errors)) + f"\n  {see(topic(part.step).anchor for part in each)}"


def see(anchors: Iterable[str]) -> str:
    """Return where the page explains these sections, each of them once."""
    return f"see {PAGE}{', '.join(dict.fromkeys(f'#{anchor}' for anchor in anchors))}"
