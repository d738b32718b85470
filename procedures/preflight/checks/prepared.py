"""Check what operators prepare on each front-end themselves. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from procedures.preflight.context import Finding, Site, always, fault
from procedures.preflight.probe import Probe


@dataclass(frozen=True)
class _Lack:
    """The texts of a message, in which … stands for what is not prepared."""

    step: str
    expected: str
    remedy: str
    seen: str = ""
    """Empty if the host says what it sees."""


_LACKS = {
    "account": _Lack(
        step="check the accounts",
        expected="an account …",
        seen="none",
        remedy="make it there, or remove it from opennebula-ha:ensure_keys_for; then run again",
    ),
    "program": _Lack(
        step="check the Raft hooks",
        expected="…, which can be run",
        seen="no executable file",
        remedy="put it there, or correct leader_hook and follower_hook of opennebula-ha;"
        " then run again",
    ),
    "timezone": _Lack(
        step="check the time zone",
        expected="the time zone …",
        seen="no such zone in /usr/share/zoneinfo",
        remedy="correct the timezone of opennebula-ha:ntp, or install tzdata there; then run again",
    ),
    "source": _Lack(
        step="check the shares",
        expected="…, which a share or a datastore uses",
        seen="none",
        remedy="make it there, or correct opennebula-ha:fstab or opennebula-ha:ds; then run again",
    ),
    "share": _Lack(
        step="check the shares",
        expected="… to be mounted",
        remedy="correct that entry of opennebula-ha:fstab, or have its server let this host in;"
        " then run again",
    ),
    "mount": _Lack(
        step="check the mount point …",
        expected="an empty folder to mount on, and no other line for it in /etc/fstab",
        remedy="move what is in … to the share, or away; remove that line from /etc/fstab there,"
        " or the entry from opennebula-ha:fstab; then run again",
    ),
    "link": _Lack(
        step="check the link …",
        expected="no other link, and no files in its place",
        remedy="remove that link, or move those files to the folder that opennebula-ha:ds names;"
        " or correct opennebula-ha:ds; then run again",
    ),
}


@always
def prepared(site: Site) -> Iterator[Finding]:
    """Check accounts, programs of Raft hooks, the time zone, mounts, shares and the certificate.

    Not on the servers of an adopted zone, on which this run writes nothing.
    """
    for name, report in sorted(site.seen.items()):
        if name in site.unchanged:
            continue
        probe = report.probe
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
        for kind, what, said in _lacking(probe, silent):
            lack = _LACKS[kind]
            yield fault(
                name,
                lack.step.replace("…", what),
                expected=lack.expected.replace("…", what),
                seen=lack.seen or said,
                remedy=lack.remedy.replace("…", what),
            )
        if (wanted := site.spec.prepared) and probe.certificate_fault:
            yield fault(
                name,
                "check the web server's certificate",
                expected=f"a private key in {wanted.key}, and the certificate for it with its chain"
                f" in {wanted.certchain}",
                seen=probe.certificate_fault,
                remedy="put them there, or set opennebula-ha:ssl generate_cert: true;"
                " then run again",
            )


def _lacking(probe: Probe, silent: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield kind and name of what is not prepared, and what the host says about it."""
    yield from ((kind, what, "") for kind, what in probe.missing if kind in _LACKS)
    for path, said in probe.blocked_mounts.items():
        yield "mount", path, said
    for path, said in probe.blocked_links.items():
        yield "link", path, said
    for source, said in probe.refused_shares.items():
        if not any(host in source for host in silent):
            yield "share", source, said
