"""One process of Ansible reads the inventories of all tests: its start takes about a second."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from commands.convert import with_ansible


@pytest.fixture(scope="session")
def installed(pytestconfig: pytest.Config) -> None:
    """Install ansible-core, as `make convert` does."""
    done = subprocess.run(
        ["scripts/setup", "convert"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def ansible(installed: None) -> Iterator[Callable[[str], str]]:
    """Return a function that passes a request to one process of the script."""
    with subprocess.Popen(
        with_ansible.command(),
        env=with_ansible.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        sends, answers = process.stdin, process.stdout

        def ask(request: str) -> str:
            sends.write(f"{request}\n")
            sends.flush()
            return answers.readline()

        yield ask
        sends.close()


@pytest.fixture(autouse=True)
def _one_process(ansible: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_ansible, "ask", ansible)
