"""Dumps on a timer: the program, its service, and the timer, on every front-end."""

from collections.abc import Iterator

from hosts.script import Script
from opennebula.zone import State
from procedures.install.files.managed import ManagedFile, own_file
from procedures.script_text import require_declared, script_text
from procedures.specs import InstallationSpec

PROGRAM = "/usr/local/lib/opennebula-ha/backup"
UNIT = "opennebula-ha-backup"
TIMER_UNIT = f"{UNIT}.timer"
SERVICE = f"/etc/systemd/system/{UNIT}.service"
TIMER = f"/etc/systemd/system/{TIMER_UNIT}"
PATHS = (PROGRAM, SERVICE, TIMER)

_SERVICE = f"""\
[Unit]
Description=Dump of OpenNebula's database, if this front-end leads
After=opennebula.service remote-fs.target

[Service]
Type=oneshot
ExecStart={PROGRAM}
# A share that hangs is a failure.
TimeoutStartSec=12h
UMask=0077
IOSchedulingClass=best-effort
IOSchedulingPriority=7
"""
_TIMER = """\
[Unit]
Description=Dumps of OpenNebula's database

[Timer]
OnCalendar={schedule}
RandomizedDelaySec=60
# Also after a boot, if the host was off at that time.
Persistent=yes

[Install]
WantedBy=timers.target
"""


def files(spec: InstallationSpec) -> Iterator[ManagedFile]:
    """Yield the program and its units, if the stack has a schedule. No dump is ever removed."""
    backup = spec.backup
    yield own_file(PROGRAM, _program(spec), "755")
    yield own_file(SERVICE, _SERVICE if backup else "", "644")
    yield own_file(TIMER, _TIMER.format(schedule=backup.schedule) if backup else "", "644")


def _program(spec: InstallationSpec) -> str:
    if spec.backup is None:
        return ""
    leading = State.LEADER if spec.hooks is not None else State.SOLO
    variables = {
        "db_name": spec.database.name,
        "keep": str(spec.backup.keep),
        "copy_to": spec.backup.copy_to,
        "leading": str(leading.value),
    }
    require_declared(("timed_dump",), variables, {})
    body = script_text("timed_dump")
    return "#!/bin/bash\n" + Script("timed dump", body, variables, exclusive=False).text()
