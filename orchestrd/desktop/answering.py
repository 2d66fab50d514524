"""Whether a server on this machine answers as an MCP server by HTTP does, within a deadline. Nothing is followed."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from orchestrd.desktop.entries import Proxied
from orchestrd.desktop.starting import GREETING

DEADLINE_SECONDS = 2.0
_MOST_BYTES = 1 << 16


class Answers(StrEnum):
    """How it stands with a server."""

    YES = "answers"
    UNAUTHORIZED = "wants another token"
    OTHERWISE = "answers otherwise"
    NO = "does not answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server did, in a word and in words."""

    word: Answers
    said: str


def ask(proxied: Proxied, token: str, deadline_seconds: float = DEADLINE_SECONDS) -> Answer:
    """Greet a server, with a token where there is one; its session is ended again."""
    parts = urlsplit(proxied.url)
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=deadline_seconds)
    # The timeout of a connection is that of each read; one that sends a byte a second would hold us for ever.
    out_of_time = threading.Event()
    watch = threading.Timer(deadline_seconds, _cut, (connection, out_of_time))
    watch.daemon = True
    watch.start()
    try:
        answer = _ask(connection, proxied, token)
    except TimeoutError:
        out_of_time.set()
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        answer = Answer(Answers.NO, reason)
    finally:
        watch.cancel()
        connection.close()
    # What was cut off may look like an answer that is whole.
    return Answer(Answers.NO, f"no answer within {deadline_seconds:g} s") if out_of_time.is_set() else answer


def _ask(connection: HTTPConnection, proxied: Proxied, token: str) -> Answer:
    parts = urlsplit(proxied.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if proxied.transport == "sse":
        connection.request("GET", path, headers=headers | {"Accept": "text/event-stream"})
    else:
        wanted = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(GREETING).encode(), headers | wanted)
    response = connection.getresponse()
    answer = _judge(response, proxied)
    session = response.getheader("Mcp-Session-Id")
    if session:
        with suppress(OSError, HTTPException):  # it ends by itself in the end
            connection.close()
            connection.request("DELETE", path, headers=headers | {"Mcp-Session-Id": session})
            connection.getresponse()
    return answer


def _judge(response: HTTPResponse, proxied: Proxied) -> Answer:
    status = f"{response.status} {response.reason}".strip()
    if response.status in (401, 403):
        return Answer(Answers.UNAUTHORIZED, status)
    if 300 <= response.status < 400:
        return Answer(Answers.OTHERWISE, f"{status}, to {response.getheader('Location', 'nowhere')}")
    if response.status != 200:
        return Answer(Answers.OTHERWISE, status)
    if proxied.transport == "sse":
        kind = response.getheader("Content-Type", "")
        is_stream = kind.startswith("text/event-stream")
        return Answer(
            Answers.YES if is_stream else Answers.OTHERWISE, status if is_stream else f"{status}, {kind}"
        )
    return _judge_greeting(response, status)


def _judge_greeting(response: HTTPResponse, status: str) -> Answer:
    heard = b""
    while len(heard) < _MOST_BYTES:
        line = response.readline(_MOST_BYTES)
        heard += line
        text = line.strip().removeprefix(b"data:").strip()
        if not line:
            break
        if text.startswith(b"{") and b'"serverInfo"' in text:
            heard = text
            break
    try:
        server = json.loads(heard)["result"]["serverInfo"]
        return Answer(Answers.YES, f"{server['name']} {server.get('version', '')}".strip())
    except (ValueError, KeyError, TypeError):
        return Answer(Answers.OTHERWISE, f"{status}, but no MCP")


def _cut(connection: HTTPConnection, out_of_time: threading.Event) -> None:
    out_of_time.set()
    socket = connection.sock
    if socket is not None:
        with suppress(OSError):
            socket.shutdown(2)
