"""oned's log, in the form of the real one: `Sun Nov 22 10:00:00 2026 [Z0][RCM][I]: text`."""

import threading
import time
from enum import IntEnum
from pathlib import Path


class Level(IntEnum):
    """The level of a message; the log has its first letter."""

    ERROR = 0
    WARNING = 1
    INFO = 2
    DEBUG = 3


class Journal:
    """The log, a file."""

    def __init__(self, path: Path, level: int = Level.DEBUG) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._level = level

    def error(self, module: str, text: str) -> None:
        """Log an error."""
        self.write(Level.ERROR, module, text)

    def warning(self, module: str, text: str) -> None:
        """Log a warning."""
        self.write(Level.WARNING, module, text)

    def info(self, module: str, text: str) -> None:
        """Log an information."""
        self.write(Level.INFO, module, text)

    def debug(self, module: str, text: str) -> None:
        """Log a detail."""
        self.write(Level.DEBUG, module, text)

    def write(self, level: Level, module: str, text: str) -> None:
        """Log a message of any level."""
        if level > self._level:
            return
        line = f"{time.ctime()} [Z0][{module}][{level.name[0]}]: {text}\n"
        # Opened for each line: the log may be rotated or removed while oned runs.
        with self._lock, self._path.open("a") as file:
            file.write(line)
