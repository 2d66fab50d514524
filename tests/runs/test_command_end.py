"""What became of a command, without running one: the words for each ending, and what goes into the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handoff.result import Reason, Status
from orchestrd.core.history import outcome_of
from orchestrd.runs.command_end import command_fields, judge_command
from orchestrd.runs.command_words import how_it_ended, shown

COMMAND = ("make", "test")


def an_exit(why: str = "ended", **fields: Any) -> dict[str, Any]:
    return {
        "why": why,
        "exit_code": None,
        "signal": None,
        "wall_seconds": 3.14,
        "saw_result": False,
        **fields,
    }


# exit.json, the reason, whether it may be tried again, the exit code as shells say it, how it ended
ENDINGS = [
    (an_exit(exit_code=0), None, False, 0, "exit code 0"),
    (an_exit(exit_code=2), Reason.COMMAND_FAILED, False, 2, "exit code 2"),
    # A shell's word for a child that was killed: nobody knows by whom.
    (an_exit(exit_code=143), Reason.COMMAND_FAILED, False, 143, "exit code 143"),
    (an_exit(signal=6), Reason.COMMAND_FAILED, False, 134, "signal 6 (SIGABRT)"),
    (an_exit(signal=15), Reason.INTERRUPTED, True, 143, "signal 15 (SIGTERM)"),
    (an_exit(signal=9), Reason.INTERRUPTED, True, 137, "signal 9 (SIGKILL)"),
    (an_exit("timeout", signal=15), Reason.TIMEOUT, False, 143, "stopped: timeout"),
    (an_exit("timeout", exit_code=0), Reason.TIMEOUT, False, 0, "stopped: timeout"),
    (an_exit("memory", signal=9), Reason.MEMORY, False, 137, "stopped: memory"),
    (an_exit("silence", signal=15), Reason.SILENCE, False, 143, "stopped: silence"),
    (an_exit("interrupted", signal=15), Reason.INTERRUPTED, True, 143, "interrupted"),
    (an_exit("stopped", signal=15), Reason.CANCELLED, False, 143, "stopped"),
    (an_exit("bad-launch"), Reason.COMMAND_FAILED, False, 127, "could not be started"),
    ({}, Reason.INTERRUPTED, True, None, "died"),
]


@pytest.mark.parametrize(("end", "reason", "retry", "code", "ending"), ENDINGS)
def test_every_ending_has_its_word(
    tmp_path: Path, end: dict[str, Any], reason: Reason | None, retry: bool, code: int | None, ending: str
) -> None:
    judged = judge_command(tmp_path, end, COMMAND)

    assert (judged.outcome.reason, judged.outcome.retry) == (reason, retry)
    assert (judged.exit_code, judged.ending) == (code, ending)
    expected = Status.SUCCEEDED if reason is None else Status.FAILED
    assert judged.outcome.status is (Status.CANCELLED if reason is Reason.CANCELLED else expected)
    assert judged.outcome.summary.startswith(f"`make test`: {ending}")
    assert not judged.outcome.resumable


def test_of_one_that_said_nothing_that_is_said(tmp_path: Path) -> None:
    end = judge_command(tmp_path, an_exit(exit_code=1), COMMAND)

    assert end.outcome.summary == "`make test`: exit code 1 after 3.1 s.\nIt said nothing."


def test_the_record_of_its_end_is_what_the_engine_and_the_result_are_made_of(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").write_text("one\n")
    exit_record = an_exit(exit_code=2, cpu_seconds=1.5, peak_memory_bytes=7, first_output_seconds=0.1)

    record = command_fields(judge_command(tmp_path, exit_record, COMMAND), exit_record)

    assert record == {
        "status": "failed",
        "reason": "command-failed",
        "retry": False,
        "summary": "`make test`: exit code 2 after 3.1 s.\nIts last words:\none",
        "exit_code": 2,
        "output_tail": "one",
        "cost_usd": 0.0,
        "wall_seconds": 3.14,
        "cpu_seconds": 1.5,
        "peak_memory_bytes": 7,
        "first_output_seconds": 0.1,
        "log": "stdout.log",
    }
    outcome = outcome_of(record)
    assert (outcome.succeeded, outcome.reason, outcome.session) == (False, Reason.COMMAND_FAILED, None)


def test_a_record_of_one_that_never_began_names_no_log(tmp_path: Path) -> None:
    assert "log" not in command_fields(judge_command(tmp_path, {}, COMMAND), {}, has_log=False)


def test_a_command_is_shown_as_one_would_type_it_in_one_line() -> None:
    assert shown(("sh", "-c", "a b\nc")) == "sh -c 'a b\\nc'"
    long = shown(("x" * 1000,))
    assert len(long) < 250
    assert "1,000 characters" in long


def test_a_signal_that_has_no_name_is_told_by_its_number() -> None:
    assert how_it_ended(an_exit(signal=99)) == ("signal 99 (unknown)", "")
