"""oned: the order in which it starts and stops."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from . import conf, pools, schema
from .api import Api
from .conf import number
from .hooks import Hook, make_hook
from .journal import Journal, Level
from .logdb import LogDB, LogPolicy, WriteRefused
from .pace import CANDIDATE_STOP_S, START_S, STOP_S, WARM_UP_S, Pace, read_pace
from .paths import Paths, find_paths
from .peers import GRPC_CONNECT_S, XmlRpcPeers
from .raft import RaftManager, Timing
from .server import RpcService
from .storage import MysqlStorage, StatementError, Storage, StorageError, open_storage
from .version import DB_VERSION, VERSION
from .web import Listener

_USAGE = "Usage: oned [-h] [-v] [-f] [-i]"
_BANNER = f"OpenNebula {VERSION}"
_FAILED = 255
_TOGETHER_S = 0.5
"""Seconds in which a signal to all processes of a unit reaches each of them."""
GRPC = ("GRPC_LISTEN_ADDRESS", "GRPC")


class StartError(Exception):
    """oned cannot start; the message is for the operator."""


def main(arguments: list[str]) -> int:
    """Run oned; return its exit status."""
    options = {argument.lstrip("-")[:1] for argument in arguments}
    if not options <= {"h", "v", "f", "i"}:
        print(_USAGE, file=sys.stderr)
        return _FAILED
    if options & {"h", "v"}:
        print(_USAGE if "h" in options else _BANNER)
        return 0
    paths = find_paths()
    if "i" in options:
        return _guarded(lambda: _Daemon(paths).initialise())
    try:
        os.close(os.open(paths.lock, os.O_CREAT | os.O_EXCL, 0o640))
    except OSError:
        print(f"Error: Cannot start oned, opening lock file {paths.lock}", file=sys.stderr)
        return _FAILED
    if "f" not in options and os.fork():
        return 0
    try:
        return _guarded(lambda: _Daemon(paths).run())
    finally:
        paths.lock.unlink(missing_ok=True)


def _guarded(action: Callable[[], None]) -> int:
    try:
        action()
    except (StartError, pools.BootstrapError, WriteRefused, StorageError, OSError) as error:
        print(error, file=sys.stderr)
        return _FAILED
    return 0


class _Driver:
    """A process that the first signal ends, like the real daemon's drivers.

    The real daemon restarts a driver that has ended, and never stops that one. The process starts
    before signals are blocked: it would inherit that.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(["sleep", "infinity"])

    def is_stopped_by_others(self) -> bool:
        """Return whether the signal to oned has also reached this process."""
        try:
            self._process.wait(_TOGETHER_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


class _Daemon:
    """A run of oned."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._settings = _load_settings(paths)
        _resolve_host_name(self._settings)
        self._journal = _open_log(paths, self._settings)
        federation = self._settings.vector("FEDERATION") or {}
        self._server_id = number(federation, "SERVER_ID", -1)
        self._pace = read_pace(paths.pace)
        self._stopping = threading.Event()

    def initialise(self) -> None:
        """Create empty tables (`oned --init-db`)."""
        storage = self._open_storage()
        local, shared = self._check_version(storage)
        _create(storage, schema.LOG_TABLES)
        LogDB(storage, self._journal, solo=True, policy=LogPolicy())
        self._bootstrap(storage, local, shared)

    def run(self) -> None:
        """Serve until a signal stops oned."""
        driver = _Driver() if self._pace.stop_race else None
        try:
            self._run(driver)
        finally:
            if driver is not None:
                driver.stop()

    def _run(self, driver: _Driver | None) -> None:
        # Blocked before any thread starts: only the wait below sees the signals. The hooks'
        # processes inherit this.
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGCHLD})
        _load_key(self._paths)
        raft_settings = self._settings.vector("RAFT") or {}
        db = self._open_log_db(raft_settings)
        all_pools = pools.open_pools(db)
        port = int(self._settings.text("PORT", "2633"))
        pools.fill_pools(all_pools, self._journal, self._paths.var, port)
        zone_id = 0

        def servers() -> dict[int, str]:
            zone = all_pools.zones.get(zone_id)
            return zone.endpoints() if zone else {}

        timing = _timing(raft_settings, self._pace)
        raft = RaftManager(
            self._server_id,
            db,
            servers,
            XmlRpcPeers(
                self._pace.call(number(raft_settings, "XMLRPC_TIMEOUT_MS", 1000) / 1000),
                self._pace.call(GRPC_CONNECT_S),
            ),
            timing=timing,
            journal=self._journal,
            leader_hook=self._hook("RAFT_LEADER_HOOK"),
            follower_hook=self._hook("RAFT_FOLLOWER_HOOK"),
        )
        api = Api(all_pools, raft, self._settings, zone_id, self._journal)
        api.refresh_zone_state()
        raft.on_leader = api.refresh_zone_state
        raft.start()
        stop = self._await_signal(self._pace.wait(START_S))
        hangs = False
        if not stop:
            servers_at_work = [
                self._listen(api, port, "LISTEN_ADDRESS", "XML-RPC"),
                self._listen(api, int(self._settings.text("GRPC_PORT", "2634")), *GRPC),
            ]
            _notify_ready()
            ready = time.monotonic()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
            pace = read_pace(self._paths.pace)
            hangs = pace.hangs or (
                driver is not None
                and pace.races(time.monotonic() - ready)
                and driver.is_stopped_by_others()
            )
            for server in servers_at_work:
                server.server_close()
                # Its thread would otherwise look at the closed socket again and again until the
                # end. It notices this within half a second, which no stop has to wait for.
                threading.Thread(target=server.shutdown, daemon=True).start()
        self._journal.info("ONE", "Stopping oned")
        raft.stop()
        time.sleep(self._pace.wait(STOP_S))
        self._journal.info("ONE", "All modules finalized, exiting.\n")
        if hangs:
            # The main thread waits for one that never ends (as in OpenNebula).
            threading.Event().wait()

    def _await_signal(self, seconds: float) -> bool:
        return signal.sigtimedwait({signal.SIGINT, signal.SIGTERM}, seconds) is not None

    def _listen(self, api: Api, port: int, address_attribute: str, kind: str) -> Listener:
        """Serve a port. The gRPC port also uses XML-RPC: only servers of the zone call it."""
        address = (self._settings.text(address_attribute, "0.0.0.0"), port)
        try:
            server = Listener(RpcService(api, self._journal), address)
        except socket.gaierror as error:
            self._journal.error("ReM", f"Cannot open server socket: {error.strerror}")
            raise StartError(f"Could not start the Request Manager ({kind})") from error
        except OSError as error:
            self._journal.error("ReM", f"Cannot bind to {address[0]}:{port} : {error.strerror}")
            raise StartError(f"Could not start the Request Manager ({kind})") from error
        threading.Thread(target=server.serve_forever, name="rpc", daemon=True).start()
        self._journal.info("ReM", f"Starting {kind} server, port {port} ...")
        return server

    def _hook(self, name: str) -> Hook | None:
        return make_hook(name, self._settings.vector(name), self._paths.remotes, self._journal)

    # ---- database ----

    def _open_storage(self) -> Storage:
        storage = open_storage(self._settings, self._paths)
        if isinstance(storage, MysqlStorage) and self._server_id != -1:
            storage.on_errors_limit = self._give_up
        return storage

    def _give_up(self) -> None:
        """Stop oned: a server whose database is gone leaves the zone to the others."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._journal.error("DBM", "Too many consecutive database errors, stopping oned")
            os.kill(os.getpid(), signal.SIGTERM)

    def _open_log_db(self, raft: conf.Vector) -> LogDB:
        storage = self._open_storage()
        local, shared = self._check_version(storage)
        solo = self._server_id == -1
        if (local or shared) and not solo:
            raise StartError("Database has to be bootstraped to start oned in HA")
        if local:
            _create(storage, schema.LOG_TABLES)
        policy = LogPolicy(
            retention=number(raft, "LOG_RETENTION", 250_000),
            limit_purge=number(raft, "LIMIT_PURGE", 100_000),
        )
        db = LogDB(storage, self._journal, solo=solo, policy=policy)
        self._bootstrap(storage, local, shared)
        return db

    def _check_version(self, storage: Storage) -> tuple[bool, bool]:
        """Return whether local and shared tables must be created."""
        self._journal.info("ONE", "Checking database version.")
        return (
            self._is_missing(storage, "local_db_versioning"),
            self._is_missing(storage, "db_versioning"),
        )

    def _is_missing(self, storage: Storage, table: str) -> bool:
        try:
            rows = storage.read(
                f"SELECT version FROM {table} WHERE oid=(SELECT MAX(oid) FROM {table})"
            )
        except StatementError:
            return True
        if not rows:
            return True
        if rows[0][0] != DB_VERSION:
            self._journal.error(
                "ONE",
                f"Database version mismatch ( {table}). Installed {_BANNER} needs DB version"
                f" '{DB_VERSION}', and existing DB version is '{rows[0][0]}'.",
            )
            self._journal.error("ONE", "Use onedb to upgrade DB.")
            raise StartError("Database version mismatch. Check oned.log.")
        self._journal.info("ONE", f"oned is using version {DB_VERSION} for {table}")
        return False

    def _bootstrap(self, storage: Storage, local: bool, shared: bool) -> None:
        now, comment = int(time.time()), f"{_BANNER} daemon bootstrap"
        if local:
            self._journal.info("ONE", "Bootstrapping OpenNebula database, stage 1.")
            _create(storage, schema.LOCAL_TABLES)
            _create(storage, schema.migrations("0", DB_VERSION))
            storage.write(
                "INSERT INTO local_db_versioning (oid, version, timestamp, comment, is_slave)"
                f" VALUES (0, '{DB_VERSION}', {now}, '{comment}', '0')"
            )
        if shared:
            self._journal.info("ONE", "Bootstrapping OpenNebula database, stage 2.")
            _create(storage, schema.SHARED_TABLES)
            storage.write(
                "INSERT INTO db_versioning (oid, version, timestamp, comment)"
                f" VALUES (0, '{DB_VERSION}', {now}, '{comment}')"
            )


def _load_settings(paths: Paths) -> conf.Template:
    try:
        settings = conf.parse(paths.oned_conf.read_text())
    except (OSError, conf.SyntaxFault) as error:
        print(f"Error while parsing configuration file {paths.oned_conf}: {error}", file=sys.stderr)
        raise StartError("Could not load nebula configuration file.") from error
    paths.saved_config.write_text(settings.to_lines())
    return settings


def _resolve_host_name(settings: conf.Template) -> None:
    if settings.text("HOSTNAME"):
        return
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except socket.gaierror as error:
        raise StartError(f"Unable to resolve hostname '{name}': {error.strerror}") from error


def _open_log(paths: Paths, settings: conf.Template) -> Journal:
    options = settings.vector("LOG") or {}
    journal = Journal(paths.log / "oned.log", number(options, "DEBUG_LEVEL", Level.DEBUG))
    rule = "-" * 40
    journal.info(
        "ONE",
        f"Starting {_BANNER}\n{rule}\n     OpenNebula Configuration File      \n{rule}\n"
        f"{settings.to_lines()}{rule}",
    )
    return journal


def _load_key(paths: Paths) -> None:
    """Create the key for encrypted attributes if it does not exist."""
    key = paths.var / ".one/one_key"
    if not key.exists():
        key.parent.mkdir(mode=0o700, exist_ok=True)
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32) + "\n")


def _create(storage: Storage, statements: tuple[str, ...]) -> None:
    for statement in statements:
        storage.write(statement)


def _timing(raft: conf.Vector, pace: Pace) -> Timing:
    return Timing(
        warm_up=pace.wait(WARM_UP_S),
        election=pace.election(number(raft, "ELECTION_TIMEOUT_MS", 5000) / 1000),
        broadcast=pace.broadcast(number(raft, "BROADCAST_TIMEOUT_MS", 500) / 1000),
        purge=float(number(raft, "LOG_PURGE_TIMEOUT", 60)),
        candidate_stop=pace.wait(CANDIDATE_STOP_S),
    )


def _notify_ready() -> None:
    """Notify systemd that the API answers."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(b"READY=1")
