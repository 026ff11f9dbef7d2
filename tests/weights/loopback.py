"""A web server on this machine that misbehaves on request."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

Entry = TypeVar("Entry")

QUOTA_PAGE = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>"
    b"Sorry, you can't view or download this file at this time. Too many users have viewed or downloaded "
    b"this file recently.</body></html>"
)


@dataclass
class Behaviour:
    """What the server does; each list entry is used up by one request, the last one stays."""

    body: bytes
    statuses: list[int] = field(default_factory=lambda: [200])
    cut_at: list[int | None] = field(default_factory=lambda: [None])
    """Bytes of a reply after which the connection is closed."""
    stall_at: list[int | None] = field(default_factory=lambda: [None])
    """Bytes of a reply after which nothing more comes."""
    honours_range: bool = True
    etag: str | None = '"v1"'
    content_type: str = "application/zip"
    page: bytes = b"<html>refused</html>"
    retry_after: str | None = None
    length: str | None = None
    """A `Content-Length` in place of the true one."""
    content_range: str | None = None
    """Answer every request with 206 and this `Content-Range`."""
    redirect_to: str | None = None
    ranges_asked: list[str | None] = field(default_factory=list)
    served: int = 0
    url: str = ""


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Behaviour]:
    """Serve `behaviour` at its `url` for a while."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            behaviour.ranges_asked.append(asked)
            status = _next(behaviour.statuses)
            if behaviour.redirect_to is not None:
                self.send_response(302)
                self.send_header("Location", behaviour.redirect_to)
                self.end_headers()
                return
            if status != 200:
                self.send_response(status)
                if behaviour.retry_after:
                    self.send_header("Retry-After", behaviour.retry_after)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(behaviour.page)))
                self.end_headers()
                self.wfile.write(behaviour.page)
                return
            body, total = behaviour.body, len(behaviour.body)
            matches = self.headers.get("If-Range") in (None, behaviour.etag)
            if behaviour.content_range is not None:
                self.send_response(206)
                self.send_header("Content-Range", behaviour.content_range)
            elif asked and behaviour.honours_range and matches:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
                if start >= total:
                    self.send_response(416)
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
                body = body[start:]
            else:
                self.send_response(200)
            self.send_header("Content-Type", behaviour.content_type)
            self.send_header("Content-Length", behaviour.length or str(len(body)))
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            self.end_headers()
            cut, stall = _next(behaviour.cut_at), _next(behaviour.stall_at)
            end = min(limit for limit in (cut, stall, len(body)) if limit is not None)
            self.wfile.write(body[:end])
            self.wfile.flush()
            behaviour.served += end
            while stall is not None and not stop.is_set():
                time.sleep(0.02)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    behaviour.url = f"http://127.0.0.1:{server.server_port}/weights.zip"
    try:
        yield behaviour
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


def _next(values: list[Entry]) -> Entry:
    return values.pop(0) if len(values) > 1 else values[0]
