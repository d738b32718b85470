"""The lab's package server: serve directories on one address, read only.

As a proxy it answers for every server.
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from lab.machines.network import CONTROL

PORT = 8080
URL = f"http://{CONTROL.ip}:{PORT}"


class _Packages(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, directories: dict[str, Path], *arguments: object) -> None:
        self._directories = directories
        super().__init__(*arguments)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        """Return the file of `/NAME/…`; the parent class handles `..` and escapes."""
        inside = Path(super().translate_path(urlsplit(path).path)).relative_to(self.directory)
        name, *rest = inside.parts or ("",)
        directory = self._directories.get(name)
        return str(directory.joinpath(*rest)) if directory else "/nonexistent"


def serve(directories: dict[str, Path]) -> None:
    """Serve until the process is ended; print `ready` when it listens."""
    with ThreadingHTTPServer((str(CONTROL.ip), PORT), partial(_Packages, directories)) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve({name: Path(path) for name, path in (word.split("=", 1) for word in sys.argv[1:])})
