"""What would prompt goes to a person by way of files, and comes back: through the real Claude Code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from tests.live.real import MAY_ALL, Live, await_kept_turn, bash, conversation, git, live, write
from tests.waiting import wait_until

ASKS = {"ask": "request"}
AFTER = 'python3 -c \'open("after.txt", "w")\''
QUESTIONS = [
    {
        "question": "Which database?",
        "header": "Data base",
        "multiSelect": False,
        "options": [
            {"label": "Postgres", "description": "large"},
            {"label": "SQLite", "description": "small"},
        ],
    },
    {
        "question": "Which parts?",
        "header": "Parts",
        "multiSelect": True,
        "options": [{"label": "Tables", "description": "all"}, {"label": "Views", "description": "all"}],
    },
]


def asks(questions: list[dict[str, Any]]) -> str:
    """A turn that asks a person."""
    call = {"name": "AskUserQuestion", "input": {"questions": questions}}
    return (
        tomli_w.dumps({"tools": [call]})
        .replace("[[tools]]", "[[conversations.turns.tools]]")
        .replace("[tools.", "[conversations.turns.tools.")
        .replace("[[tools.", "[[conversations.turns.tools.")
    )


def asked(there: Live, name: str) -> dict[str, Any]:
    """Wait for a request and read it."""
    path = there.root.requests / name
    wait_until(path.exists, 30, f"{name}; {there.here.said()}")
    text = path.read_text()
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def answer(there: Live, name: str, **fields: Any) -> None:
    """Answer a request, the right way."""
    content = json.dumps(fields) if name.endswith(".json") else tomli_w.dumps(fields)
    temporary = there.root.replies / f".{name}.part"
    temporary.write_text(content)
    temporary.rename(there.root.replies / name)


def state_of(there: Live, plan: str) -> dict[str, Any]:
    """How `status/plans` shows a plan; empty: not at all."""
    return next((one for one in there.here.status("plans")["plans"] if one["id"] == plan), {})


def events_of(there: Live, plan: str, *names: str) -> list[dict[str, Any]]:
    """What a plan's journal tells of its requests."""
    return [record for record in there.here.journal(plan) if record["event"] in names]


def told(there: Live, prompt: str, nth: int = -1) -> str:
    """What the model was told of its last tool."""
    return there.asked(prompt)[nth].results[-1].text


SCRIPT = "".join(
    (
        conversation("^Allowed", bash("touch allowed.txt"), 'text = "Made."'),
        conversation("^Changed", bash("touch first.txt"), 'text = "Made."'),
        conversation("^Planwide", bash("touch one.txt"), bash("touch one.txt"), 'text = "Made."'),
        conversation("^Unanswered", bash("touch never.txt"), 'text = "Made."'),
        conversation("^Choose", asks(QUESTIONS[:1]), 'text = "Chosen."'),
        conversation("^Own words", asks(QUESTIONS), 'text = "Chosen."'),
        conversation("^Mended", bash("touch mended.txt"), 'text = "Made."'),
        conversation("^Killed", write("before.txt"), bash(AFTER), bash(AFTER), 'text = "Made."'),
        conversation("^Cancelled", bash("touch never.txt"), 'text = "Made."'),
    )
)


def test_what_would_prompt_is_asked_and_the_answer_is_what_happens(
    claude_binary: Path, project: Path, tmp_path: Path
):
    settings = {"LIMITS__MAX_PARALLEL": "9", "LIMITS__TIMEOUT": "30s"}
    with live(tmp_path / "live", claude_binary, SCRIPT, **settings) as there:
        hand_in_all(there, project)

        request = asked(there, "allowed.main.1.1.approval.toml")
        assert (request["kind"], request["plan"], request["step"]) == ("approval", "allowed", "main")
        assert (request["tool"], json.loads(request["input_json"])) == (
            "Bash",
            {"command": "touch allowed.txt"},
        )
        assert request["rule"] == "Bash(touch allowed.txt)"
        assert 'permissions.allow = ["Bash(touch allowed.txt)"]' in request["reason"]
        assert "expires" not in request
        answer(there, "allowed.main.1.1.approval.toml", decision="allow")

        asked(there, "changed.main.1.1.approval.toml")
        changed = json.dumps({"command": "touch second.txt"})
        answer(there, "changed.main.1.1.approval.toml", decision="allow", input_json=changed)

        asked(there, "planwide.one.1.1.approval.toml")
        answer(there, "planwide.one.1.1.approval.toml", decision="allow", scope="plan")

        question = asked(there, "choose.main.1.1.question.toml")
        assert question["questions"] == [
            {
                "id": "data-base",
                "text": "Which database?",
                "multiple": False,
                "options": QUESTIONS[0]["options"],
            }
        ]
        answer(there, "choose.main.1.1.question.toml", answer="SQLite")

        both = asked(there, "words.main.1.1.question.json")
        assert [one["id"] for one in both["questions"]] == ["data-base", "parts"]
        words = {"data-base": ["None: a file will do"], "parts": ["Tables", "Views"]}
        answer(there, "words.main.1.1.question.json", answers=words)

        mend(there)
        kill_the_runner(there)
        cancel(there)
        check_results(there, project)
        assert list(there.root.requests.iterdir()) == []
        assert list(there.root.replies.iterdir()) == []
        verified = there.command("verify")
        assert verified.returncode == 0, verified.stdout


def hand_in_all(there: Live, project: Path) -> None:
    """All side by side, for each is a Claude Code of its own."""
    # A further plan's own steps: the second must not be asked for what the first was granted.
    steps = [{"id": "one", "prompt": "Planwide 1"}, {"id": "two", "prompt": "Planwide 2", "needs": ["one"]}]
    there.here.drop(
        "planwide.toml",
        tomli_w.dumps(
            {"handoff": 1, "project": str(project), "model": "sonnet", "permissions": ASKS, "steps": steps}
        ),
    )
    there.here.drop(
        "words.json",
        json.dumps({"handoff": 1, "project": str(project), "prompt": "Own words", "permissions": ASKS}),
    )
    for name in ("allowed", "changed", "choose", "mended", "cancelled"):
        there.submit(name, project, name.capitalize(), permissions=ASKS)
    there.submit("killed", project, "Killed", permissions={**ASKS, "mode": "acceptEdits"})
    there.submit("unanswered", project, "Unanswered", permissions={**ASKS, "ask_timeout": "2s"})


def mend(there: Live) -> None:
    """Answers that do not fit, until one does; the last in the other language."""
    name = "mended.main.1.1.approval.toml"
    asked(there, name)
    for fields, wrong in (
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "deny", "input_json": "{}"}, "input_json"),
        ({"decision": "allow", "input_json": "[1]"}, "is no JSON object"),
    ):
        answer(there, name, **fields)
        wait_until(
            lambda wrong=wrong: wrong in asked(there, name).get("problem", {}).get("message", ""),  # type: ignore[misc]
            20,
            f"the problem with {fields}",
        )
    assert asked(there, name)["problem"]["reply"] == "mended.main.1.1.approval.3.toml"
    answer(there, "mended.main.1.1.approval.json", decision="allow")


def kill_the_runner(there: Live) -> None:
    """Kill it while it asks: what it asked goes, and the session that is gone on with asks anew."""
    asked(there, "killed.main.1.1.approval.toml")
    await_kept_turn(there.here, "killed")
    runner = there.runner("killed")
    agents = runner.children(recursive=True)
    runner.kill()
    wait_until(
        lambda: not (there.root.requests / "killed.main.1.1.approval.toml").exists(), 10, "the request to go"
    )
    psutil.wait_procs(agents, 5)
    asked(there, "killed.main.2.1.approval.toml")
    answer(there, "killed.main.2.1.approval.toml", decision="allow")


def cancel(there: Live) -> None:
    """A plan that asks may be cancelled like any other."""
    asked(there, "cancelled.main.1.1.approval.toml")
    assert there.command("cancel", "cancelled").returncode == 0


def check_results(there: Live, project: Path) -> None:
    """What came of each."""
    results = {
        name: there.result(name)
        for name in ("allowed", "changed", "planwide", "choose", "words", "mended", "killed")
    }
    assert {name: one["status"] for name, one in results.items()} == dict.fromkeys(results, "succeeded")
    assert git(project, "ls-tree", "--name-only", "handoff/allowed").split() == [
        "README.md",
        "allowed.txt",
        "app.py",
    ]
    assert "second.txt" in git(project, "ls-tree", "--name-only", "handoff/changed")
    assert "first.txt" not in git(project, "ls-tree", "--name-only", "handoff/changed")
    assert len(events_of(there, "planwide", "asked")) == 1
    assert len(there.asked("Planwide 2")) == 3
    assert "SQLite" in told(there, "Choose")
    assert "None: a file will do" in told(there, "Own words")
    assert "Tables, Views" in told(there, "Own words")
    assert [one["reply"] for one in events_of(there, "mended", "reply-refused", "reply-taken")] == [
        "mended.main.1.1.approval.toml",
        "mended.main.1.1.approval.2.toml",
        "mended.main.1.1.approval.3.toml",
        "mended.main.1.1.approval.json",
    ]
    assert len(list((there.here.plan_folder("mended") / "replies").iterdir())) == 4
    assert results["killed"]["steps"][0]["attempts"] == 2
    assert [one["request"] for one in events_of(there, "killed", "request-withdrawn")] == [
        "killed.main.1.1.approval.toml"
    ]
    unanswered = there.result("unanswered")
    assert (unanswered["status"], unanswered["reason"]) == ("failed", "unanswered")
    assert unanswered["steps"][0]["attempts"] == 1
    assert "unanswered.main.1.1.approval.toml" in unanswered["summary"]
    cancelled = there.result("cancelled")
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "cancelled")


def test_a_run_that_asks_holds_no_slot_and_is_answered_while_the_daemon_is_away(
    claude_binary: Path, project: Path, tmp_path: Path
):
    script = conversation("^Waits", bash("touch never.txt"), 'text = "Gone on."') + conversation(
        "", 'text = "Done."'
    )
    with live(tmp_path / "live", claude_binary, script, LIMITS__MAX_PARALLEL="1") as there:
        there.submit("waits", project, "Waits", permissions={**ASKS, "ask_timeout": "1h"})
        request = asked(there, "waits.main.1.1.approval.toml")
        wait_until(lambda: state_of(there, "waits").get("state") == "asking", 10, "it to be shown as asking")
        shown = state_of(there, "waits")
        assert shown["runs"][0]["asks"][0]["request"] == "waits.main.1.1.approval.toml"
        assert shown["until"] == request["expires"].isoformat().replace("+00:00", "Z")
        for name in ("one", "two"):
            there.submit(name, project, name, permissions=MAY_ALL)
        assert [there.result(name)["status"] for name in ("one", "two")] == ["succeeded", "succeeded"]
        assert state_of(there, "waits")["state"] == "asking"

        assert there.command("drain").returncode == 0
        assert there.here.daemon is not None
        assert there.here.daemon.wait(20) == 0, "a run that only asks keeps no daemon that is drained"
        there.here.start(LIMITS__MAX_PARALLEL="1")
        wait_until(lambda: state_of(there, "waits").get("state") == "asking", 10, "it to be found asking")

        there.here.kill()
        answer(there, "waits.main.1.1.approval.toml", decision="deny", message="Not like this.")
        there.await_request("Waits", 2)
        there.here.start(LIMITS__MAX_PARALLEL="1")
        result = there.result("waits")

        assert (result["status"], result["summary"]) == ("succeeded", "Gone on.")
        assert told(there, "Waits") == "Not like this."
        assert [one["event"] for one in events_of(there, "waits", "asked", "reply-taken")] == [
            "asked",
            "reply-taken",
        ]
        assert result["steps"][0]["denied"][0]["tool"] == "Bash"
