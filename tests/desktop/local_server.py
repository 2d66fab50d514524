"""An MCP server by HTTP on loopback that wants a token, as far as a greeting goes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INFO = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"protocolVersion": "2025-06-18", "serverInfo": {"name": "local"}},
}


class LocalServer(ThreadingHTTPServer):
    """Answers at `/NAME` in the way of that name, at `/secret/NAME` only to its token; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.asked: list[tuple[str, str | None]] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    @property
    def url(self) -> str:
        return self.at("/secret/json")

    @property
    def open_url(self) -> str:
        return self.at("/json")

    def close(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
            self.server_close()


@contextmanager
def serving(token: str) -> Iterator[LocalServer]:
    made = LocalServer(token)
    try:
        yield made
    finally:
        made.close()


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer

    def _any(self) -> None:
        self.server.asked.append((self.command, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        secret = f"Bearer {self.server.token}"
        if self.path.startswith("/secret") and self.headers.get("Authorization") != secret:
            return self._answer(401)
        events = {"Content-Type": "text/event-stream"}
        match self.path.removeprefix("/secret"):
            case "/json":
                return self._answer(200, json.dumps(INFO).encode(), {"Mcp-Session-Id": "7"})
            case "/events":
                return self._answer(
                    200, b"event: message\r\ndata: " + json.dumps(INFO).encode() + b"\r\n\r\n", events
                )
            case "/sse":
                return self._answer(200, b"event: endpoint\ndata: /x\n\n", events)
            case "/moved":
                return self._answer(307, headers={"Location": "http://example.org/mcp"})
            case "/page":
                return self._answer(200, b"<html>")
            case _:
                return self._answer(404)

    do_GET = do_POST = do_DELETE = _any  # noqa: N815 - the names that the library asks for

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
