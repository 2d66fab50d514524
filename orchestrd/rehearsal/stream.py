"""A reply of the model as the Messages API sends it: whole, or as server-sent events. Pure: values in, values out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Event = tuple[str, Mapping[str, Any]]

_PIECE_CHARACTERS = 24


def sse(event: Event) -> bytes:
    """One server-sent event on the wire."""
    name, fields = event
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields}, separators=(',', ':'))}\n\n".encode()


def events_of(message: Mapping[str, Any]) -> Iterator[Event]:
    """Every event of a streamed reply, in order; together they say exactly what `message` says."""
    usage = message["usage"]
    yield (
        "message_start",
        {"message": {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}},
    )
    for index, block in enumerate(message["content"]):
        yield "content_block_start", {"index": index, "content_block": _empty(block)}
        for delta in _deltas(block):
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield "message_delta", {"delta": stop, "usage": dict(usage)}
    yield "message_stop", {}


def _empty(block: Mapping[str, Any]) -> Mapping[str, Any]:
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case _:
            return {**block, "input": {}}


def _deltas(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    match block["type"]:
        case "text":
            for piece in _pieces(block["text"]):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in _pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARACTERS):
        yield text[start : start + _PIECE_CHARACTERS]
