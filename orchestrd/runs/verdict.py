"""What became of a run: from its stream and the runner's account of its end to one of the protocol's words.

The law of it, for the newest Claude Code and back to 2.1.59:

- Neither the exit code nor `subtype` is to be believed alone. A failure of the API says `subtype: "success"`; 2.1.59
  ends with code 0 and `is_error: false` at the limits of turns and money. So: `subtype` first, then `is_error`,
  then `terminal_reason` and `api_error_status` where there are any, and text last.
- A whole result that nothing followed stands, however the process ended after it.
- No result is no success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handoff.result import Reason, Status
from orchestrd.core.commands import CANCELLED
from orchestrd.runs.fields import a_text
from orchestrd.runs.reasons import is_final, limit_resets_at, reason_of_result, says_session_refused
from orchestrd.runs.stream import ResultEvent, StreamFacts

RETRIED = frozenset({Reason.TIMEOUT, Reason.SILENCE, Reason.API, Reason.INTERRUPTED})
"""A further attempt may follow these; anything else would only fail again (PROTOCOL, section 4)."""

_BY_RUNNER = {
    "timeout": Reason.TIMEOUT,
    "silence": Reason.SILENCE,
    "first-event": Reason.SILENCE,
    "memory": Reason.MEMORY,
    "unanswered": Reason.UNANSWERED,
    "interrupted": Reason.INTERRUPTED,
}
_STOPPED = {
    "timeout": "Stopped: its time was up (limits.timeout).",
    "silence": "Stopped: nothing came from Claude Code for too long.",
    "first-event": "Stopped: not one event came from Claude Code.",
    "memory": "Stopped: it used more memory than it may (limits.memory).",
    "unanswered": "Stopped: nobody answered what it asked (permissions.ask_timeout).",
    "interrupted": "It was stopped from outside.",
}
_OWN_WORDS = {
    Reason.MAX_TURNS: "It used up its turns (limits.max_turns).",
    Reason.BUDGET: "It used up its money (limits.max_usd).",
    Reason.SCHEMA: "The structured output that was asked for was not given.",
    Reason.NO_OUTPUT: "Its turn was ended by a hook, before the model had come to an answer.",
    Reason.API: "No usable answer came from the API.",
    Reason.INTERRUPTED: "Its turn was broken off from outside.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one start."""

    status: Status
    """Succeeded, failed or cancelled."""
    reason: Reason | None = None
    retry: bool = False
    """A further attempt may help."""
    resumable: bool = False
    """There is a session to go on with."""
    resume_refused: bool = False
    """Claude Code would not open a session of this id: nothing was done, start anew at once under a fresh one."""
    summary: str = ""
    """The final text; of a failure what was wrong, and what to do where we know."""
    limit_resets_at: float | None = None
    """Of a usage limit: when it is over, seconds since 1970; None where nobody said."""


def judge(
    facts: StreamFacts, exit_record: Mapping[str, Any], *, schema_wanted: bool = False, stderr_tail: str = ""
) -> Outcome:
    """Judge a run by its stream and by what the runner wrote last (`exit.json`; empty where it died itself).

    `stderr_tail` is what the run said last on standard error: where there is no event at all, it is all there is.
    """
    why = a_text(exit_record.get("why"))
    if why == "stopped":
        return _ended(facts, Status.CANCELLED, Reason.CANCELLED, _stopped(facts, exit_record))
    if facts.result is not None and facts.result_is_final:
        reason = reason_of_result(facts, facts.result, schema_wanted=schema_wanted)
        if reason is None:
            return Outcome(Status.SUCCEEDED, resumable=facts.session_id is not None, summary=facts.summary)
        if why in ("ended", "lingered") or reason is not Reason.INTERRUPTED:
            return _failed_result(facts, facts.result, reason, stderr_tail)
    if not exit_record:
        return _failed(facts, Reason.INTERRUPTED, "The run died with its runner.")
    if why in _BY_RUNNER:
        return _failed(facts, _BY_RUNNER[why], str(exit_record.get("message") or _STOPPED[why]))
    return _without_result(facts, exit_record, stderr_tail)


def _stopped(facts: StreamFacts, exit_record: Mapping[str, Any]) -> str:
    """Why it was told to stop, where its plan does not tell that; then what it said last."""
    why = a_text(exit_record.get("message"))
    if not why or why == CANCELLED:
        return facts.summary
    return f"{why}\nIts last words: {facts.last_words}" if facts.last_words else why


def _without_result(facts: StreamFacts, exit_record: Mapping[str, Any], stderr_tail: str) -> Outcome:
    said = stderr_tail.strip()[-2000:]
    if exit_record.get("why") == "bad-launch":
        return _failed(
            facts, Reason.BAD_LAUNCH, str(exit_record.get("message") or said or "Claude Code did not start.")
        )
    signal = _signal(exit_record)
    if signal is not None:
        return _failed(
            facts, Reason.INTERRUPTED, f"Claude Code was ended by signal {signal}, which was not ours."
        )
    if facts.saw_event:
        return _failed(facts, Reason.NO_OUTPUT, said or "Claude Code ended by itself without a result.")
    refused = says_session_refused(said)
    code = exit_record.get("exit_code")
    message = (said or f"Claude Code ended with code {code} and said nothing.") + _remedy(said)
    return Outcome(Status.FAILED, Reason.BAD_LAUNCH, resume_refused=refused, summary=message)


def _failed_result(facts: StreamFacts, result: ResultEvent, reason: Reason, stderr_tail: str) -> Outcome:
    said = "\n".join(error for error in result.errors if not error.startswith("[ede_diagnostic]"))
    if reason is Reason.BAD_LAUNCH:
        refused = says_session_refused(said)
        return Outcome(Status.FAILED, reason, resume_refused=refused, summary=said or stderr_tail.strip())
    final = reason is Reason.API and is_final(result, facts.api_failure)
    resets_at = limit_resets_at(facts, result) if reason is Reason.USAGE_LIMIT else None
    own = _OWN_WORDS.get(reason, "")
    failure = facts.api_failure.text if facts.api_failure else ""
    # What Claude Code says of it, else our own words: older versions say nothing. Then what the model said last.
    words = [said or failure or (result.text if result.is_error else "") or own]
    if facts.last_words and facts.last_words not in words[0]:
        words.append(f"Its last words: {facts.last_words}")
    return _ended(
        facts,
        Status.FAILED,
        reason,
        "\n".join(word for word in words if word),
        retry=reason in RETRIED and not final,
        limit_resets_at=resets_at,
    )


def _failed(facts: StreamFacts, reason: Reason, message: str) -> Outcome:
    words = [message]
    if facts.last_words:
        words.append(f"Its last words: {facts.last_words}")
    return _ended(facts, Status.FAILED, reason, "\n".join(words), retry=reason in RETRIED)


def _ended(
    facts: StreamFacts,
    status: Status,
    reason: Reason,
    summary: str,
    *,
    retry: bool = False,
    limit_resets_at: float | None = None,
) -> Outcome:
    return Outcome(
        status,
        reason,
        retry=retry,
        # Resumed under its own id a session goes on even after SIGKILL; without an event there is none.
        resumable=facts.session_id is not None,
        summary=summary,
        limit_resets_at=limit_resets_at,
    )


def _signal(exit_record: Mapping[str, Any]) -> int | None:
    signal, code = exit_record.get("signal"), exit_record.get("exit_code")
    if isinstance(signal, int):
        return signal
    # Claude Code catches SIGTERM and SIGHUP and ends with 128 + their number.
    return code - 128 if isinstance(code, int) and code in (129, 130, 137, 143) else None


def _remedy(said: str) -> str:
    if "root/sudo" not in said:
        return ""
    return (
        "\nClaude Code does not run as root with permissions.mode = 'bypassPermissions'. Run the daemon as another"
        " user; or, in a sandbox of your own only, set IS_SANDBOX=1 and name IS_SANDBOX in [claude] env_pass."
    )
