"""Forward the operator's ssh-agent to a host for one command."""

import contextlib
from collections.abc import Iterator

import paramiko
from paramiko.agent import AgentRequestHandler

SOCKET = "OPERATOR_AGENT"
"""Environment variable of a script that may use the agent: the path of its socket."""


def has_keys() -> bool:
    """Return whether an agent with keys runs on this machine."""
    try:
        with contextlib.closing(paramiko.Agent()) as agent:
            return bool(agent.get_keys())
    except (OSError, paramiko.SSHException):
        return False


@contextlib.contextmanager
def lent(channel: paramiko.Channel) -> Iterator[None]:
    """Let the channel's command sign with the agent's keys, until this context ends."""
    with contextlib.closing(AgentRequestHandler(channel)):
        yield
