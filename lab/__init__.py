"""Disposable hosts and stand-ins for the demo and the tests; never imported by the program."""

from lab.machines import Lab, LabFault, LabHost

__all__ = ["Lab", "LabFault", "LabHost"]
