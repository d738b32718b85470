"""Lab hosts: Debian machines with real systemd, in network namespaces without other networks."""

from lab.machines.faults import LabFault
from lab.machines.host import LabHost
from lab.machines.lab import Lab

__all__ = ["Lab", "LabFault", "LabHost"]
