"""The rehearsal's server: HTTP on loopback around the choice of a reply, and the record of what was asked.

A thread a connection; a silent or slow reply waits for the client to leave or for the rehearsal to end, whichever
comes first, so that closing leaves no thread behind.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import IO, Self

from orchestrd.rehearsal.answer import Step, answer
from orchestrd.rehearsal.choice import Choice, Chooser
from orchestrd.rehearsal.connection import Connection
from orchestrd.rehearsal.request import Request, read_request
from orchestrd.rehearsal.script import Script

_KEPT_REQUESTS = 2000
# Not a word that occurs anywhere else: whoever blacks out credentials in a log must not black out half of it.
_KEY = "sk-ant-no-key-0000-rehearsal-0000-not-a-secret"


class Rehearsal:
    """A scripted Messages API on 127.0.0.1; serves from construction to `close()`, or in a `with` block.

    `record` names a file that gets every request as a JSON line (no credentials). `port` 0 picks a free one.
    Raises `OSError` when the port is taken.
    """

    def __init__(
        self, script: Script | None = None, *, record: Path | str | None = None, port: int = 0
    ) -> None:
        """Start to serve `script`; without one the model improvises."""
        self.script = script or Script()
        self._requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self._record: IO[bytes] | None = (
            open(record, "ab", buffering=0) if record else None  # noqa: SIM115 - it is closed by close()
        )
        self._lock = threading.Lock()
        self._count = 0
        self._chooser = Chooser(self.script)
        self.closing = threading.Event()
        # Readable once the rehearsal is over: what waits for a client waits for this too.
        self.wake, self._waker = socket.socketpair()
        self._server: _Server | None = None
        if self.script.refuse_connections:
            # Bound, but nobody listens: the port is ours and every connection is refused by the system.
            self._held = socket.socket()
            self._held.bind(("127.0.0.1", port))
            self.port = int(self._held.getsockname()[1])
        else:
            self._server = _Server(("127.0.0.1", port), self)
            self.port = self._server.server_port
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name="rehearsal", daemon=True
            )
            self._thread.start()

    @property
    def url(self) -> str:
        """The address to give Claude Code as ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Everything that was asked so far, the last 2,000 at most, in the order of arrival."""
        with self._lock:
            return list(self._requests)

    @property
    def messages(self) -> list[Request]:
        """Those requests that asked the model for a reply."""
        return [request for request in self.requests if request.is_message]

    def environment(self, *, token: bool = False) -> dict[str, str]:
        """What Claude Code's environment needs to talk to this model and to nobody else.

        With `token` it believes in a subscription (OAuth) rather than an API key; usage limits only show then.
        """
        credential = "CLAUDE_CODE_OAUTH_TOKEN" if token else "ANTHROPIC_API_KEY"
        return {
            "ANTHROPIC_BASE_URL": self.url,
            credential: _KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
            # A proxy must not be asked for a loopback address.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def settings(self, *, token: bool = False) -> dict[str, dict[str, str]]:
        """Return the same for Claude Code's `--settings`, as JSON.

        An `env` in the user's or the project's settings.json outranks the environment: without this a rehearsal
        could reach a paid model after all. `--settings` outranks both (only an administrator's settings do not yield).
        """
        return {"env": self.environment(token=token)}

    def close(self) -> None:
        """Stop to serve; hangs up on whoever still waits. Can be called again."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._waker.close()
        if self._server is None:
            self._held.close()
        else:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        if self._record is not None:
            self._record.close()

    def __enter__(self) -> Self:
        """Serve until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to serve."""
        self.close()

    def take(
        self, method: str, path: str, headers: dict[str, str], raw: bytes
    ) -> tuple[Request, Iterable[Step]]:
        """Note one request and find what to do about it. Called from the connection's thread."""
        with self._lock:
            self._count += 1
            number = self._count
        request = read_request(number, time.time(), method, path, headers, raw)
        choice = self._chooser.choose(request) if request.is_message else None
        with self._lock:
            self._requests.append(request)
            if self._record is not None and not self._record.closed:
                self._record.write(_line(request, choice))
        return request, answer(self.script, request, choice)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections are left to their threads, which see `closing`; waiting for them would wait for idle clients.
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        super().__init__(address, Connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle is no news; anything else is told as usual."""


def _line(request: Request, choice: Choice | None) -> bytes:
    answered = None if choice is None else {"conversation": choice.conversation, "turn": choice.position}
    if choice is not None and answered is not None and choice.trouble is not None:
        answered["trouble"] = type(choice.trouble).__name__  # type: ignore[assignment]
    fields = {
        "number": request.number,
        "time": request.time,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "credential": request.credential,
        "answered": answered,
        "body": request.body,
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"
