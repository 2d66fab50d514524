"""What a journal tells a daemon that is started anew."""

from __future__ import annotations

from typing import Any

from handoff.result import Reason, Status
from orchestrd.core.events import Ending, RunOutcome
from orchestrd.core.facts import MAIN
from orchestrd.core.history import Told, read_history


def told_by(*events: dict[str, Any]) -> Told:
    return read_history({"seq": number, **event} for number, event in enumerate(events, 1))


TAKEN = {"event": "taken", "source": "p.toml"}
ACCEPTED = {"event": "accepted", "project": "/p"}


def intended(n: int, attempt: int, *, resumes: bool = False, session: str = "s-1") -> dict[str, Any]:
    return {
        "event": "run-intended",
        "step": "main",
        "n": n,
        "attempt": attempt,
        "session_id": session,
        "resumes": resumes,
    }


FAILED = {
    "event": "run-ended",
    "n": 1,
    "status": "failed",
    "reason": "api",
    "retry": True,
    "session_id": "s-1",
    "cost_usd": 0.5,
}
AGAIN = {"event": "run-again", "session_id": "s-1", "same_attempt": False}


def test_a_plan_that_was_only_taken_has_not_been_looked_at() -> None:
    assert not told_by(TAKEN).checked


def test_an_accepted_plan_that_never_ran_has_no_history() -> None:
    told = told_by(TAKEN, ACCEPTED)

    assert told.checked
    assert told.facts == {"seq": 2, **ACCEPTED}
    assert told.history.starts == 0
    assert not told.history.in_hand


def test_a_start_that_was_intended_is_in_hand_until_its_end_is_judged() -> None:
    told = told_by(TAKEN, ACCEPTED, intended(1, 1))

    assert told.history.in_hand
    assert (told.history.steps[MAIN].starts, told.history.steps[MAIN].outcome) == (1, None)


def test_an_end_that_was_judged_and_not_acted_upon_is_decided_on_again() -> None:
    told = told_by(TAKEN, ACCEPTED, intended(1, 1), FAILED)

    assert told.history.steps[MAIN].outcome == RunOutcome(
        succeeded=False, reason=Reason.API, may_retry=True, session="s-1", cost_usd=0.5
    )
    assert told.history.spent_usd == 0


def test_a_further_attempt_keeps_what_was_used_up() -> None:
    told = told_by(TAKEN, ACCEPTED, intended(1, 1), FAILED, AGAIN)

    step = told.history.steps[MAIN]
    assert (step.starts, step.attempt, told.history.spent_usd, step.session) == (1, 1, 0.5, "s-1")
    assert not told.history.in_hand


def test_a_start_written_down_twice_is_one_resume() -> None:
    told = told_by(
        TAKEN,
        ACCEPTED,
        intended(1, 1),
        FAILED,
        AGAIN,
        intended(2, 2, resumes=True),
        intended(2, 2, resumes=True),
    )

    assert told.history.steps[MAIN].resumes == 1


def test_to_go_back_to_a_session_in_a_round_is_no_resumption_of_one_that_failed() -> None:
    well = {"event": "run-ended", "n": 1, "status": "succeeded", "session_id": "s-1"}
    told = told_by(
        TAKEN,
        ACCEPTED,
        intended(1, 1),
        well,
        {"event": "step-gathered", "step": MAIN},
        {**intended(2, 1, resumes=True), "round": 1},
        {**FAILED, "n": 2},
        AGAIN,
        {**intended(3, 2, resumes=True), "round": 1},
    )

    assert told.history.steps[MAIN].resumes == 1


def test_a_start_that_did_not_count_gives_its_attempt_back() -> None:
    refused = {
        "event": "run-ended",
        "n": 2,
        "status": "failed",
        "reason": "bad-launch",
        "resume_refused": True,
    }
    told = told_by(
        TAKEN,
        ACCEPTED,
        intended(1, 1),
        FAILED,
        AGAIN,
        intended(2, 2, resumes=True),
        refused,
        AGAIN | {"same_attempt": True},
    )

    assert told.history.steps[MAIN].attempt == 1


def test_since_when_a_plan_was_parked_is_known_while_it_is_tried_again() -> None:
    parked = AGAIN | {
        "same_attempt": True,
        "parked_since": 100.0,
        "parked_until": 160.0,
        "parked_untold": True,
    }
    waits = told_by(TAKEN, ACCEPTED, intended(1, 1), FAILED, parked).history.steps[MAIN]
    tried = told_by(TAKEN, ACCEPTED, intended(1, 1), FAILED, parked, intended(2, 1)).history.steps[MAIN]

    assert (waits.parked_since, waits.parked_until, waits.parked_untold) == (100.0, 160.0, True)
    assert (tried.parked_since, tried.parked_since_before) == (None, 100.0)


def test_a_cancel_is_remembered_with_its_reason() -> None:
    assert told_by(TAKEN, ACCEPTED, {"event": "cancel-asked", "why": "enough"}).history.cancelled == "enough"
    assert told_by(TAKEN, ACCEPTED, {"event": "cancel-asked"}).history.cancelled == ""


def test_a_decided_ending_is_published_and_nothing_else() -> None:
    settling = {"event": "settling", "status": "failed", "reason": "workspace", "message": "no commit"}
    told = told_by(TAKEN, ACCEPTED, intended(1, 1), settling)

    assert told.is_settling
    assert told.history.ending == Ending(Status.FAILED, Reason.WORKSPACE, "no commit")
    assert not told.history.in_hand


def test_a_refused_plan_and_a_duplicate_end_as_such() -> None:
    refused = told_by(TAKEN, {"event": "refused", "reason": "invalid", "errors": []})
    duplicate = told_by(TAKEN, {"event": "duplicate", "duplicate_of": "first"})

    assert refused.history.ending == Ending(Status.REJECTED, Reason.INVALID)
    assert duplicate.history.ending == Ending(Status.DUPLICATE, Reason.DUPLICATE)


def test_events_of_a_newer_version_are_passed_over() -> None:
    assert told_by(TAKEN, ACCEPTED, {"event": "frobnicated"}).sequence == 3
