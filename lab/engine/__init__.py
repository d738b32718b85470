"""The lab's stand-in for the Pulumi CLI: real programs, real provider host, no CLI."""

from lab.engine.engine import Engine, Result
from lab.engine.errors import EngineError
from lab.engine.steps import Operation

__all__ = ["Engine", "EngineError", "Operation", "Result"]
