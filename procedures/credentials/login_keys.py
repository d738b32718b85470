"""Let accounts log in from each front-end to all others: ``ensure_keys_for``.

Each account has a key of its own on every front-end. What the others have of it stands between two
marks in ``authorized_keys`` and ``known_hosts``; the rest of those files stays.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from hosts.errors import HostError
from hosts.models import Host
from procedures.context import Access
from procedures.parallel import HostErrors, on_each, side_by_side
from procedures.specs import LoginKeysSpec


@dataclass(frozen=True)
class Account:
    """An account on one front-end: its public key, and our lines of its two files."""

    public: str
    authorized: str = ""
    known: str = ""


Accounts = Mapping[str, Mapping[str, Account]]
"""By host, then by name."""


def ensure(access: Access, spec: LoginKeysSpec) -> None:
    """Have the keys, and have them allowed on all other front-ends. Raises HostError."""
    seen = _seen(access, spec, make=True)
    desired = wanted(seen, _known(access, spec))
    side_by_side(
        {
            name: lambda name=name: _write(access, spec.hosts[name], desired[name])  # type: ignore[misc]
            for name in spec.hosts
            if desired[name] != seen[name]
        }
    )
    _try(access, spec)


def _try(access: Access, spec: LoginKeysSpec) -> None:
    """See that the keys let the accounts in. Raises HostError with sshd's own reason."""
    hosts = spec.hosts

    def try_from(host: Host) -> list[str]:
        targets = [
            f"{name} {other.address} {access.connection(other).port}"
            for name, other in sorted(hosts.items())
            if name != host.name
        ]
        variables = {"users": " ".join(spec.users), "targets": "\n".join(targets)}
        output = access.run(host, "try_logins", variables=variables, exclusive=False)
        return output.values["failed"].splitlines()

    access.report("log in with the keys from each front-end to all others")
    said: dict[tuple[str, str], dict[str, str]] = {}
    for source, lines in on_each(hosts, try_from).items():
        for line in lines:
            user, target, text = (*line.split(" ", 2), "")[:3]
            said.setdefault((target, user), {})[source] = text
    if said:
        reasons = on_each({name: hosts[name] for name, _ in said}, partial(refusals, access))
        raise HostErrors(
            [
                _not_let_in(target, user, sources, reasons[target])
                for (target, user), sources in sorted(said.items())
            ]
        )


def refusals(access: Access, host: Host) -> str:
    """What its sshd said lately about logins that it refused; nothing if it cannot be read."""
    with suppress(HostError):
        output = access.run(host, "refused_logins", exclusive=False)
        return "; ".join(output.values["refused"].splitlines())
    return ""


def _not_let_in(target: str, user: str, sources: Mapping[str, str], reason: str) -> HostError:
    names = ", ".join(sorted(sources))
    seen = "; ".join(sorted({text for text in sources.values() if text})) or "a refusal"
    return HostError(
        target,
        "log in from host to host",
        expected=f"{user} of {names} to be let in as {user} of {target}",
        seen=f"{seen}; {f'sshd on {target}: {reason}' if reason else 'its log says nothing'}",
        remedy=f"correct that on {target} (AllowUsers and the like in sshd_config, owner and mode"
        f" of the home folder and ~/.ssh, the account's shell), or take {user} out of"
        " opennebula-ha:ensure_keys_for; then run again",
    )


def inspect(access: Access, spec: LoginKeysSpec) -> tuple[str, ...]:
    """The accounts whose keys are not as they should be. Raises HostError."""
    seen = _seen(access, spec, make=False)
    desired = wanted(seen, _known(access, spec))
    return tuple(
        f"{name}: keys of {user}"
        for name, accounts in sorted(seen.items())
        for user, account in sorted(accounts.items())
        if not account.public or account != desired[name][user]
    )


def obsolete(
    before: LoginKeysSpec, spec: LoginKeysSpec
) -> Iterator[tuple[LoginKeysSpec, Mapping[str, Host]]]:
    """Yield whose keys are no longer allowed where: of front-ends and accounts off the list."""
    yield before, {name: host for name, host in before.hosts.items() if name not in spec.hosts}
    left = tuple(sorted(set(before.users) - set(spec.users)))
    yield before.model_copy(update={"users": left}), spec.hosts


def withdraw(access: Access, spec: LoginKeysSpec, hosts: Mapping[str, Host]) -> None:
    """Allow those accounts' keys there no more; the keys themselves stay. Raises HostError."""
    none = {user: Account("") for user in spec.users}
    if none:
        on_each(hosts, lambda host: _write(access, host, none))


def wanted(seen: Accounts, known: Mapping[str, str]) -> Accounts:
    """Each account with what it must have of the other front-ends.

    ``known`` has each front-end's line of a known_hosts file.
    """
    return {
        name: {
            user: Account(
                account.public,
                "\n".join(
                    f"{accounts[user].public} {user}@{other}"
                    for other, accounts in sorted(seen.items())
                    if other != name and accounts[user].public
                ),
                "\n".join(line for other, line in sorted(known.items()) if other != name),
            )
            for user, account in own.items()
        }
        for name, own in seen.items()
    }


def _known(access: Access, spec: LoginKeysSpec) -> dict[str, str]:
    """With the keys that this program verified itself."""
    lines = {}
    for name, host in spec.hosts.items():
        connection = access.connection(host)
        places = [name, host.address]
        if connection.port != 22:
            places = [f"[{place}]:{connection.port}" for place in places]
        lines[name] = f"{','.join(places)} {connection.host_key}"
    return lines


def _seen(access: Access, spec: LoginKeysSpec, *, make: bool) -> Accounts:
    def ask(host: Host) -> dict[str, Account]:
        output = access.run(
            host,
            "login_keys",
            variables={
                "users": " ".join(spec.users),
                "name": host.name,
                "make": "yes" if make else "no",
                "rsa_key_size": str(spec.rsa_key_size or ""),
            },
            exclusive=make,
        )
        return {
            user: Account(
                *(
                    output.values.get(f"{part}_{n}", "")
                    for part in ("public", "authorized", "known")
                )
            )
            for n, user in enumerate(spec.users)
        }

    return on_each(spec.hosts, ask)


def _write(access: Access, host: Host, accounts: Mapping[str, Account]) -> None:
    variables = {"users": " ".join(accounts)}
    for n, account in enumerate(accounts.values()):
        variables |= {f"authorized_{n}": account.authorized, f"known_{n}": account.known}
    access.run(host, "authorize", variables=variables)
