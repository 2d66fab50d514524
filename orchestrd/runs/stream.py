"""Claude Code's stream, line by line, as facts: what was said, used, denied and paid, and how it ended.

It never fails on a line: types that are not known will come, and a line may be torn. What the facts mean for the plan
is decided in `verdict.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrd.runs.bill import Bill, Tokens, tokens_of_usage
from orchestrd.runs.fields import a_float, a_list, a_number, a_text, an_object, objects, plain_text

_MOST_CALLS_REMEMBERED = 1000
_MOST_WHY = 2000
_MOST_LAST_WORDS = 500
_LAST_TIME = 253_402_300_799.0
"""The end of the year 9999: no clock and no calendar goes on from there."""


@dataclass(frozen=True, slots=True)
class DeniedCall:
    """A tool call that was not permitted."""

    tool: str
    input_json: str
    why: str

    def as_fields(self) -> dict[str, str]:
        """As it stands in the journal and in the result."""
        return {"tool": self.tool, "input_json": self.input_json, "why": self.why}


@dataclass(frozen=True, slots=True)
class ResultEvent:
    """How a turn ended. Of several in a run the last one counts."""

    subtype: str
    is_error: bool
    text: str
    errors: tuple[str, ...] = ()
    terminal_reason: str | None = None
    """None where the version does not say (2.1.59)."""
    api_status: int | None = None
    stop_reason: str | None = None
    has_structured_output: bool = False


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """The last message that Claude Code wrote itself in the place of an answer."""

    error: str | None
    """`authentication_failed`, `rate_limit`, `billing_error`, ... (Claude Code's words)."""
    api_error: str | None
    """`usage_limit_reached`, `connection_failed`, ..."""
    status: int | None
    text: str


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the account's limits were said to be. Only subscriptions are told."""

    status: str
    """`allowed`, `allowed_warning` or `rejected`."""
    resets_at: float | None = None
    """Seconds since 1970."""
    kind: str | None = None


class StreamFacts:
    """The facts of one process, from its stream. Feed it the lines as they come; all can be read at any time."""

    def __init__(self) -> None:
        self.saw_event = False
        """Anything at all was understood."""
        self.session_id: str | None = None
        self.model: str | None = None
        self.version: str | None = None
        self.api_key_source: str | None = None
        self.servers_not_connected: tuple[str, ...] = ()
        self.last_words = ""
        """The model's last text, shortened."""
        self.tools: Counter[str] = Counter()
        """How often each tool was called."""
        self.api_retries = 0
        self.broken_lines = 0
        self.result: ResultEvent | None = None
        self.result_is_final = False
        """Nothing came after the last result: no further turn had begun when the stream ended."""
        self.tool_result_unanswered = False
        """The last thing said was a tool's result: the model has not gone on from there."""
        self.structured_output: Any = None
        self.api_failure: ApiFailure | None = None
        self.rate_limit: RateLimit | None = None
        self._text = ""
        self._turns = 0
        self._bill = Bill()
        self._calls: dict[str, tuple[str, Any]] = {}
        self._refusals: dict[str, str] = {}
        self._denied: dict[str, DeniedCall] = {}
        self._answers: dict[str, Tokens] = {}

    def feed(self, line: bytes) -> None:
        """Take in one line, with or without its line end. Raises nothing for any line: one that is none is counted."""
        if not line.strip():
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            self.broken_lines += 1
            return
        if not isinstance(event, dict):
            self.broken_lines += 1
            return
        try:
            self._take(event)
        except Exception:  # noqa: BLE001 - a border: what others write in a line must not end the daemon's loop
            self.broken_lines += 1

    def _take(self, event: Mapping[str, Any]) -> None:
        self.saw_event = True
        self.session_id = a_text(event.get("session_id")) or self.session_id
        match event.get("type"):
            case "system":
                self._system(event)
            case "assistant":
                self._assistant(event)
            case "user":
                self._user(event)
            case "rate_limit_event":
                self._rate_limit(event)
            case "result":
                self._result(event)
            case _:
                pass

    @property
    def has_result(self) -> bool:
        """A result event came."""
        return self.result is not None

    @property
    def summary(self) -> str:
        """The final text in full: the result's, else the last that the model said."""
        return (self.result.text if self.result else "") or self._text

    @property
    def turns(self) -> int:
        """As Claude Code counts them; without a result, the model's answers so far."""
        return self._turns or len(self._answers)

    @property
    def cost_usd(self) -> float:
        """US dollars of this process alone. Only a result tells: 0 until there is one, and for one that was stopped."""
        return self._bill.cost_usd

    @property
    def session_cost_usd(self) -> float | None:
        """US dollars of the whole session, as the result said; a resumed one includes what was before."""
        return self._bill.total_usd

    @property
    def tokens(self) -> Tokens:
        """Of this process alone. Without a result a lower bound: an answer's length is told only at the end."""
        if self.result is None:
            return sum(self._answers.values(), Tokens())
        return self._bill.tokens

    @property
    def denied(self) -> tuple[DeniedCall, ...]:
        """The calls that were not permitted, in their order."""
        return tuple(self._denied.values())

    def cost_to_book(self, booked_in_session_usd: float) -> float:
        """What this start adds to the plan's cost; `booked_in_session_usd` was booked for the same session before.

        A process that was stopped tells no cost; the next one of its session does, in the session's total.
        """
        if self.session_cost_usd is None:
            return self.cost_usd
        return max(self.cost_usd, self.session_cost_usd - booked_in_session_usd)

    def _system(self, event: Mapping[str, Any]) -> None:
        match event.get("subtype"):
            case "init":
                self.result_is_final = False
                self.model = a_text(event.get("model")) or self.model
                self.version = a_text(event.get("claude_code_version")) or self.version
                self.api_key_source = a_text(event.get("apiKeySource")) or self.api_key_source
                self.servers_not_connected = tuple(
                    str(server.get("name"))
                    for server in objects(event.get("mcp_servers"))
                    if server.get("status") == "failed"
                )
            case "api_retry":
                self.api_retries += 1
            case "permission_denied":
                self._deny(event, event.get("message"), None)
            case _:
                pass

    def _assistant(self, event: Mapping[str, Any]) -> None:
        self.result_is_final = self.tool_result_unanswered = False
        message = an_object(event.get("message"))
        texts = []
        for block in objects(message.get("content")):
            if block.get("type") == "text":
                texts.append(a_text(block.get("text")) or "")
            elif block.get("type") == "tool_use":
                self._call(block)
        if message.get("model") == "<synthetic>" and (
            event.get("error") or event.get("is_api_error_message")
        ):
            self.api_failure = ApiFailure(
                error=a_text(event.get("error")),
                api_error=a_text(event.get("api_error")),
                status=a_number(event.get("api_error_status")),
                text="\n".join(texts),
            )
            return
        if event.get("parent_tool_use_id") is not None:
            return  # A sub-agent's words are not the run's; its calls and its cost are.
        self.api_failure = None
        identity = a_text(message.get("id"))
        if identity:
            # Each block of an answer comes as an event of its own, with the same usage: counted once.
            self._answers[identity] = tokens_of_usage(an_object(message.get("usage")))
        spoken = "\n".join(text for text in texts if text.strip())
        if spoken:
            self._text = spoken
            self.last_words = spoken.strip()[-_MOST_LAST_WORDS:]

    def _call(self, block: Mapping[str, Any]) -> None:
        name, call = a_text(block.get("name")) or "?", a_text(block.get("id"))
        self.tools[name] += 1
        if call:
            self._calls[call] = (name, block.get("input"))
            if len(self._calls) > _MOST_CALLS_REMEMBERED:
                del self._calls[next(iter(self._calls))]

    def _user(self, event: Mapping[str, Any]) -> None:
        self.result_is_final = False
        for block in objects(an_object(event.get("message")).get("content")):
            call = a_text(block.get("tool_use_id"))
            if block.get("type") != "tool_result" or call is None:
                continue
            self.tool_result_unanswered = True
            if block.get("is_error"):
                # Older versions say only here why a call was denied, and only in the result that it was.
                self._refusals[call] = plain_text(block.get("content"))[:_MOST_WHY]
                if len(self._refusals) > _MOST_CALLS_REMEMBERED:
                    del self._refusals[next(iter(self._refusals))]
            else:
                self._calls.pop(call, None)

    def _rate_limit(self, event: Mapping[str, Any]) -> None:
        limit = an_object(event.get("rate_limit_info"))
        resets_at = a_float(limit.get("resetsAt"))
        self.rate_limit = RateLimit(
            status=a_text(limit.get("status")) or "",
            resets_at=resets_at if resets_at is not None and 0 <= resets_at <= _LAST_TIME else None,
            kind=a_text(limit.get("rateLimitType")),
        )

    def _result(self, event: Mapping[str, Any]) -> None:
        self.result_is_final = True
        self.structured_output = event.get("structured_output")
        self.result = ResultEvent(
            subtype=a_text(event.get("subtype")) or "",
            is_error=event.get("is_error") is True,
            text=a_text(event.get("result")) or "",
            errors=tuple(a_text(str(error)) or "" for error in a_list(event.get("errors")) if error),
            terminal_reason=a_text(event.get("terminal_reason")),
            api_status=a_number(event.get("api_error_status")),
            stop_reason=a_text(event.get("stop_reason")),
            has_structured_output="structured_output" in event,
        )
        self._turns += a_number(event.get("num_turns")) or 0
        self._bill.add(event)
        for denial in objects(event.get("permission_denials")):
            self._deny(denial, None, denial.get("tool_input"))

    def _deny(self, event: Mapping[str, Any], why: object, given: object) -> None:
        call = a_text(event.get("tool_use_id")) or f"call {len(self._denied)}"
        known = self._denied.get(call)
        if given is None and call in self._calls:
            given = self._calls[call][1]
        self._denied[call] = DeniedCall(
            tool=a_text(event.get("tool_name")) or (known.tool if known else "?"),
            input_json=(a_text(json.dumps(given, ensure_ascii=False)) or "{}")
            if given is not None
            else known.input_json
            if known
            else "{}",
            why=(a_text(why) or "")[:_MOST_WHY]
            or (known.why if known else "")
            or self._refusals.get(call, ""),
        )
