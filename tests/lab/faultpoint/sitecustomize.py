"""Interrupts the program at one of its remote executions, or records all of them.

Python imports this module at its start if its folder is on PYTHONPATH. It wraps what the providers
call on a host; the program itself has no hook for that. ``tests/lab/operators.py`` sets its
environment.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[3]
MOMENT = 0.05
"""Seconds after which a script that reports no step is inside of its work."""
T = TypeVar("T")
Wanted = dict[str, Any]


class Execution:
    """One remote execution."""

    def __init__(self, recorder: "Recorder", name: str, number: int, how: str, step: int) -> None:
        self._recorder = recorder
        self._how = how
        self._step = step
        self.name = name
        self.number = number
        self.steps = 0

    def begin(self, lost: Callable[[], Exception]) -> None:
        """It will be sent now."""
        if self._how == "unreached":
            self._recorder.fire()
            raise lost()
        if self._how == "inside" and self._step == 0:
            threading.Thread(target=self._kill_soon, daemon=True).start()

    def step(self) -> None:
        """Its script reported a step."""
        self.steps += 1
        if self._how == "inside" and self._step == self.steps:
            self._recorder.fire()
            self._kill()

    def end(self, lost: Callable[[], Exception]) -> None:
        """It was successful."""
        if self._how in ("after", "inside"):
            self._recorder.fire()
            self._kill()
        if self._how == "lost":
            self._recorder.fire()
            raise lost()

    def _kill_soon(self) -> None:
        time.sleep(MOMENT)
        self._recorder.fire()
        self._kill()

    def _kill(self) -> None:
        """End every process of the operator's session, this one last."""
        from tests.engine.playground import session  # noqa: PLC0415

        for pid in (*session(os.getsid(0)).keys() - {os.getpid()}, os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Recorder:
    """Records the executions of a run in a file of JSON lines, and triggers its fault."""

    def __init__(self, log: str, fault: Wanted | None) -> None:
        self._log = log
        self._fault = fault or {}
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()

    def run(
        self,
        name: str,
        call: Callable[[Callable[[str], None]], T],
        lost: Callable[[], Exception],
        *,
        changes: bool,
    ) -> T:
        """Do what ``call`` does, as one execution; it gets a function that counts steps."""
        with self._lock:
            self._numbers[name] += 1
            number = self._numbers[name]
        wanted = (self._fault.get("name"), self._fault.get("number")) == (name, number)
        how, step = (self._fault["how"], self._fault["step"]) if wanted else ("", 0)
        execution = Execution(self, name, number, how, step)
        execution.begin(lost)
        result = call(lambda _: execution.step())
        self._write(name=name, number=number, changes=changes, steps=execution.steps)
        execution.end(lost)
        return result

    def fire(self) -> None:
        """Record that the fault took place."""
        self._write(fault=self._fault)

    def _write(self, **values: Any) -> None:
        # One call of a short line: several processes may write.
        with Path(self._log).open("ab", buffering=0) as log:
            log.write((json.dumps(values) + "\n").encode())


def install(recorder: Recorder) -> None:
    """Wrap what is called on a host."""
    from hosts import failures  # noqa: PLC0415
    from hosts.connection import Connection  # noqa: PLC0415
    from opennebula.api import Api, ApiError  # noqa: PLC0415

    run, send, write = Connection.run, Connection.send, Api._write
    broken = ConnectionError("a fault of the test")

    def faulty_run(
        self: Connection,
        script: Any,
        progress: Callable[[str], None] | None = None,
        *,
        lend_agent: bool = False,
    ) -> Any:
        def call(count: Callable[[str], None]) -> Any:
            def report(step: str) -> None:
                count(step)
                if progress is not None:
                    progress(step)

            return run(self, script, report, lend_agent=lend_agent)

        return recorder.run(
            f"{self.host.name} {script.title}",
            call,
            lambda: failures.connection_lost(self.host, script.title, broken),
            changes=script.exclusive,
        )

    def faulty_send(self: Connection, file: Path, folder: str, timeout: float) -> None:
        title = f"send {file.name}"
        recorder.run(
            f"{self.host.name} {title}",
            lambda _: send(self, file, folder, timeout),
            lambda: failures.connection_lost(self.host, title, broken),
            changes=True,
        )

    def faulty_write(self: Api, call: Callable[[], Any]) -> Any:
        # The name of the method of Api that writes.
        method = sys._getframe(1).f_code.co_name
        return recorder.run(
            f"api {method}",
            lambda _: write(self, call),
            lambda: ApiError(f"no answer: {broken}"),
            changes=True,
        )

    Connection.run = faulty_run  # type: ignore[method-assign]
    Connection.send = faulty_send  # type: ignore[method-assign]
    Api._write = faulty_write  # type: ignore[method-assign]


if "pulumi.dynamic" in sys.orig_argv and "LAB_FAULT" in os.environ:
    sys.path.insert(0, str(ROOT))
    install(Recorder(**json.loads(os.environ["LAB_FAULT"])))
