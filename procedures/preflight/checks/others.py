"""Check the rest of a host's configuration: its name, locales, proxies, VIPs, and MariaDB."""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping

from hosts.errors import HostError
from procedures.install.files.leader import refused_by_sudo
from procedures.preflight.context import Finding, Site, Weight, always, skippable

_MANAGERS = {
    "keepalived": "it moves addresses automatically: take this VIP out of its configuration",
    "systemd-networkd": "it may drop a VIP when it restarts: add KeepConfiguration=static to"
    " [Network] in a drop-in such as /etc/systemd/network/NAME.network.d/vip.conf",
    "NetworkManager": "it may drop a VIP when it reactivates the connection: do not reactivate it"
    " on the leader, or run 'make switchover' first",
}
_POLICIES = ("simple_password_check", "cracklib_password_check", "validate_password")


@skippable
def own_name(site: Site) -> Iterator[Finding]:
    """Check that each host resolves its own name, or the name that it will get."""
    for name in sorted(site.fresh):
        own, _, found = site.seen[name].probe.own_name.partition(" ")
        if not own or found or site.spec.ensure_hostname:
            continue
        if site.spec.ensure_hosts and own in site.spec.hosts:
            continue
        yield Finding(
            HostError(
                name,
                "resolve its own name",
                expected=f"an address for {own}, the host's own name",
                seen="none",
                remedy=f"set opennebula-ha:ensure_hostname: true, so that it is called {name}; or"
                f" add {own} to the line of 127.0.1.1 in its /etc/hosts",
            )
        )


@always
def cloud_init(site: Site) -> Iterator[Finding]:
    """Report cloud-init if it writes /etc/hosts: names are then also set in its template."""
    for name in sorted(site.fresh):
        facts = site.seen[name].facts
        if facts is None or not facts.hosts_template or not site.spec.ensure_hosts:
            continue
        template = facts.hosts_template.partition("\n")[0]
        yield Finding(
            HostError(
                name,
                "check for cloud-init",
                expected="no program that writes /etc/hosts at a boot",
                seen=f"cloud-init's {template}",
                remedy="this program adds the front-ends' names to that template, too, so that they"
                " remain after a boot with manage_etc_hosts",
            ),
            Weight.NOTE,
        )


@skippable
def locale(site: Site) -> Iterator[Finding]:
    """Check that each host has the stack's locales: with a missing one, each login warns."""
    before = site.change.before.locales if site.change.before else ()
    for name, seen in sorted(site.seen.items()):
        there = {_plain(wanted) for wanted in seen.probe.locales}
        missing = [
            wanted
            for wanted in site.spec.locales
            if (name in site.fresh or wanted not in before)
            and there
            and _plain(wanted) not in there
        ]
        if missing:
            yield Finding(
                HostError(
                    name,
                    "check the locales",
                    expected=", ".join(missing),
                    seen=", ".join(sorted(seen.probe.locales)[:6]),
                    remedy="generate it there (locale-gen, or the package glibc-langpack of that"
                    " language), or correct locale in opennebula-ha:ntp",
                )
            )


def _plain(name: str) -> str:
    """Normalize a locale's name as glibc does."""
    language, _, charset = name.partition(".")
    return f"{language}.{charset.lower().replace('-', '')}"


@skippable
def proxy(site: Site) -> Iterator[Finding]:
    """Check that services call the front-ends without a proxy. Raft uses HTTP, too."""
    wanted = {
        address: None for host in site.spec.hosts.values() for address in (host.name, host.address)
    }
    wanted |= dict.fromkeys(["127.0.0.1", "localhost"])
    wanted |= {vip.address: None for vips in site.spec.vips.values() for vip in vips}
    asked = ["http_proxy", "all_proxy"]
    asked += ["https_proxy", "grpc_proxy"] if site.spec.register_grpc else []
    for name in sorted(site.fresh):
        environment = site.seen[name].probe.environment
        proxies = {
            key: value for key, value in environment.items() if key.lower() in asked and value
        }
        past = ",".join(value for key, value in environment.items() if key.lower() == "no_proxy")
        missing = [target for target in wanted if not _goes_past(past, target)]
        if not proxies or not missing:
            continue
        yield Finding(
            HostError(
                name,
                "check the proxies of services",
                expected="none, or no_proxy with " + ",".join(missing),
                seen=", ".join(
                    f"{key}={_without_password(value)}" for key, value in proxies.items()
                ),
                remedy="add these to no_proxy where that proxy is set (DefaultEnvironment in"
                " /etc/systemd/system.conf.d, or a drop-in of the units), then run 'systemctl"
                " daemon-reexec'; for packages alone, opennebula-ha:pkg_cache_proxy is enough",
            )
        )


def _goes_past(no_proxy: str, target: str) -> bool:
    for entry in re.split(r"[,\s]+", no_proxy.strip()):
        bare = entry.removeprefix("*").removeprefix(".").lower()
        if entry == "*" or (bare and (target == bare or target.endswith(f".{bare}"))):
            return True
        if "/" in entry and _is_in(entry, target):
            return True
    return False


def _is_in(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//…@", url)


@skippable
def hook_rights(site: Site) -> Iterator[Finding]:
    """Check that no later file of sudo's overrides the rights that OpenNebula gives oneadmin."""
    for name, seen in sorted(site.seen.items()):
        said = seen.probe.sudo_refusal or (seen.facts.sudo_refusal if seen.facts else "")
        if name not in site.fresh or not said or not site.spec.vips.get(name):
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
                yield Finding(
                    HostError(
                        name,
                        "check that nothing else configures the VIP",
                        expected=f"{vip.address} in no network configuration: the Raft hook adds it"
                        " on the leader alone",
                        seen=", ".join(files),
                        remedy=f"remove {vip.address} from that file and apply it there, then run"
                        " again",
                    )
                )
        for manager in seen.probe.managers if vips and name in site.fresh else ():
            if manager in _MANAGERS:
                yield Finding(
                    HostError(
                        name,
                        "check what manages addresses",
                        expected="no program that takes a VIP from an interface",
                        seen=f"{manager} on {vips[0].interface}",
                        remedy=_MANAGERS[manager],
                    ),
                    Weight.NOTE,
                )


@always
def database_server(site: Site) -> Iterator[Finding]:
    """Check that there is no other database server, and that MariaDB's releases are equal.

    MariaDB's packages remove MySQL, and an old release rejects dumps of a newer one.
    """
    if not site.spec.database.is_mariadb:
        return
    series: dict[str, str] = {}
    for name, seen in sorted(site.seen.items()):
        packages = seen.facts.packages if seen.facts else {}
        found = [
            packages[known].version for known in ("mariadb-server", "mariadb") if known in packages
        ]
        if found and (release := re.match(r"(?:\d+:)?(\d+\.\d+)", found[0])):
            series[name] = release[1]
        others = sorted(other for other in packages if not found and _MYSQL.fullmatch(other))
        if others:
            yield Finding(
                HostError(
                    name,
                    "check for another database server",
                    expected="MariaDB, or no database server",
                    seen=", ".join(f"{other} {packages[other].version}" for other in others),
                    remedy="MariaDB's packages would remove that one: move its databases to MariaDB"
                    " (dump, install, restore), or remove it if nothing in it is needed",
                )
            )
    if len(set(series.values())) > 1 and site.change.new:
        yield Finding(
            HostError(
                ", ".join(series),
                "compare the releases of MariaDB",
                expected="the same one on all front-ends",
                seen=", ".join(f"{name} {release}" for name, release in series.items()),
                remedy="upgrade the older ones: they may reject a dump of a newer release, whose"
                " collations they do not know; a front-end that cannot join stays as it is",
            ),
            Weight.WARNING,
        )


_MYSQL = re.compile(r"(?:mysql|percona)-(?:community-|server-)?server(?:-core)?(?:-[0-9.]+)?")
"""Packages of other servers; default-mysql-server is MariaDB."""


@skippable
def password_policy(site: Site) -> Iterator[Finding]:
    """Check that MariaDB's policy accepts the password of the stack's account."""
    for name in sorted(site.fresh):
        policy = site.seen[name].probe.password_policy
        rules = [rule for rule in _POLICIES if rule in policy]
        if not rules or not site.spec.database.is_mariadb:
            continue
        faults = _faults(site.db_password, site.spec.database.owner, policy)
        unknown = [rule for rule in rules if rule != "simple_password_check"]
        if not faults and not unknown:
            continue
        yield Finding(
            HostError(
                name,
                "compare the database's password with MariaDB's policy",
                expected="an opennebula-ha:db_password with " + ", ".join(faults)
                if faults
                else f"an opennebula-ha:db_password that {' and '.join(unknown)} accepts",
                seen=f"{' and '.join(rules)} in MariaDB"
                + ("" if faults else ", which cannot be checked in advance"),
                remedy="choose another db_password, or change that policy in MariaDB",
            ),
            Weight.REFUSAL if faults else Weight.WARNING,
        )


def _faults(password: str, owner: str, policy: Mapping[str, str]) -> list[str]:
    """Return what a password lacks, by the variables of simple_password_check."""
    if "simple_password_check" not in policy:
        return []

    def least(name: str) -> int:
        return int(policy.get(f"simple_password_check_{name}", "0") or 0)

    counts: dict[str, tuple[int, Collection[str] | str]] = {
        f"{least('minimal_length')} characters": (least("minimal_length"), password),
        f"{least('digits')} digits": (least("digits"), [c for c in password if c.isdigit()]),
        f"{least('letters_same_case')} lower-case letters": (
            least("letters_same_case"),
            [c for c in password if c.islower()],
        ),
        f"{least('letters_same_case')} upper-case letters": (
            least("letters_same_case"),
            [c for c in password if c.isupper()],
        ),
        f"{least('other_characters')} other characters": (
            least("other_characters"),
            [c for c in password if not c.isalnum()],
        ),
    }
    found = [text for text, (wanted, there) in counts.items() if len(there) < wanted]
    return [*found, "more than the account's name"] if password == owner else found
