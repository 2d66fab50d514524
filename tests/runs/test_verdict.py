"""Every ending of a run, as real Claude Code of two versions told it, and the word that it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handoff.result import Reason, Status
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.verdict import Outcome, judge

RECORDED = Path(__file__).parent / "recorded"
NEWEST, OLDEST = "2.1.331", "2.1.59"


def facts_of(name: str, version: str) -> StreamFacts:
    facts = StreamFacts()
    for line in (RECORDED / f"{name}.{version}.jsonl").read_bytes().splitlines():
        facts.feed(line)
    return facts


def an_exit(why: str = "ended", **fields: Any) -> dict[str, Any]:
    return {"why": why, "exit_code": None, "signal": None, "saw_result": False, **fields}


# What the processes of the recorded streams exited with, and the word for what became of them; None: it succeeded.
ENDINGS = [
    ("success", NEWEST, 0, None),
    ("success", OLDEST, 0, None),
    ("resumed", NEWEST, 0, None),
    ("resumed", OLDEST, 0, None),
    ("subagent", NEWEST, 0, None),
    ("denied", NEWEST, 0, None),
    ("denied", OLDEST, 0, None),
    ("max-turns", NEWEST, 1, Reason.MAX_TURNS),
    ("max-turns", OLDEST, 0, Reason.MAX_TURNS),
    ("budget", NEWEST, 1, Reason.BUDGET),
    ("budget", OLDEST, 0, Reason.BUDGET),
    ("auth", NEWEST, 1, Reason.AUTH),
    ("auth", OLDEST, 1, Reason.AUTH),
    ("forbidden", NEWEST, 1, Reason.AUTH),
    ("forbidden", OLDEST, 1, Reason.AUTH),
    ("no-key", NEWEST, 1, Reason.AUTH),
    ("no-key", OLDEST, 1, Reason.AUTH),
    ("billing", NEWEST, 1, Reason.BILLING),
    ("billing", OLDEST, 1, Reason.BILLING),
    ("usage-limit", NEWEST, 1, Reason.USAGE_LIMIT),
    ("usage-limit", OLDEST, 1, Reason.USAGE_LIMIT),
    ("rate-limit", NEWEST, 1, Reason.API),
    ("rate-limit", OLDEST, 1, Reason.API),
    ("overloaded", NEWEST, 1, Reason.API),
    ("overloaded", OLDEST, 1, Reason.API),
    ("server-error", NEWEST, 1, Reason.API),
    ("server-error", OLDEST, 1, Reason.API),
    ("refused-connection", NEWEST, 1, Reason.API),
    ("refused-connection", OLDEST, 1, Reason.API),
    ("malformed", NEWEST, 1, Reason.API),
    ("malformed", OLDEST, 0, Reason.API),
    ("unknown-model", NEWEST, 1, Reason.API),
    ("unknown-model", OLDEST, 1, Reason.API),
    ("max-tokens", NEWEST, 1, Reason.MAX_TOKENS),
    ("max-tokens", OLDEST, 1, Reason.MAX_TOKENS),
    ("prompt-too-long", NEWEST, 1, Reason.MAX_TOKENS),
    ("prompt-too-long", OLDEST, 1, Reason.MAX_TOKENS),
    ("refusal", NEWEST, 1, Reason.REFUSAL),
    ("refusal", OLDEST, 1, Reason.REFUSAL),
    ("hook-stopped", NEWEST, 0, Reason.NO_OUTPUT),
    ("hook-stopped", OLDEST, 0, Reason.NO_OUTPUT),
    ("sigint", NEWEST, 0, Reason.INTERRUPTED),
]


@pytest.mark.parametrize("name, version, exit_code, reason", ENDINGS)
def test_each_ending_of_a_process_gets_its_word(
    name: str, version: str, exit_code: int, reason: Reason | None
):
    outcome = judge(facts_of(name, version), an_exit(exit_code=exit_code, saw_result=True))

    assert outcome.reason is reason
    assert outcome.status is (Status.SUCCEEDED if reason is None else Status.FAILED)
    assert outcome.summary


@pytest.mark.parametrize("name, version, exit_code, reason", ENDINGS)
def test_only_what_may_pass_is_tried_again(name: str, version: str, exit_code: int, reason: Reason | None):
    outcome = judge(facts_of(name, version), an_exit(exit_code=exit_code, saw_result=True))

    may_pass = reason in (Reason.API, Reason.INTERRUPTED) and name != "unknown-model"
    assert outcome.retry is may_pass


@pytest.mark.parametrize("name", ["sigterm", "sigkill"])
@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_a_run_that_a_foreign_signal_ended_was_interrupted_and_can_be_resumed(name: str, version: str):
    # The newest catches SIGTERM and exits with 143; 2.1.59 dies of it.
    caught = name == "sigterm" and version == NEWEST
    exit_record = an_exit(exit_code=143) if caught else an_exit(signal=15 if name == "sigterm" else 9)

    outcome = judge(facts_of(name, version), exit_record)

    assert (outcome.reason, outcome.retry, outcome.resumable) == (Reason.INTERRUPTED, True, True)


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_a_session_that_is_not_there_is_refused_and_not_resumable(version: str):
    outcome = judge(facts_of("bad-resume", version), an_exit(exit_code=1, saw_result=True))

    assert outcome.resume_refused
    assert not outcome.resumable
    assert "No conversation found" in outcome.summary


def test_a_session_in_use_is_refused_too():
    said = "Error: Session ID 11111111-1111-4111-8111-111111111111 is already in use."

    outcome = judge(StreamFacts(), an_exit(exit_code=1), stderr_tail=said)

    assert outcome.resume_refused
    assert outcome.reason is Reason.BAD_LAUNCH


@pytest.mark.parametrize(
    "why, reason, retry",
    [
        ("timeout", Reason.TIMEOUT, True),
        ("silence", Reason.SILENCE, True),
        ("first-event", Reason.SILENCE, True),
        ("memory", Reason.MEMORY, False),
        ("interrupted", Reason.INTERRUPTED, True),
    ],
)
def test_what_the_runner_stopped_is_called_by_the_limit_that_it_met(why: str, reason: Reason, *, retry: bool):
    outcome = judge(facts_of("sigterm", NEWEST), an_exit(why, exit_code=143))

    assert (outcome.status, outcome.reason, outcome.retry) == (Status.FAILED, reason, retry)


def test_a_cancelled_run_is_cancelled():
    outcome = judge(facts_of("sigterm", NEWEST), an_exit("stopped", exit_code=143))

    assert (outcome.status, outcome.reason, outcome.retry) == (Status.CANCELLED, Reason.CANCELLED, False)


@pytest.mark.parametrize("why", ["lingered", "timeout", "silence", "interrupted"])
def test_a_run_that_was_stopped_after_its_whole_result_has_succeeded(why: str):
    outcome = judge(facts_of("success", NEWEST), an_exit(why, exit_code=143, saw_result=True))

    assert outcome.status is Status.SUCCEEDED


def test_a_result_that_a_further_turn_followed_does_not_stand():
    facts = facts_of("success", NEWEST)
    facts.feed(
        b'{"type":"assistant","message":{"id":"m","model":"x","content":[{"type":"text","text":"And"}]}}'
    )

    outcome = judge(facts, an_exit("timeout", exit_code=143, saw_result=True))

    assert outcome.reason is Reason.TIMEOUT
    assert "And" in outcome.summary


def test_a_run_whose_runner_died_was_interrupted():
    outcome = judge(facts_of("sigkill", NEWEST), {})

    assert (outcome.reason, outcome.retry) == (Reason.INTERRUPTED, True)


def test_a_whole_result_stands_although_the_runner_died():
    outcome = judge(facts_of("success", NEWEST), {})

    assert outcome.status is Status.SUCCEEDED


def test_no_event_at_all_is_a_bad_launch_with_what_was_said_on_standard_error():
    said = "error: unknown option '--nonsense'\n"

    outcome = judge(StreamFacts(), an_exit(exit_code=1), stderr_tail=said)

    assert (outcome.reason, outcome.retry, outcome.resumable) == (Reason.BAD_LAUNCH, False, False)
    assert "--nonsense" in outcome.summary


def test_a_program_that_does_not_start_is_a_bad_launch():
    outcome = judge(StreamFacts(), an_exit("bad-launch", message="claude: No such file or directory"))

    assert outcome.reason is Reason.BAD_LAUNCH
    assert "No such file" in outcome.summary


def test_bypass_as_root_says_what_to_do():
    said = "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons"

    outcome = judge(StreamFacts(), an_exit(exit_code=1), stderr_tail=said)

    assert "IS_SANDBOX" in outcome.summary
    assert "env_pass" in outcome.summary


def test_events_without_a_result_are_no_output():
    outcome = judge(facts_of("sigterm", NEWEST), an_exit(exit_code=0))

    assert (outcome.reason, outcome.retry) == (Reason.NO_OUTPUT, False)


def test_a_usage_limit_says_when_it_is_over():
    outcomes = [
        judge(facts_of("usage-limit", version), an_exit(exit_code=1, saw_result=True))
        for version in (NEWEST, OLDEST)
    ]

    assert [outcome.limit_resets_at for outcome in outcomes] == [4102444800.0, 4102444800.0]


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_a_structured_output_that_was_given_succeeds(version: str):
    outcome = judge(
        facts_of("schema-given", version), an_exit(exit_code=0, saw_result=True), schema_wanted=True
    )

    assert outcome.status is Status.SUCCEEDED


def test_a_structured_output_that_was_not_given_fails_although_all_else_says_success():
    outcome = judge(
        facts_of("schema-missing", NEWEST), an_exit(exit_code=0, saw_result=True), schema_wanted=True
    )

    assert outcome.reason is Reason.SCHEMA


def test_no_prefix_of_a_stream_is_taken_for_a_success():
    lines = (RECORDED / f"success.{NEWEST}.jsonl").read_bytes().splitlines()
    verdicts: list[Outcome] = []
    for length in range(len(lines)):
        facts = StreamFacts()
        for line in lines[:length]:
            facts.feed(line)
        verdicts.append(judge(facts, an_exit(exit_code=0)))

    assert all(outcome.status is Status.FAILED for outcome in verdicts)
