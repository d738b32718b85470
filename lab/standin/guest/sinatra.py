"""The common parts of Gate, Flow and Form: configuration, log, credentials, logins."""

import base64
import binascii
import logging
from typing import Any

from . import conf
from .cipher import read_server_auth
from .paths import find_paths
from .service import OWN, OnedError, ServiceError, ask, read_settings
from .web import Listener, Refused, Reply, Request

Settings = dict[str, Any]

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class SinatraService:
    """One of the three services; it reads configuration and credentials at its start."""

    unit: str
    name: str
    auth: str
    """The file with its credentials."""

    def __init__(self, settings: Settings) -> None:
        self.log = _open_log(self.name, settings.get(":log") or {})
        if settings.get(":core_auth", "cipher") != "cipher":
            raise ServiceError("the stand-in knows no :core_auth but cipher")
        try:
            self._credentials = read_server_auth(find_paths().var / ".one" / self.auth)
        except (OSError, ValueError) as error:
            text = f"Error initializing authentication system: {error}"
            self.log.error(text)
            raise ServiceError(text) from error
        self._endpoint = str(settings.get(":one_xmlrpc", ""))
        self._seconds = int(settings.get(":expire_delta", 1800))
        self.start()

    @staticmethod
    def address(settings: Settings) -> tuple[str, int]:
        """The address on which it listens."""
        try:
            return str(settings[":host"]), int(settings[":port"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError("no :host and :port in the configuration") from error

    def start(self) -> None:
        """Prepare before it listens. Raises ServiceError."""

    def answer(self, request: Request) -> Reply:
        """Answer a request. Raises Refused."""
        raise NotImplementedError

    def note(self, refusal: Refused) -> None:
        """Log why a request was refused."""
        self.log.error(str(refusal))

    def ask_for(self, target: str, method: str, *params: Any) -> str:
        """Call oned for a user (empty: serveradmin itself), with the service's credentials."""
        session = self._credentials.session(target, seconds=self._seconds)
        return ask(self._endpoint, session, method, *params)

    def user_of(self, request: Request) -> str:
        """Return the user of a request, if oned accepts the password. Raises Refused."""
        scheme, _, word = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            text = "A username and password must be provided"
            raise Refused(Reply(401, text), text)
        try:
            session = base64.b64decode(word).decode()
            user = conf.read_document(ask(self._endpoint, session, "one.user.info", OWN))
        except (OnedError, binascii.Error, UnicodeDecodeError) as error:
            raise Refused(Reply(401, "Invalid credentials"), str(error)) from error
        return user.findtext("NAME", "")

    def documents(self, user: str, kind: int) -> str:
        """Return the user's documents of one kind. Raises Refused."""
        try:
            return self.ask_for(user, "one.documentpool.info", -2, -1, -1, kind)
        except OnedError as error:
            raise Refused(Reply(_http_status(error), str(error)), str(error)) from error


def run(kind: type[SinatraService], file: str) -> None:
    """Serve with that configuration until the process is ended."""
    settings = read_settings(find_paths().etc / file)
    address = kind.address(settings)
    service = kind(settings)
    service.log.info("Starting server")
    Listener(service, address).serve_forever()


def _http_status(error: OnedError) -> int:
    return {0x0100: 403, 0x0200: 401, 0x0400: 404}.get(error.code or 0, 500)


def _open_log(name: str, settings: Settings) -> logging.Logger:
    log = logging.getLogger(name)
    handler = (
        logging.StreamHandler()
        if settings.get(":system") == "syslog"
        else logging.FileHandler(find_paths().log / f"{name}.log")
    )
    handler.setFormatter(
        logging.Formatter("%(asctime)s [%(levelname).1s]: %(message)s", "%a %b %d %H:%M:%S %Y")
    )
    log.addHandler(handler)
    log.setLevel(_LEVELS[int(settings.get(":level", 2))])
    return log
