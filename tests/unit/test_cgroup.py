"""Labs start and end at the same time, in one directory of control groups."""

import threading
from contextlib import suppress
from pathlib import Path

from lab.machines.cgroup import Cgroup


def test_a_group_is_made_while_another_lab_removes_the_directory(tmp_path: Path) -> None:
    common, over = tmp_path / "labhosts", threading.Event()

    def remove() -> None:
        while not over.is_set():
            with suppress(OSError):
                common.rmdir()

    other = threading.Thread(target=remove)
    other.start()
    try:
        for number in range(300):
            group = Cgroup(common / str(number))
            group.create()
            group.path.rmdir()
    finally:
        over.set()
        other.join()
