"""Requests of a client in the lab's network to a web server there."""

import http.client
import json
import sys
from dataclasses import dataclass, field
from typing import Any

from lab.machines import Lab
from tests.lab.operators import ROOT

SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """A status, and its headers and body; no status if no server answered."""

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Any:
        """The body, if it is JSON."""
        return json.loads(self.body)

    @property
    def server(self) -> str:
        """Return which service on which host answered."""
        return self.headers.get("Server", "")


@dataclass(frozen=True)
class Page:
    """A page to request, and the user who requests it."""

    port: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """The body to send, if any."""

    def of(self, lab: Lab, address: str) -> Answer:
        """Return the answer of that address, requested from the operator's place."""
        done = lab.exec(
            [sys.executable, "-m", "tests.lab.web"],
            cwd=ROOT,
            input=json.dumps([address, self.port, self.path, self.headers, self.body]),
            check=True,
            timeout=3 * SECONDS,
        )
        return Answer(*json.loads(done.stdout))


def _main() -> None:
    address, port, path, headers, body = json.load(sys.stdin)
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        said = [answer.status, answer.read().decode(), dict(answer.getheaders())]
    except (OSError, http.client.HTTPException):
        said = []
    print(json.dumps(said))


if __name__ == "__main__":
    _main()
