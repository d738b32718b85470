"""The table of signs: for each one its function, level, meaning, cause and cure. Pure."""

from commands.status.signs import hosts, oned, replicas, services, zone
from commands.status.signs.sign import LOGS, REPAIR, UP, Level, Sign

SIGNS: tuple[Sign, ...] = (
    Sign(
        zone.no_quorum,
        "fewer servers than the quorum",
        "Most servers are down or cut off. The zone takes no writes. A write that a client was"
        " refused, or got no answer to, may be committed later: read before you repeat it.",
        (
            "Start the hosts that are down, and repair the network between them. Then:",
            *REPAIR,
        ),
        level=Level.CRITICAL,
    ),
    Sign(
        zone.no_leader,
        "no leader",
        "An election is under way: it takes about 7 s, 20 s after a start, and longer if votes are"
        " split. If it does not end, the servers do not reach each other at port 2633.",
        (
            "Wait half a minute and look again. If there is still no leader, the reason is in"
            " the servers' logs:",
            LOGS,
            "Open port 2633 between the front-ends, then:",
            *REPAIR,
        ),
        level=Level.CRITICAL,
    ),
    Sign(
        zone.unobserved,
        "no host that can be observed",
        "This machine gets no facts from any front-end, so the state of the zone is unknown. The"
        " zone itself may be healthy.",
        ("Correct the fault that is shown for each host below, and look again.",),
        level=Level.CRITICAL,
    ),
    Sign(
        zone.no_zone,
        "no zone yet",
        "The hosts of the stack answer, and none of them holds a zone's database: no up has"
        " run, or the first one was not completed.",
        UP,
        level=Level.CRITICAL,
    ),
    Sign(
        zone.two_leaders,
        "several servers say that they lead",
        "The one with the lower term was frozen, or is cut off from the others. It commits no"
        " writes, and steps down as soon as it hears from them. Two leaders of the same term mean"
        " that one runs with a wrong SERVER_ID.",
        (
            "Repair the network between {host} and the other front-ends (port 2633), and look again"
            " after 10 s. If {host} still leads, restart it there:",
            "systemctl restart opennebula",
        ),
        level=Level.CRITICAL,
    ),
    Sign(
        replicas.wrong_server_id,
        "a SERVER_ID that is not the server's",
        "A server with the ID of another one, or of no server, can vote for itself: a split brain."
        " oned does not check its ID. What it wrote with that ID cannot be trusted.",
        ("Do not restart it. It rejoins the zone with a copy of the leader's data:", *REPAIR),
        level=Level.CRITICAL,
    ),
    Sign(
        zone.vip_missing,
        "the leader does not hold the VIP",
        "Its Raft hook failed, or the address was removed by hand. Clients do not reach the zone.",
        level=Level.CRITICAL,
    ),
    Sign(
        zone.vip_leftover,
        "the VIP on a host that does not lead",
        "A crash of a host or of its oned, a frozen host, or a change by hand leaves the address"
        " behind. Clients may reach a follower, or no server.",
    ),
    Sign(
        hosts.unreachable,
        "a host that cannot be reached",
        "The host is off or frozen, or the network between it and your machine is cut.",
        (
            "Start the host or repair the network: its server follows the leader again by itself."
            " If it is permanently lost, list it under lost and a new host under frontends, then:",
            *UP,
        ),
    ),
    Sign(
        hosts.unreadable,
        "a host that cannot be observed",
        "The login, sudo, or a file on the host is not as this program needs it.",
        (),
    ),
    Sign(
        oned.upgrade_interrupted,
        "an upgrade or a conversion that was interrupted",
        "A run was killed during a change of the database. No oned of the zone starts until it is"
        " complete.",
        UP,
    ),
    Sign(
        services.database_down,
        "MariaDB does not answer",
        "MariaDB is stopped, or cannot start. oned cannot work without it.",
        (
            "If it was stopped:",
            *REPAIR,
            "If it does not start, look at its journal on {host}: journalctl -u mariadb -n 20",
        ),
    ),
    Sign(
        oned.restart_loop,
        "oned exits again and again",
        "oned does not start with its configuration, its database or its host's name. systemd"
        " starts it again, and stops trying after 3 starts within 60 s.",
        (
            "Correct the reported fault. What this program set on the host is restored by:",
            *REPAIR,
        ),
    ),
    Sign(
        oned.stop_hangs,
        "a stop that hangs",
        "A thread of oned waits for another one that never ends, mostly after a stop within"
        " seconds of the start. systemd kills it after 90 s; no data are lost.",
        ("Wait until then, or kill and restart it now:", *REPAIR),
    ),
    Sign(
        oned.oned_stopped,
        "oned is stopped",
        "A user or a program stopped it.",
    ),
    Sign(
        oned.oned_silent,
        "oned runs and does not answer",
        "Its process is frozen or waits for its disk. The others elect another leader if it was the"
        " leader; it may still hold the VIP.",
        (
            "If it does not answer after 30 s, restart it on {host}. It comes back as a follower:",
            "systemctl restart opennebula",
        ),
    ),
    Sign(
        oned.login_refused,
        "oned refuses the stack's password",
        "oneadmin's password was changed outside the stack, or this server holds other data.",
        (
            "Set opennebula-ha:one_pass to the zone's password (/var/lib/one/.one/one_auth on the"
            " leader), then:",
            *REPAIR,
        ),
    ),
    Sign(
        oned.proxy,
        "a proxy in oned's environment",
        "oned sends its votes to that proxy, so that no leader is elected.",
        (
            "Remove it from systemd's environment on {host}, then restart oned there:",
            "systemctl unset-environment http_proxy HTTP_PROXY all_proxy ALL_PROXY",
            "systemctl restart opennebula",
        ),
    ),
    Sign(
        replicas.not_following,
        "a server that does not follow the leader",
        "It hears nothing from the leader: the network between them is cut, or it has just"
        " started. A candidate makes the leader step down when it is heard again.",
        ("Repair the network between {host} and the others (port 2633). If it stays so:", *REPAIR),
    ),
    Sign(
        replicas.log_dropped,
        "a follower behind the leader's retained log",
        "It was away for longer than the leader keeps its log (LOG_RETENTION). It cannot catch up.",
        ("It gets a fresh copy of the leader's data:", *REPAIR),
    ),
    Sign(
        replicas.lagging,
        "a follower that lags",
        "It was down, or is slow. It catches up with 170 to 250 records a second, and begins when"
        " something is written.",
        ("Look again in a moment. If it stays so:", *REPAIR),
    ),
    Sign(
        replicas.stale_pool,
        "a stale list of servers",
        "A server reads the list of servers only when it starts. With an old list it does not find"
        " a leader that joined later.",
        (
            *REPAIR,
            "If it stays so, restart that follower on {host}:",
            "systemctl restart opennebula",
        ),
    ),
    Sign(
        replicas.not_in_zone,
        "a front-end that is not a server of the zone",
        "It was added to the stack or removed from the zone, and no up has run since.",
    ),
    Sign(
        replicas.not_set_up,
        "a server of the zone without OpenNebula or its data",
        "Its host was reinstalled, its packages were removed, or its database was dropped. It"
        " counts for the quorum.",
        ("It is set up again. If its data are missing, it gets a copy of the leader's:", *REPAIR),
    ),
    Sign(
        zone.unknown_server,
        "a server of the zone that is not in the stack",
        "It was removed from the stack and no up has run since, or it was added by hand. It counts"
        " for the quorum.",
        (
            "List {host} under frontends to keep it. If it was removed from the stack:",
            *REPAIR,
            "If its host is permanently lost, list {host} under lost first.",
        ),
    ),
    Sign(
        replicas.other_database,
        "another OpenNebula's database",
        "This server was bootstrapped by itself, or restored from another zone. With equal indexes"
        " it looks like a follower, and has other users and objects.",
        (
            "It is not replaced automatically. If its data is not needed, stop oned on {host}, drop"
            " its database and move /var/lib/one/.one to another place. Then it rejoins:",
            *REPAIR,
        ),
    ),
    Sign(
        replicas.data_differ,
        "data that differ from the leader's",
        "Records were lost, or the database was changed outside OpenNebula. Equal indexes do not"
        " prove equal data. If this server leads, users see its data.",
        ("It rejoins with a copy of the leader's data; its own is dumped first:", *REPAIR),
    ),
    Sign(
        replicas.keys_differ,
        "keys or remotes that differ from the leader's",
        "They were changed on one host. After a failover, services and drivers fail with them.",
        ("It rejoins with the leader's:", *REPAIR),
    ),
    Sign(
        services.service_down,
        "a service that does not run",
        "It was stopped, or exits. OneFlow, OneGate and OneForm run on the leader,"
        " FireEdge on every front-end.",
        ("If it exits again, correct the fault that journalctl on {host} shows. Then:", *REPAIR),
    ),
    Sign(
        services.service_stray,
        "a service that runs on a follower",
        "It was started by hand, or a Raft hook did not stop it.",
    ),
    Sign(
        hosts.disk_full,
        "a full disk",
        "MariaDB and oned cannot write there. On the leader, every write of the zone hangs.",
        (
            "Free space on {host}: journalctl --vacuum-size=100M, and old files in"
            " /var/backups/opennebula after they were copied elsewhere. Then:",
            *REPAIR,
        ),
    ),
    Sign(
        hosts.disk_low,
        "little free disk",
        "Less than 5 % is free. Dumps need room in /var/backups/opennebula: see keep_dumps.",
        ("Free space on {host}, or enlarge the file system.",),
    ),
    Sign(
        services.dump_failed,
        "a timed dump that failed",
        "The dump or its copy is not complete. The next success ends this sign.",
        (
            "Correct what journalctl -u opennebula-ha-backup says on {host}. Then, there:",
            "systemctl start opennebula-ha-backup",
        ),
    ),
    Sign(
        services.certificate,
        "a certificate that expires soon",
        "Browsers reject the web server's certificate after it expires.",
        (),
    ),
    Sign(
        services.web_server_down,
        "the web server does not run",
        "It was stopped, or does not start with its sites.",
    ),
    Sign(
        oned.versions,
        "different versions of OpenNebula",
        "An upgrade of the stack is not complete, or packages were installed by hand.",
    ),
    Sign(
        oned.pending_restart,
        "a server that waits for a restart",
        "Its configuration or its packages changed after oned started.",
        ("A rollout restarts it, one server at a time:", *REPAIR),
    ),
    Sign(
        hosts.drift,
        "differences from the stack",
        "They were made outside the stack, or no up has run since the stack changed.",
    ),
)
