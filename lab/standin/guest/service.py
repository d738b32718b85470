"""FireEdge, Flow, Gate and Form as far as a control plane sees them: a process and a port."""

import http.server
import re
import secrets
from pathlib import Path
from typing import Any

from .paths import find_paths

_CONF = {
    "fireedge": "fireedge-server.conf",
    "flow": "oneflow-server.conf",
    "gate": "onegate-server.conf",
    "form": "oneform-server.conf",
}


def main(arguments: list[str]) -> int:
    """Serve until the process is ended."""
    name = arguments[0]
    paths = find_paths()
    text = (paths.etc / _CONF[name]).read_text()
    if name == "fireedge":
        _make_key(paths.var / ".one/fireedge_key")
    address = (_setting(text, "host"), int(_setting(text, "port")))
    http.server.ThreadingHTTPServer(address, _Handler).serve_forever()
    return 0


def _setting(text: str, name: str) -> str:
    found = re.search(rf"^:?{name}:\s*['\"]?([^'\"\s]+)", text, re.MULTILINE)
    if not found:
        raise ValueError(f"no {name} in the configuration")
    return found[1]


def _make_key(path: Path) -> None:
    """FireEdge makes its key at its first start; all front-ends need the same one."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"stand-in\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
