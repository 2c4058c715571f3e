"""A web server on the loopback interface that misbehaves as it is asked to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b"picture"


class Handler(BaseHTTPRequestHandler):
    """Misbehaves as its path says."""

    def do_GET(self) -> None:
        assert isinstance(self.server, OddServer)
        self.server.seen.append((self.path, self.headers["Host"]))
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "to":
            self.answer(302, b"", Location=rest)
        elif kind == "loop":
            self.answer(301, b"", Location="/loop")
        elif kind == "hops":
            self.answer(307, b"", Location=f"/hops/{int(rest) - 1}" if int(rest) > 1 else "/ok")
        elif kind == "status":
            self.answer(int(rest), b"no")
        elif kind == "polite":
            agent = self.headers["User-Agent"] or "python"
            self.answer(403 if agent.startswith(("python", "urllib", "curl")) else 200, BODY)
        elif kind == "slow":
            self.drip()
        elif kind == "endless":
            self.pour()
        elif kind == "huge":
            self.answer(200, b"", **{"Content-Length": "1000000000000"})
        else:
            self.answer(200, BODY)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        """A byte now and then, for ever: no single read takes long."""
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    def pour(self) -> None:
        """As much as the visitor takes, without ever saying how much."""
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 20))
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class OddServer(ThreadingHTTPServer):
    """Remembers path and host of every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str]] = []


@contextmanager
def serve() -> Iterator[OddServer]:
    """A server that runs beside the test."""
    with OddServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
