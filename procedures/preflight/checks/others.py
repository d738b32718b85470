"""Check the rest of a host's configuration: its name, locales, proxies, VIPs, and MariaDB."""

import re
from collections.abc import Callable, Iterator, Mapping

from opennebula import packages
from procedures.install.files.leader import refused_by_sudo
from procedures.preflight.context import Finding, Site, Weight, always, fault, in_network, skippable

_MANAGERS = {
    "keepalived": "it moves addresses automatically: take this VIP out of its configuration",
    "systemd-networkd": "it may drop a VIP when it restarts: add KeepConfiguration=static to"
    " [Network] in a drop-in such as /etc/systemd/network/NAME.network.d/vip.conf",
    "NetworkManager": "it may drop a VIP when it reactivates the connection: do not reactivate it"
    " on the leader, or run 'make switchover' first",
}
_CHARACTERS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("minimal_length", "characters", bool),
    ("digits", "digits", str.isdigit),
    ("letters_same_case", "lower-case letters", str.islower),
    ("letters_same_case", "upper-case letters", str.isupper),
    ("other_characters", "other characters", lambda character: not character.isalnum()),
)
"""Variables of simple_password_check, and the characters of which each demands a number."""
_POLICIES = ("simple_password_check", "cracklib_password_check", "validate_password")


@skippable
def own_name(site: Site) -> Iterator[Finding]:
    """Check that each host resolves its own name, or the name that it will get."""
    for name, probe in site.fresh_probes.items():
        own, _, found = probe.own_name.partition(" ")
        if not own or found or site.spec.ensure_hostname:
            continue
        if site.spec.ensure_hosts and own in site.spec.hosts:
            continue
        yield fault(
            name,
            "resolve its own name",
            expected=f"an address for {own}, the host's own name",
            seen="none",
            remedy=f"set opennebula-ha:ensure_hostname: true, so that it is called {name}; or"
            f" add {own} to the line of 127.0.1.1 in its /etc/hosts",
        )


@always
def cloud_init(site: Site) -> Iterator[Finding]:
    """Report cloud-init if it writes /etc/hosts: names are then also set in its template."""
    for name in sorted(site.fresh & site.facts.keys()):
        template = site.facts[name].hosts_template.partition("\n")[0]
        if not template or not site.spec.ensure_hosts:
            continue
        yield fault(
            name,
            "check for cloud-init",
            expected="no program that writes /etc/hosts at a boot",
            seen=f"cloud-init's {template}",
            remedy="this program adds the front-ends' names to that template, too, so that they"
            " remain after a boot with manage_etc_hosts",
            weight=Weight.NOTE,
        )


@skippable
def locale(site: Site) -> Iterator[Finding]:
    """Check that each host has the stack's locales: with a missing one, each login warns."""
    for name, seen in sorted(site.seen.items()):
        there = {_plain(wanted) for wanted in seen.probe.locales}
        missing = [
            wanted
            for wanted in site.spec.locales
            if (name in site.fresh or wanted not in site.change.was.locales)
            and there
            and _plain(wanted) not in there
        ]
        if missing:
            yield fault(
                name,
                "check the locales",
                expected=", ".join(missing),
                seen=", ".join(sorted(seen.probe.locales)[:6]),
                remedy="generate it there (locale-gen, or the package glibc-langpack of that"
                " language), or correct locale in opennebula-ha:ntp",
            )


def _plain(name: str) -> str:
    """Normalize a locale's name as glibc does."""
    language, _, charset = name.partition(".")
    return f"{language}.{charset.lower().replace('-', '')}"


@skippable
def proxy(site: Site) -> Iterator[Finding]:
    """Check that services call the front-ends without a proxy. Raft uses HTTP, too."""
    hosts, vips = site.spec.hosts.values(), site.spec.vips.values()
    wanted = [address for host in hosts for address in (host.name, host.address)]
    wanted += ["127.0.0.1", "localhost", *(vip.address for each in vips for vip in each)]
    asked = ["http_proxy", "all_proxy"]
    asked += ["https_proxy", "grpc_proxy"] if site.spec.register_grpc else []
    for name, probe in site.fresh_probes.items():
        environment = probe.environment
        proxies = {
            key: value for key, value in environment.items() if key.lower() in asked and value
        }
        past = ",".join(value for key, value in environment.items() if key.lower() == "no_proxy")
        missing = [target for target in dict.fromkeys(wanted) if not _goes_past(past, target)]
        if not proxies or not missing:
            continue
        yield fault(
            name,
            "check the proxies of services",
            expected="none, or no_proxy with " + ",".join(missing),
            seen=", ".join(f"{key}={_without_password(value)}" for key, value in proxies.items()),
            remedy="add these to no_proxy where that proxy is set (DefaultEnvironment in"
            " /etc/systemd/system.conf.d, or a drop-in of the units), then run 'systemctl"
            " daemon-reexec'; for packages alone, opennebula-ha:pkg_cache_proxy is enough",
        )


def _goes_past(no_proxy: str, target: str) -> bool:
    for entry in re.split(r"[,\s]+", no_proxy.strip()):
        bare = entry.removeprefix("*").removeprefix(".").lower()
        if entry == "*" or (bare and (target == bare or target.endswith(f".{bare}"))):
            return True
        if "/" in entry and in_network(entry, target):
            return True
    return False


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//…@", url)


@skippable
def hook_rights(site: Site) -> Iterator[Finding]:
    """Check that no later file of sudo's overrides the rights that OpenNebula gives oneadmin."""
    for name, probe in site.fresh_probes.items():
        facts = site.facts.get(name)
        said = probe.sudo_refusal or (facts.sudo_refusal if facts else "")
        if not said or not site.spec.vips.get(name):
            continue
        is_sure = re.search(r"\btty\b|\bpassword\b", said)
        yield Finding(refused_by_sudo(name, said), Weight.REFUSAL if is_sure else Weight.WARNING)


@skippable
def vip_managers(site: Site) -> Iterator[Finding]:
    """Check that nothing else configures a VIP, and report what manages its interface."""
    for name, seen in sorted(site.seen.items()):
        vips = site.change.vips_of(name)
        for vip in vips:
            files = seen.probe.vip_files.get(vip.address, ())
            if files:
                yield fault(
                    name,
                    "check that nothing else configures the VIP",
                    expected=f"{vip.address} in no network configuration: the Raft hook adds it"
                    " on the leader alone",
                    seen=", ".join(files),
                    remedy=f"remove {vip.address} from that file and apply it there, then run"
                    " again",
                )
        for manager in seen.probe.managers if vips and name in site.fresh else ():
            if manager in _MANAGERS:
                yield fault(
                    name,
                    "check what manages addresses",
                    expected="no program that takes a VIP from an interface",
                    seen=f"{manager} on {vips[0].interface}",
                    remedy=_MANAGERS[manager],
                    weight=Weight.NOTE,
                )


@always
def database_server(site: Site) -> Iterator[Finding]:
    """Check that there is no other database server, and that MariaDB's releases are equal.

    MariaDB's packages remove MySQL, and an old release rejects dumps of a newer one.
    """
    if not site.spec.database.is_mariadb:
        return
    series: dict[str, str] = {}
    for name, facts in sorted(site.facts.items()):
        there = facts.packages
        found = [there[known].version for known in there if packages.is_mariadb(known)]
        if found and (release := re.match(r"(?:\d+:)?(\d+\.\d+)", found[0])):
            series[name] = release[1]
        others = sorted(other for other in there if not found and _MYSQL.fullmatch(other))
        if others:
            yield fault(
                name,
                "check for another database server",
                expected="MariaDB, or no database server",
                seen=", ".join(f"{other} {there[other].version}" for other in others),
                remedy="MariaDB's packages would remove that one: move its databases to MariaDB"
                " (dump, install, restore), or remove it if nothing in it is needed",
            )
    if len(set(series.values())) > 1 and site.change.new:
        yield fault(
            ", ".join(series),
            "compare the releases of MariaDB",
            expected="the same one on all front-ends",
            seen=", ".join(f"{name} {release}" for name, release in series.items()),
            remedy="upgrade the older ones: they may reject a dump of a newer release, whose"
            " collations they do not know; a front-end that cannot join stays as it is",
            weight=Weight.WARNING,
        )


_MYSQL = re.compile(r"(?:mysql|percona)-(?:community-|server-)?server(?:-core)?(?:-[0-9.]+)?")
"""Packages of other servers; default-mysql-server is MariaDB."""


@skippable
def password_policy(site: Site) -> Iterator[Finding]:
    """Check that MariaDB's policy accepts the password of the stack's account."""
    for name, probe in site.fresh_probes.items():
        policy = probe.password_policy
        rules = [rule for rule in _POLICIES if rule in policy]
        if not rules or not site.spec.database.is_mariadb:
            continue
        faults = _faults(site.db_password, site.spec.database.owner, policy)
        unknown = [rule for rule in rules if rule != "simple_password_check"]
        if not faults and not unknown:
            continue
        yield fault(
            name,
            "compare the database's password with MariaDB's policy",
            expected="an opennebula-ha:db_password with " + ", ".join(faults)
            if faults
            else f"an opennebula-ha:db_password that {' and '.join(unknown)} accepts",
            seen=f"{' and '.join(rules)} in MariaDB"
            + ("" if faults else ", which cannot be checked in advance"),
            remedy="choose another db_password, or change that policy in MariaDB",
            weight=Weight.REFUSAL if faults else Weight.WARNING,
        )


def _faults(password: str, owner: str, policy: Mapping[str, str]) -> list[str]:
    """Return what a password lacks, by the variables of simple_password_check."""
    if "simple_password_check" not in policy:
        return []
    found = []
    for name, what, counts in _CHARACTERS:
        least = int(policy.get(f"simple_password_check_{name}", "0") or 0)
        if sum(map(counts, password)) < least:
            found.append(f"{least} {what}")
    return [*found, "more than the account's name"] if password == owner else found
