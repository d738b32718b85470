"""How front-ends are reached: the part of the stack's config that concerns SSH."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

Port = Annotated[int, Field(ge=1, le=65535)]


class HostSsh(BaseModel):
    """What one front-end overrides of the common SSH settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    user: str | None = None
    """User to log in as, where it is another one on this host."""
    port: Port | None = None
    """Port of its SSH server, where it is another one."""


class SshSettings(BaseModel):
    """How the operator's machine logs in: one user, key and way for all front-ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    user: str = "root"
    """User to log in as. Any other than root needs sudo without a password."""
    port: Port = 22
    """Port of the SSH servers."""
    private_key_file: Path | None = None
    """Private key to log in with. Without a key the agent and the default keys are tried."""
    private_key: SecretStr | None = None
    """The same as text, in place of the file."""
    bastion: str | None = None
    """`user@host:port` to go through."""
    known_hosts_file: Path = Path("~/.ssh/known_hosts")
    """Where the hosts' keys are looked up."""
    host_keys: dict[str, str] = Field(default_factory=dict)
    """Front-end's name to its public key: takes the place of the file for this host."""
    accept_new_host_keys: bool = False
    """Trust a host that is in neither at first sight, and add its key to the file."""
    forward_agent: bool = False
    """Lend your agent to the leader while it sends the database to other front-ends, to log in
    there. Meanwhile root on the leader can use it: see
    [safety](safety.md#from-host-to-host-proceduresseedpy).
    """

    @field_validator("bastion")
    @classmethod
    def _bastion_form(cls, value: str | None) -> str | None:
        if value is not None:
            parse_bastion(value, "root")
        return value


class Host(BaseModel):
    """A front-end's place on the network. The name is the one that the others call it by."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str
    address: str
    ssh: HostSsh = HostSsh.model_construct()


def parse_bastion(text: str, default_user: str) -> tuple[str, str, int]:
    """``[user@]host[:port]`` as user, host, port. Raises ValueError for anything else."""
    found = re.fullmatch(r"(?:([^@\s]+)@)?([^@:\s]+)(?::([0-9]{1,5}))?", text)
    port = int(found[3] or 22) if found else 0
    if not found or not 1 <= port <= 65535:
        raise ValueError(f"expected [user@]host[:port], saw {text!r}")
    return found[1] or default_user, found[2], port
