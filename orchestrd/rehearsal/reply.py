"""From a turn of the script to the model's message: placeholders filled in, usage made up where none is given."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import uuid4

from orchestrd.rehearsal.request import Request
from orchestrd.rehearsal.script import Turn, Usage, UsageLimit, UsageWarning

T = TypeVar("T")

_CHARACTERS_PER_TOKEN = 4
_WINDOW_NAMES = {"five_hour": "5h", "seven_day": "7d"}


def compose(turn: Turn, request: Request, usage: Usage) -> dict[str, Any]:
    """The whole message that the model answers `request` with."""
    content = _content(turn, request)
    calls_tools = any(block["type"] == "tool_use" for block in content)
    return {
        "id": f"msg_rehearsal_{uuid4().hex[:20]}",
        "type": "message",
        "role": "assistant",
        "model": turn.model or request.model,
        "content": content,
        "stop_reason": turn.stop_reason or ("tool_use" if calls_tools else "end_turn"),
        "stop_sequence": None,
        "usage": _usage(turn.usage, usage, request, content),
    }


def fill_in(value: T, request: Request) -> T:
    """Replace the placeholders in every string of `value`; other braces stay as they are."""
    if isinstance(value, str):
        for name, filling in _placeholders(request).items():
            if name in value:
                value = value.replace(name, filling)  # type: ignore[assignment]
        return value
    if isinstance(value, dict):
        return {key: fill_in(part, request) for key, part in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [fill_in(part, request) for part in value]  # type: ignore[return-value]
    return value


def limit_headers(limit: UsageLimit) -> dict[str, str]:
    """What the API sends along when a subscription's limit is used up."""
    resets = str(int(time.time() + limit.resets_in_seconds))
    short = _WINDOW_NAMES.get(limit.window, "7d")
    return {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": resets,
        "anthropic-ratelimit-unified-representative-claim": limit.window,
        f"anthropic-ratelimit-unified-{short}-status": "rejected",
        f"anthropic-ratelimit-unified-{short}-reset": resets,
        f"anthropic-ratelimit-unified-{short}-utilization": "1",
        "anthropic-ratelimit-unified-overage-status": "rejected",
        "anthropic-ratelimit-unified-overage-disabled-reason": "org_level_disabled",
        "retry-after": str(int(limit.resets_in_seconds)),
    }


def warning_headers(warning: UsageWarning) -> dict[str, str]:
    """What the API sends along when a subscription's limit is near."""
    resets = str(int(time.time() + warning.resets_in_seconds))
    short = _WINDOW_NAMES[warning.window]
    return {
        "anthropic-ratelimit-unified-status": "allowed_warning",
        "anthropic-ratelimit-unified-reset": resets,
        "anthropic-ratelimit-unified-representative-claim": warning.window,
        f"anthropic-ratelimit-unified-{short}-status": "allowed_warning",
        f"anthropic-ratelimit-unified-{short}-reset": resets,
        f"anthropic-ratelimit-unified-{short}-utilization": str(warning.utilization),
        f"anthropic-ratelimit-unified-{short}-surpassed-threshold": str(warning.threshold),
    }


def _placeholders(request: Request) -> Mapping[str, str]:
    return {
        "{cwd}": request.cwd,
        "{prompt}": request.prompt,
        "{last_prompt}": request.prompts[-1] if request.prompts else "",
        "{results}": "\n".join(result.text for result in request.results),
        "{session}": request.session,
        "{model}": request.model,
        "{turn}": str(request.turn),
    }


def _content(turn: Turn, request: Request) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if turn.thinking is not None:
        content.append(
            {"type": "thinking", "thinking": fill_in(turn.thinking, request), "signature": "rehearsal"}
        )
    if turn.text:
        content.append({"type": "text", "text": fill_in(turn.text, request)})
    calls = [(call.name, call.input) for call in turn.tools]
    if turn.structured is not None:
        calls.append(("StructuredOutput", turn.structured))
    for name, given in calls:
        call = {"id": f"toolu_rehearsal_{uuid4().hex[:20]}", "name": name, "input": fill_in(given, request)}
        content.append({"type": "tool_use", **call})
    return content


def _usage(own: Usage, everywhere: Usage, request: Request, content: list[dict[str, Any]]) -> dict[str, int]:
    """Counts as a real model's would look: on the first turn the prompt is written to the cache, later it is read."""
    size = request.size // _CHARACTERS_PER_TOKEN
    made_up = {
        "input_tokens": 12,
        "output_tokens": len(json.dumps(content)) // _CHARACTERS_PER_TOKEN + 1,
        "cache_creation_input_tokens": size // 20 if request.turn else size,
        "cache_read_input_tokens": size if request.turn else 0,
    }
    given = {**everywhere.model_dump(exclude_none=True), **own.model_dump(exclude_none=True)}
    return {**made_up, **given}
