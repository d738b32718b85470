"""The tables as collections of objects: numbering, lookup, change."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from .cipher import target_of
from .conf import Template
from .journal import Journal
from .logdb import LogDB, WriteRefused
from .objects import (
    Group,
    MachineTemplate,
    Object,
    User,
    Zone,
    group_from_xml,
    machine_template_from_xml,
    user_from_xml,
    zone_from_xml,
)
from .paths import read_one_auth
from .storage import StorageError

ONEADMIN = 0
SERVERADMIN = "serveradmin"
AUTH_FILES = ("sunstone_auth", "onegate_auth", "oneflow_auth", "oneform_auth", "oneks_auth")

_FIRST_FREE_ID = 100
"""Zones and groups below this number belong to OpenNebula itself."""


class BootstrapError(Exception):
    """The database or its environment does not allow oned to start."""


class Pool(Generic[Object]):
    """The objects of one table."""

    def __init__(self, db: LogDB, table: str, kind: str, load: Callable[[str], Object]) -> None:
        self._db = db
        self._load = load
        self.table = table
        self.kind = kind
        # Held during a write: a write without a quorum blocks the next one.
        self.lock = threading.RLock()

    def get(self, oid: int) -> Object | None:
        """Return the object with that ID."""
        return self._first(f"oid = {oid}")

    def by_name(self, name: str) -> Object | None:
        """Return the object with that name."""
        return self._first(f"name = {self._db.storage.quote(name)}")

    def all(self) -> list[Object]:
        """Return all objects, by ID."""
        rows = self._db.storage.read(f"SELECT body FROM {self.table} ORDER BY oid")
        return [self._load(str(row[0])) for row in rows]

    def to_xml(self, root: str) -> str:
        """Return the pool in the form for the API."""
        return f"<{root}>{''.join(item.to_xml() for item in self.all())}</{root}>"

    def allocate(self, make: Callable[[int], Object]) -> Object:
        """Give a new object an ID, and write it."""
        with self.lock:
            oid = self.last_id() + 1
            self.set_last_id(oid)
            item = make(oid)
            quote = self._db.storage.quote
            uid, gid = item.owner
            try:
                self._db.write(
                    f"INSERT INTO {self.table}"
                    " (oid, name, body, uid, gid, owner_u, group_u, other_u) VALUES"
                    f" ({oid},{quote(item.name)},{quote(item.to_xml())},{uid},{gid},1,0,0)"
                )
            except (WriteRefused, StorageError):
                self._take_back(oid - 1)
                raise
            return item

    def _take_back(self, oid: int) -> None:
        try:
            self.set_last_id(max(oid, 0))
        except (WriteRefused, StorageError):
            return

    def update(self, item: Object) -> None:
        """Write an object that changed."""
        quote = self._db.storage.quote
        self._db.write(
            f"UPDATE {self.table} SET name = {quote(item.name)}, body = {quote(item.to_xml())},"
            f" uid = {item.owner[0]}, gid = {item.owner[1]} WHERE oid = {item.id}"
        )

    def delete(self, oid: int) -> None:
        """Remove an object."""
        self._db.write(f"DELETE FROM {self.table} WHERE oid={oid}")

    def last_id(self) -> int:
        """Return the highest ID so far."""
        return last_id(self._db, self.table)

    def set_last_id(self, oid: int) -> None:
        """Write the highest ID so far."""
        set_last_id(self._db, self.table, oid)

    def _first(self, where: str) -> Object | None:
        rows = self._db.storage.read(f"SELECT body FROM {self.table} WHERE {where}")
        return self._load(str(rows[0][0])) if rows else None


_ALL = 1 << 34
_USERS_GROUP = 1 << 33 | 1
_VM, _IMAGE, _MACHINE_TEMPLATE, _DOCUMENT = 1 << 36, 1 << 39, 1 << 41, 1 << 46
_ZONE, _SECURITY_GROUP, _MARKET, _MARKET_APP = 1 << 47, 1 << 48, 1 << 51, 1 << 52
_VM_GROUP, _BACKUP_JOB = 1 << 53, 1 << 56
_USE, _CREATE = 1, 8

DEFAULT_RULES = (
    (
        _USERS_GROUP,
        _ALL
        | _VM
        | _IMAGE
        | _MACHINE_TEMPLATE
        | _DOCUMENT
        | _SECURITY_GROUP
        | _VM_GROUP
        | _BACKUP_JOB,
        _CREATE,
    ),
    (_ALL, _ALL | _ZONE, _USE),
    (_ALL, _ALL | _MARKET | _MARKET_APP, _USE),
)


class Acl:
    """The access rules; they are only kept and shown: oned allows oneadmin everything."""

    def __init__(self, db: LogDB) -> None:
        self._db = db

    def bootstrap(self) -> None:
        """Write the rules that every zone starts with."""
        if last_id(self._db, "acl") < 0:
            for user, resource, rights in DEFAULT_RULES:
                self.add(user, resource, rights, _ALL)

    def add(self, user: int, resource: int, rights: int, zone: int) -> int:
        """Add a rule; return its ID."""
        oid = last_id(self._db, "acl") + 1
        set_last_id(self._db, "acl", oid)
        self._db.write(
            "INSERT INTO acl (oid, userset, resource, rights, zone) VALUES"
            f" ({oid},{user},{resource},{rights},{zone})"
        )
        return oid

    def to_xml(self) -> str:
        """Return the rules in the form for the API, sorted by their users."""
        rules = []
        for oid, *masks in self._db.storage.read(
            "SELECT oid, userset, resource, rights, zone FROM acl ORDER BY userset"
        ):
            user, resource, rights, zone = (f"{int(mask):x}" for mask in masks)
            rules.append(
                f"<ACL><ID>{oid}</ID><USER>{user}</USER><RESOURCE>{resource}</RESOURCE>"
                f"<RIGHTS>{rights}</RIGHTS><ZONE>{zone}</ZONE>"
                f"<STRING>{user} {resource} {rights} {zone}</STRING></ACL>"
            )
        return f"<ACL_POOL>{''.join(rules)}</ACL_POOL>"


@dataclass
class Pools:
    """All pools."""

    acl: Acl
    groups: Pool[Group]
    users: Pool[User]
    zones: Pool[Zone]
    templates: Pool[MachineTemplate]


def open_pools(db: LogDB) -> Pools:
    """Return the pools of a database."""
    return Pools(
        acl=Acl(db),
        groups=Pool(db, "group_pool", "group", group_from_xml),
        users=Pool(db, "user_pool", "user", user_from_xml),
        zones=Pool(db, "zone_pool", "zone", zone_from_xml),
        templates=Pool(db, "template_pool", "template", machine_template_from_xml),
    )


def fill_pools(pools: Pools, journal: Journal, var: Path, port: int) -> None:
    """Write the initial objects of a zone that are missing."""
    pools.acl.bootstrap()
    if pools.groups.get(0) is None:
        pools.groups.allocate(lambda oid: Group(oid, "oneadmin"))
        pools.groups.allocate(lambda oid: Group(oid, "users"))
        pools.groups.set_last_id(_FIRST_FREE_ID - 1)
    if pools.users.get(ONEADMIN) is None:
        _first_users(pools, journal, var / ".one")
    if pools.zones.last_id() == -1:
        template = Template()
        template.put("ENDPOINT", f"http://localhost:{port}/RPC2")
        pools.zones.allocate(lambda oid: Zone(oid, "OpenNebula", template))
        pools.zones.set_last_id(_FIRST_FREE_ID - 1)


def add_user(pools: Pools, name: str, secret: str, driver: str, gid: int) -> User:
    """Write a new user, with its password as the database has it, and its group."""
    group = pools.groups.get(gid)
    if group is None:
        raise ValueError("The array of groups needs to have at least a valid Group ID.")
    user = pools.users.allocate(
        lambda oid: User(oid, name, gid, group.name, secret, driver, groups=[gid])
    )
    group.users.append(user.id)
    pools.groups.update(group)
    return user


def add_template(pools: Pools, user: User, template: Template) -> MachineTemplate:
    """Write a new template of virtual machines."""
    name = template.text("NAME")
    template.remove("NAME")
    return pools.templates.allocate(
        lambda oid: MachineTemplate(
            id=oid,
            name=name or f"template-{oid}",
            uid=user.id,
            gid=user.gid,
            user_name=user.name,
            group_name=user.group_name,
            registered=int(time.time()),
            template=template,
        )
    )


def digest(password: str) -> str:
    """Return a password in the form in the database."""
    return hashlib.sha256(password.encode()).hexdigest()


def authenticate(pools: Pools, session: str) -> User | None:
    """Return the user of a session."""
    name, colon, password = session.partition(":")
    if not colon:
        return None
    user = pools.users.by_name(name)
    if user is not None and user.driver == "server_cipher":
        target = target_of(user.name, user.password, password)
        return pools.users.by_name(target) if target else None
    if user is None or user.driver != "core":
        return None
    now = time.time()
    if any(
        token.text == password and (token.expires == -1 or now < token.expires)
        for token in user.tokens
    ):
        return user
    return user if user.password == digest(password) else None


def last_id(db: LogDB, table: str) -> int:
    """Return the highest ID so far in a table, or -1."""
    rows = db.storage.read(f"SELECT last_oid FROM pool_control WHERE tablename='{table}'")
    return int(rows[0][0]) if rows else -1


def set_last_id(db: LogDB, table: str, oid: int) -> None:
    """Write the highest ID so far in a table."""
    db.write(f"REPLACE INTO pool_control (tablename, last_oid) VALUES ('{table}',{oid})")


def _first_users(pools: Pools, journal: Journal, credentials: Path) -> None:
    """Write oneadmin and serveradmin, and the files for the logins of OpenNebula's services."""
    try:
        name, colon, password = read_one_auth().partition(":")
        if not colon:
            raise BootstrapError("Wrong format must be <username>:<password>")
        if name == SERVERADMIN:
            raise BootstrapError(f"The name '{SERVERADMIN}' is reserved")
        secret = secrets.token_hex(32)
        credentials.mkdir(mode=0o700, exist_ok=True)
        for file in (credentials / auth for auth in AUTH_FILES):
            if file.exists():
                raise BootstrapError(
                    f"Password file {file} already exists but OpenNebula is boostraping the"
                    " database. Check your database configuration in oned.conf."
                )
            file.touch(mode=0o600)
            file.write_text(f"{SERVERADMIN}:{secret}\n")
    except ValueError as error:
        text = f"Error reading one_auth: {error}"
        journal.error("ONE", text)
        raise BootstrapError(text) from error
    except BootstrapError as error:
        journal.error("ONE", str(error))
        raise
    add_user(pools, name, digest(password), "core", 0)
    add_user(pools, SERVERADMIN, digest(secret), "server_cipher", 0)
