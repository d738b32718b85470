"""However a run ends, its remains are known, and the next run resumes."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import Popen

import pytest

from commands.pending import settled
from tests.engine.playground import DEADLINE_SECONDS, Run, Stack, cancel, kill_session, session
from tests.engine.test_plugins import IS_OURS

REPEATED = ("Resource monitor has terminated", "an unhandled error occurred", "Traceback")
LANGUAGE_HOST = r"/pulumi-language-python( |$)"
PROGRAM = r"pulumi-language-python-exec"
PROVIDER_HOST = r"python\S* .*-m pulumi\.dynamic"


@dataclass
class Midway:
    """An `up` that hangs in the create of b, after the create of a."""

    stack: Stack
    process: "Popen[str]"
    said: list[str] = field(default_factory=list)

    def signal(self, number: int, pattern: str = "") -> None:
        """Send a signal to the CLI, or to the process whose command matches that pattern.

        A terminal sends SIGINT to every process of the command that it runs.
        """
        pid = self.process.pid
        if pattern:
            found = session(self.process.pid)
            (pid,) = (pid for pid, command in found.items() if re.search(pattern, command))
        if number == signal.SIGINT and not pattern:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)

    def read_until(self, pattern: str) -> None:
        """Read until the CLI prints that."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError(f"it never said {pattern}: {''.join(self.said)}")

    def end(self) -> Run:
        """Wait for the end of the CLI and of all processes that it started."""
        text = "".join(self.said) + self.process.communicate(timeout=DEADLINE_SECONDS)[0]
        self.stack.wait_for(lambda: not self._left(), "the end of all processes")
        return self.stack.finish("up", self.process.returncode, text)

    def _left(self) -> list[str]:
        """Name the running processes; Pulumi's language host checks for its engine too rarely."""
        return [
            command
            for command in session(self.process.pid).values()
            if IS_OURS or not re.search(LANGUAGE_HOST, command)
        ]


@contextmanager
def midway(stack: Stack) -> Iterator[Midway]:
    stack.program("""
a = Thing("a")
b = Thing("b", ResourceOptions(depends_on=[a]))
c = Thing("c", ResourceOptions(depends_on=[b]))
""")
    stack.flag("hang-create-b")
    with stack.started("up", "--yes") as process:
        stack.wait_for((stack.directory / "provider.pid").exists, "the create of b")
        yield Midway(stack, process)
    stack.unflag("hang-*")


def resumes(stack: Stack, *, created: list[str]) -> None:
    run = stack.up()
    assert run.status == 0
    assert run.called("create") == [("create", name) for name in created]
    assert stack.names() == {"a", "b", "c"}
    assert not stack.up("--expect-no-changes").status


def kill_midway(stack: Stack) -> None:
    """Kill every process of an `up` in the create of b."""
    with midway(stack) as run:
        kill_session(run.process.pid)
        run.end()


def settle(stack: Stack) -> None:
    """Do what `scripts/pulumi` does after a run that did not succeed."""
    exported = json.loads(stack.ask("stack", "export"))
    after = settled(
        exported,
        "pulumi-python:dynamic/test:",
        lambda resource: f"id-{resource['inputs']['name']}",
    )
    assert after is not None
    file = stack.directory / "settled.json"
    file.write_text(json.dumps(after))
    stack.ask("stack", "import", "--file", str(file))
    assert not pending(stack)


def pending(stack: Stack) -> list[str]:
    return [f"{kind} {urn.rsplit('::', 1)[1]}" for kind, urn in stack.state()["pending"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once_it_ends_after_the_running_call(stack: Stack, number: int) -> None:
    with midway(stack) as run:
        run.signal(number)
        run.read_until("interrupted: still at 'making b'")
        stack.unflag("hang-*")
        done = run.end()
    assert done.status != 0
    assert "the next up continues from the actual state of the hosts" in done.text
    assert done.called("created") == [("created", "a"), ("created", "b")]
    assert not any(text in done.text for text in REPEATED)
    assert stack.names() == {"a", "b"}
    assert not pending(stack)
    resumes(stack, created=["c"])


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_twice_it_ends_at_once(stack: Stack, first: int, second: int) -> None:
    with midway(stack) as run:
        run.signal(first)
        run.read_until("cancelling")
        run.signal(second)
        done = run.end()
    assert done.status != 0
    assert not any(text in done.text for text in REPEATED)
    assert stack.names() == {"a"}
    assert pending(stack) == ["creating b"]
    resumes(stack, created=["b", "c"])


def test_an_interrupted_create_is_repeated_without_a_warning(stack: Stack) -> None:
    kill_midway(stack)
    cancel(stack.directory, stack.environment)
    assert pending(stack) == ["creating b"]
    settle(stack)
    done = stack.up()
    assert done.status == 0
    assert "interrupted while creating" not in done.text
    assert done.called("create", "update") == [("update", "b"), ("create", "c")]
    assert not stack.up("--expect-no-changes").status


def test_an_interrupted_create_is_deleted_if_it_left_the_stack(stack: Stack) -> None:
    kill_midway(stack)
    cancel(stack.directory, stack.environment)
    settle(stack)
    stack.program("a = Thing('a')")
    done = stack.up()
    assert done.status == 0
    assert done.called("create", "update", "delete") == [("delete", "b")]
    assert stack.names() == {"a"}


def test_all_processes_end_after_the_cli_lost_one(stack: Stack) -> None:
    with midway(stack) as run:
        run.signal(signal.SIGKILL)
        run.end()
    assert stack.names() == {"a"}
    assert pending(stack) == ["creating b"]
    assert "locked" in stack.up().text
    cancel(stack.directory, stack.environment)
    resumes(stack, created=["b", "c"])


def test_up_resumes_after_all_processes_were_killed(stack: Stack) -> None:
    kill_midway(stack)
    assert pending(stack) == ["creating b"]
    cancel(stack.directory, stack.environment)
    resumes(stack, created=["b", "c"])


def test_cancel_makes_a_state_readable_whose_write_was_killed(stack: Stack) -> None:
    kill_midway(stack)
    checksum = stack.backend / ".pulumi" / "stacks" / "trial" / "dev.json.attrs"
    assert checksum.stat().st_size
    checksum.write_bytes(b"")
    assert "failed to load checkpoint: EOF" in stack.up().text
    assert str(checksum) in cancel(stack.directory, stack.environment)
    resumes(stack, created=["b", "c"])
    assert "Removed" not in cancel(stack.directory, stack.environment)


@pytest.mark.parametrize("victim", [LANGUAGE_HOST, PROGRAM, PROVIDER_HOST])
def test_up_resumes_after_another_process_was_killed(stack: Stack, victim: str) -> None:
    with midway(stack) as run:
        run.signal(signal.SIGKILL, victim)
        if victim == LANGUAGE_HOST:
            # Until the engine notices that, the program may begin another step.
            run.read_until("error reading from server: EOF")
        # Its remaining processes continue to their end.
        stack.unflag("hang-*")
        done = run.end()
    assert done.status != 0
    assert not pending(stack)
    made = stack.names()
    assert made == ({"a"} if victim == PROVIDER_HOST else {"a", "b"})
    resumes(stack, created=sorted({"a", "b", "c"} - made))


def test_a_failed_step_is_one_message(stack: Stack) -> None:
    stack.program("""
a = Thing("a")
b = Thing("b", ResourceOptions(depends_on=[a]))
""")
    stack.flag("fail-create-a")
    run = stack.up()
    assert run.status != 0
    assert "a: create: expected success, saw failure\n" in run.text
    assert not any(text in run.text for text in REPEATED)


def test_an_error_of_the_program_is_one_message(stack: Stack) -> None:
    stack.program("""
with runtime.reported_once():
    Thing("a")
    raise pulumi.RunError("first_key: expected a number\\nsecond_key: unknown")
""")
    run = stack.preview()
    assert run.status != 0
    assert "second_key: unknown" in run.text
    assert not any(text in run.text for text in REPEATED)
    # The CLI's own prefix, and the message.
    assert run.text.partition("Diagnostics:")[2].count("error: ") == 1
