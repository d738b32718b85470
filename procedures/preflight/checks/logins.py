"""Check that each front-end's sshd accepts the logins that bring the zone's data. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from procedures.preflight.context import Finding, Site, fault, in_network, skippable

Sshd = Mapping[str, Sequence[str]]
"""Settings as ``sshd -T`` prints them, by name in lower case; repeated ones in order."""


@skippable
def logins(site: Site) -> Iterator[Finding]:
    """Check that each new front-end accepts logins of this program's account from the others."""
    for name, there in site.fresh_probes.items():
        refused: dict[str, list[str]] = defaultdict(list)
        for source, host in sorted(site.spec.hosts.items()):
            settings = there.sshd.get(host.address)
            if source == name or source not in site.seen or settings is None:
                continue
            reason = refusal(settings, there.login, there.groups, host.address)
            if reason:
                refused[reason].append(host.address)
        if not refused:
            continue
        sources = sorted({address for addresses in refused.values() for address in addresses})
        yield fault(
            name,
            "check the logins that sshd accepts",
            expected=f"{there.login} to be accepted with a key from {', '.join(sources)}",
            seen="; ".join(
                f"{reason} (from {', '.join(addresses)})" for reason, addresses in refused.items()
            ),
            remedy="allow that in sshd_config or its Match blocks, such as with"
            f" {there.login}@{sources[0]} in AllowUsers, and reload sshd: the zone's data come"
            " that way, with a key for that alone. 'sshd -T -C"
            f" user={there.login},host={sources[0]},addr={sources[0]}' shows what counts",
        )


def refusal(sshd: Sshd, login: str, groups: Sequence[str], address: str) -> str:
    """Return the setting that refuses that account's login from there; empty if none does."""
    return next(_refusals(sshd, login, groups, address), "")


def _refusals(sshd: Sshd, login: str, groups: Sequence[str], address: str) -> Iterator[str]:
    first = {name: values[0] for name, values in sshd.items() if values}
    if first.get("pubkeyauthentication") == "no":
        yield "PubkeyAuthentication no"
    methods = first.get("authenticationmethods", "any")
    if not {"any", "publickey"} & {*methods.split()}:
        yield f"AuthenticationMethods {methods}"
    if first.get("authorizedkeysfile") == "none":
        yield "AuthorizedKeysFile none"
    if login == "root" and first.get("permitrootlogin") == "no":
        yield "PermitRootLogin no"
    if first.get("forcecommand", "none") != "none":
        yield f"ForceCommand {first['forcecommand']}"
    for keyword, matches in (
        ("Users", lambda pattern: _is_user(pattern, login, address)),
        ("Groups", lambda pattern: any(fnmatchcase(group, pattern) for group in groups)),
    ):
        for pattern in filter(matches, sshd.get(f"deny{keyword.lower()}", ())):
            yield f"Deny{keyword} {pattern}"
        allowed = sshd.get(f"allow{keyword.lower()}", ())
        if allowed and not any(map(matches, allowed)):
            yield f"Allow{keyword} {' '.join(allowed)}"


def _is_user(pattern: str, login: str, address: str) -> bool:
    user, at, hosts = pattern.rpartition("@")
    if not at:
        return fnmatchcase(login, pattern)
    listed = hosts.split(",")
    refused = (host[1:] for host in listed if host.startswith("!"))
    return (
        fnmatchcase(login, user)
        and any(_is_at(host, address) for host in listed)
        and not any(_is_at(host, address) for host in refused)
    )


def _is_at(host: str, address: str) -> bool:
    return in_network(host, address) if "/" in host else fnmatchcase(address, host)
