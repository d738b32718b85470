"""Translate the settings into specs: what each resource wants of its hosts. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from opennebula.zone import endpoint, in_url
from procedures import specs
from settings.model import NONE, Settings


def digest(settings: Settings, wanted: Sequence[specs.Spec]) -> str:
    """Return a digest of everything that the stack wants of its hosts, without its secrets."""
    texts = [spec.model_dump_json() for spec in wanted]
    texts.append(json.dumps(beyond_members(settings), sort_keys=True))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def beyond_members(settings: Settings) -> dict[str, Any]:
    """Return what an ``up`` may change although no installation and no member of the zone changes.

    After that, too, the last look at the zone is taken.
    """
    values: dict[str, Any] = {
        "login keys": [*sorted(set(settings.ensure_keys_for)), settings.rsa_key_size]
        if settings.ensure_keys_for
        else None,
        "lost": sorted(settings.lost),
        "admin_pubkey": settings.admin_pubkey,
        "web server": web_server(settings).model_dump(mode="json") if settings.ssl.is_on else None,
    }
    return {name: value for name, value in values.items() if value}


def zone(settings: Settings) -> specs.ZoneSpec:
    """Return what the config says of the zone."""
    entrance = _entrance(settings)
    return specs.ZoneSpec(
        name=settings.zone_name,
        endpoint=settings.zone_endpoint or endpoint(entrance or min(settings.frontends)),
        has_entrance=bool(entrance),
        register_grpc=settings.register_grpc or None,
        highly_available=settings.highly_available,
        database=_database(settings),
        vips=_vips(settings, None),
        keep_dumps=settings.keep_dumps,
    )


def web_server(settings: Settings) -> specs.WebSpec:
    """Return what the config says of TLS in front of FireEdge."""
    addresses = [host.address for host in settings.hosts.values()]
    vips = [vip.address for vip in _vips(settings, None)]
    names = (settings.one_fqdn, _entrance(settings), *(vips or addresses))
    key, certchain = settings.ssl.paths
    return specs.WebSpec(
        hosts=settings.hosts,
        server=settings.ssl.web_server or "apache",
        names=tuple(dict.fromkeys(name for name in names if name)),
        key=key,
        certchain=certchain,
        generate=settings.ssl.generate_cert,
    )


def login_keys(settings: Settings) -> specs.LoginKeysSpec:
    """Return the accounts that log in from each front-end to all others."""
    return specs.LoginKeysSpec(
        users=tuple(sorted(set(settings.ensure_keys_for))),
        hosts=settings.hosts,
        rsa_key_size=settings.rsa_key_size,
    )


def preflight(settings: Settings) -> specs.PreflightSpec:
    """Return what the front-ends must be fit for."""
    of_each = {name: _vips(settings, name) for name in sorted(settings.frontends)}
    bind = _bind(settings)
    return specs.PreflightSpec(
        hosts=settings.hosts,
        version=settings.one_version,
        database=_database(settings),
        features=settings.feature_names,
        reachable=tuple(
            name
            for name in settings.feature_names
            if not bind.get(name, "").startswith(("127.", "::1"))
        ),
        vips={name: vips for name, vips in of_each.items() if vips},
        ensure_hosts=settings.ensure_hosts,
        ensure_hostname=settings.ensure_hostname,
        locales=tuple(
            sorted({entry.locale.rpartition("=")[2] for entry in settings.ntp if entry.locale})
        ),
        sets_clocks=any(entry.pool or entry.server for entry in settings.ntp),
        register_grpc=settings.register_grpc or None,
        prepared=_prepared(settings),
        packages=installations(settings)[0].packages,
    )


def _prepared(settings: Settings) -> specs.PreparedSpec:
    fstab = mounts(settings)
    mount_points = tuple(sorted(mount.path for mount in fstab))
    own = {*settings.hosts, *(host.address for host in settings.hosts.values())}
    others = [mount for mount in fstab if mount.server.partition(" ")[0] not in own]
    web = web_server(settings)
    # A share is mounted during the installation.
    shares = tuple(f"{path}/" for path in mount_points)
    later = (*shares, "/var/lib/one/", "//")
    sources = {mount.src for mount in fstab} | {*settings.ds.links.values()}
    is_mounted = any(path.startswith(shares) for path in (web.key, web.certchain))
    pair = web if settings.ssl.is_on and not (web.generate or is_mounted) else None
    hooks = {settings.leader_hook, settings.follower_hook} if settings.highly_available else set()
    return specs.PreparedSpec(
        accounts=login_keys(settings).users,
        programs=tuple(
            path
            for path in sorted(hooks)
            if path.startswith("/") and not path.startswith("/var/lib/one/")
        ),
        timezone=_clock(settings).timezone,
        mount_points=mount_points,
        sources=tuple(
            sorted(p for p in sources if p.startswith("/") and not f"{p}/".startswith(later))
        ),
        servers=tuple(sorted({mount.server for mount in others} - {""})),
        shares=tuple(sorted({mount.trial for mount in others} - {""})),
        links=settings.ds.links,
        key=pair.key if pair else "",
        certchain=pair.certchain if pair else "",
    )


def exceptions(settings: Settings) -> dict[str, Any]:
    """Return what makes the stack less safe than it could be; mostly nothing."""
    values: dict[str, Any] = {
        "accept_new_host_keys": settings.ssh.accept_new_host_keys,
        "allow_degraded": settings.allow_degraded,
        "skip_checks": sorted(settings.skip_checks),
    }
    return {name: value for name, value in values.items() if value}


def data(settings: Settings) -> dict[str, Any]:
    """Return what the config says of the zone's data. A key that is no longer set is no change."""
    values: dict[str, Any] = {
        "restore_from": settings.restore_from,
        "mounts": [mount.line for mount in mounts(settings)],
        "admin_pubkey": "" if settings.admin_pubkey == NONE else settings.admin_pubkey,
    }
    return {name: value for name, value in values.items() if value}


def installations(settings: Settings) -> list[specs.InstallationSpec]:
    """Return what the config says of each front-end, in the order of their names."""
    entrance = _entrance(settings)
    gate = f"http://{in_url(entrance or min(settings.frontends))}:5030"
    hooks = specs.Hooks(leader=settings.leader_hook, follower=settings.follower_hook)
    names = {name: host.address for name, host in settings.hosts.items()}
    return [
        specs.InstallationSpec(
            host=host,
            version=settings.one_version,
            repository=specs.RepositorySource.model_validate(settings.repository.model_dump()),
            pkg_cache_proxy=settings.pkg_cache_proxy,
            unattend_disable=settings.unattend_disable,
            update_pkg_cache=settings.update_pkg_cache,
            features=settings.feature_names,
            database=_database(settings),
            vips=_vips(settings, name),
            hooks=hooks if settings.highly_available else None,
            entrance=entrance,
            leader_check=settings.leader_check.port,
            gate_endpoint=settings.gate_endpoint or gate,
            bind=_bind(settings),
            names=names if settings.ensure_hosts else {},
            oned={name: _storable(value) for name, value in settings.oned.items()},
            drivers=specs.Drivers(
                unsafe_migrations=settings.unsafe_migrations,
                keep_empty_bridge=settings.keep_empty_bridge,
                tproxy=tuple(settings.gate_tproxy),
            ),
            schedulers=specs.Schedulers(
                rank={name: _storable(value) for name, value in settings.sched_rank.items()},
                drs=settings.sched_drs,
            ),
            ldap=_ldap(settings),
            clock=_clock(settings),
            ensure_hostname=settings.ensure_hostname,
            mounts=mounts(settings),
            links=settings.ds.links,
            backup=_backup(settings),
            purge=settings.purge,
        )
        for name, host in settings.hosts.items()
    ]


def _bind(settings: Settings) -> dict[str, str]:
    addresses = {
        "gate": settings.gate_bind_addr,
        "flow": settings.flow_bind_addr,
        "form": settings.form_bind_addr,
    }
    everywhere = "0.0.0.0"  # noqa: S104 - one-deploy's
    if any(vip.is_ipv6 for vip in _vips(settings, None)):
        addresses = {name: "::" if at == everywhere else at for name, at in addresses.items()}
    return {name: addresses[name] for name in settings.feature_names if name in addresses}


def _backup(settings: Settings) -> specs.BackupSpec | None:
    backup = settings.backup
    if backup.schedule is None:
        return None
    return specs.BackupSpec(
        schedule=backup.schedule,
        keep=backup.keep or settings.keep_dumps,
        copy_to=backup.copy_to or "",
    )


def _ldap(settings: Settings) -> specs.LdapSpec:
    ldap = settings.auth.ldap
    return specs.LdapSpec(
        is_default=settings.auth.default == "ldap",
        servers=ldap.servers,
        choice=ldap.choice,
        mappings={
            ldap.servers[name][":mapping_filename"]: groups for name, groups in ldap.mapping.items()
        },
    )


def _clock(settings: Settings) -> specs.ClockSpec:
    locale = [entry.locale for entry in settings.ntp if entry.locale]
    pairs = (text.rpartition("=") for text in locale)
    return specs.ClockSpec(
        pools=tuple(entry.pool for entry in settings.ntp if entry.pool),
        servers=tuple(entry.server for entry in settings.ntp if entry.server),
        # As there: of several the last one.
        timezone=next((entry.timezone for entry in reversed(settings.ntp) if entry.timezone), ""),
        locale={name or "LANG": value for name, _, value in pairs},
    )


def _storable(value: Any) -> Any:
    """Return a setting as a state can hold it: no null, and no whole number as a float."""
    if value is None:
        return []
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return str(value) if isinstance(value, float) else value


def mounts(settings: Settings) -> tuple[specs.MountSpec, ...]:
    """Return the shared folders by path: their order in the config does not matter."""
    values = (specs.MountSpec.model_validate(mount.model_dump()) for mount in settings.fstab)
    return tuple(sorted(values, key=lambda mount: mount.path))


def _database(settings: Settings) -> specs.Database:
    return specs.Database(
        backend=settings.db_backend, name=settings.db_name, owner=settings.db_owner
    )


def _vips(settings: Settings, name: str | None) -> tuple[specs.Vip, ...]:
    """Return all VIPs with the interfaces of that front-end, or with the usual ones."""
    if settings.one_vip is None or settings.one_vip_cidr is None:
        return ()
    own = settings.frontends[name].one_vip_if if name is not None else None
    usual = (
        own
        or settings.one_vip_if
        or next(
            front_end.one_vip_if
            for _, front_end in sorted(settings.frontends.items())
            if front_end.one_vip_if
        )
    )
    first = specs.Vip(address=str(settings.one_vip), prefix=settings.one_vip_cidr, interface=usual)
    further = (
        specs.Vip(
            address=str(entry.address),
            prefix=entry.cidr,
            interface=entry.interfaces.get(name or "", entry.interface or usual),
        )
        for entry in settings.one_vips
    )
    return (first, *further)


def _entrance(settings: Settings) -> str:
    """Return where clients reach the leader: the first VIP, or the name of a load balancer."""
    if settings.one_vip is not None:
        return str(settings.one_vip)
    return urlsplit(settings.zone_endpoint or "").hostname or ""
