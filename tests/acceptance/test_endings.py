"""How runs end, and what follows: the reason, further attempts, what is told of them, and what is told to nobody."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.acceptance.stage import (
    AGENT,
    as_toml,
    drop_plan,
    entries,
    give,
    is_alive,
    runs_now,
    starts,
    waits_for,
)
from tests.serving import Serving, a_repository
from tests.waiting import wait_until

ONCE = {"attempts": 1}
ENDINGS = {
    "timed-out": ("[say hi] [child 600] [block]", {"limits": {"timeout": "1s", "attempts": 1}}, "timeout"),
    "silent": ("[say hi] [detach 600] [block]", {"limits": ONCE}, "silence"),
    "mute": ("[mute]", {"limits": ONCE}, "silence"),
    "hungry": ("[eat 150] [block]", {"limits": {"memory": "80MiB", "attempts": 1}}, "memory"),
    "no-result": ("[no-result]", {}, "no-output"),
    "torn": ('[no-result] [torn {"type":"resu]', {}, "no-output"),
    "stillborn": ("[stillborn]", {}, "bad-launch"),
    "shot": ("[say hi] [no-result] [signal 9]", {"limits": {"on_interrupt": "stop"}}, "interrupted"),
    "shot-once": ("[say hi] [no-result] [signal 9]", {"limits": ONCE}, "interrupted"),
    "failed": ("[fail Overloaded]", {"limits": ONCE}, "api"),
    "idle": ("[say nothing to do]", {"accept": {"changes": "expected"}}, "no-changes"),
    "busy": ("[write a.txt b]", {"accept": {"changes": "forbidden"}}, "check-failed"),
}  # fmt: skip


def test_every_way_in_which_a_run_can_end_has_its_reason_and_leaves_no_process(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="6", LIMITS__SILENCE="2s", LIMITS__FIRST_EVENT="2s")
    for plan, (prompt, fields, _) in ENDINGS.items():
        drop_plan(here, plan, project, prompt, **fields)

    for plan, (_, _, reason) in ENDINGS.items():
        result = here.result(plan)
        assert (plan, result["status"], result.get("reason")) == (plan, "failed", reason)
        assert result["steps"][0]["attempts"] == 1
        assert len(starts(here, plan)) == 1
        assert result["summary"]
    assert here.result("hungry")["usage"]["peak_memory_bytes"] > 80 << 20
    assert not any(is_alive(one.pid) for one in entries(here))
    wait_until(lambda: not here.processes(), 5, "every process to be gone")


def test_what_may_pass_is_tried_again_in_the_same_session_and_nothing_is_counted_twice(
    here: Serving, project: Path
) -> None:
    here.start(LIMITS__MAX_PARALLEL="4")
    drop_plan(here, "slow", project, "[write first.txt x] [block]", limits={"timeout": "1s", "attempts": 2})
    drop_plan(here, "overloaded", project, "[fail Overloaded]")
    drop_plan(here, "shot", project, "[again] [say hi] [no-result] [signal 9]", limits={"attempts": 2})

    for plan in ("slow", "overloaded"):
        result = here.result(plan)
        assert (result["status"], result["steps"][0]["attempts"]) == ("succeeded", 2)
        intended = [record for record in here.journal(plan) if record["event"] == "run-intended"]
        assert [record["resumes"] for record in intended] == [False, True]
        assert len({record["session_id"] for record in intended}) == 1
        assert result["steps"][0]["log"].endswith("runs/main.2/events.jsonl")
    assert here.result("slow")["changes"]["files_changed"] == 1
    shot = here.result("shot")
    assert (shot["status"], shot["reason"], shot["steps"][0]["attempts"]) == ("failed", "interrupted", 2)
    assert len(starts(here, "shot")) == 2


def test_a_secret_that_a_run_was_given_is_written_nowhere_under_the_root_nor_into_the_log(
    here: Serving, project: Path
) -> None:
    secret = "sk-ant-canary-0123456789abcdef"
    here.environ |= {"ANTHROPIC_API_KEY": secret, "FAKE_TOKEN": "canary-two-9876543210"}
    here.start()
    told = "[tell ANTHROPIC_API_KEY] [tell FAKE_TOKEN] [say done]"
    drop_plan(here, "teller", project, told + " [environment env.txt]", workspace={"keep": "never"})
    drop_plan(here, "failing", project, told + " [no-result] [exit 2]")

    assert here.result("teller")["status"] == "succeeded"
    assert here.result("failing")["reason"] == "no-output"
    assert here.stop() == 0
    files = [path for path in here.root.path.rglob("*") if path.is_file()]
    files += [path for path in (here.home / "state").rglob("*.log*") if path.is_file()]
    assert len(files) > 20
    for path in [*files, here.log]:
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert b"canary-two-9876543210" not in content, path
    patch = here.root.path / here.result("teller")["changes"]["patch"]
    assert b"[secret:ANTHROPIC_API_KEY]" in patch.read_bytes()
    log = here.root.path / here.result("failing")["steps"][0]["log"]
    assert b"[secret:FAKE_TOKEN]" in log.read_bytes()


def test_without_a_claude_plans_wait_and_go_on_by_themselves_when_it_is_back(
    here: Serving, tmp_path: Path
) -> None:
    project = a_repository(tmp_path / "project")
    claude = tmp_path / "bin" / "claude"
    here.environ["ORCHESTRD_CLAUDE"] = str(claude)
    here.start(LANES__SCAN_SECONDS="1", LIMITS__MAX_PARALLEL="1")
    drop_plan(here, "patient", project)

    wait_until(lambda: waits_for(here, "patient") == "claude", 10, "the plan to wait for claude")
    [problem] = here.status("daemon")["problems"]
    assert problem["word"] == "claude"
    assert problem["message"]
    assert problem["remedy"]
    claude.parent.mkdir()
    shim = tmp_path / "shim"
    shim.write_text(f'#!/bin/sh\nexec "{AGENT}" "$@"\n')
    shim.chmod(0o755)
    shutil.move(shim, claude)

    assert here.result("patient", 10)["status"] == "succeeded"
    wait_until(lambda: not here.status("daemon").get("problems"), 5, "the problem to be over")
    assert runs_now(here, "patient").start == "main.1"
    # It goes while a plan runs: the next one has its slot before anybody has looked.
    gate = tmp_path / "gate"
    drop_plan(here, "running", project, f"[await {gate}]")
    drop_plan(here, "next", project)
    drop_plan(here, "after-that", project)
    runs_now(here, "running")
    claude.rename(shim)
    gate.touch()
    assert here.result("running")["status"] == "succeeded"
    wait_until(lambda: here.status("daemon").get("problems"), 5, "the problem to be shown")
    assert give(here, "end", action="cancel", plan="after-that")["outcome"] == "done"
    assert here.result("after-that")["status"] == "cancelled"
    shim.rename(claude)

    assert here.result("next", 15)["status"] == "succeeded"
    assert len(starts(here, "next")) == 1


def test_a_command_has_the_limits_of_its_own_step(here: Serving, project: Path) -> None:
    here.start()
    eats = "import time; eaten = bytearray(150 << 20); time.sleep(600)"
    for plan, argv, limits in (
        ("slow", ["sleep", "600"], {"timeout": "1s"}),
        ("hungry", [sys.executable, "-c", eats], {"memory": "80MiB"}),
    ):
        step = {"id": "test", "run": argv, "limits": {"attempts": 1, **limits}}
        after = {"id": "after", "run": ["true"], "needs": ["test"]}
        here.drop(f"{plan}.toml", as_toml({"handoff": 1, "project": str(project), "steps": [step, after]}))

    for plan, reason in (("slow", "timeout"), ("hungry", "memory")):
        result = here.result(plan)
        assert (plan, result["status"], result["reason"]) == (plan, "failed", reason)
        assert [one["id"] for one in result["steps"] if one["status"] == "failed"] == ["test"]
