"""The operator's ssh-agent, lent to a host for the length of one command."""

import contextlib
from collections.abc import Iterator

import paramiko
from paramiko.agent import AgentRequestHandler

SOCKET = "OPERATOR_AGENT"
"""Variable in the environment of a script that may use it: where it is."""


def has_keys() -> bool:
    """Whether an agent runs here that has something to lend."""
    try:
        with contextlib.closing(paramiko.Agent()) as agent:
            return bool(agent.get_keys())
    except (OSError, paramiko.SSHException):
        return False


@contextlib.contextmanager
def lent(channel: paramiko.Channel) -> Iterator[None]:
    """What the channel runs may sign with the agent's keys; nothing after it may."""
    with contextlib.closing(AgentRequestHandler(channel)):
        yield
