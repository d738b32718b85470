"""How front-ends are reached: the part of the stack's config that concerns SSH."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """Base of all models: frozen, and without unknown fields, also in copies."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values. Raises TypeError for an unknown field, which pydantic
        itself would ignore.
        """
        unknown = (update or {}).keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return super().model_copy(update=update, deep=deep)


def is_none(value: object) -> bool:
    """Return whether a value is empty: such a field is not stored, as in states that lack it."""
    return value is None


class HostSsh(Strict):
    """SSH settings of one front-end that override the common ones."""

    user: str | None = None
    """Login user, if it differs on this host."""
    port: Port | None = None
    """SSH port, if it differs on this host."""
    address: str | None = Field(None, exclude_if=is_none)
    """Address or name at which your machine logs in, if it is not the front-end's `address`. Other
    front-ends log in at that one.
    """


class SshSettings(Strict):
    """How the operator's machine logs in to all front-ends."""

    user: str = "root"
    """Login user. Any user other than root needs sudo. See [Login](#login)."""
    port: Port = 22
    """SSH port of the front-ends."""
    private_key_file: Path | None = None
    """Private key for the login. Unless a key is set, your SSH agent and the default keys are
    tried.
    """
    private_key: SecretStr | None = None
    """The private key itself, instead of a file."""
    sudo_password: SecretStr | None = None
    """Password with which the login user becomes root, if sudo asks for one. See [Login](#login).
    """
    bastion: str | None = None
    """Jump host: `user@host:port`; several with commas, the first one first."""
    config_file: Path = Path("~/.ssh/config")
    """Configuration of your SSH client. It counts for whatever the stack does not set; `/dev/null`
    for none. See [Login](#login).
    """
    known_hosts_file: Path = Path("~/.ssh/known_hosts")
    """File with the host keys."""
    host_keys: dict[str, str] = Field(default_factory=dict)
    """Front-end's name to its public host key. It replaces the file for this host."""
    accept_new_host_keys: bool = False
    """Trust the key that a host shows first, if neither `host_keys` nor the file has one, and add
    it to the file.
    """
    forward_agent: bool = False
    """Forward your SSH agent to the leader while it sends the database to other front-ends. During
    that time root on the leader can use your agent. See [Transfer between
    front-ends](secrets.md#transfer-between-front-ends).
    """

    @field_validator("bastion")
    @classmethod
    def _bastion_form(cls, value: str | None) -> str | None:
        if value is not None:
            parse_hops(value)
        return value


class Host(Strict):
    """A front-end: its name, which the other front-ends use, too, and its addresses."""

    name: str
    address: str
    ssh: HostSsh = HostSsh.model_construct()
    zone_server: str | None = Field(None, exclude_if=is_none)
    """NAME of its server in the zone, if the server's endpoint does not identify it."""

    @property
    def login_address(self) -> str:
        """Return the address at which the operator's machine logs in."""
        return self.ssh.address or self.address


def record_name(address: str, port: int) -> str:
    """Return the name of a host in a known_hosts file."""
    return address if port == 22 else f"[{address}]:{port}"


def parse_hops(text: str) -> list[tuple[str, str, int]]:
    """Return user, host and port of each ``[user@]host[:port]`` in a list with commas.

    A missing user is empty, a missing port is 0. Raises ValueError for anything else.
    """
    hops = []
    for part in text.split(","):
        found = re.fullmatch(
            r"(?:([^@\s]+)@)?([^@:\s\[\]]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?",
            part.strip().removeprefix("ssh://"),
        )
        if not found or (found[3] and not 1 <= int(found[3]) <= 65535):
            raise ValueError(f"expected [user@]host[:port], saw {part!r}")
        hops.append((found[1] or "", found[2].strip("[]"), int(found[3] or 0)))
    return hops
