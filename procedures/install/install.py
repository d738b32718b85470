"""One front-end's packages, database, configuration and credentials. Starts no oned."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from hosts.errors import HostError
from hosts.models import Host
from opennebula import conf, packages, raft_hook
from opennebula.zone import STANDALONE_ID, State
from procedures import host_drift
from procedures.bootstrap import convert_database
from procedures.context import Access
from procedures.facts import observe, signs
from procedures.facts.cache import FactsCache
from procedures.facts.facts import Facts
from procedures.install import configuration, fetch, packaging, storage
from procedures.install.files import collect, leader
from procedures.specs import InstallationSpec
from procedures.upgrade import versions

CONFIGURE = 300.0
"""Seconds to write everything, and for the services next to oned to restart with it."""


@dataclass(frozen=True)
class Installed:
    """The installation of a front-end."""

    package: str
    distribution: str
    machine_id: str
    host_key: str
    drift: tuple[str, ...]
    adopted: bool = False
    """It is a running zone server that is new to the stack, and was not changed."""


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
    """Change what differs between the host and the spec. Raises HostError.

    A running zone server that is new to the stack is adopted unchanged, and its differences are
    returned. On a host with data, another version is only staged for the rollout. ``agreed``: the
    version for which the database may be changed. ``front_ends``: all front-ends of the stack; if
    the host is ``new`` to it, their data must be copies of this host's. ``renew``: write secrets
    and accounts even if nothing else differs. ``converts``: data in SQLite may be moved to MariaDB.
    ``seen``: the present facts of the host. ``leaving``: see ``names_of_leaving``; None to observe
    it, without ``lost`` servers.
    """
    seen = seen or _facts(access, spec)
    seen = _with_lead(access, spec, seen)
    host_drift.check(seen, spec, new=new, converts=converts)
    others = {name: host for name, host in front_ends.items() if name != spec.host.name}
    versions.check(seen, spec.version)
    conversion = convert_database.plan(seen, spec.database, converts=converts)
    if convert_database.Step.LOOK in conversion:
        _require_convertible(access, spec, seen, others if new else {})
    if leaving is None:
        leaving = _leaving(access, spec, seen, others, lost)
    lacking = host_drift.drift(seen, spec, access.secrets, leaving)
    if new and seen.has_content and (lacking or renew):
        _require_own(access, spec, seen, others)
    if new and seen.has_content and seen.active and seen.server_id != STANDALONE_ID:
        return replace(_installed(access, spec, seen, lacking), adopted=True)
    blank = _blank(seen, spec)
    rolls = bool(seen.upgrading) or versions.rolls(seen, spec.version)
    fetched = [] if rolls else packaging.to_fetch(seen, spec.packages)
    if packaging.source_differences(seen, spec):
        fetch.configure_sources(access, spec, seen, blank)
    known = {name: seen.packages.get(name) for name in packaging.wanted(seen, spec.packages)}
    if let_go := [name for name, package in known.items() if package and package.held]:
        access.run(
            spec.host, "unhold", variables={"packages": " ".join(let_go)}, timeout=fetch.INSTALL
        )
    if seen.staged and not rolls and not versions.is_half_rolled(seen):
        access.run(spec.host, "unstage")
    if rolls and not seen.upgrading:
        fetch.stage_packages(access, spec, seen, agreed)
    if fetched:
        seen = fetch.fetch_packages(access, spec, seen, fetched, blank=blank)
    if conversion:
        convert_database.convert(access, seen, spec.database, conversion)
        seen = _with_lead(
            access, spec, observe.facts(access, spec.host, spec.database, names=spec.names)
        )
        lacking = host_drift.drift(seen, spec, access.secrets, leaving)
    if lacking or renew:
        _configure(access, spec, seen, leaving, blank=blank)
        storage.mount(access, spec, seen.storage)
    _require_hook_rights(access, spec, seen)
    return _installed(access, spec, seen, ())


def inspect(access: Access, spec: InstallationSpec, survey: FactsCache) -> Installed:
    """Return the present installation, and how it differs from the spec."""
    seen = survey.facts_of(spec.host)
    if spec.hooks is not None:
        view = survey.view()
        status = view.statuses.get(spec.host.name)
        state = status.state if status else None
        if state is State.LEADER and view.leader() != spec.host.name:
            # It is deposed, but has not noticed yet.
            state = None
        seen = host_drift.with_lead(seen, spec, state)
    leaving = observe.servers(survey.known_facts().values()) - spec.names.keys()
    return _installed(access, spec, seen, host_drift.drift(seen, spec, access.secrets, leaving))


def not_ours(host: str, holding: Sequence[str]) -> HostError:
    """Return the error for a host whose data are no copy of those on the hosts ``holding`` them."""
    return HostError(
        host,
        "identify the OpenNebula on the host",
        expected=f"no data, or a copy of those on {', '.join(holding)}",
        seen="data of another OpenNebula",
        remedy=f"remove {host} from opennebula-ha:frontends; if nothing on it is needed,"
        " stop opennebula there, drop the database and move /var/lib/one/.one to another place",
    )


def _require_own(
    access: Access, spec: InstallationSpec, seen: Facts, others: Mapping[str, Host]
) -> None:
    """Check that a host's data is this stack's, before its configuration is changed.

    With this stack's VIP in its Raft hook, the leader of another zone would take that address.
    Raises HostError.
    """
    if seen.active:
        observe.statuses(access, {spec.host.name: spec.host})
    holding = _holding(access, spec, others)
    if strange := sorted(name for name, their in holding.items() if their != seen.identity):
        raise not_ours(spec.host.name, strange)


def _require_hook_rights(access: Access, spec: InstallationSpec, seen: Facts) -> None:
    """Check that sudo now allows oneadmin what the hooks need: a later file may deny it again."""
    is_due = bool(seen.sudo_refusal) and leader.moves_vips(spec)
    if is_due and (said := _facts(access, spec).sudo_refusal):
        raise leader.refused_by_sudo(spec.host.name, said)


def _require_convertible(
    access: Access, spec: InstallationSpec, seen: Facts, others: Mapping[str, Host]
) -> None:
    holding = _holding(access, spec, others)
    if refused := convert_database.refusal(seen, spec.version, holding):
        raise refused


def _holding(access: Access, spec: InstallationSpec, others: Mapping[str, Host]) -> dict[str, str]:
    """Return the other hosts that hold data, and the identity of each one's."""
    found = observe.facts_where_possible(access, others, spec.database)
    return {name: their.identity for name, their in found.items() if their.has_content}


def _leaving(
    access: Access,
    spec: InstallationSpec,
    seen: Facts,
    others: Mapping[str, Host],
    lost: Collection[str],
) -> dict[str, str]:
    """Return the names of servers that still have to leave, if they may be needed."""
    if not spec.names or (seen.has_content and not seen.own_names.keys() - spec.names.keys()):
        return {}
    known = [seen]
    if not seen.has_content:
        known += observe.facts_where_possible(access, others, spec.database).values()
    return observe.names_of_leaving(known, spec.names, lost)


def _facts(access: Access, spec: InstallationSpec) -> Facts:
    return observe.facts(access, spec.host, spec.database, names=spec.names, even_silent=True)


def _blank(seen: Facts, spec: InstallationSpec) -> str:
    """Return the text of the mark for a blank or incompletely installed host: see marks.sh."""
    if seen.has_content or signs.signs(seen, spec.database, new=True):
        return ""
    return "packaged" if seen.package else "new"


def _with_lead(access: Access, spec: InstallationSpec, seen: Facts) -> Facts:
    """Return the facts with whether oned leads, if something depends on it."""
    status = observe.raft_status(access, spec.host) if spec.hooks and seen.active else None
    return host_drift.with_lead(seen, spec, status.state if status else None)


def confs(seen: Facts, spec: InstallationSpec, db_password: str) -> tuple[str, str]:
    """Return oned.conf for the next start, and oned.conf for the rollout; one of them is empty.

    A running oned keeps its file until the rollout restarts it. Until then its database account
    also accepts the former password.
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
    files, texts = collect.writing(seen, spec, secrets)
    moves = conf.read(seen.oned_conf, "DB") != conf.read(first or then, "DB")
    replaced = host_drift.writes_auth(seen) or moves
    # An oned that runs may open further connections until the rollout restarts it.
    former = configuration.in_use(seen.oned_conf, spec.database) if seen.active else ""
    own = host_drift.own_units(spec)
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
            "features": " ".join(
                packages.FEATURES[name] for name in packaging.features(seen, spec.packages)
            ),
            "stopped": " ".join(
                name
                for name, has_to_run in host_drift.managed_units(seen, spec).items()
                if has_to_run
                and name not in own
                and name in seen.units
                and not seen.units[name].runs
            ),
            "hooks": " ".join(
                sorted(map(raft_hook.path, set(configuration.hook_commands(spec).values())))
            ),
            "own_units": " ".join(own),
            "strays": " ".join(host_drift.stray_units(seen, spec)),
            "open_keys": "\n".join(host_drift.open_keys(seen)),
            "hostname": host_drift.wanted_hostname(seen, spec),
            "keeps_hostname": "yes" if spec.ensure_hostname else "no",
            "timezone": host_drift.wanted_timezone(seen, spec),
            "blank": blank,
            "keeps": "yes" if replaced else "no",
            **files,
        },
        secrets={
            **texts,
            "oned_conf": first.rstrip("\n"),
            "next_conf": then.rstrip("\n"),
            "account": configuration.account(spec.database, secrets.db_password, seen.grants),
            "identify": configuration.identify(spec.database, secrets.db_password, former=former),
            "db_password": secrets.db_password,
            "one_auth": f"oneadmin:{secrets.one_pass}" if host_drift.writes_auth(seen) else "",
        },
        timeout=CONFIGURE,
    )


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
