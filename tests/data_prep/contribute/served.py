"""A folder on a web server that counts what is requested."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server:
    """Serves the files below a folder; `asked` counts the requests by path, since the last `take`."""

    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.is_up = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words: object) -> None:
                pass

            def do_GET(self) -> None:
                self.do_HEAD(with_body=True)

            def do_HEAD(self, with_body: bool = False) -> None:
                server.asked[self.path] += with_body
                path = folder / self.path.lstrip("/")
                if not server.is_up or not path.is_file():
                    self.send_error(404 if server.is_up else 503)
                    return
                data, status = path.read_bytes(), 200
                if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                    data, status = data[int(found[1]) : int(found[2]) + 1], 206
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if with_body:
                    self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def take(self) -> dict[str, int]:
        """What was requested since the last call."""
        asked, self.asked = dict(self.asked), Counter()
        return asked

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Serve while the block runs."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
