"""One of the services next to an oned on this machine."""

import base64
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.standin.build import HERE
from tests.standin.servers import PASSWORD, ROOT, Server, free_port, wait_for

FILES = {
    "gate": "onegate-server.conf",
    "flow": "oneflow-server.conf",
    "form": "oneform-server.conf",
    "fireedge": "fireedge-server.conf",
}
BASIC = {"Authorization": f"Basic {base64.b64encode(f'oneadmin:{PASSWORD}'.encode()).decode()}"}


@dataclass(frozen=True)
class Answer:
    """The response of a service."""

    status: int
    body: str
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return self.headers.get("X-Reason", "")

    @property
    def cookie(self) -> dict[str, str]:
        """Return the session cookie of the response, as a browser returns it."""
        return {"Cookie": self.headers["Set-Cookie"].partition(";")[0]}


@dataclass
class Service:
    """One service, with the configuration of its package but for the ports."""

    server: Server
    name: str
    host: str = "127.0.0.1"
    home: Path = field(init=False)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home = self.server.home
        shipped = HERE / f"packages/opennebula-{self.name}/root/etc/one" / FILES[self.name]
        self.configure(shipped.read_text(), host=self.host, port=self.port)
        self.configure(self.settings, one_xmlrpc=self.server.endpoint)

    @property
    def file(self) -> Path:
        return self.home / "etc" / FILES[self.name]

    @property
    def settings(self) -> str:
        return self.file.read_text()

    def configure(self, text: str, **values: str | int) -> None:
        """Write the configuration with other values for existing keys."""
        for key, value in values.items():
            text, count = re.subn(rf"(?m)^(:?{key}: ).*$", rf"\g<1>{value}", text)
            assert count == 1, f"{key} in {self.file}"
        self.file.write_text(text)

    def start(self) -> "Service":
        self.process = self._popen()
        wait_for(f"{self.name} listens", lambda: self.exited or self._listens())
        assert not self.exited, self.stderr
        return self

    def start_and_fail(self) -> str:
        """Start it, although it must refuse to start; return its error."""
        self.process = self._popen()
        assert self.process.wait(20) == 1
        return self.stderr

    @property
    def exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def stderr(self) -> str:
        return (self.home / f"var/{self.name}.stderr").read_text()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._ask("GET", path, headers)

    def log_in(self, user: str = "oneadmin", token: str = PASSWORD) -> Answer:
        return self._ask("POST", "/fireedge/api/auth", None, {"user": user, "token": token})

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None, body: Any = None
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body), dict(headers or {})
            )
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(), dict(answer.getheaders()))
        finally:
            connection.close()

    def _listens(self) -> bool:
        try:
            self.get("/")
        except OSError:
            return False
        return True

    def _popen(self) -> subprocess.Popen[bytes]:
        with (self.home / f"var/{self.name}.stderr").open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "lab.standin.guest", "service", self.name],
                cwd=ROOT,
                env=self.server.environment(),
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )
