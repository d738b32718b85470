"""What messages and signs are about: the sections of docs/troubleshooting.md.

A message names its step; the section of that step says what it means and what usually causes it.
Each sign of ``make doctor`` has a section, too. The page has their texts; ``make docs`` adds the
steps, the signs and the messages, from the code.
"""

import re
from collections.abc import Iterable

from hosts.errors import HostError

PAGE = "docs/troubleshooting.md"


class Topic:
    """A section of the page: a subject, and the steps whose messages belong to it."""

    def __init__(self, title: str, steps: str = "", *, signs: str = "") -> None:
        """``steps``: separated by ``;``. One that ends in … stands for all that begin so.

        ``signs``: those of docs/status.md that are about the same, separated by blanks.
        """
        self.title = title
        self.steps = tuple(steps.split("; ")) if steps else ()
        self.signs = tuple(signs.split())

    @property
    def anchor(self) -> str:
        """Return the anchor of the section, as code hosts and the web site make it."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


ANY = Topic("Messages of any step", "preflight; oned log")
TOPICS = (
    Topic("State", "read the stack's state"),
    Topic("Connect", "connect; ask oned through SSH", signs="unreachable unobserved"),
    Topic("Log in", "log in; read the SSH key; read the SSH client's configuration"),
    Topic("Host key", "verify the host key"),
    Topic("Root", "become root; start a shell"),
    Topic("Another OpenNebula", "identify the OpenNebula on the host", signs="other_database"),
    Topic(
        "Distribution", "choose the package repository; check for systemd; check the systemd units"
    ),
    Topic("Memory", "check the memory"),
    Topic("Disk space", "check the free space", signs="disk_full disk_low"),
    Topic("Clock", "compare the clocks; check the time service"),
    Topic("Names", "resolve the front-ends' names"),
    Topic("Own name", "resolve its own name"),
    Topic("Renamed front-ends", "compare the front-ends' names"),
    Topic("Ports between front-ends", "check that the front-ends reach each other"),
    Topic("Ports in use", "check that the ports of its services are free"),
    Topic("VIP interface", "check the VIP's interface"),
    Topic("VIP in use", "check that the VIP is free"),
    Topic(
        "VIP managers",
        "check that nothing else configures the VIP; check what manages addresses",
    ),
    Topic("Rights of the hooks", "ask sudo what oneadmin may do"),
    Topic("Logins between front-ends", "check the logins that sshd accepts"),
    Topic("Proxy", "check the proxies of services", signs="proxy"),
    Topic("Password policy", "compare the database's password with MariaDB's policy"),
    Topic("Database server", "check for another database server; compare the releases of MariaDB"),
    Topic("Locale", "check the locales"),
    Topic(
        "Preparations",
        "check the accounts; check the Raft hooks; check the shares; check the time zone;"
        " check the web server's certificate",
    ),
    Topic("Access control", "check mandatory access control"),
    Topic("Cloud-init", "check for cloud-init"),
    Topic(
        "Registered endpoints",
        "check the registered endpoints of the zone's servers; check the zone's gRPC endpoints",
    ),
    Topic(
        "Packages",
        "add the package repository; check the package repository; check repository;"
        " configure package sources; remove the staged packages; stage OpenNebula …;"
        " install packages; refresh the lists of all package repositories;"
        " release the packages that are held back; rollback unavailable: …; wait up to …;"
        " install; packages; unhold; unstage",
    ),
    Topic(
        "Configuration files",
        "start the leader check for load balancers; change the front-ends' names in …;"
        " configure; edit …; hosts names; make the front-ends' names resolve; read …; restart …;"
        " find the program …; set the hostname; set the time zone;"
        " start the timer of the dumps; write the configuration",
    ),
    Topic(
        "Database account",
        "bootstrap the database; drop the database account …; keep the account …;"
        " create the database and its account; observe; revoke accounts; snapshot",
        signs="database_down",
    ),
    Topic(
        "Storage",
        "compare …; link datastore …; link the datastores; check the link …;"
        " check the mount point …; mount …; read /etc/fstab; remove the link of datastore …;"
        " storage; unmount …; write /etc/fstab",
    ),
    Topic(
        "Web server",
        "install…; create a certificate; set up …; install the certificate;"
        " remove the site from …; web server",
        signs="certificate web_server_down",
    ),
    Topic(
        "Removal",
        "keep the database that DB points to, …; keep what is mounted on …;"
        " purge OpenNebula and its data;"
        " remove the hooks and the VIPs; stop and disable the services; take down; uninstall",
    ),
    Topic(
        "Start and stop of oned",
        "assign server id; await stopped; kill oned: …; restart; restart oned;"
        " restart oned with its new configuration; set SERVER_ID; start; start oned; stop;"
        " stop oned; wait for oned; wait until oned has stopped",
        signs="restart_loop stop_hangs oned_stopped oned_silent",
    ),
    Topic(
        "Create or adopt a zone",
        "adopt the zone; bootstrap; bootstrap the zone; register the zone's servers;"
        " remove servers from the pool",
        signs="no_zone",
    ),
    Topic(
        "Join",
        "join the zone; register the server; reset the server in the leader's log",
        signs="not_in_zone not_set_up",
    ),
    Topic(
        "Leave",
        "leave the zone; check that lost servers stay off; shrink the zone;"
        " remove the lost servers from the zone",
        signs="unknown_server",
    ),
    Topic(
        "Leader",
        "switch over; wait for a leader; write through the leader",
        signs="no_quorum no_leader two_leaders",
    ),
    Topic(
        "Copy of the data",
        "allow the transfer; allow transfer; copy the dump; dump; dump the database…;"
        " revoke the transfer's access; keep the keys and the settings;"
        " put the database in place; read the dump; receive; restore; restore the database;"
        " send; send the database and the keys…; put the keys and the remotes in place;"
        " timed dump",
        signs="dump_failed",
    ),
    Topic(
        "Health check",
        "compare the data; refuse services; verify the front-end; verify the services;"
        " verify the zone; watch tables",
        signs="wrong_server_id not_following log_dropped lagging stale_pool",
    ),
    Topic("Services", "services; start …; stop …", signs="service_down service_stray"),
    Topic("Drift", signs="drift pending_restart data_differ keys_differ"),
    Topic(
        "VIP",
        "address managers; announce; announce the VIP; drop addresses; gui; remove …;"
        " run the leader's hook; set the zone's ENDPOINT; take addresses; verify the VIP;"
        " wait for the end of Raft's hook",
        signs="vip_missing vip_leftover",
    ),
    Topic(
        "Passwords and keys of oneadmin",
        "change oneadmin's password; hide login tokens in the logs; hide tokens; log in to oned;"
        " read file; read one auth; refused logins; set oneadmin's public key; write one auth;"
        " write one_auth",
        signs="login_refused",
    ),
    Topic(
        "Login keys",
        "allow the other front-ends' keys for …; authorize; log in from host to host;"
        " login keys; create a key for …; try logins",
    ),
    Topic(
        "Upgrade",
        "begin upgrade; change the version of the database; compare the version;"
        " compare the version of the database; roll back to …; end upgrade;"
        " install OpenNebula …; find the dump from before the upgrade;"
        " restore the database from before an interrupted upgrade;"
        " put the kept database in place; swap; upgrade database; upgrade the database",
        signs="upgrade_interrupted versions",
    ),
    Topic(
        "From SQLite to MariaDB",
        "compare all rows of SQLite and MariaDB; convert database; convert the database;"
        " copy all rows to MariaDB; switch oned to MariaDB; keep a copy of …;"
        " check the SQLite database; create the tables in MariaDB; start oned on MariaDB",
    ),
    Topic("Monitoring file", "write …"),
    ANY,
)


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
