"""Claude Code's stream as a person reads it: what was said, which tools were used, what it cost so far.

Event in, lines out; unknown events say nothing. Everything that comes from a run is made safe to print.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from orchestrd.outbound.words import counted
from orchestrd.runs.fields import a_float
from orchestrd.views.words import how_long, one_line, plain, read_time

WIDTH = 110
# Which member of a tool's input says best what it does, in this order.
_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "path",
    "pattern",
    "url",
    "query",
    "description",
    "prompt",
    "skill",
)


class Teller:
    """Follows one run's stream and turns its events into lines."""

    def __init__(self) -> None:
        self._began: datetime | None = None
        self._checkout = ""

    def tell(self, line: bytes) -> Iterator[str]:
        """Yield the lines that one line of `events.jsonl` is worth."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        teller = _TELLERS.get(event.get("type", ""))
        if teller:
            yield from teller(self, event)

    def clock(self, event: dict[str, Any]) -> str:
        """Return the time since the run's first dated event, in a fixed width."""
        now = read_time(event.get("timestamp"))
        if now is None:
            return " " * 8
        self._began = self._began or now
        return f"{how_long((now - self._began).total_seconds()):>7} "

    def enter(self, checkout: object) -> None:
        """Remember where the run works: paths in it are told as they are seen from there."""
        self._checkout = f"{checkout}/" if checkout else ""

    def from_within(self, text: str) -> str:
        """Shorten the paths in a text."""
        return text.replace(self._checkout, "") if self._checkout else text


def _tell_system(teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    match event.get("subtype"):
        case "init":
            teller.enter(event.get("cwd"))
            version = event.get("claude_code_version")
            parts = (
                f"Claude Code {version}" if version else "Claude Code",
                event.get("model"),
                event.get("permissionMode"),
            )
            yield "── " + " · ".join(plain(part) for part in parts if part)
            for server in event.get("mcp_servers") or ():
                if server.get("status") not in ("connected", "pending"):
                    yield f"{' ' * 8}! the MCP server {plain(server.get('name'))} is {plain(server.get('status'))}"
        case "api_retry":
            delay = (a_float(event.get("retry_delay_ms")) or 0.0) / 1000
            said = event.get("error_status") or event.get("error") or "no answer"
            count = f"{event.get('attempt')} of {event.get('max_retries')}"
            yield f"{' ' * 8}! the API said {plain(said)}; trying again in {delay:.1f} s ({count})"
        case "permission_denied":
            yield f"{' ' * 8}✗ not allowed: {plain(event.get('tool_name'))}"


def _tell_assistant(teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    message = event.get("message") or {}
    mark = "  │ " if event.get("parent_tool_use_id") else ""
    clock = teller.clock(event)
    for block in message.get("content") or ():
        match block.get("type"):
            case "text" if block.get("text", "").strip():
                first, *more = plain(block["text"]).strip().splitlines()
                yield f"{clock}{mark}{first}"
                yield from (f"{' ' * 8}{mark}{line}" for line in more)
            case "tool_use":
                yield f"{clock}{mark}→ {plain(block.get('name'))} {_summary(teller, block.get('input'))}".rstrip()


def _tell_user(teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    content = (event.get("message") or {}).get("content")
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "tool_result":
            text = teller.from_within(_text_of(block.get("content")))
            if block.get("is_error"):
                yield f"{teller.clock(event)}  ✗ {one_line(text, WIDTH)}"
            else:
                lines = text.strip().splitlines() or ["no output"]
                first, further = lines[0], len(lines) - 1
                more = f"  (+{counted(further, 'line')})" if further else ""
                yield f"{teller.clock(event)}  ← {one_line(first, WIDTH)}{more}"


def _tell_limit(_teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    facts = event.get("rate_limit_info") or {}
    if facts.get("status") in ("rejected", "allowed_warning"):
        reached = (
            "reached"
            if facts["status"] == "rejected"
            else f"used to {(a_float(facts.get('utilization')) or 0.0):.0%}"
        )
        reset = facts.get("resetsAt")
        until = f", until {datetime.fromtimestamp(reset).astimezone():%Y-%m-%d %H:%M}" if reset else ""
        yield f"{' ' * 8}! the usage limit is {reached}{until}"


def _tell_asking(teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    asked = event.get("request")
    if isinstance(asked, dict) and asked.get("subtype") == "can_use_tool":
        what = f"{plain(asked.get('tool_name'))} {_summary(teller, asked.get('input'))}"
        yield f"{' ' * 8}? asks a person: {what}".rstrip()


def _tell_result(_teller: Teller, event: dict[str, Any]) -> Iterator[str]:
    word = event.get("terminal_reason") or event.get("subtype") or "ended"
    if event.get("is_error"):
        for error in event.get("errors") or ():
            yield f"{' ' * 8}✗ {one_line(error, WIDTH)}"
    parts = (
        f"{plain(word)}{' (an error)' if event.get('is_error') else ''}",
        counted(event.get("num_turns") or 0, "turn"),
        f"${(a_float(event.get('total_cost_usd')) or 0.0):.4f} so far",
        how_long((a_float(event.get("duration_ms")) or 0.0) / 1000),
    )
    yield "── " + " · ".join(parts)


def _summary(teller: Teller, given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    found = next((given[name] for name in _TELLING if isinstance(given.get(name), str)), None)
    told = found if found is not None else json.dumps(given, ensure_ascii=False)
    return one_line(teller.from_within(told), WIDTH)


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


_TELLERS: dict[str, Callable[[Teller, dict[str, Any]], Iterator[str]]] = {
    "system": _tell_system,
    "assistant": _tell_assistant,
    "user": _tell_user,
    "rate_limit_event": _tell_limit,
    "control_request": _tell_asking,
    "result": _tell_result,
}
