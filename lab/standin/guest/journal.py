"""oned's journal, in the form of the real one: `Sun Nov 22 10:00:00 2026 [Z0][RCM][I]: text`."""

import threading
import time
from enum import IntEnum
from pathlib import Path


class Level(IntEnum):
    """How much a message matters; the letter in the log is its initial."""

    ERROR = 0
    WARNING = 1
    INFO = 2
    DEBUG = 3


class Journal:
    """Appends to one file, or writes to standard error when there is no file."""

    def __init__(self, path: Path | None, level: int = Level.DEBUG) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._level = level

    def error(self, module: str, text: str) -> None:
        """Log something that failed."""
        self.write(Level.ERROR, module, text)

    def warning(self, module: str, text: str) -> None:
        """Log something that an operator should look at."""
        self.write(Level.WARNING, module, text)

    def info(self, module: str, text: str) -> None:
        """Log a step."""
        self.write(Level.INFO, module, text)

    def debug(self, module: str, text: str) -> None:
        """Log a detail."""
        self.write(Level.DEBUG, module, text)

    def write(self, level: Level, module: str, text: str) -> None:
        """Log a message of any level."""
        if level > self._level or self._path is None:
            return
        line = f"{time.ctime()} [Z0][{module}][{level.name[0]}]: {text}\n"
        # Opened for each line: the log may be rotated or removed under a running oned.
        with self._lock, self._path.open("a") as file:
            file.write(line)
