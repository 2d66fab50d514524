"""A webhook on loopback that does as it is told, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """`answers`: the status of each post, the last one for all further ones; 0: no answer until it is let go."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers) or [200]
        self.heard: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        self.let_go = threading.Event()
        self._lock = threading.Lock()
        self.url = ""

    def took(self) -> list[dict[str, Any]]:
        """The bodies that were answered with 2xx."""
        return [body for status, _, body in list(self.heard) if 200 <= status < 300]

    def post(self, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.heard.append((status, headers, json.loads(body)))
        if status == 0:
            self.let_go.wait(30)
            return 200
        return status


@contextmanager
def a_hook(*answers: int) -> Iterator[Hook]:
    hook = Hook(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = hook.post(dict(self.headers), body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{hook.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            hook.heard.append((200, dict(self.headers), {"got": self.path}))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_anything: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hook
    finally:
        hook.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
