"""The XML-RPC methods of oned."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from secrets import token_hex
from typing import Any

from . import conf, pools
from .journal import Journal
from .logdb import Record, WriteRefused
from .objects import Group, LoginToken, PoolObject, User, Zone, both_endpoints
from .peers import to_signed, to_unsigned
from .pools import Pool, Pools
from .raft import Answer, RaftManager, State
from .storage import StorageError
from .version import VERSION
from .wire import CallError, call

FORWARD_TIMEOUT_S = 10.0
_DISABLED = 1
_SECRET_METHODS = {
    "one.user.allocate",
    "one.user.login",
    "one.user.passwd",
    "one.zone.replicate",
}
_MAX_TOKENS = 10
_UNLOGGED_METHODS = {"one.zone.replicate"}


class Code(IntEnum):
    """How a call ended."""

    SUCCESS = 0x0000
    AUTHENTICATION = 0x0100
    AUTHORIZATION = 0x0200
    NO_EXISTS = 0x0400
    ACTION = 0x0800
    XML_RPC_API = 0x1000
    INTERNAL = 0x2000
    ALLOCATE = 0x4000


class Refusal(Exception):
    """A rejected call."""

    def __init__(self, code: Code, text: str, number: int = -1) -> None:
        super().__init__(text)
        self.code = code
        self.number = number


Handler = Callable[[User, list[Any]], Any]
"""It gets the user who calls, and the other parameters."""


def _not_now(why: str) -> Refusal:
    return Refusal(Code.INTERNAL, f"Cannot process request, {why}")


@dataclass(frozen=True)
class Method:
    """A method, and the servers and states in which it may run."""

    handler: Handler
    leader_only: bool = True
    when_disabled: bool = False


@dataclass
class Api:
    """All methods of an oned."""

    pools: Pools
    raft: RaftManager
    configuration: conf.Template
    zone_id: int
    journal: Journal
    zone_state: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _zone_lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._methods = self._table()

    def knows(self, method: str) -> bool:
        """Return whether the method exists."""
        return method in self._methods

    def refresh_zone_state(self) -> None:
        """Read whether the zone is enabled."""
        zone = self.pools.zones.get(self.zone_id)
        self.zone_state = zone.state if zone else 0

    def call(self, name: str, params: Sequence[Any]) -> list[Any]:
        """Execute a call; return the answer in OpenNebula's form."""
        number = next(self._numbers) % 10_000
        logged = name not in _UNLOGGED_METHODS
        if logged:
            shown = "***" if name in _SECRET_METHODS else ", ".join(map(str, params[1:]))
            self.journal.debug("ReM", f"Req:{number} {name} invoked , {shown}")
        try:
            answer = self._carry_out(name, list(params))
        except Refusal as refusal:
            text = f"[{name}] {refusal}"
            answer = [False, text, int(refusal.code), refusal.number, -1]
        if logged:
            outcome = "SUCCESS" if answer[0] else f"FAILURE {answer[1]}"
            if answer[0] and name == "one.user.login":
                # The logged answer shows what is hidden in the call, as in OpenNebula.
                outcome += f', "{answer[1][:20]}", 0'
            level = self.journal.debug if answer[0] else self.journal.error
            level("ReM", f"Req:{number} {name} result {outcome}")
        return answer

    def _carry_out(self, name: str, params: list[Any]) -> list[Any]:
        method = self._methods[name]
        try:
            user = pools.authenticate(self.pools, str(params[0]) if params else "")
        except StorageError as error:
            self.journal.error("DBM", str(error))
            user = None
        if user is None:
            raise Refusal(Code.AUTHENTICATION, "User couldn't be authenticated, aborting call.")
        if method.leader_only:
            state = self.raft.state
            if state is State.FOLLOWER:
                return self._forward(name, params)
            if state is State.CANDIDATE:
                raise _not_now("oned cluster in election mode")
            if self.raft.is_reconciling:
                raise _not_now("oned cluster is replicating log")
        if self.zone_state == _DISABLED and not method.when_disabled:
            raise _not_now("zone disabled")
        try:
            return [True, method.handler(user, params[1:]), int(Code.SUCCESS)]
        except (WriteRefused, StorageError) as error:
            raise Refusal(Code.INTERNAL, str(error)) from error
        except (IndexError, TypeError, ValueError) as error:
            raise Refusal(Code.XML_RPC_API, f"Wrong parameters: {error}") from error

    def _forward(self, name: str, params: list[Any]) -> list[Any]:
        leader = self.raft.leader_endpoint()
        if not leader:
            raise _not_now("no leader found")
        try:
            return list(call(leader, name, params, FORWARD_TIMEOUT_S))
        except CallError as error:
            raise Refusal(Code.INTERNAL, str(error)) from error

    # ---- permissions, and look-ups ----

    def _admin(self, caller: User, what: str) -> None:
        if not caller.is_oneadmin:
            raise Refusal(
                Code.AUTHORIZATION,
                f"User [{caller.id}] : Not authorized to perform {what}.",
            )

    def _get(self, pool: Pool[Any], oid: Any) -> Any:
        item: PoolObject | None = pool.get(int(oid))
        if item is None:
            raise Refusal(Code.NO_EXISTS, f"Error getting {pool.kind} [{oid}].", int(oid))
        return item

    def _refuse_taken(self, pool: Pool[Any], name: str) -> None:
        taken = pool.by_name(name)
        if taken is not None:
            raise Refusal(
                Code.ALLOCATE,
                f"Error allocating a new {pool.kind}. NAME is already taken by"
                f" {pool.kind.upper()} {taken.id}.",
            )

    def _changed(self, template: conf.Template, params: list[Any]) -> conf.Template:
        """Return a template after a call of update: ID, changes, and 1 to append them."""
        changes = self._parse(params[1])
        appending = len(params) > 2 and int(params[2]) == 1
        changed = template if appending else conf.Template()
        for attribute in changes.attributes:
            changed.put(attribute.name, attribute.value)
        return changed

    def _parse(self, text: Any) -> conf.Template:
        try:
            return conf.parse(str(text))
        except (conf.SyntaxFault, SyntaxError) as error:
            raise Refusal(Code.INTERNAL, f"Parse error: {error}") from error

    # ---- system ----

    def _version(self, caller: User, params: list[Any]) -> str:
        return VERSION

    def _config(self, caller: User, params: list[Any]) -> str:
        self._admin(caller, "MANAGE SYSTEM")
        return self.configuration.to_xml("OPENNEBULA_CONFIGURATION")

    # ---- zone ----

    def _zone_info(self, caller: User, params: list[Any]) -> str:
        return str(self._get(self.pools.zones, params[0]).to_xml())

    def _zone_pool(self, caller: User, params: list[Any]) -> str:
        return self.pools.zones.to_xml("ZONE_POOL")

    def _own_zone(self, caller: User, oid: Any, refusal: str) -> Zone:
        if int(oid) != self.zone_id:
            raise Refusal(Code.ACTION, refusal)
        self._admin(caller, f"ADMIN ZONE [{oid}]")
        zone: Zone = self._get(self.pools.zones, oid)
        return zone

    def _write_zone(self, zone: Zone) -> None:
        try:
            self.pools.zones.update(zone)
        except (WriteRefused, StorageError) as error:
            # The call succeeds nevertheless, as in OpenNebula.
            self.journal.error("ReM", f"zone {zone.id} was not written: {error}")

    def _add_server(self, caller: User, params: list[Any]) -> int:
        with self._zone_lock:
            zone = self._own_zone(
                caller, params[0], "Servers have to be added through the target zone endpoints"
            )
            server = self._parse(params[1]).vector("SERVER")
            if server is None:
                raise Refusal(Code.ACTION, "SERVER not found in template")
            if not server.get("NAME"):
                raise Refusal(Code.ACTION, "Missing NAME in SERVER")
            if not server.get("ENDPOINT") and not server.get("ENDPOINT_GRPC"):
                raise Refusal(Code.ACTION, "Missing ENDPOINT or ENDPOINT_GRPC in SERVER")
            number = max((int(known["ID"]) for known in zone.servers), default=-1) + 1
            zone.servers.append({**server, "ID": str(number)})
            self._write_zone(zone)
            self.raft.add_server(number, both_endpoints(server))
            return zone.id

    def _delete_server(self, caller: User, params: list[Any]) -> int:
        with self._zone_lock:
            zone = self._own_zone(
                caller, params[0], "Servers have to be deleted through the target zone endpoints"
            )
            number = int(params[1])
            left = [server for server in zone.servers if int(server["ID"]) != number]
            if len(left) == len(zone.servers):
                raise Refusal(Code.ACTION, "SERVER not found in zone")
            zone.servers = left
            self.raft.delete_server(number)
            self._write_zone(zone)
            return zone.id

    def _reset_server(self, caller: User, params: list[Any]) -> int:
        zone = self._own_zone(
            caller, params[0], "Servers have to be deleted through the target zone endpoints"
        )
        self.raft.reset_index(int(params[1]))
        return zone.id

    def _enable(self, caller: User, params: list[Any]) -> int:
        with self._zone_lock:
            zone = self._own_zone(
                caller,
                params[0],
                "Enable/disable mode have to be set through the target zone endpoints",
            )
            zone.state = 0 if params[1] else _DISABLED
            self._write_zone(zone)
            self.zone_state = zone.state
            return zone.id

    def _update_zone(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, f"MANAGE ZONE [{params[0]}]")
        with self._zone_lock:
            zone: Zone = self._get(self.pools.zones, params[0])
            template = self._changed(zone.template, params)
            template.remove("SERVER")
            if not template.text("ENDPOINT"):
                template.put("ENDPOINT", "-")
            zone.template = template
            self.pools.zones.update(zone)
            return zone.id

    def _rename_zone(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, f"MANAGE ZONE [{params[0]}]")
        with self._zone_lock:
            zone: Zone = self._get(self.pools.zones, params[0])
            zone.name = str(params[1])
            self.pools.zones.update(zone)
            return zone.id

    # ---- Raft ----

    def _raft_status(self, caller: User, params: list[Any]) -> str:
        self._admin(caller, f"ADMIN ZONE [{self.zone_id}]")
        return self.raft.to_xml()

    def _vote_request(self, caller: User, params: list[Any]) -> int:
        term, candidate, index, log_term = (int(param) for param in params[:4])
        self._peer(caller)
        return self._answer(
            self.raft.on_vote_request(to_unsigned(term), candidate, (index, to_unsigned(log_term)))
        )

    def _replicate(self, caller: User, params: list[Any]) -> int:
        leader, commit, term, index, record_term, previous, previous_term, _ = (
            int(param) for param in params[:8]
        )
        sql = str(params[8])
        self._peer(caller)
        beat = not (index or previous or record_term or previous_term or sql)
        record = Record(index, to_unsigned(record_term), sql, previous, to_unsigned(previous_term))
        return self._answer(
            self.raft.on_replicate(leader, commit, to_unsigned(term), None if beat else record)
        )

    def _peer(self, caller: User) -> None:
        if not caller.is_oneadmin:
            raise Refusal(
                Code.AUTHORIZATION,
                f"User [{caller.id}] not authorized to perform action on zone.",
                to_signed(self.raft.term),
            )

    def _answer(self, answer: Answer) -> int:
        if not answer.success:
            raise Refusal(Code.ACTION, answer.message, to_signed(answer.term))
        return to_signed(answer.term)

    # ---- users, groups, rules, templates ----

    def _user(self, caller: User, oid: Any) -> User:
        user: User = self._get(self.pools.users, caller.id if int(oid) == -1 else oid)
        if user.id != caller.id:
            self._admin(caller, f"ADMIN USER [{user.id}]")
        return user

    def _user_allocate(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, "CREATE USER")
        name, password = str(params[0]), str(params[1])
        groups = [int(gid) for gid in params[3]] if len(params) > 3 and params[3] else [1]
        if not name or not password:
            raise Refusal(
                Code.ALLOCATE, "Error allocating a new user. Invalid name or password, it is empty."
            )
        with self.pools.users.lock:
            self._refuse_taken(self.pools.users, name)
            return pools.add_user(self.pools, name, pools.digest(password), "core", groups[0]).id

    def _user_info(self, caller: User, params: list[Any]) -> str:
        return _with_quotas(self._user(caller, params[0]).to_xml(), "USER")

    def _user_update(self, caller: User, params: list[Any]) -> int:
        user = self._user(caller, params[0])
        user.template = self._changed(user.template, params)
        self.pools.users.update(user)
        return user.id

    def _user_passwd(self, caller: User, params: list[Any]) -> int:
        user = self._user(caller, params[0])
        if not params[1]:
            raise Refusal(Code.INTERNAL, "Invalid password, it cannot be empty")
        user.password = pools.digest(str(params[1]))
        user.tokens = []
        self.pools.users.update(user)
        return user.id

    def _user_login(self, caller: User, params: list[Any]) -> str:
        user = self.pools.users.by_name(str(params[0]))
        if user is None:
            raise Refusal(Code.NO_EXISTS, f"Error getting user [{params[0]}].")
        user = self._user(caller, user.id)
        token, valid = str(params[1]) or token_hex(32), int(params[2])
        longest = self._longest_token(user.driver)
        if longest == 0:
            raise Refusal(Code.ACTION, f"Login tokens are disabled for driver {user.driver}")
        if longest > 0 and (valid > longest or valid == -1):
            valid = longest
        known = [kept.text for kept in user.tokens]
        now = int(time.time())
        if valid == 0:
            if token not in known:
                raise Refusal(Code.XML_RPC_API, f"Could not find token: {token}")
            user.tokens = [kept for kept in user.tokens if kept.text != token]
        elif len(known) >= _MAX_TOKENS:
            raise Refusal(Code.XML_RPC_API, "Max number of tokens limit reached.")
        elif token not in known:
            user.tokens.append(LoginToken(token, -1 if valid == -1 else now + valid))
        self.pools.users.update(user)
        return token

    def _longest_token(self, driver: str) -> int:
        for settings in self.configuration.vectors("AUTH_MAD_CONF"):
            if settings.get("NAME") == driver:
                return int(settings.get("MAX_TOKEN_TIME", "-1"))
        return -1

    def _user_delete(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, f"MANAGE USER [{params[0]}]")
        user = self._user(caller, params[0])
        if user.id in (0, 1):
            raise Refusal(Code.ACTION, "Cannot delete user. oneadmin cannot be deleted.")
        with self.pools.users.lock:
            self.pools.users.delete(user.id)
            group = self.pools.groups.get(user.gid)
            if group is not None and user.id in group.users:
                group.users.remove(user.id)
                self.pools.groups.update(group)
        return user.id

    def _user_pool(self, caller: User, params: list[Any]) -> str:
        return _with_quotas(self.pools.users.to_xml("USER_POOL"), "USER")

    def _group_allocate(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, "CREATE GROUP")
        name = str(params[0])
        with self.pools.groups.lock:
            self._refuse_taken(self.pools.groups, name)
            return self.pools.groups.allocate(lambda oid: Group(oid, name)).id

    def _group_pool(self, caller: User, params: list[Any]) -> str:
        return _with_quotas(self.pools.groups.to_xml("GROUP_POOL"), "GROUP")

    def _acl_add(self, caller: User, params: list[Any]) -> int:
        self._admin(caller, "MANAGE ACL")
        masks = [int(str(param), 16) for param in params[:3]]
        zone = int(str(params[3]), 16) if len(params) > 3 else 1 << 34
        return self.pools.acl.add(masks[0], masks[1], masks[2], zone)

    def _acl_info(self, caller: User, params: list[Any]) -> str:
        return self.pools.acl.to_xml()

    def _template_allocate(self, caller: User, params: list[Any]) -> int:
        return pools.add_template(self.pools, caller, self._parse(params[0])).id

    def _template_pool(self, caller: User, params: list[Any]) -> str:
        return self.pools.templates.to_xml("VMTEMPLATE_POOL")

    def _document_pool(self, caller: User, params: list[Any]) -> str:
        return "<DOCUMENT_POOL></DOCUMENT_POOL>"

    def _table(self) -> dict[str, Method]:
        def read(handler: Handler) -> Method:
            return Method(handler, leader_only=False, when_disabled=True)

        return {
            "one.system.version": Method(self._version, when_disabled=True),
            "one.system.config": Method(self._config, when_disabled=True),
            "one.zone.info": read(self._zone_info),
            "one.zonepool.info": read(self._zone_pool),
            "one.zone.addserver": Method(self._add_server),
            "one.zone.delserver": Method(self._delete_server),
            "one.zone.resetserver": Method(self._reset_server),
            "one.zone.enable": Method(self._enable, when_disabled=True),
            "one.zone.update": Method(self._update_zone),
            "one.zone.rename": Method(self._rename_zone),
            "one.zone.raftstatus": read(self._raft_status),
            "one.zone.voterequest": read(self._vote_request),
            "one.zone.replicate": read(self._replicate),
            "one.user.allocate": Method(self._user_allocate),
            "one.user.info": read(self._user_info),
            "one.user.passwd": Method(self._user_passwd),
            "one.user.login": Method(self._user_login),
            "one.user.update": Method(self._user_update),
            "one.user.delete": Method(self._user_delete),
            "one.userpool.info": read(self._user_pool),
            "one.group.allocate": Method(self._group_allocate),
            "one.grouppool.info": read(self._group_pool),
            "one.acl.addrule": Method(self._acl_add),
            "one.acl.info": read(self._acl_info),
            "one.template.allocate": Method(self._template_allocate),
            "one.templatepool.info": read(self._template_pool),
            "one.documentpool.info": read(self._document_pool),
        }


def _with_quotas(body: str, kind: str) -> str:
    """Return a document with empty default quotas as its last element."""
    inner, _, root = body.rpartition("</")
    return f"{inner}<DEFAULT_{kind}_QUOTAS></DEFAULT_{kind}_QUOTAS></{root}"
