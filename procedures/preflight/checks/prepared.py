"""Check what operators prepare on each front-end themselves. Pure."""

from collections.abc import Iterator

from procedures.preflight.context import Finding, Site, always, fault
from procedures.preflight.probe import Probe


def _probes(site: Site) -> Iterator[tuple[str, Probe]]:
    """Yield the hosts that this run changes: it writes nothing on those of an adopted zone."""
    for name, report in sorted(site.seen.items()):
        if name not in site.unchanged:
            yield name, report.probe


def _missing(site: Site, kind: str) -> Iterator[tuple[str, str]]:
    """Yield each host that lacks something of that kind, and its name."""
    for name, probe in _probes(site):
        for found, what in probe.missing:
            if found == kind:
                yield name, what


@always
def accounts(site: Site) -> Iterator[Finding]:
    """Check that the accounts exist that get login keys."""
    for name, account in _missing(site, "account"):
        yield fault(
            name,
            "check the accounts",
            expected=f"an account {account}",
            seen="none",
            remedy="make it there, or remove it from opennebula-ha:ensure_keys_for; then run again",
        )


@always
def programs(site: Site) -> Iterator[Finding]:
    """Check that the programs of the operator's own Raft hooks exist."""
    for name, path in _missing(site, "program"):
        yield fault(
            name,
            "check the Raft hooks",
            expected=f"{path}, which can be run",
            seen="no executable file",
            remedy="put it there, or correct leader_hook and follower_hook of opennebula-ha;"
            " then run again",
        )


@always
def time_zone(site: Site) -> Iterator[Finding]:
    """Check that the time zone exists."""
    for name, zone in _missing(site, "timezone"):
        yield fault(
            name,
            "check the time zone",
            expected=f"the time zone {zone}",
            seen="no such zone in /usr/share/zoneinfo",
            remedy="correct the timezone of opennebula-ha:ntp, or install tzdata there;"
            " then run again",
        )


@always
def mounts(site: Site) -> Iterator[Finding]:
    """Check that nothing is in the way of the shares, and of the datastores' links to them."""
    for name, probe in _probes(site):
        for path, found in probe.blocked_mounts.items():
            yield fault(
                name,
                f"check the mount point {path}",
                expected="an empty folder to mount on, and no other line for it in /etc/fstab",
                seen=found,
                remedy=f"move what is in {path} to the share, or away; remove that line from"
                " /etc/fstab there, or the entry from opennebula-ha:fstab; then run again",
            )
        for path, found in probe.blocked_links.items():
            yield fault(
                name,
                f"check the link {path}",
                expected="no other link, and no files in its place",
                seen=found,
                remedy="remove that link, or move those files to the folder that"
                " opennebula-ha:ds names; or correct opennebula-ha:ds; then run again",
            )


@always
def shares(site: Site) -> Iterator[Finding]:
    """Check that what is mounted or linked to exists, and that servers let each host mount."""
    for name, path in _missing(site, "source"):
        yield fault(
            name,
            "check the shares",
            expected=f"{path}, which a share or a datastore uses",
            seen="none",
            remedy="make it there, or correct opennebula-ha:fstab or opennebula-ha:ds;"
            " then run again",
        )
    for name, probe in _probes(site):
        silent = []
        for server in site.change.prepared_on(name).servers:
            host, port = server.split()
            said = probe.reached.get((host, int(port)), "open")
            if said != "open":
                silent.append(host)
                yield fault(
                    name,
                    "check the shares",
                    expected=f"an answer of the server {host} at port {port}",
                    seen=said,
                    remedy="see that it runs, and that no firewall is between it and this host; or"
                    " correct src in opennebula-ha:fstab; then run again",
                )
        for source, said in probe.refused_shares.items():
            if not any(host in source for host in silent):
                yield fault(
                    name,
                    "check the shares",
                    expected=f"{source} to be mounted",
                    seen=said,
                    remedy="correct that entry of opennebula-ha:fstab, or have its server let this"
                    " host in; then run again",
                )


@always
def certificate(site: Site) -> Iterator[Finding]:
    """Check the web server's key and certificate, if this program does not make them."""
    wanted = site.spec.prepared
    for name, probe in _probes(site):
        if wanted and probe.certificate_fault:
            yield fault(
                name,
                "check the web server's certificate",
                expected=f"a private key in {wanted.key}, and the certificate for it with its chain"
                f" in {wanted.certchain}",
                seen=probe.certificate_fault,
                remedy="put them there, or set opennebula-ha:ssl generate_cert: true;"
                " then run again",
            )
