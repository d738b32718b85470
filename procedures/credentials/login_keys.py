"""Let accounts log in from each front-end to all others: ``ensure_keys_for``.

Each account has a key of its own on every front-end. On the other front-ends, our lines are between
two marks in ``authorized_keys`` and ``known_hosts``; other lines stay.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from hosts.errors import HostError
from hosts.models import Host, record_name
from procedures.context import Access, Hosts
from procedures.parallel import HostErrors, on_each, side_by_side
from procedures.specs import LoginKeysSpec


@dataclass(frozen=True)
class Account:
    """An account on one front-end: its public key, and our lines in its two files."""

    public: str
    authorized: str = ""
    known: str = ""


Accounts = Mapping[str, Mapping[str, Account]]
"""By host, then by name."""


def ensure(access: Access, spec: LoginKeysSpec) -> None:
    """Create the keys, and authorize them on all other front-ends. Raises HostError."""
    seen = _observe(access, spec, make=True)
    desired = wanted(seen, _known(access, spec))
    side_by_side(
        {
            name: partial(_write, access, host, desired[name])
            for name, host in spec.hosts.items()
            if desired[name] != seen[name]
        }
    )
    _try(access, spec)


def _try(access: Access, spec: LoginKeysSpec) -> None:
    """Check that each account can log in with its keys. Raises HostError with sshd's reason."""
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
    failures: dict[tuple[str, str], dict[str, str]] = {}
    for source, lines in on_each(hosts, try_from).items():
        for line in lines:
            user, target, text = (*line.split(" ", 2), "")[:3]
            failures.setdefault((target, user), {})[source] = text
    if failures:
        reasons = on_each({name: hosts[name] for name, _ in failures}, partial(refusals, access))
        raise HostErrors(
            [
                _login_failed(target, user, sources, reasons[target])
                for (target, user), sources in sorted(failures.items())
            ]
        )


def refusals(access: Access, host: Host) -> str:
    """Return the recent messages of sshd about refused logins; empty if they cannot be read."""
    with suppress(HostError):
        output = access.run(host, "refused_logins", exclusive=False)
        return "; ".join(output.values["refused"].splitlines())
    return ""


def _login_failed(target: str, user: str, sources: Mapping[str, str], reason: str) -> HostError:
    names = ", ".join(sorted(sources))
    seen = "; ".join(sorted({text for text in sources.values() if text})) or "a refusal"
    return HostError(
        target,
        "log in from host to host",
        expected=f"{user} of {names} to be accepted as {user} of {target}",
        seen=f"{seen}; {f'sshd on {target}: {reason}' if reason else 'its log says nothing'}",
        remedy=f"correct that on {target} (AllowUsers and the like in sshd_config, owner and mode"
        f" of the home folder and ~/.ssh, the account's shell), or take {user} out of"
        " opennebula-ha:ensure_keys_for; then run again",
    )


def inspect(access: Access, spec: LoginKeysSpec) -> tuple[str, ...]:
    """Return the accounts whose keys differ from the spec. Raises HostError."""
    seen = _observe(access, spec, make=False)
    desired = wanted(seen, _known(access, spec))
    return tuple(
        f"{name}: keys of {user}"
        for name, accounts in sorted(seen.items())
        for user, account in sorted(accounts.items())
        if not account.public or account != desired[name][user]
    )


def obsolete(before: LoginKeysSpec, spec: LoginKeysSpec) -> Iterator[tuple[LoginKeysSpec, Hosts]]:
    """Yield accounts whose keys are no longer authorized, each with the hosts concerned."""
    yield before, {name: host for name, host in before.hosts.items() if name not in spec.hosts}
    left = tuple(sorted(set(before.users) - set(spec.users)))
    yield before.model_copy(update={"users": left}), spec.hosts


def withdraw(access: Access, spec: LoginKeysSpec, hosts: Hosts) -> None:
    """Stop authorizing those accounts' keys, whose files stay. Raises HostError."""
    none = {user: Account("") for user in spec.users}
    if none:
        on_each(hosts, lambda host: _write(access, host, none))


def wanted(seen: Accounts, known: Mapping[str, str]) -> Accounts:
    """Return each account with the keys of the other front-ends that it must have.

    ``known``: each front-end's line for known_hosts.
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
    """Return each front-end's line for known_hosts, with the host key that was verified."""
    lines = {}
    for name, host in spec.hosts.items():
        connection = access.connection(host)
        names = [record_name(text, connection.port) for text in (name, host.address)]
        lines[name] = f"{','.join(names)} {connection.host_key}"
    return lines


def _observe(access: Access, spec: LoginKeysSpec, *, make: bool) -> Accounts:
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
        parts = ("public", "authorized", "known")
        return {
            user: Account(*(output.values.get(f"{part}_{n}", "") for part in parts))
            for n, user in enumerate(spec.users)
        }

    return on_each(spec.hosts, ask)


def _write(access: Access, host: Host, accounts: Mapping[str, Account]) -> None:
    variables = {"users": " ".join(accounts)}
    for n, account in enumerate(accounts.values()):
        variables |= {f"authorized_{n}": account.authorized, f"known_{n}": account.known}
    access.run(host, "authorize", variables=variables)
