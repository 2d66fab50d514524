"""The table of endings: whatever goes wrong with a real run, its result says what it was, soon, and never success.

All plans of the table run at once: on a daemon with an API key and on four more, with a subscription's token, with no
credential, with an address where nobody listens, with an option that Claude Code does not know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrd.runs.remains import sampled_usage
from tests.live.conftest import find_binary
from tests.live.real import MAY_ALL, MAY_WRITE, Live, bash, conversation, live, write
from tests.serving import a_repository
from tests.waiting import wait_until

MOST_SECONDS = 30.0
"""From a plan's start to its result, however ill it went: far from the minutes of Claude Code's own retries."""
SILENCE, FIRST_EVENT = 8, 15
"""Seconds: long enough for a Claude Code that has to share two cores with four others."""
NEVER_ANSWERS = "import sys; sys.stdin.read()"
COSTLY = "usage = { output_tokens = 1000000 }"
STOPPING_HOOK = """import json; print(json.dumps({"continue": False, "stopReason": "enough"}))"""


@dataclass(frozen=True)
class Case:
    """One ending: the plan, what the model does, and what is expected of the result."""

    name: str
    turns: tuple[str, ...]
    status: str
    reason: str | None
    requests: tuple[int, int]
    """How often the model is asked: at least, at most."""
    says: str = ""
    """Words of the summary."""
    daemon: str = "key"
    plan: Mapping[str, Any] = field(default_factory=dict)
    project: str = "project"
    repeat_last: bool = False
    meddle: Callable[[Live, str], None] | None = None
    """What is done to the run from outside once the model was asked."""


def kill_claude(there: Live, plan: str) -> None:
    """SIGKILL of Claude Code, as the kernel does it when memory runs out."""
    for process in there.runner(plan).children():
        process.kill()


def kill_runner(there: Live, plan: str) -> None:
    """SIGKILL of the runner beside it, once a sample was taken: what nobody measured, nobody can tell."""
    folder = there.here.plan_folder(plan)
    wait_until(lambda: sampled_usage(folder, "main", 1).get("cpu_seconds"), 20, f"a sample of {plan}")
    there.runner(plan).kill()


def interrupt_claude(there: Live, plan: str) -> None:
    """SIGINT, to which Claude Code exits with 0."""
    for process in there.runner(plan).children():
        process.send_signal(2)


CASES = (
    Case("success", (write("new.txt"), 'text = "Written."'), "succeeded", None, (2, 2), "Written."),
    Case("key-refused", ("error = { status = 401 }",), "failed", "auth", (1, 3), "Invalid API key"),
    Case("forbidden", ("error = { status = 403 }",), "failed", "auth", (1, 1)),
    Case("no-credit", ("error = { status = 400, message = 'Your credit balance is too low' }",), "failed", "billing",
         (1, 1), "Credit balance"),
    Case("too-many", ("error = { status = 429 }",), "failed", "api", (1, 3), "rate limit"),
    Case("overloaded", ("error = { status = 529 }",), "failed", "api", (1, 3), "Overloaded"),
    Case("broken-server", ("error = { status = 500 }",), "failed", "api", (1, 3), "500 Internal server error"),
    Case("no-such-model", ("error = { status = 404 }",), "failed", "api", (1, 2)),
    Case("hung-up", ("hang_up = {}",), "failed", "api", (1, 3), "ECONNRESET"),
    Case("stream-malformed", ("malformed = { how = 'sse' }",), "failed", "api", (1, 6), "JSON"),
    Case("stream-html", ("malformed = { how = 'html' }",), "failed", "api", (1, 6), "HTML"),
    Case("stream-cut", ("cut = { after_events = 4 }",), "failed", "api", (1, 6), "Connection"),
    Case("out-of-time", (bash("while :; do read -t 1 < /dev/zero; done"),), "failed", "timeout", (0, 1),
         "limits.timeout", plan={"limits": {"timeout": "4s"}, "permissions": MAY_ALL}),
    Case("falls-silent", (write("new.txt"), "stall = {}"), "failed", "silence", (2, 2), plan={"priority": 90}),
    Case("never-begins", ('text = "x"',), "failed", "silence", (0, 0),
         plan={"priority": 90, "mcp": {"deaf": {"command": sys.executable, "args": ["-c", NEVER_ANSWERS]}}}),
    Case("out-of-turns", (bash("true"),), "failed", "max-turns", (2, 3), repeat_last=True,
         plan={"limits": {"max_turns": 2}, "permissions": MAY_ALL}),
    Case("out-of-money", (bash("true") + "\n" + COSTLY,), "failed", "budget", (1, 2), repeat_last=True,
         plan={"limits": {"max_usd": 0.5}, "permissions": MAY_ALL}),
    Case("out-of-memory", ("stall = {}",), "failed", "memory", (0, 1), plan={"limits": {"memory": "60MiB"}}),
    Case("denied-and-needed", (write("new.txt"), 'text = "I may not."'), "failed", "permission", (2, 2),
         plan={"accept": {"changes": "expected"}, "permissions": {"mode": "default"}}),
    Case("denied-and-idle", (write("new.txt"), 'text = "I may not."'), "succeeded", None, (2, 2), "I may not.",
         plan={"permissions": {"mode": "default"}}),
    Case("claims-only", ('text = "All is written."',), "failed", "no-changes", (1, 1), "All is written.",
         plan={"accept": {"changes": "expected"}}),
    Case("model-refuses", ('stop_reason = "refusal"',), "failed", "refusal", (1, 3), "safeguards"),
    Case("too-long", ('text = "and"\nstop_reason = "max_tokens"',), "failed", "max-tokens", (1, 6), repeat_last=True),
    Case("project-missing", ('text = "x"',), "rejected", "invalid", (0, 0), project="nowhere"),
    Case("claude-killed", ("stall = {}",), "failed", "interrupted", (1, 1), "signal 9", meddle=kill_claude),
    Case("claude-interrupted", ("stall = {}",), "failed", "interrupted", (1, 1), meddle=interrupt_claude),
    Case("runner-killed", ("stall = {}",), "failed", "interrupted", (1, 1), meddle=kill_runner),
    Case("stopped-by-a-hook", (write("new.txt"), 'text = "x"'), "failed", "no-output", (1, 1), project="trusted"),
    Case("usage-limit", ("usage_limit = { resets_in_seconds = 7200 }",), "failed", "usage-limit", (1, 1),
         "max_parked", daemon="limited"),
    Case("token-refused", ("error = { status = 401 }",), "failed", "auth", (1, 4), "Not logged in", daemon="token"),
    Case("overloaded-subscription", ("error = { status = 529 }",), "failed", "api", (1, 3), daemon="token"),
    Case("not-logged-in", ('text = "x"',), "failed", "auth", (0, 0), "Not logged in", daemon="nobody"),
    Case("connection-refused", (), "failed", "api", (0, 0), "ECONNREFUSED", daemon="deaf"),
    Case("not-startable", (), "failed", "bad-launch", (0, 0), "unknown option", daemon="misconfigured"),
)  # fmt: skip

DAEMONS: Mapping[str, Mapping[str, Any]] = {
    "key": {"LIMITS__MAX_PARALLEL": "5"},
    "token": {"credential": "token"},
    # Its plans wait for a limit that lasts longer than anybody wants to.
    "limited": {"credential": "token", "LIMITS__MAX_PARKED": "1s"},
    "nobody": {"credential": None},
    "deaf": {},
    "misconfigured": {"CLAUDE__ARGS": '["--no-such-option"]'},
}


@dataclass(frozen=True)
class Became:
    """What became of a case's plan."""

    result: Mapping[str, Any]
    requests: int
    seconds: float


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Became]]:
    """Run the whole table; what became of each case by its name."""
    binary = find_binary()
    if binary is None:
        pytest.skip("no Claude Code on this machine")
    folder = tmp_path_factory.mktemp("endings")
    a_repository(folder / "project")
    trusted = a_repository(folder / "trusted")
    (trusted / ".claude").mkdir()
    hook = {"type": "command", "command": f"{sys.executable} -c '{STOPPING_HOOK}'"}
    settings = {"hooks": {"PostToolUse": [{"matcher": "Write", "hooks": [hook]}]}}
    (trusted / ".claude/settings.json").write_text(json.dumps(settings))
    with ExitStack() as stack:
        daemons = {name: stack.enter_context(_daemon(folder / name, binary, name)) for name in DAEMONS}
        assert daemons["key"].command("trust", str(trusted)).returncode == 0
        for case in CASES:
            given = {"permissions": MAY_WRITE, **case.plan}
            daemons[case.daemon].submit(case.name, folder / case.project, f"Case {case.name}.", **given)
        _meddle(daemons)
        yield {case.name: _became(daemons[case.daemon], case) for case in CASES}


def _daemon(folder: Path, binary: Path, name: str):
    script = "".join(
        conversation(f"Case {case.name}\\.", *case.turns, repeat_last=case.repeat_last)
        for case in CASES
        if case.daemon == name and case.turns
    )
    limits = {
        "LIMITS__ATTEMPTS": "1",
        "LIMITS__SILENCE": f"{SILENCE}s",
        "LIMITS__FIRST_EVENT": f"{FIRST_EVENT}s",
    }
    return live(
        folder, binary, "refuse_connections = true" if name == "deaf" else script, **limits, **DAEMONS[name]
    )


def _meddle(daemons: Mapping[str, Live]) -> None:
    left = [case for case in CASES if case.meddle is not None]

    def meddle_with_those_at_work() -> bool:
        for case in list(left):
            there = daemons[case.daemon]
            if there.asked(f"Case {case.name}."):
                assert case.meddle is not None
                case.meddle(there, case.name)
                left.remove(case)
        return not left

    wait_until(meddle_with_those_at_work, 90, "the runs that are meddled with to be at work")


def _became(there: Live, case: Case) -> Became:
    result = there.result(case.name, 90)
    started = result.get("started", result["settled"])
    seconds = (result["settled"] - started).total_seconds()
    return Became(result, len(there.asked(f"Case {case.name}.")), seconds)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_ending_is_told_as_what_it_was(endings: Mapping[str, Became], case: Case):
    became = endings[case.name]

    result = became.result
    assert (result["status"], result.get("reason")) == (case.status, case.reason), result.get("summary")
    assert case.says in result.get("summary", "")
    assert case.requests[0] <= became.requests <= case.requests[1]
    assert became.seconds < MOST_SECONDS
    assert [step["attempts"] for step in result.get("steps", ())] in ([1], [])


@pytest.mark.parametrize(
    "name", ["success", "falls-silent", "out-of-turns", "out-of-money", "too-long", "stopped-by-a-hook"]
)
def test_what_was_paid_is_told_however_a_run_ended(endings: Mapping[str, Became], name: str):
    usage = endings[name].result["usage"]

    assert usage["cost_usd"] > 0
    assert usage["output_tokens"] > 0


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_was_used_is_told_however_a_run_ended(endings: Mapping[str, Became], case: Case):
    result = endings[case.name].result

    if result["status"] == "rejected":
        assert "usage" not in result
    else:
        assert result["usage"]["cpu_seconds"] > 0
        assert result["usage"]["wall_seconds"] > 0
        assert result["usage"]["peak_memory_bytes"] > 0
        assert result["payer"] == {
            "token": "subscription",
            "limited": "subscription",
            "nobody": "nobody",
        }.get(case.daemon, "api-key")
