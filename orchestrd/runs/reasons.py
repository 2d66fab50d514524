"""Why a turn did not succeed, out of its result event: codes first, words last.

The tables are what Claude Code 2.1.59 to 2.1.331 was seen to say; what they do not know is a failure of the API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from handoff.result import Reason
from orchestrd.runs.stream import ApiFailure, ResultEvent, StreamFacts

_BY_SUBTYPE = {
    "error_max_turns": Reason.MAX_TURNS,
    "error_max_budget_usd": Reason.BUDGET,
    "error_max_structured_output_retries": Reason.SCHEMA,
}
_BY_TERMINAL_REASON = {
    "max_turns": Reason.MAX_TURNS,
    "budget_exhausted": Reason.BUDGET,
    "structured_output_retry_exhausted": Reason.SCHEMA,
    # Broken off by SIGINT; the process then exits with 0.
    "aborted_streaming": Reason.INTERRUPTED,
    "aborted_tools": Reason.INTERRUPTED,
    "prompt_too_long": Reason.MAX_TOKENS,
    "blocking_limit": Reason.MAX_TOKENS,
    "rapid_refill_breaker": Reason.MAX_TOKENS,
    # A hook ended the turn: a success by every other sign, and the model never came to its answer.
    "hook_stopped": Reason.NO_OUTPUT,
    "stop_hook_prevented": Reason.NO_OUTPUT,
    "tool_deferred": Reason.NO_OUTPUT,
    "turn_setup_failed": Reason.BAD_LAUNCH,
}
_BY_ERROR = {
    "authentication_failed": Reason.AUTH,
    "billing_error": Reason.BILLING,
    "max_output_tokens": Reason.MAX_TOKENS,
}
# Text is the last resort: these are the words of versions that give no code for it.
_BY_TEXT = (
    (
        re.compile(r"usage limit reached|you've (?:hit|reached) your .{0,40}limit", re.IGNORECASE),
        Reason.USAGE_LIMIT,
    ),
    (re.compile(r"credit balance is too low", re.IGNORECASE), Reason.BILLING),
    (
        re.compile(
            r"please run /login|invalid api key|authentication_error|oauth token|organization has been disabled",
            re.IGNORECASE,
        ),
        Reason.AUTH,
    ),
    (re.compile(r"output token maximum|prompt is too long", re.IGNORECASE), Reason.MAX_TOKENS),
    (re.compile(r"usage policy|unable to respond to this request", re.IGNORECASE), Reason.REFUSAL),
)
_BY_API_STATUS: Mapping[int | None, Reason] = {401: Reason.AUTH, 402: Reason.BILLING, 403: Reason.AUTH}
_STATUS_IN_TEXT = re.compile(r"API Error:? \(?(\d{3})\b")
_RESET_IN_TEXT = re.compile(r"limit reached\|(\d{10})\b")
_SESSION_REFUSED = re.compile(r"No conversation found|Session ID \S+ is already in use", re.IGNORECASE)
_FINAL_STATUSES = frozenset({400, 404, 405, 410, 413, 422})
"""HTTP statuses that the same request gets again."""


def reason_of_result(facts: StreamFacts, result: ResultEvent, *, schema_wanted: bool) -> Reason | None:
    """None: it succeeded."""
    if result.subtype == "error_during_execution" and _says_bad_launch(result):
        return Reason.BAD_LAUNCH
    coded = _BY_SUBTYPE.get(result.subtype) or _BY_TERMINAL_REASON.get(result.terminal_reason or "")
    if coded is not None:
        return coded
    completed = result.subtype == "success" and result.terminal_reason in (None, "completed")
    if result.is_error or not completed or facts.api_failure is not None:
        # 2.1.59 says of a reply that it could not read: error_during_execution, is_error false, no text, exit code 0.
        return _reason_of_api_failure(facts, result, facts.api_failure)
    return _reason_beside_success(facts, result, schema_wanted=schema_wanted)


def _reason_beside_success(facts: StreamFacts, result: ResultEvent, *, schema_wanted: bool) -> Reason | None:
    if result.stop_reason == "refusal":
        return Reason.REFUSAL
    if result.stop_reason == "max_tokens":
        return Reason.MAX_TOKENS
    if schema_wanted and not result.has_structured_output:
        return Reason.SCHEMA
    if result.terminal_reason is None and not result.text and facts.tool_result_unanswered:
        return Reason.NO_OUTPUT  # All that 2.1.59 shows of a hook that ended the turn.
    return None


def says_session_refused(said: str) -> bool:
    """Claude Code would not open a session of that id: it is not there, or in use."""
    return _SESSION_REFUSED.search(said) is not None


def is_final(result: ResultEvent, failure: ApiFailure | None) -> bool:
    """The same request would get the same answer of the API again."""
    return _api_status(result, failure) in _FINAL_STATUSES or "issue with the selected model" in result.text


def limit_resets_at(facts: StreamFacts, result: ResultEvent) -> float | None:
    """When a usage limit is over, seconds since 1970; None where nobody said."""
    if facts.rate_limit is not None and facts.rate_limit.resets_at is not None:
        return facts.rate_limit.resets_at
    found = _RESET_IN_TEXT.search(result.text)
    return float(found.group(1)) if found else None


def _says_bad_launch(result: ResultEvent) -> bool:
    said = "\n".join(result.errors)
    return says_session_refused(said) or "Sandbox required" in said


def _reason_of_api_failure(facts: StreamFacts, result: ResultEvent, failure: ApiFailure | None) -> Reason:
    status = _api_status(result, failure)
    limited = facts.rate_limit is not None and facts.rate_limit.status == "rejected" and status == 429
    if limited or (failure is not None and failure.api_error == "usage_limit_reached"):
        return Reason.USAGE_LIMIT
    if result.stop_reason == "refusal":
        return Reason.REFUSAL
    words = (failure.api_error, failure.error) if failure is not None else ()
    coded = next((_BY_ERROR[word] for word in words if word in _BY_ERROR), None)
    text = f"{result.text}\n{failure.text if failure else ''}"
    told = next((reason for pattern, reason in _BY_TEXT if pattern.search(text)), None)
    return coded or told or _BY_API_STATUS.get(status, Reason.API)


def _api_status(result: ResultEvent, failure: ApiFailure | None) -> int | None:
    status = result.api_status or (failure.status if failure else None)
    if status is not None:
        return status
    found = _STATUS_IN_TEXT.search(result.text)
    return int(found.group(1)) if found else None
