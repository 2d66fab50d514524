"""What a crash, an order or a trouble that passes makes of a real run: followed, resumed, stopped, tried again."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.live.real import MAY_ALL, MAY_WRITE, bash, conversation, git, live, write
from tests.waiting import wait_until

DETACH = bash("setsid -f python3 -c 'import time; time.sleep(90)' && echo detached")
EQUAL = (
    "\nusage = { input_tokens = 1000, output_tokens = 100,"
    " cache_read_input_tokens = 0, cache_creation_input_tokens = 0 }"
)
SLOW = 'text = "Done after a while."\nslow = { first_byte_seconds = 4 }'


def test_a_run_outlives_its_daemon_and_is_followed_by_the_next_one(
    claude_binary: Path, project: Path, tmp_path: Path
):
    script = conversation("", DETACH, write("new.txt"), SLOW)
    with live(tmp_path / "live", claude_binary, script) as there:
        there.submit("outlives", project, "Go on", permissions=MAY_ALL)
        there.await_request("Go on", 3)
        runner = there.runner("outlives")
        assert any(
            "time.sleep(90)" in " ".join(process.cmdline()) for process in runner.children(recursive=True)
        )

        there.here.kill()
        there.here.start()
        result = there.result("outlives")

        assert (result["status"], result["steps"][0]["attempts"]) == ("succeeded", 1)
        assert (result["summary"], result["payer"]) == ("Done after a while.", "api-key")
        assert git(project, "show", "handoff/outlives:new.txt") == "made by the run"
        assert len(there.asked("Go on")) == 3
        assert [record["event"] for record in there.here.journal("outlives")].count("run-started") == 1
        there.await_nothing_left()


def test_a_run_that_died_with_its_daemon_is_resumed_where_it_stood(
    claude_binary: Path, project: Path, tmp_path: Path
):
    turns = (write("new.txt") + EQUAL, 'text = "Gone on."' + EQUAL + "\nstall = { times = 1 }")
    with live(tmp_path / "live", claude_binary, conversation("", *turns)) as there:
        there.submit("dies", project, "Work long", permissions=MAY_WRITE)
        there.await_request("Work long", 2)

        runner = there.runner("dies")
        agents = runner.children(recursive=True)
        there.here.kill()
        for process in (runner, *agents):
            process.kill()
        psutil.wait_procs(agents, 5)
        there.here.start()
        result = there.result("dies")

        last = there.asked("Work long")[-1]
        total = next(event for event in there.events("dies", 2) if event["type"] == "result")[
            "total_cost_usd"
        ]
        starts = [record for record in there.here.journal("dies") if record["event"] == "run-intended"]
    assert (result["status"], result["steps"][0]["attempts"], result["summary"]) == (
        "succeeded",
        2,
        "Gone on.",
    )
    assert len(starts) == 2
    assert len({start["session_id"] for start in starts}) == 1
    assert last.session == starts[0]["session_id"]
    assert last.turn == 1, "the resumed session knows the turn before the crash"
    assert len(last.prompts) == 2, "and is told to go on"
    assert git(project, "show", "handoff/dies:new.txt") == "made by the run"
    # What a process had spent that was killed by SIGKILL, Claude Code tells nobody; its tokens are in the stream.
    assert result["usage"]["cost_usd"] == pytest.approx(total)
    assert result["usage"]["input_tokens"] == 2000


def test_a_run_that_is_cancelled_is_gone_within_seconds_and_its_work_is_on_the_branch(
    claude_binary: Path, project: Path, tmp_path: Path
):
    script = conversation("", write("new.txt"), DETACH, bash("while :; do read -t 1 < /dev/zero; done"))
    with live(tmp_path / "live", claude_binary, script) as there:
        there.submit("cancelled", project, "Work", permissions=MAY_ALL)
        there.await_request("Work", 3)
        wait_until(lambda: works_on(there.runner("cancelled"), "while :"), 10, "the loop")

        assert there.command("cancel", "cancelled").returncode == 0
        there.await_nothing_left(5)
        result = there.result("cancelled")

        assert (result["status"], result["reason"]) == ("cancelled", "cancelled")
        assert git(project, "show", "handoff/cancelled:new.txt") == "made by the run"
        assert (result["changes"]["files_changed"], result["verdict"]) == (1, "changed")
        for name in ("cost_usd", "output_tokens", "cpu_seconds", "peak_memory_bytes"):
            assert result["usage"][name] > 0, name


def test_a_trouble_that_passes_costs_an_attempt_and_the_session_goes_on(
    claude_binary: Path, project: Path, tmp_path: Path
):
    statuses = (500, 529)
    script = "".join(
        conversation(
            f"Try {status}",
            write("new.txt") + EQUAL,
            f'text = "Through."{EQUAL}\nerror = {{ status = {status}, times = 1 }}',
        )
        for status in statuses
    )
    settings = {"LIMITS__API_RETRIES": "0", "LIMITS__MAX_PARALLEL": "2"}
    with live(tmp_path / "live", claude_binary, script, **settings) as there:
        for status in statuses:
            there.submit(f"again-{status}", project, f"Try {status}", permissions=MAY_WRITE)
        results = [there.result(f"again-{status}") for status in statuses]
        endings = [
            [record for record in there.here.journal(f"again-{status}") if record["event"] == "run-ended"]
            for status in statuses
        ]
        asked = [there.asked(f"Try {status}") for status in statuses]

    for result, ends, requests in zip(results, endings, asked, strict=True):
        usage = result["usage"]
        assert (result["status"], result["steps"][0]["attempts"], result["summary"]) == (
            "succeeded",
            2,
            "Through.",
        )
        assert [(end["status"], end.get("reason"), end["retry"]) for end in ends] == [
            ("failed", "api", True),
            ("succeeded", None, False),
        ]
        assert [request.turn for request in requests] == [0, 1, 1]
        assert 1.9 < requests[2].time - requests[1].time < 15
        for name in ("turns", "cpu_seconds", "wall_seconds"):
            assert usage[name] == pytest.approx(sum(end[name] for end in ends)), name
        assert (usage["input_tokens"], usage["output_tokens"]) == (2000, 200)
        assert ends[0]["cost_usd"] > 0
        assert usage["cost_usd"] == pytest.approx(2 * ends[0]["cost_usd"]), (
            "each of two equal turns is paid once"
        )


def works_on(runner: psutil.Process, words: str) -> bool:
    """Whether a process of this run has these words in its command line."""
    for process in runner.children(recursive=True):
        try:
            if words in " ".join(process.cmdline()):
                return True
        except psutil.Error:
            continue
    return False
