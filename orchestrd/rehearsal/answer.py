"""What is done about a request, as a list of steps for the connection: send this, wait so long, hang up.

Decides, and touches no socket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import uuid4

from orchestrd.rehearsal.choice import Choice
from orchestrd.rehearsal.reply import compose, limit_headers, warning_headers
from orchestrd.rehearsal.request import Request
from orchestrd.rehearsal.script import Cut, Error, HangUp, Malformed, Script, Silent, Stall, Turn, UsageLimit
from orchestrd.rehearsal.stream import events_of, sse

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_ERROR_MESSAGES = {
    401: "invalid x-api-key",
    429: "This request would exceed the rate limit.",
    500: "Internal server error",
    529: "Overloaded",
}
_FOR_EVER = float("inf")


@dataclass(frozen=True)
class Whole:
    """Send a whole response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Begin:
    """Begin a response in chunks."""

    headers: Mapping[str, str]


@dataclass(frozen=True)
class Chunk:
    """Send a chunk of the begun response."""

    body: bytes


@dataclass(frozen=True)
class End:
    """End the begun response properly."""


@dataclass(frozen=True)
class Wait:
    """Let time pass, unless the client leaves."""

    seconds: float


@dataclass(frozen=True)
class Leave:
    """Close the connection at once; what was begun is cut."""


Step = Whole | Begin | Chunk | End | Wait | Leave


def answer(script: Script, request: Request, choice: Choice | None) -> Iterator[Step]:
    """The steps that answer `request`; `choice` is what the model does, None where it was not asked for a reply."""
    if choice is None:
        return _beside(request)
    return _message(script, request, choice)


def _message(script: Script, request: Request, choice: Choice) -> Iterator[Step]:
    turn = choice.turn
    slow = turn.slow if "slow" in turn.model_fields_set else script.slow
    if slow.first_byte_seconds:
        yield Wait(slow.first_byte_seconds)
    match choice.trouble:
        case Error() as error:
            yield _error(error.status, error.type, error.message, error.headers)
        case UsageLimit() as limit:
            text = "You have reached your usage limit."
            yield _error(429, "rate_limit_error", text, limit_headers(limit))
        case HangUp():
            yield Leave()
        case Silent():
            yield Wait(_FOR_EVER)
            yield Leave()
        case Malformed() as malformed:
            yield from _malformed(malformed, request)
        case Cut(after_events=events):
            yield from _broken_off(script, request, turn, events, wait=False)
        case Stall(after_events=events):
            yield from _broken_off(script, request, turn, events, wait=True)
        case None:
            yield from _whole(script, request, turn, slow.between_seconds)


def _whole(script: Script, request: Request, turn: Turn, between_seconds: float) -> Iterator[Step]:
    message = compose(turn, request, script.usage)
    headers = _reply_headers(turn)
    if not request.wants_stream:
        yield Whole(200, json.dumps(message).encode(), headers)
        return
    yield Begin(headers)
    if between_seconds:
        for event in events_of(message):
            yield Chunk(sse(event))
            yield Wait(between_seconds)
    else:
        yield Chunk(b"".join(sse(event) for event in events_of(message)))
    yield End()


def _broken_off(script: Script, request: Request, turn: Turn, events: int, *, wait: bool) -> Iterator[Step]:
    said = (
        turn
        if turn.replies
        else Turn(text="The rest of this sentence never arrives, whatever one waits for.")
    )
    message = compose(said, request, script.usage)
    yield Begin(_reply_headers(turn))
    if request.wants_stream:
        yield Chunk(b"".join(sse(event) for event in islice(events_of(message), events)))
    else:
        yield Chunk(json.dumps(message).encode()[:40])
    if wait:
        yield Wait(_FOR_EVER)
    yield Leave()


def _beside(request: Request) -> Iterator[Step]:
    """What is not a request for a reply: greetings, token counts, lists of models, event logs."""
    path = request.path.partition("?")[0]
    if path.endswith("/count_tokens"):
        yield _json({"input_tokens": request.size // 4 + 1})
    elif path.endswith("/v1/models"):
        yield _json({"data": [], "has_more": False, "first_id": None, "last_id": None})
    elif request.method == "HEAD" or path.startswith("/api/"):
        yield _json({})
    else:
        yield _error(404, None, f"the rehearsal model does not know {request.method} {path}", {})


def _json(body: Mapping[str, Any]) -> Whole:
    return Whole(200, json.dumps(body).encode())


def _error(status: int, kind: str | None, message: str | None, headers: Mapping[str, str]) -> Whole:
    default_type = "invalid_request_error" if status < 500 else "api_error"
    error = {
        "type": kind or _ERROR_TYPES.get(status, default_type),
        "message": message or _ERROR_MESSAGES.get(status, "an error of the rehearsal's script"),
    }
    body = {"type": "error", "error": error, "request_id": f"req_rehearsal_{uuid4().hex[:16]}"}
    return Whole(status, json.dumps(body).encode(), headers)


def _reply_headers(turn: Turn) -> dict[str, str]:
    warning = warning_headers(turn.usage_warning) if turn.usage_warning else {}
    return {"request-id": f"req_rehearsal_{uuid4().hex[:16]}", **warning, **turn.headers}


def _malformed(malformed: Malformed, request: Request) -> Iterator[Step]:
    match malformed.how:
        case "html":
            yield Whole(200, b"<html><body><h1>Welcome to the proxy</h1></body></html>", {}, "text/html")
        case "json":
            yield Whole(200, b'{"type":"message","content":[{"type":"text","te', {})
        case "sse":
            kind = "text/event-stream" if request.wants_stream else "application/json"
            yield Whole(
                200, b'event: message_start\ndata: {"type":"message_start","mess\n\ndata: !!\n\n', {}, kind
            )
        case "error-event":
            error = {"error": {"type": "overloaded_error", "message": "Overloaded"}}
            if not request.wants_stream:
                yield _error(529, None, None, {})
                return
            yield Begin({})
            yield Chunk(sse(("error", error)))
            yield End()
