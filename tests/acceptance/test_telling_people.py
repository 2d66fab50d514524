"""A person is told that a plan asks something: by a real daemon, a command and a webhook, through its death."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.acceptance.stage import drop_plan
from tests.outbound.hooks import a_hook
from tests.requesting import a_docs_request, an_approval, ask
from tests.serving import Serving
from tests.waiting import wait_until


def a_command(folder: Path) -> tuple[str, Path]:
    """A command that writes down what it is told, a line each; the setting that names it, and where it writes."""
    told = folder / "told"
    command = folder / "tell"
    command.write_text(f'#!/bin/sh\ncat >> "{told}"\n')
    command.chmod(0o755)
    return json.dumps([str(command)]), told


def lines(told: Path) -> list[dict[str, Any]]:
    text = told.read_text() if told.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def remembered(here: Serving) -> dict[str, list[str]]:
    path = here.root.private / "notified.json"
    told = json.loads(path.read_text())["told"] if path.exists() else {}
    return {name: entry["by"] for name, entry in told.items()}


def test_each_request_is_told_once_also_when_the_daemon_is_killed_in_between_and_a_webhook_failed(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    command, told = a_command(tmp_path)
    with a_hook(500, 500, 200) as hook:
        settings = {
            "NOTIFY__COMMAND": command,
            "NOTIFY__WEBHOOK": f"{hook.url}/hush-hush",
            "NOTIFY__ON": '["docs", "approval", "failed"]',
        }
        here.start(**settings)
        drop_plan(here, "documented", project, "[write a.txt b]", title="Write a", docs={"request": True})
        drop_plan(here, "broken", project, "[fail]", limits={"attempts": 1})
        here.result("documented")
        here.result("broken")
        wait_until(lambda: len(lines(told)) >= 2, 10, f"two lines; {here.said()}")
        problem = wait_until(lambda: problems(here), 10, "the failing webhook in status/daemon")
        wait_until(lambda: len(flat(hook.took())) >= 2, 20, f"the webhook's third try; {here.said()}")
        everybody = ["command", "webhook"]
        both = {"requests/documented.docs.md": everybody, "results/broken": everybody}
        wait_until(lambda: remembered(here) == both, 10, "all of it to be remembered")
        wait_until(lambda: not problems(here), 10, "the problem to be over")

        here.kill()
        late = ask(here.root.requests, a_docs_request("elsewhere"))
        here.start(**settings)
        both[f"requests/{late}"] = everybody
        wait_until(lambda: remembered(here) == both, 10, f"what came meanwhile to be told; {here.said()}")
        assert here.stop() == 0

        expected = sorted(["requests/documented.docs.md", "results/broken", f"requests/{late}"])
        assert sorted(one["id"] for one in lines(told)) == expected
        assert sorted(one["id"] for one in flat(hook.took())) == expected
    assert "HTTP 500" in problem["message"]
    assert "notify-test" in problem["remedy"]
    docs = next(one for one in lines(told) if one["plan"] == "documented")
    assert docs["text"] == "Write a: is done and asks for documentation"
    assert "hush-hush" not in here.said() + json.dumps(here.status("daemon"))


def test_a_channel_that_hangs_holds_up_neither_plans_nor_the_daemons_end(
    here: Serving, project: Path
) -> None:
    with a_hook(0) as hook:
        here.start(NOTIFY__WEBHOOK=hook.url, NOTIFY__TIMEOUT="30s")
        ask(here.root.requests, an_approval())
        wait_until(lambda: hook.heard, 10, "the webhook to be called")

        drop_plan(here, "hello", project, "[write a.txt b]")

        assert here.result("hello")["status"] == "succeeded"
        assert here.stop() == 0


def test_where_nobody_is_to_be_told_nothing_is_written_down(here: Serving) -> None:
    here.start()
    ask(here.root.requests, an_approval())
    here.stop()

    assert not (here.root.private / "notified.json").exists()


def problems(here: Serving) -> dict[str, Any] | None:
    found = here.status("daemon").get("problems", [])
    return next((one for one in found if one["word"] == "notify-failed"), None)


def flat(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for body in bodies for one in body.get("news", [body])]
