"""An object storage on this machine, which speaks as much of S3 as is used of it, and fails as it is told to."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000
"""Names in an answer to a request for them, as S3 has it."""

ACCESS_KEY, SECRET_KEY = "somebody", "their-secret"

Fault = Callable[[str, str], str]
"""Is given the method and the path of a request; returns what goes wrong, or nothing: `reset`, before it is
done; `lost`, the answer; `truncated`, its half; or a status such as `503`."""


@dataclass
class Bucket:
    """Objects by their keys: the content, and when it was written."""

    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    public: bool = False
    owner: str = ACCESS_KEY
    password: str = ""


class ObjectServer(ThreadingHTTPServer):
    """The storage.

    Attributes:
        buckets: by their names.
        fault: what goes wrong with a request.
        log: method and path of every request.
        conditional: whether it knows If-Match and If-None-Match; otherwise it passes over them, as old servers do.
        ranges: whether it gives parts of objects.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Be as new."""
        self.buckets: dict[str, Bucket] = {"bucket": Bucket(), "theirs": Bucket(owner="somebody-else")}
        self.fault: Fault = lambda method, path: ""
        self.log: list[tuple[str, str]] = []
        self.conditional = self.ranges = True

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def names(self, bucket: str = "bucket") -> list[str]:
        """Return the keys of all objects."""
        return sorted(self.buckets[bucket].objects)

    def upload(self, folder: Path, key: str, bucket: str = "bucket") -> None:
        """Take the files of a folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                name = f"{key}/{path.relative_to(folder).as_posix()}"
                self.buckets[bucket].objects[name] = (path.read_bytes(), datetime.now(UTC))

    def content(self, key: str, bucket: str = "bucket") -> dict[str, bytes]:
        """Return what is below a key, by its path from there."""
        there = self.buckets[bucket].objects.items()
        return {name.removeprefix(f"{key}/"): content for name, (content, _) in there if name.startswith(f"{key}/")}

    def age(self, pattern: str, seconds: float) -> None:
        """Let the objects whose keys a pattern is found in have been written so long before."""
        for bucket in self.buckets.values():
            for key, (content, when) in bucket.objects.items():
                if re.search(pattern, key):
                    bucket.objects[key] = (content, when - timedelta(seconds=seconds))

    def requests(self, method: str, pattern: str) -> list[str]:
        """Return the paths of the requests with a method that a pattern is found in."""
        return [path for done, path in self.log if done == method and re.search(pattern, path)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet, which nobody waits for
    server: ObjectServer
    is_lost = False

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path).strip("/"), parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            self.server.log.append((self.command, path))
            fault = self.server.fault(self.command, path)
            self.is_lost = fault == "lost"
            if fault == "reset":  # before anything is done
                self._reset()
                return
            if fault.isdigit():
                self._error(int(fault), "SlowDown" if fault == "503" else "InternalError")
                return
            name, _, key = path.partition("/")
            bucket = self.server.buckets.get(name)
            if bucket is None:
                self._error(404, "NoSuchBucket")
            elif not self._may(bucket):
                pass
            elif "list-type" in query:
                self._list(bucket, query)
            elif self.command == "PUT":
                self._put(bucket, key, body)
            elif self.command == "DELETE":
                bucket.objects.pop(key, None)
                self._answer(204)
            elif key in bucket.objects:
                self._get(bucket.objects[key], cut_off=fault == "truncated")
            else:
                self._error(404, "NoSuchKey")
        if fault == "lost":  # after it was done
            self._reset()

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _handle  # noqa: N815

    def _may(self, bucket: Bucket) -> bool:
        if bucket.password and self.headers.get("authorization") != _basic(bucket.password):
            self._error(401, "Unauthorized")
            return False
        said = re.search("Credential=([^/]+)/", self.headers.get("authorization") or "")
        if said is None and (not bucket.public or self.command in ("PUT", "DELETE")):
            self._error(403, "AccessDenied")
        elif said is not None and said[1] != ACCESS_KEY:
            self._error(403, "InvalidAccessKeyId", f"<AWSAccessKeyId>{said[1]}</AWSAccessKeyId>")
        elif said is not None and not bucket.public and bucket.owner != said[1]:
            self._error(403, "AccessDenied")
        else:
            return True
        return False

    def _list(self, bucket: Bucket, query: dict[str, list[str]]) -> None:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = query.get("continuation-token", [""])[0]
        found: dict[str, str] = {}
        for key in sorted(bucket.objects):
            if not key.startswith(prefix) or key <= after:
                continue
            folder, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if cut:
                name = escape(f"{prefix}{folder}/")
                found[f"{prefix}{folder}0"] = f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
            else:
                content, when = bucket.objects[key]
                found[key] = (
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{when:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                    f"<ETag>{_tag(content)}</ETag><Size>{len(content)}</Size></Contents>"
                )
        shown = list(found)[:PAGE]
        more = len(found) > PAGE
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f'<?xml version="1.0"?><ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}'
            f"{''.join(found[key] for key in shown)}</ListBucketResult>".encode(),
        )

    def _put(self, bucket: Bucket, key: str, body: bytes) -> None:
        there = bucket.objects.get(key)
        new, same = self.headers.get("if-none-match"), self.headers.get("if-match")
        if self.server.conditional and (
            (new == "*" and there is not None) or (same and (there is None or _tag(there[0]) != same))
        ):
            self._error(412, "PreconditionFailed")
            return
        bucket.objects[key] = (body, datetime.now(UTC))
        self._answer(200, headers={"ETag": _tag(body)})

    def _get(self, found: tuple[bytes, datetime], *, cut_off: bool) -> None:
        content, when = found
        headers = {"ETag": _tag(content), "Last-Modified": format_datetime(when, usegmt=True)}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range") or "")
        status = 200
        if wanted and self.server.ranges:
            start, stop = (int(part) if part else None for part in wanted.groups())
            if start is None:
                start, stop = max(len(content) - (stop or 0), 0), None
            end = len(content) if stop is None else min(stop + 1, len(content))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
            content, status = content[start:end], 206
        self._answer(status, content, headers, cut_off=cut_off)

    def _error(self, status: int, code: str, more: str = "") -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>said of it</Message>{more}</Error>".encode())

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, cut_off: bool = False
    ) -> None:
        if self.is_lost:
            return
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut_off else body)
        if cut_off:
            self._reset()

    def _reset(self) -> None:
        self.wfile.flush()
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _basic(password: str) -> str:
    return f"Basic {b64encode(password.encode()).decode()}"


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Run a server until the end."""
    server = ObjectServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
