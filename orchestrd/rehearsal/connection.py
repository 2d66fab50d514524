"""One client's connection: parses HTTP, and performs the steps that answer a request."""

from __future__ import annotations

import contextlib
import select
import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from orchestrd.rehearsal.answer import Begin, Chunk, End, Leave, Step, Wait, Whole

if TYPE_CHECKING:
    from orchestrd.rehearsal.server import Rehearsal

_FOR_EVER = float("inf")


class Connection(BaseHTTPRequestHandler):
    """Keep-alive HTTP/1.1. Every response leaves in as few packets as possible, with Nagle's waiting off."""

    protocol_version = "HTTP/1.1"
    server_version = "rehearsal"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle(self) -> None:
        """Answer requests until the client leaves or the rehearsal ends; a client that leaves is no error."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def handle_one_request(self) -> None:
        """Wait for a request, but not past the end of the rehearsal."""
        if self._client_speaks(_FOR_EVER):
            super().handle_one_request()
        else:
            self.close_connection = True

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        _, steps = self._rehearsal.take(self.command, self.path, dict(self.headers.items()), raw)
        for step in steps:
            if not self._perform(step):
                self._leave()
                return
        self.wfile.flush()

    # The library finds its methods by these names.
    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815

    def _perform(self, step: Step) -> bool:
        """Do one step; False when the connection is over."""
        match step:
            case Whole(status, body, headers, content_type):
                self._head(
                    status, {**headers, "content-type": content_type, "content-length": str(len(body))}
                )
                if self.command != "HEAD":
                    self.wfile.write(body)
            case Begin(headers):
                self._head(
                    200, {**headers, "content-type": "text/event-stream", "transfer-encoding": "chunked"}
                )
            case Chunk(body):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
            case End():
                self.wfile.write(b"0\r\n\r\n")
            case Wait(seconds):
                self.wfile.flush()
                # A client that speaks now has left, or breaks the protocol: either way nobody waits for the rest.
                return not self._client_speaks(seconds) and not self._rehearsal.closing.is_set()
            case Leave():
                return False
        return True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _client_speaks(self, seconds: float) -> bool:
        """Wait until the client sends something or closes; False when the time or the rehearsal is over before."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        poll.register(self._rehearsal.wake, select.POLLIN)
        ready = poll.poll(None if seconds == _FOR_EVER else seconds * 1000)
        return bool(ready) and not self._rehearsal.closing.is_set()

    def _leave(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    @property
    def _rehearsal(self) -> Rehearsal:
        return cast("Rehearsal", self.server.rehearsal)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing: the record of requests is the log."""
