"""A stand-in for Kaggle on the loopback interface, for the real client: one small competition, and every misbehaviour.

It answers the calls of the package `kaggle` 2.2 (a POST to `/api/v1/<service>/<Method>`, camelCase JSON), hands out
the data through a redirect to a file address that resumes, takes uploads, and grades them by accuracy against a
solution that it keeps to itself. By hand:

    python tests/kaggle_stand_in.py --port 8099

prints the environment under which `kaggle competitions download -c cifar-10` and `dvc repro` talk to it.
"""

import argparse
import base64
import hashlib
import io
import json
import math
import socket
import tempfile
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kaggle_behaviour import Behaviour
from small_competition import build_competition, grade_submission, zip_folder

SLUG = "cifar-10"
TOKEN = "KGAT_canary_0123456789abcdef"
REFRESH_TOKEN = "KGAT_canary_refresh"
SIGNATURE = "canary-of-a-signature"


class StandIn(ThreadingHTTPServer):
    """The server and its whole state; `url` is where clients reach it as a proxy."""

    daemon_threads = True

    def __init__(self, data: bytes, solution: dict[int, str], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.original, self.original_solution = data, solution
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.reset()

    def reset(self) -> Behaviour:
        """Forget everything and behave well; returns the behaviour, to be changed."""
        self.data, self.solution, self.behaviour = self.original, self.original_solution, Behaviour()
        self.requests: list[tuple[str, str, str]] = []  # (host, method, what of it was asked for)
        self.uploads: dict[str, bytes] = {}
        self.file_names: dict[str, str] = {}
        self.submissions: list[dict[str, Any]] = []
        self.used = 0
        return self.behaviour

    def environment(self, home: Path) -> dict[str, str]:
        """What the real client needs to come here instead: everything goes through this server as its proxy."""
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_API_TOKEN": TOKEN,
            "HOME": str(home),
            "http_proxy": self.url,
            "https_proxy": self.url,
            "no_proxy": "",
        }

    def resumed_at(self) -> int:
        """The byte at which the last transfer of the file began."""
        asked = [what for _, method, what in self.requests if method == "GET"]
        return int(asked[-1].removeprefix("bytes=").removesuffix("-") or 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who leaves early, or is killed, is none of our troubles."""


class Handler(BaseHTTPRequestHandler):
    """One connection: API calls by POST, the file by GET, an upload by PUT."""

    protocol_version = "HTTP/1.1"
    server: StandIn  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.server.requests.append((self.path, "CONNECT", ""))
        self._json({"code": 501, "message": "nothing leaves this machine"}, 501)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        method = urlsplit(self.path).path.rsplit("/", 1)[-1]
        failure = self.server.behaviour.failures.get(method)
        if failure and failure.done and failure.times > 0:  # the work is done, and its answer is another
            self._create(body)
        if self._log_and_fail(method):
            return None
        if method == "GenerateAccessToken":
            if body.get("refreshToken") != REFRESH_TOKEN:
                return self._json({"code": 401, "message": "the refresh token has expired"}, 401)
            return self._json({"token": TOKEN, "expiresIn": 3600})
        if method == "IntrospectToken":
            return self._json({"active": body.get("token") == TOKEN, "username": "student"})
        legacy = base64.b64encode(f"student:{TOKEN}".encode()).decode()
        if self.headers["Authorization"] not in (f"Bearer {TOKEN}", f"Basic {legacy}"):
            return self._json({"code": 401, "message": "Unauthorized"}, 401)
        if body.get("competitionName") != SLUG:
            return self._json({"code": 404, "message": "Not found"}, 404)
        return getattr(self, f"_{method}")(body)

    def _ListDataFiles(self, body: dict[str, Any]) -> None:  # noqa: N802
        members = zipfile.ZipFile(io.BytesIO(self.server.data)).infolist()
        date = "2013-10-19T00:00:00.000Z"
        files = [
            {"name": m.filename, "ref": m.filename, "totalBytes": m.file_size, "creationDate": date} for m in members
        ]
        self._json({"files": files, "nextPageToken": ""})

    def _DownloadDataFiles(self, body: dict[str, Any]) -> None:  # noqa: N802
        self._redirect(f"http://localhost/files/{SLUG}.zip?signature={SIGNATURE}")

    def _DownloadDataFile(self, body: dict[str, Any]) -> None:  # noqa: N802
        self._redirect(f"http://localhost/files/{body['fileName']}?signature={SIGNATURE}")

    def _StartSubmissionUpload(self, body: dict[str, Any]) -> None:  # noqa: N802
        if self.server.used >= self.server.behaviour.submissions_left:
            return self._json({"code": 400, "message": "You have used all submissions of today"}, 400)
        token = f"blob{len(self.server.uploads) + 1}"
        self.server.file_names[token] = body["fileName"]
        return self._json({"token": token, "createUrl": f"http://localhost/upload/{token}?signature={SIGNATURE}"})

    def _CreateSubmission(self, body: dict[str, Any]) -> None:  # noqa: N802
        reference = self._create(body)
        self._json({"message": "Successfully submitted", "ref": reference if self.server.behaviour.confirms else 0})

    def _create(self, body: dict[str, Any]) -> int:
        content = self.server.uploads[body["blobFileTokens"]]
        grade = grade_submission(content, self.server.solution)
        self.server.used += grade["status"] == "COMPLETE"
        reference = 1001 + len(self.server.submissions)
        entry = {
            "ref": reference,
            "fileName": self.server.file_names[body["blobFileTokens"]],
            "date": "2026-01-31T12:00:00.000Z",
            "description": body.get("submissionDescription", ""),
            "totalBytes": len(content),
            "polls": self.server.behaviour.pending_polls,
            **grade,
        }
        self.server.submissions.insert(0, entry)
        return reference

    def _GetSubmissionLimits(self, body: dict[str, Any]) -> None:  # noqa: N802
        left = self.server.behaviour.submissions_left - self.server.used
        total = len(self.server.submissions) + self.server.behaviour.earlier_submissions
        self._json({"numToday": self.server.used, "numTotal": total, "numAllowedNow": left, "limitedByTotal": False})

    def _ListSubmissions(self, body: dict[str, Any]) -> None:  # noqa: N802
        size, page = body.get("pageSize", 20), body.get("page", 1)
        listed = list(self.server.behaviour.odd_entries) if page == 1 else []
        for entry in self.server.submissions[(page - 1) * size : page * size]:
            shown = {key: value for key, value in entry.items() if key != "polls"}
            if entry["polls"] > 0:
                entry["polls"] -= 1
                shown |= {"status": "PENDING"} | dict.fromkeys(("publicScore", "privateScore", "errorDescription"), "")
            listed.append(shown | self.server.behaviour.changes)
        self._json({"submissions": listed})

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._log_and_fail("PUT"):
            self.server.uploads[Path(urlsplit(self.path).path).name] = content
            self._json({})

    def do_GET(self) -> None:
        if self._log_and_fail("GET", self.headers.get("Range", "")):
            return None
        name, data = Path(urlsplit(self.path).path).name, self.server.data
        if name != f"{SLUG}.zip":
            data = zipfile.ZipFile(io.BytesIO(data)).read(name)
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        start = 0
        if self.headers.get("If-Range", tag) == tag and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            return self._json({"code": 416, "message": "no such range"}, 416)
        length = len(data) + self.server.behaviour.announced_bytes
        self.send_response(206 if "Range" in self.headers and self.headers.get("If-Range", tag) == tag else 200)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
        for header, value in (("Accept-Ranges", "bytes"), ("ETag", tag), ("Content-Length", length - start)):
            self.send_header(header, str(value))
        self.end_headers()
        return self._send(data, start, length)

    def _send(self, data: bytes, start: int, length: int) -> None:
        behaviour, end = self.server.behaviour, min(len(data), length)
        cut = start + behaviour.cut_after < end
        if cut:
            end = start + int(behaviour.cut_after)
        step = int(min(1 << 20, max(1, behaviour.bytes_per_second / 20)))
        for first in range(start, end, step):
            self.wfile.write(data[first : min(first + step, end)])
            if math.isfinite(behaviour.bytes_per_second):
                time.sleep(step / behaviour.bytes_per_second)
        if end < length:  # less than announced: only a closed connection can tell
            if cut and behaviour.replacement:
                self.server.data = behaviour.replacement
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _log_and_fail(self, method: str, asked: str = "") -> bool:
        self.server.requests.append((urlsplit(self.path).netloc or self.headers["Host"], method, asked))
        failure = self.server.behaviour.failures.get(method)
        if failure is None or failure.times <= 0:
            return False
        if failure.after > 0:
            failure.after -= 1
            return False
        failure.times -= 1
        if failure.drops or failure.hangs:
            if failure.hangs:
                self.rfile.read(1)  # until the visitor leaves
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif failure.drips:
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b" ")
                time.sleep(0.1)
        elif failure.body is not None:
            self._send_body(failure.body.encode(), failure.status, {"Content-Type": "text/html"})
        else:
            headers = {} if failure.retry_after is None else {"Retry-After": failure.retry_after}
            self._json({"code": failure.status, "message": failure.message}, failure.status, headers)
        return True

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send_body(json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send_body(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small competition `cifar-10` for the real Kaggle client.")
    parser.add_argument("--port", type=int, default=0)
    with tempfile.TemporaryDirectory() as folder:
        solution = build_competition(Path(folder))
        server = StandIn(zip_folder(Path(folder)), solution, parser.parse_args().port)
        variables = server.environment(Path(folder) / "home")
        print("\n".join(f"export {name}={value!r}" for name, value in variables.items()), flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()


if __name__ == "__main__":
    main()
