"""The objects of the pools, and their XML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .conf import Template, Vector, cdata, read_document, template_from_xml


class PoolObject(Protocol):
    """An object with its own row."""

    id: int
    name: str

    @property
    def owner(self) -> tuple[int, int]:
        """uid and gid of the row."""

    def to_xml(self) -> str:
        """The row's body."""


Object = TypeVar("Object", bound=PoolObject)


def both_endpoints(server: Mapping[str, str]) -> str:
    """Return its ENDPOINT and, after a space, its ENDPOINT_GRPC, which other servers then use."""
    return f"{server.get('ENDPOINT', '')} {server.get('ENDPOINT_GRPC', '')}".rstrip()


@dataclass
class Zone:
    """An OpenNebula instance: its template and its servers."""

    id: int
    name: str
    template: Template
    state: int = 0
    servers: list[Vector] = field(default_factory=list)

    @property
    def owner(self) -> tuple[int, int]:
        """Zones belong to oneadmin."""
        return 0, 0

    def endpoints(self) -> dict[int, str]:
        """The endpoints of each server: see ``both_endpoints``."""
        return {int(server["ID"]): both_endpoints(server) for server in self.servers}

    def to_xml(self) -> str:
        """The row's body."""
        servers = "".join(
            f"<SERVER>{''.join(f'<{k}>{cdata(v)}</{k}>' for k, v in sorted(server.items()))}"
            "</SERVER>"
            for server in self.servers
        )
        return (
            f"<ZONE><ID>{self.id}</ID><NAME>{escape(self.name)}</NAME><STATE>{self.state}</STATE>"
            f"{self.template.to_xml('TEMPLATE')}<SERVER_POOL>{servers}</SERVER_POOL></ZONE>"
        )


@dataclass(frozen=True)
class LoginToken:
    """A token that replaces the password until a time, or without limit (-1)."""

    text: str
    expires: int

    def to_xml(self) -> str:
        """The form in the user's row: the text is not escaped (as in OpenNebula)."""
        return (
            f"<LOGIN_TOKEN><TOKEN>{self.text}</TOKEN>"
            f"<EXPIRATION_TIME>{self.expires}</EXPIRATION_TIME><EGID>-1</EGID></LOGIN_TOKEN>"
        )


@dataclass
class User:
    """A user who can log in."""

    id: int
    name: str
    gid: int
    group_name: str
    password: str
    driver: str = "core"
    groups: list[int] = field(default_factory=list)
    tokens: list[LoginToken] = field(default_factory=list)
    template: Template = field(default_factory=Template)

    @property
    def owner(self) -> tuple[int, int]:
        """Users own themselves."""
        return self.id, self.gid

    @property
    def is_oneadmin(self) -> bool:
        """Whether the user may do everything."""
        return self.id == 0 or 0 in self.groups

    def to_xml(self) -> str:
        """The row's body."""
        groups = "".join(f"<ID>{gid}</ID>" for gid in self.groups)
        return (
            f"<USER><ID>{self.id}</ID><GID>{self.gid}</GID><GROUPS>{groups}</GROUPS>"
            f"<GNAME>{escape(self.group_name)}</GNAME><NAME>{escape(self.name)}</NAME>"
            f"<PASSWORD>{escape(self.password)}</PASSWORD>"
            f"<AUTH_DRIVER>{escape(self.driver)}</AUTH_DRIVER><ENABLED>1</ENABLED>"
            f"{''.join(token.to_xml() for token in self.tokens)}"
            f"{self.template.to_xml('TEMPLATE')}</USER>"
        )


@dataclass
class Group:
    """Users who share permissions."""

    id: int
    name: str
    users: list[int] = field(default_factory=list)
    template: Template = field(default_factory=Template)

    @property
    def owner(self) -> tuple[int, int]:
        """Groups own themselves."""
        return -1, self.id

    def to_xml(self) -> str:
        """The row's body."""
        users = "".join(f"<ID>{uid}</ID>" for uid in self.users)
        return (
            f"<GROUP><ID>{self.id}</ID><NAME>{escape(self.name)}</NAME>"
            f"{self.template.to_xml('TEMPLATE')}<USERS>{users}</USERS><ADMINS></ADMINS></GROUP>"
        )


@dataclass
class MachineTemplate:
    """A template of virtual machines: content that tests can check."""

    id: int
    name: str
    uid: int
    gid: int
    user_name: str
    group_name: str
    registered: int
    template: Template = field(default_factory=Template)

    @property
    def owner(self) -> tuple[int, int]:
        """The user who registered it."""
        return self.uid, self.gid

    def to_xml(self) -> str:
        """The row's body."""
        permissions = {"OWNER_U": 1, "OWNER_M": 1, "OWNER_A": 0, "GROUP_U": 0, "GROUP_M": 0}
        permissions |= {"GROUP_A": 0, "OTHER_U": 0, "OTHER_M": 0, "OTHER_A": 0}
        rights = "".join(f"<{k}>{v}</{k}>" for k, v in permissions.items())
        return (
            f"<VMTEMPLATE><ID>{self.id}</ID><UID>{self.uid}</UID><GID>{self.gid}</GID>"
            f"<UNAME>{escape(self.user_name)}</UNAME><GNAME>{escape(self.group_name)}</GNAME>"
            f"<NAME>{escape(self.name)}</NAME><PERMISSIONS>{rights}</PERMISSIONS>"
            f"<REGTIME>{self.registered}</REGTIME>{self.template.to_xml('TEMPLATE')}</VMTEMPLATE>"
        )


def zone_from_xml(body: str) -> Zone:
    """Parse the zone in a row's body."""
    root = read_document(body)
    pool = template_from_xml(_child(root, "SERVER_POOL"))
    return Zone(
        id=int(root.findtext("ID", "-1")),
        name=root.findtext("NAME", ""),
        template=template_from_xml(_child(root, "TEMPLATE")),
        state=int(root.findtext("STATE", "0")),
        servers=pool.vectors("SERVER"),
    )


def user_from_xml(body: str) -> User:
    """Parse the user in a row's body."""
    root = read_document(body)
    return User(
        id=int(root.findtext("ID", "-1")),
        name=root.findtext("NAME", ""),
        gid=int(root.findtext("GID", "-1")),
        group_name=root.findtext("GNAME", ""),
        password=root.findtext("PASSWORD", ""),
        driver=root.findtext("AUTH_DRIVER", "core"),
        groups=_ids(root, "GROUPS"),
        tokens=[
            LoginToken(token.findtext("TOKEN", ""), int(token.findtext("EXPIRATION_TIME", "0")))
            for token in root.findall("LOGIN_TOKEN")
        ],
        template=template_from_xml(_child(root, "TEMPLATE")),
    )


def group_from_xml(body: str) -> Group:
    """Parse the group in a row's body."""
    root = read_document(body)
    return Group(
        id=int(root.findtext("ID", "-1")),
        name=root.findtext("NAME", ""),
        users=_ids(root, "USERS"),
        template=template_from_xml(_child(root, "TEMPLATE")),
    )


def machine_template_from_xml(body: str) -> MachineTemplate:
    """Parse the template in a row's body."""
    root = read_document(body)
    return MachineTemplate(
        id=int(root.findtext("ID", "-1")),
        name=root.findtext("NAME", ""),
        uid=int(root.findtext("UID", "-1")),
        gid=int(root.findtext("GID", "-1")),
        user_name=root.findtext("UNAME", ""),
        group_name=root.findtext("GNAME", ""),
        registered=int(root.findtext("REGTIME", "0")),
        template=template_from_xml(_child(root, "TEMPLATE")),
    )


def _child(root: ElementTree.Element, name: str) -> ElementTree.Element:
    child = root.find(name)
    return ElementTree.Element(name) if child is None else child


def _ids(root: ElementTree.Element, name: str) -> list[int]:
    return [int(leaf.text or "-1") for leaf in _child(root, name).findall("ID")]
