"""One front-end's packages, database, configuration and credentials. Starts no oned."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hosts.errors import HostError, reading_answer
from hosts.models import Host
from opennebula import packages, raft_hook
from opennebula.api import ApiError
from opennebula.packages import is_version
from opennebula.zone import STANDALONE_ID, State
from procedures.bootstrap import convert_database
from procedures.context import Access
from procedures.facts import signs
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts, Package
from procedures.facts.observe import (
    facts,
    facts_where_possible,
    names_of_leaving,
    servers,
    statuses,
)
from procedures.facts.report import files
from procedures.host_drift import (
    check,
    drift,
    has_led,
    managed_units,
    open_keys,
    stray_units,
    wanted_hostname,
    wanted_timezone,
    with_lead,
    writes_auth,
)
from procedures.install import configuration, storage
from procedures.install.files import collect, leader
from procedures.install.files.paths import PATHS
from procedures.install.packaging import (
    features,
    held,
    platform,
    to_fetch,
    unsettled,
    unwanted,
    wanted,
)
from procedures.script_text import LOCK_PATIENCE
from procedures.specs import InstallationSpec
from procedures.upgrade import upgrade

STOP = 240.0 + LOCK_PATIENCE
"""Seconds for oned and the services next to it to stop: a candidate was seen to take 84 s."""
INSTALL = 900.0 + LOCK_PATIENCE
"""Seconds to fetch and unpack all packages."""

CONFIGURE = 300.0
"""Seconds to write everything, and for the services next to oned to restart with it."""


@dataclass(frozen=True)
class Installed:
    """What a front-end has after its installation, or now."""

    package: str
    distribution: str
    machine_id: str
    host_key: str
    drift: tuple[str, ...]
    adopted: bool = False
    """A zone server at work that is new to the stack: it stays as it is."""


def install(
    access: Access,
    spec: InstallationSpec,
    *,
    front_ends: Mapping[str, Host],
    new: bool = False,
    agreed: str | None = None,
    renew: bool = False,
    converts: bool = False,
    seen: Facts | None = None,
    leaving: Mapping[str, str] | None = None,
    lost: Collection[str] = (),
) -> Installed:
    """Bring the host to the spec; changes only what differs. Raises HostError.

    A zone server at work that is new to the stack is adopted as it is: what differs is reported.
    With data, another version is only fetched: it takes effect with the rollout. ``agreed``: the
    version for which the database may be changed. ``front_ends`` are all that the stack has; where
    the host is ``new`` to it their data, if any, must be copies of this one's. ``renew`` writes
    secrets and accounts again although nothing else differs. ``converts``: data in SQLite may be
    moved to MariaDB. ``seen``: the facts of the host, just asked for. ``leaving``: see
    ``names_of_leaving``, where this run has looked; otherwise they are asked for, without ``lost``.
    """
    seen = seen or _facts(access, spec)
    seen = _with_lead(access, spec, seen)
    check(seen, spec, new=new, converts=converts)
    others = {name: host for name, host in front_ends.items() if name != spec.host.name}
    upgrade.check(seen, spec.version)
    conversion = convert_database.plan(seen, spec.database, converts=converts)
    if convert_database.Step.LOOK in conversion:
        _require_convertible(access, spec, seen, others if new else {})
    if leaving is None:
        leaving = _leaving(access, spec, seen, others, lost)
    lacking = drift(seen, spec, access.secrets, leaving)
    if new and seen.has_content and (lacking or renew):
        _require_own(access, spec, seen, others)
    if new and seen.has_content and seen.active and seen.server_id != STANDALONE_ID:
        return replace(_installed(access, spec, seen, lacking), adopted=True)
    blank = _blank(seen, spec)
    rolls = bool(seen.upgrading) or upgrade.rolls(seen, spec.version)
    fetched = [] if rolls else to_fetch(seen, spec)
    if unsettled(seen, spec):
        _settle_packages(access, spec, seen, blank)
    if let_go := held(seen, wanted(seen, spec)):
        access.run(spec.host, "unhold", variables={"packages": " ".join(let_go)}, timeout=INSTALL)
    if seen.staged and not rolls:
        access.run(spec.host, "unstage")
    if rolls and not seen.upgrading:
        _stage(access, spec, seen, agreed)
    if fetched:
        seen = _packages(access, spec, seen, fetched, blank=blank)
        _require_version(seen, spec)
    if conversion:
        convert_database.convert(access, seen, spec.database, conversion)
        seen = _with_lead(access, spec, facts(access, spec.host, spec.database, names=spec.names))
        lacking = drift(seen, spec, access.secrets, leaving)
    if lacking or renew:
        _configure(access, spec, seen, leaving, blank=blank)
        storage.mount(access, spec, seen.storage)
    return _installed(access, spec, seen, ())


def inspect(access: Access, spec: InstallationSpec, survey: FactsCache) -> Installed:
    """What the host has now, and how it differs from the spec."""
    seen = survey.facts_of(spec.host)
    if has_led(spec):
        view = survey.view()
        status = view.statuses.get(spec.host.name)
        state = status.state if status else None
        if state is State.LEADER and view.leader() != spec.host.name:
            # Deposed, and it has not noticed yet.
            state = None
        seen = with_lead(seen, spec, state)
    leaving = servers(survey.known_facts().values()) - spec.names.keys()
    return _installed(access, spec, seen, drift(seen, spec, access.secrets, leaving))


def remove(access: Access, spec: InstallationSpec, *, half_installed: bool = False) -> str:
    """Stop and disable what was installed; the data stays unless the spec says purge.

    ``half_installed``: the installation never was complete. What the host held before is then not
    ours to stop. Returns what is left of such an installation, in words. Raises HostError.
    """
    seen = _facts(access, spec)
    if half_installed and not seen.traces.claimed:
        return "its installation never ended, and what it had before stays as it is"
    if not seen.package and not seen.traces.claimed:
        return ""
    # Of a MariaDB that never came to run nothing can be dropped.
    answers = bool(seen.package) and not (half_installed and seen.silent)
    is_mine = answers and signs.is_own_database(seen, spec.database)
    mine = "mine" if spec.database.is_mariadb else "none"
    output = access.run(
        spec.host,
        "uninstall",
        variables={
            "features": " ".join(packages.FEATURES[name] for name in spec.features),
            "purge": "yes" if spec.purge else "no",
            "db_name": spec.database.name,
            "database": mine if is_mine else "",
            "account": (
                configuration.account_name(spec.database)
                if spec.database.is_mariadb and answers
                else ""
            ),
            "grant": configuration.own_grant(spec.database),
        },
        timeout=STOP,
    )
    left = output.values.get("left", "")
    if not half_installed or not left:
        return ""
    return (
        f"its installation never ended, and of what it installed there stays {left}: remove that"
        " with the package manager there, or list the host again"
    )


def not_ours(host: str, holding: Sequence[str]) -> HostError:
    """Return the error for a host whose data are no copy of those on the hosts ``holding`` them."""
    return HostError(
        host,
        "see whose OpenNebula is there",
        expected=f"no data, or a copy of those on {', '.join(holding)}",
        seen="data of another OpenNebula",
        remedy=f"take {host} off opennebula-ha:frontends; if nothing on it is needed,"
        " stop opennebula there, drop the database and move /var/lib/one/.one to another place",
    )


def _require_own(
    access: Access, spec: InstallationSpec, seen: Facts, others: Mapping[str, Host]
) -> None:
    """An OpenNebula that is there is this stack's, before its configuration is touched.

    With this stack's VIP in its Raft hook, another zone's leader would take that address.
    """
    if seen.active:
        statuses(access, {spec.host.name: spec.host})
    strange = [
        name
        for name, front_end in sorted(facts_where_possible(access, others, spec.database).items())
        if front_end.has_content and front_end.identity != seen.identity
    ]
    if strange:
        raise not_ours(spec.host.name, strange)


def _require_convertible(
    access: Access, spec: InstallationSpec, seen: Facts, others: Mapping[str, Host]
) -> None:
    holding = [
        name
        for name, front_end in facts_where_possible(access, others, spec.database).items()
        if front_end.has_content
    ]
    if refused := convert_database.refusal(seen, spec.version, holding):
        raise refused


def _leaving(
    access: Access,
    spec: InstallationSpec,
    seen: Facts,
    others: Mapping[str, Host],
    lost: Collection[str],
) -> dict[str, str]:
    """Ask for names only where some may be needed: by the server's own list, or the others'."""
    if not spec.names or (seen.has_content and not seen.own_names.keys() - spec.names.keys()):
        return {}
    known = [seen]
    if not seen.has_content:
        known += facts_where_possible(access, others, spec.database).values()
    return names_of_leaving(known, spec.names, lost)


def _facts(access: Access, spec: InstallationSpec) -> Facts:
    return facts(access, spec.host, spec.database, names=spec.names, even_silent=True)


def _blank(seen: Facts, spec: InstallationSpec) -> str:
    """What the mark on a host says that is blank, or half set up by us: see claim in marks.sh."""
    if seen.has_content or signs.signs(seen, spec.database, new=True):
        return ""
    return "packaged" if seen.package else "new"


def _settle_packages(access: Access, spec: InstallationSpec, seen: Facts, blank: str) -> None:
    access.run(
        spec.host,
        "packages",
        variables={
            "proxy": spec.pkg_cache_proxy or "",
            "unattended": " ".join(unwanted(seen, spec)),
            "pinned": "yes" if seen.package else "no",
            "blank": blank,
        },
        timeout=INSTALL,
    )


def _with_lead(access: Access, spec: InstallationSpec, seen: Facts) -> Facts:
    """The same with whether its oned leads, where something depends on it."""
    state = None
    if has_led(spec) and seen.active:
        with suppress(ApiError, HostError):
            state = access.api(spec.host).raft_status().state
    return with_lead(seen, spec, state)


def _stage(access: Access, spec: InstallationSpec, seen: Facts, agreed: str | None) -> None:
    if not is_version(seen.staged, spec.version):
        _packages(access, spec, seen, wanted(seen, spec), stage=True)
    # Here the database must answer: its version decides.
    seen = facts(access, spec.host, spec.database)
    try:
        upgrade.agree(seen, spec.database, upgrade.WantedVersion(spec.version, agreed))
    except HostError:
        access.run(spec.host, "unstage")
        raise


def _packages(
    access: Access,
    spec: InstallationSpec,
    seen: Facts,
    names: Sequence[str],
    *,
    stage: bool = False,
    blank: str = "",
) -> Facts:
    token = access.secrets.one_token
    there = platform(seen, spec)
    source = packages.repository(
        there,
        spec.version,
        url=spec.repository.url,
        key_url=spec.repository.key_url,
        enterprise=token is not None,
    )
    output = access.run(
        spec.host,
        "install",
        variables={
            "url": source.url,
            "key_url": source.key_url,
            "key": spec.repository.key or "",
            "needs": "\n".join(there.release.needs if spec.repository.pre_enable else ()),
            "packages": " ".join(names),
            "files": " ".join(PATHS),
            "stage": spec.version if stage else "",
            "refresh": "yes" if spec.update_pkg_cache else "no",
            "proxy": spec.pkg_cache_proxy or "",
            "blank": blank,
        },
        secrets={"token": token or ""},
        timeout=INSTALL,
    )
    if stage:
        return seen
    with reading_answer(seen.host.name, "install"):
        return replace(
            seen,
            packages={**seen.packages, "opennebula": Package(output.values["package"], held=False)},
            oned_conf=output.values["oned"],
            files=files(output.values),
        )


def _require_version(seen: Facts, spec: InstallationSpec) -> None:
    if not is_version(seen.package, spec.version):
        raise HostError(
            seen.host.name,
            "compare the version",
            expected=f"a package of OpenNebula {spec.version} from its repository",
            seen=seen.package or "no package",
            remedy="correct opennebula-ha:one_version, or the mirror that"
            " opennebula-ha:repository names",
        )


def confs(seen: Facts, spec: InstallationSpec, db_password: str) -> tuple[str, str]:
    """oned.conf for the next start or nothing, and the one that waits for the rollout or nothing.

    A running oned keeps the file that it was started with, the settings of its database included:
    until the rollout has restarted it, its account lets in with the former password, too.
    """
    wanted = configuration.oned_conf(seen.oned_conf, spec, db_password)
    if not seen.active:
        return wanted, ""
    return "", wanted if wanted != seen.oned_conf else ""


def _configure(
    access: Access,
    spec: InstallationSpec,
    seen: Facts,
    leaving: Mapping[str, str],
    *,
    blank: str,
) -> None:
    secrets = access.secrets
    first, then = confs(seen, spec, secrets.db_password)
    written = collect.writing(seen, spec, secrets)
    replaced = writes_auth(seen) or configuration.changes_database(seen.oned_conf, first or then)
    # An oned that runs may open further connections until the rollout restarts it.
    former = configuration.in_use(seen.oned_conf, spec.database) if seen.active else ""
    access.run(
        spec.host,
        "configure",
        variables={
            "hosts_entries": "\n".join(
                f"{address} {name}"
                for name, address in sorted({**leaving, **spec.names}.items())
                if spec.names
            ),
            "mariadb": "yes" if spec.database.is_mariadb else "no",
            "db_owner": spec.database.owner,
            "features": " ".join(packages.FEATURES[name] for name in features(seen, spec)),
            "stopped": " ".join(
                name
                for name, has_to_run in managed_units(seen, spec).items()
                if has_to_run
                and name != leader.SOCKET_UNIT
                and name in seen.units
                and not seen.units[name].runs
            ),
            "hooks": " ".join(
                sorted(map(raft_hook.path, set(configuration.hook_commands(spec).values())))
            ),
            "leader_check": leader.SOCKET_UNIT if leader.has_check(spec) else "",
            "strays": " ".join(stray_units(seen, spec)),
            "open_keys": "\n".join(open_keys(seen)),
            "hostname": wanted_hostname(seen, spec),
            "keeps_hostname": "yes" if spec.ensure_hostname else "no",
            "timezone": wanted_timezone(seen, spec),
            "blank": blank,
            "keeps": "yes" if replaced else "no",
            **written.variables,
        },
        secrets={
            **written.secrets,
            "oned_conf": first.rstrip("\n"),
            "next_conf": then.rstrip("\n"),
            "account": _account(seen, spec, secrets.db_password),
            "identify": configuration.identify(spec.database, secrets.db_password, former=former),
            "db_password": secrets.db_password,
            "one_auth": f"oneadmin:{secrets.one_pass}" if writes_auth(seen) else "",
        },
        timeout=CONFIGURE,
    )


def _account(seen: Facts, spec: InstallationSpec, password: str) -> str:
    statements = configuration.account(spec.database, password)
    if configuration.TOO_MUCH in configuration.account_faults(spec.database, seen.grants):
        statements += "\n" + configuration.without_global_rights(spec.database)
    return statements


def _installed(
    access: Access, spec: InstallationSpec, seen: Facts, differs: tuple[str, ...]
) -> Installed:
    return Installed(
        package=seen.package,
        distribution=f"{seen.distribution} {seen.release}",
        machine_id=seen.machine_id,
        host_key=access.connection(spec.host).host_key,
        drift=differs,
    )
