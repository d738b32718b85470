"""FireEdge: logins to Sunstone, and the part of its API that shows whether a session is valid."""

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from . import cipher, conf, jwt
from .cli import as_data
from .paths import find_paths
from .service import OWN, OnedError, ServiceError, ask, read_settings
from .web import Listener, Refused, Reply, Request, json_reply

COOKIE = "FireedgeToken"

_API = "/fireedge/api/"
_PAGE = "/fireedge/sunstone"
_MESSAGES = {200: "OK", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}
_DEFAULTS = {"host": "0.0.0.0", "port": 2616, "one_xmlrpc": "http://localhost:2633/RPC2"}
_SESSION_MINUTES = 180


class FireEdge:
    """The service; another FireEdge with the same key does not know its sessions."""

    unit = "opennebula-fireedge"

    def __init__(self, configuration: Path, keys: Path) -> None:
        self._configuration = configuration
        self._keys = keys
        self._key = _make_key(keys / "fireedge_key")
        self._expires: dict[tuple[str, str], float] = {}
        self._zone_endpoint = ""
        """The zone's endpoint, from the first login only; later calls go there."""

    def settings(self) -> dict[str, Any]:
        """Read the configuration; what cannot be read has its default."""
        try:
            return {**_DEFAULTS, **read_settings(self._configuration)}
        except ServiceError as error:
            _say(f"Error: {error}")
            return dict(_DEFAULTS)

    def answer(self, request: Request) -> Reply:
        """Answer a request. Raises Refused."""
        if request.path.startswith(_API):
            return self._api(request, request.path.removeprefix(_API).strip("/").split("/"))
        if request.path == _PAGE or request.path.startswith(f"{_PAGE}/"):
            return Reply(200, "<!DOCTYPE html><title>OpenNebula</title>\n", "text/html")
        return Reply(302, headers={"Location": _PAGE})

    def note(self, refusal: Refused) -> None:
        """Log why a request was refused."""
        _say(f"Error: {refusal}")

    def _api(self, request: Request, words: list[str]) -> Reply:
        if request.method == "POST" and words == ["auth"]:
            return self._log_in(request)
        user, password = self._session_of(request)
        if request.method == "GET" and words[:2] == ["user", "info"]:
            number = int(words[2]) if words[2:] and words[2].isdigit() else OWN
            return self._show_user(f"{user}:{password}", number)
        return _say_status(404)

    def _endpoint(self) -> str:
        return self._zone_endpoint or str(self.settings()["one_xmlrpc"])

    def _log_in(self, request: Request) -> Reply:
        endpoint = self._endpoint()
        try:
            asked = json.loads(request.body)
            name, password = str(asked["user"]), str(asked["token"])
        except (ValueError, TypeError, KeyError) as error:
            raise _refusal(401, f"neither user nor token: {error!r}") from error
        try:
            user = conf.read_document(ask(endpoint, f"{name}:{password}", "one.user.info", OWN))
        except OnedError as error:
            if error.code is None:
                raise _refusal(500, str(error)) from error
            raise _refusal(401, str(error), message="core user not found") from error
        self._learn_zone(endpoint, f"{name}:{password}")
        token, seconds = self._open_session(endpoint, user.findtext("NAME", ""))
        text = quote(
            json.dumps({"token": jwt.encode({"iss": user.findtext("ID"), **token}, self._key)})
        )
        cookie = f"{COOKIE}={text}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax"
        return _say_status(200, {"status": "ok"}, **{"Set-Cookie": cookie})

    def _learn_zone(self, endpoint: str, session: str) -> None:
        if self._zone_endpoint:
            return
        try:
            zones = conf.read_document(ask(endpoint, session, "one.zonepool.info"))
        except OnedError as error:
            _say(f"Error: {error}")
            return
        self._zone_endpoint = zones.findtext("ZONE[ID='0']/TEMPLATE/ENDPOINT", "")

    def _open_session(self, endpoint: str, user: str) -> tuple[dict[str, str], int]:
        """Return the token's content for a new session of that user, and its lifetime."""
        try:
            admin = cipher.read_server_auth(self._keys / "sunstone_auth")
            ask(endpoint, admin.session(), "one.user.info", OWN)
        except (OSError, ValueError, OnedError) as error:
            raise _refusal(500, f"sunstone_auth: {error}") from error
        seconds = 60 * int(self.settings().get("session_expiration", _SESSION_MINUTES))
        name, _, password = admin.session(user, seconds=seconds).rpartition(":")
        self._expires[name, password] = time.time() + seconds
        return {"aud": name, "jti": password}, seconds

    def _session_of(self, request: Request) -> tuple[str, str]:
        """Return user and password of the session of a request."""
        try:
            token = jwt.decode(_token_of(request), self._key)
            session = str(token["aud"]), str(token["jti"])
        except (ValueError, TypeError, KeyError) as error:
            raise _refusal(401, f"token: {error}") from error
        if time.time() >= self._expires.get(session, 0):
            raise Refused(json_reply(401, {"data": "expired"}), "no such session here")
        return session

    def _show_user(self, session: str, number: int) -> Reply:
        try:
            user = conf.read_document(ask(self._endpoint(), session, "one.user.info", number))
        except OnedError as error:
            if error.code is None:
                raise _refusal(500, str(error)) from error
            raise Refused(_say_status(404, str(error)), str(error)) from error
        return _say_status(200, {user.tag: as_data(user)})


def run() -> None:
    """Run FireEdge."""
    paths = find_paths()
    service = FireEdge(paths.etc / "fireedge-server.conf", paths.var / ".one")
    settings = service.settings()
    try:
        address = str(settings["host"]), int(settings["port"])
    except (TypeError, ValueError) as error:
        raise ServiceError(f"not a port: {settings['port']}") from error
    print(f"Server listen in {address[0]}:{address[1]}", flush=True)
    Listener(service, address).serve_forever()


def _make_key(path: Path) -> str:
    """Return the key that signs tokens; create the file if it does not exist."""
    fresh = uuid.uuid4().hex.upper()
    try:
        # If the file is empty, the key is valid until the next start.
        return path.read_text() or fresh
    except OSError:
        path.write_text(fresh)
        print(f"file {path} created", flush=True)
        return fresh


def _token_of(request: Request) -> str:
    for crumb in (request.headers.get("Cookie") or "").split(";"):
        name, _, value = crumb.strip().partition("=")
        if name == COOKIE:
            return str(json.loads(unquote(value))["token"])
    raise ValueError("none given")


def _say_status(status: int, data: Any = None, message: str = "", **headers: str) -> Reply:
    told = {"id": status, "message": message or _MESSAGES[status]}
    return json_reply(status, told | ({"data": data} if data else {}), **headers)


def _refusal(status: int, reason: str, *, message: str = "") -> Refused:
    return Refused(_say_status(status, message=message), reason)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
