"""How front-ends are reached: the part of the stack's config that concerns SSH."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """Base of all models here and above: frozen, and strict about names, in copies, too."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with other values. Raises TypeError for a name that is no field: pydantic itself
        takes it without a word, and the field that was meant keeps its value.
        """
        unknown = (update or {}).keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return super().model_copy(update=update, deep=deep)


class HostSsh(Strict):
    """What one front-end overrides of the common SSH settings."""

    user: str | None = None
    """User to log in as, where it is another one on this host."""
    port: Port | None = None
    """Port of its SSH server, where it is another one."""


class SshSettings(Strict):
    """How the operator's machine logs in: one user, key and way for all front-ends."""

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


class Host(Strict):
    """A front-end's place on the network. The name is the one that the others call it by."""

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
