"""What a client in the lab's network gets from a web server there."""

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
    """A status, and what came with it; no status where nobody answered."""

    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Any:
        """The body, where it is JSON."""
        return json.loads(self.body)

    @property
    def server(self) -> str:
        """Which service on which host it was."""
        return self.headers.get("Server", "")


@dataclass(frozen=True)
class Page:
    """Something to ask a server for, and as whom."""

    port: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """Sent where there is one."""

    def of(self, lab: Lab, address: str) -> Answer:
        """What that address answers, asked from where the operator is."""
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
