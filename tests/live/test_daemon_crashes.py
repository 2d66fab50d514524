"""What a crash, an order or a trouble that passes makes of a real run: followed, resumed, stopped, tried again."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.live.real import MAY_ALL, MAY_WRITE, Live, await_kept_turn, bash, conversation, git, live, write
from tests.waiting import wait_until

DETACH = bash("setsid -f python3 -c 'import time; time.sleep(90)' && echo detached")
EQUAL = (
    "\nusage = { input_tokens = 1000, output_tokens = 100,"
    " cache_read_input_tokens = 0, cache_creation_input_tokens = 0 }"
)
SLOW = 'text = "Done after a while."\nslow = { first_byte_seconds = 5 }'


def test_a_run_outlives_its_daemon_and_is_followed_by_the_next_one(
    claude_binary: Path, project: Path, tmp_path: Path
):
    script = conversation("", DETACH, write("new.txt"), SLOW)
    with live(tmp_path / "live", claude_binary, script) as there:
        there.submit("outlives", project, "Go on", permissions=MAY_ALL)
        there.await_request("Go on", 3)
        assert works_on(there, "time.sleep(90)")

        there.here.kill()
        there.here.start()
        assert there.here.stop() == 0, "an orderly end leaves the run alone too"
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
        await_kept_turn(there.here, "dies")

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
        wait_until(lambda: works_on(there, "while :"), 10, "the loop")

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
    troubles = {
        "broken": ("error = { status = 500, times = 1 }", "api"),
        "overloaded": ("error = { status = 529, times = 1 }", "api"),
        "silent": ("stall = { times = 1 }", "silence"),
    }
    script = "".join(
        conversation(f"Try {name}", write("new.txt") + EQUAL, f'text = "Through."{EQUAL}\n{trouble}')
        for name, (trouble, _) in troubles.items()
    )
    settings = {"LIMITS__API_RETRIES": "0", "LIMITS__MAX_PARALLEL": "3", "LIMITS__SILENCE": "6s"}
    with live(tmp_path / "live", claude_binary, script, **settings) as there:
        for name in troubles:
            there.submit(name, project, f"Try {name}", permissions=MAY_WRITE)
        results = {name: there.result(name) for name in troubles}
        ends = {
            name: [record for record in there.here.journal(name) if record["event"] == "run-ended"]
            for name in troubles
        }
        asked = {name: there.asked(f"Try {name}") for name in troubles}

    for name, (_, reason) in troubles.items():
        result, (first, second), requests = results[name], ends[name], asked[name]
        usage = result["usage"]
        assert (result["status"], result["steps"][0]["attempts"], result["summary"]) == (
            "succeeded",
            2,
            "Through.",
        )
        assert (first["status"], first["reason"], first["retry"]) == ("failed", reason, True)
        assert (second["status"], second["session_id"]) == ("succeeded", first["session_id"])
        assert [request.turn for request in requests] == [0, 1, 1], (
            "the second start knows the first one's turn"
        )
        assert 1.9 < requests[2].time - requests[1].time < 25
        for field in ("turns", "cpu_seconds", "wall_seconds"):
            assert usage[field] == pytest.approx(first[field] + second[field]), field
        assert usage["input_tokens"] == 2000
        assert first["cost_usd"] == pytest.approx(second["cost_usd"]) != 0, (
            "each of two equal turns is paid once"
        )
        assert usage["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"])


def works_on(there: Live, words: str) -> bool:
    """Whether a process of a run, whoever its parent is, has these words in its command line."""
    for pid in there.here.processes():
        try:
            if words in " ".join(psutil.Process(pid).cmdline()):
                return True
        except psutil.Error:
            continue
    return False
