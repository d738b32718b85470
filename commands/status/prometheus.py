"""A report as a textfile for Prometheus' node exporter. docs/alerts.yaml uses these metrics."""

from collections.abc import Iterator
from pathlib import Path

from commands import files
from commands.status.report import FrontEnd, Report
from hosts.errors import HostError

PREFIX = "opennebula_ha"

HELP = {
    "health": "0 healthy, 1 degraded, 2 down, as the exit status of make status",
    "observed_timestamp_seconds": "When the zone was observed",
    "zone_leader": "1 if the zone has exactly one leader",
    "zone_term": "The leader's term",
    "zone_servers": "Servers of the zone",
    "zone_following": "Servers that take the leader's writes, the leader included",
    "zone_quorum": "Servers that must be up",
    "timed_dump_timestamp_seconds": "When the newest dump of a timer was made, on any front-end",
    "vip_holders": "Front-ends that hold a VIP",
    "finding": "A sign that was seen: see docs/status.md",
    "reachable": "1 if the front-end could be observed",
    "role": "1 for the present role of a front-end",
    "lag_records": "Records by which a follower ends before the leader",
    "log_index": "Index of a server's last record",
    "pending_restart": "1 if a server waits for a restart",
    "drift": "Differences of a front-end from the stack",
    "service_up": "1 if a service that must run there is active",
    "dumps": "Dumps of the database that are kept on a front-end",
    "dump_timestamp_seconds": "When the newest dump on a front-end was made",
    "dump_bytes": "Size of the newest dump on a front-end",
    "certificate_end_timestamp_seconds": "End of the web server's certificate",
    "disk_free_bytes": "Free space of a file system that a front-end writes to",
    "disk_bytes": "Size of a file system that a front-end writes to",
}
"""By metric, without its prefix. All are gauges."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_Sample = tuple[str, dict[str, str], float]


def text(report: Report) -> str:
    """Return the report in Prometheus' text format."""
    samples = [*_of_zone(report)]
    for front_end in report.front_ends:
        samples += _of_front_end(front_end)
    lines = []
    for name, help_ in HELP.items():
        of_name = [sample for sample in samples if sample[0] == name]
        if of_name:
            lines += [f"# HELP {PREFIX}_{name} {help_}", f"# TYPE {PREFIX}_{name} gauge"]
        for _, labels, value in of_name:
            given = {"stack": report.stack, **labels}
            pairs = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in given.items())
            lines.append(f"{PREFIX}_{name}{{{pairs}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _of_zone(report: Report) -> Iterator[_Sample]:
    zone = report.zone
    yield "health", {}, report.health.exit_status
    yield "observed_timestamp_seconds", {}, report.at.timestamp()
    yield "zone_leader", {}, zone.leader is not None
    if zone.term is not None:
        yield "zone_term", {}, zone.term
    yield "zone_servers", {}, zone.servers
    yield "zone_following", {}, zone.following
    yield "zone_quorum", {}, zone.quorum
    if zone.timed_dump and zone.timed_dump.at:
        yield "timed_dump_timestamp_seconds", {}, zone.timed_dump.at.timestamp()
    for vip in zone.vips:
        yield "vip_holders", {"address": vip.address}, len(vip.holders)
    seen = {(finding.sign, finding.level, finding.host or "") for finding in report.findings}
    for sign, level, host in sorted(seen):
        yield "finding", {"sign": sign, "level": level, "front_end": host}, 1


def _of_front_end(front_end: FrontEnd) -> Iterator[_Sample]:
    own = {"front_end": front_end.name}
    yield "reachable", own, front_end.reachable
    yield "role", {**own, "role": front_end.role}, 1
    if front_end.raft:
        yield "log_index", own, front_end.raft.index
        if front_end.raft.lag is not None:
            yield "lag_records", own, front_end.raft.lag
    if not front_end.reachable:
        return
    yield "pending_restart", own, front_end.pending_restart
    yield "drift", own, len(front_end.drift)
    for service in front_end.services:
        if service.expected:
            yield "service_up", {**own, "unit": service.unit}, service.state == "active"
    if front_end.dumps:
        yield "dumps", own, front_end.dumps.number
        if front_end.dumps.newest_at and front_end.dumps.newest_bytes is not None:
            yield "dump_timestamp_seconds", own, front_end.dumps.newest_at.timestamp()
            yield "dump_bytes", own, front_end.dumps.newest_bytes
    if front_end.certificate and front_end.certificate.ends:
        yield "certificate_end_timestamp_seconds", own, front_end.certificate.ends.timestamp()
    for disk in front_end.disks:
        yield "disk_free_bytes", {**own, "mount": disk.mount}, disk.free
        yield "disk_bytes", {**own, "mount": disk.mount}, disk.bytes


def write(path: Path, report: Report) -> None:
    """Replace the file in one move: the exporter never reads half of it. Raises HostError."""
    try:
        # The exporter runs as another user; nothing in it is secret.
        files.write(path, text(report))
    except OSError as error:
        raise HostError(
            "this machine",
            f"write {path}",
            expected="a folder that may be written to",
            seen=error.strerror or str(error),
            remedy="name the folder of node exporter's --collector.textfile.directory, as a user"
            " who may write there",
        ) from None
