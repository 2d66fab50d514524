"""What a model sees of plans, projects, the daemon and the money, with nobody serving the root."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from handoff.root import Root
from orchestrd.record.index import IndexReader
from orchestrd.record.wanted import Wanted
from tests.bridge.settled import failed, settled
from tests.bridge.talking import Talk, ToolFailed, talking
from tests.bridge.test_plans_over_mcp import a_plan
from tests.outbound.telling import Telling


def told_by_daemon(root: Root, *plans: dict[str, object]) -> None:
    (root.status / "plans.json").write_text(json.dumps({"plans": list(plans)}))


def test_plans_are_listed_those_not_settled_first_then_the_newest(talk: Talk, root: Root, project: Path):
    settled(root, "one")
    failed(root, "two")
    Telling(root, "three").accepted()
    offered = talk("submit_plan", plan=a_plan(project))["id"]

    answer = talk("list_plans")

    assert [(one["id"], one["state"]) for one in answer["plans"]] == [
        ("three", "waiting"),
        (offered, "offered"),
        ("two", "failed"),
        ("one", "succeeded"),
    ]
    assert answer["in_work"] == 1
    assert answer["daemon"].startswith("away")
    assert answer["plans"][3]["cost_usd"] == 0.1


def test_plans_are_found_by_state_project_and_time_page_by_page(talk: Talk, root: Root):
    for number in range(5):
        settled(root, f"good-{number}")
    failed(root, "bad")

    assert [one["id"] for one in talk("list_plans", state="failed")["plans"]] == ["bad"]
    assert talk("list_plans", project="/elsewhere").get("plans") is None
    assert len(talk("list_plans", project="api")["plans"]) == 6
    assert talk("list_plans", since="2027-01-01").get("plans") is None
    assert len(talk("list_plans", since="2026-11-01")["plans"]) == 6
    seen, cursor = [], ""
    for _ in range(3):
        page = talk("list_plans", limit=2, cursor=cursor)
        seen += [one["id"] for one in page["plans"]]
        cursor = page.get("next_cursor", "")
    assert (cursor, sorted(seen)) == ("", sorted({"bad", *(f"good-{number}" for number in range(5))}))


def test_without_an_index_plans_are_found_all_the_same_and_it_is_said(talk: Talk, root: Root):
    for name in ("one", "two", "three"):
        settled(root, name)
        with root.ids_log.open("a") as log:
            log.write(
                json.dumps({"id": name, "source": f"{name}.toml", "taken": "2026-11-24T02:00:00.000Z"}) + "\n"
            )
    root.index.unlink()

    first = talk("list_plans", limit=2)
    second = talk("list_plans", limit=2, cursor=first["next_cursor"])

    assert [one["id"] for one in (*first["plans"], *second["plans"])] == ["three", "two", "one"]
    assert "no index" in first["note"]
    assert first["plans"][0]["project"] == "/src/api"
    assert talk("usage_report", since="2026-01-01")["cost_usd"] == pytest.approx(0.3)


def test_a_plan_at_work_tells_what_it_does_and_what_it_asks(talk: Talk, root: Root):
    Telling(root, "api").accepted()
    run = {"step": "main", "attempt": 1, "since": "2026-11-24T02:00:00Z", "turns": 3, "last_words": "I test."}
    told_by_daemon(
        root, {"id": "api", "state": "running", "title": "T", "project": "/src/api", "runs": [run]}
    )
    (root.requests / "api.main.1.1.approval.toml").write_text("")

    answer = talk("plan_status", plan="api")

    assert (answer["state"], answer["last_words"], answer["runs"][0]["turns"]) == ("running", "I test.", 3)
    assert answer["requests"] == [{"name": "api.main.1.1.approval.toml", "kind": "approval"}]
    assert "get_request" in answer["next"]
    assert "away" in answer["note"]


def test_what_was_said_last_is_read_from_the_stream_where_nobody_tells_it(talk: Talk, root: Root):
    folder = Telling(root, "api").accepted().folder / "runs" / "main.1"
    folder.mkdir(parents=True)
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "I look around."}]}}
    (folder / "events.jsonl").write_text(f"{json.dumps(said)}\n" + '{"type": "user"}\n')

    assert talk("plan_status", plan="api")["last_words"] == "I look around."


def test_a_plan_that_waits_says_for_which(talk: Talk, root: Root):
    Telling(root, "api").accepted('handoff = 1\nproject = "/p"\nprompt = "x"\nafter = ["design"]\n')
    told_by_daemon(root, {"id": "api", "state": "waiting", "waiting_for": "plans"})

    assert talk("plan_status", plan="api")["waiting_for"] == "plans: design"


def test_an_offered_plan_says_that_it_waits_for_the_daemon(talk: Talk, project: Path):
    plan = talk("submit_plan", plan=a_plan(project))["id"]

    answer = talk("plan_status", plan=plan)

    assert answer["state"] == "offered"
    assert "orchestrd serve" in answer["next"]
    assert talk("get_result", plan=plan)["status"] == "not settled yet"


def test_a_result_tells_how_it_ended_what_it_cost_and_what_is_owed(talk: Talk, root: Root):
    settled(root, "api")

    answer = talk("get_result", plan="api")

    assert (answer["status"], answer["verdict"], answer["summary"]) == (
        "succeeded",
        "changed",
        "I added the limit.",
    )
    assert answer["branch"] == "handoff/api"
    assert answer["usage"]["cost_usd"] == 0.1
    assert answer["metadata"]["ticket"] == "API-142"
    assert answer["docs"]["request"] == "requests/api.docs.md"
    assert "api.docs.md" in answer["next"]


def test_a_result_that_was_consumed_is_found_in_the_archive(talk: Talk, root: Root):
    settled(root, "api")
    for file in root.results.iterdir():
        file.unlink()

    assert talk("get_result", plan="api")["status"] == "succeeded"
    assert talk("get_result", plan="API.plan.toml")["id"] == "api"


def test_the_difference_begins_with_the_files_and_shows_one_by_its_path(talk: Talk, root: Root):
    settled(root, "api")

    whole = talk("get_diff", plan="api")
    one = talk("get_diff", plan="api", file="limits.py")

    assert whole["files"] == [
        {"path": "limits.py", "status": "A", "insertions": 2, "deletions": 0, "binary": False}
    ]
    assert "+LIMIT = 10" in whole["text"]["text"]
    assert one["text"]["text"] == whole["text"]["text"]
    with pytest.raises(ToolFailed, match=r"it changed: limits\.py"):
        talk("get_diff", plan="api", file="../../etc/passwd")


@pytest.mark.parametrize("name", ["nobody", "../inbox", "/etc/passwd", "a\0b", "", "x" * 500])
def test_an_id_that_is_none_leads_nowhere_and_says_where_to_look(talk: Talk, name: str):
    for tool in ("plan_status", "get_result", "get_diff", "cancel_plan", "retry_plan"):
        with pytest.raises(ToolFailed, match="list_plans"):
            talk(tool, plan=name)


def test_projects_have_names_and_a_context_where_one_is_kept(talk: Talk, root: Root):
    settled(root, "api")
    (root.path / "context").mkdir(exist_ok=True)

    assert talk("list_projects")["projects"][0] | {"last_plan": ""} == {
        "name": "api",
        "path": "/src/api",
        "plans": 1,
        "last_plan": "",
        "has_context": False,
        "exists": False,
    }
    assert talk("project_context", project="api")["exists"] is False
    (root.path / "context" / "our-api.md").write_text(
        '+++\nproject = "/src/api"\n+++\n# The API\n\nLimits are new.\n'
    )
    (root.path / "context" / "other.md").symlink_to("/etc/passwd")
    assert [one["name"] for one in talk("list_projects")["projects"]] == ["our-api"]
    for name in ("our-api", "/src/api"):
        assert "Limits are new." in talk("project_context", project=name)["context"]["text"]
    with pytest.raises(ToolFailed, match="list_projects"):
        talk("project_context", project="other")


def test_the_daemon_that_is_away_is_told_with_what_to_do(talk: Talk, root: Root):
    answer = talk("daemon_status")

    assert (answer["state"], answer["root"]) == ("not running", str(root.path))
    assert "orchestrd serve" in answer["remedy"]


def test_money_and_tokens_are_added_up_by_what_is_asked(talk: Talk, root: Root):
    for name in ("one", "two"):
        settled(root, name)
    failed(root, "three", model="claude-haiku")

    by_project = talk("usage_report", since="2026-01-01")
    by_model = talk("usage_report", since="2026-01-01", by="model")
    by_day = talk("usage_report", since="2026-01-01", by="day")
    by_plan = talk("usage_report", since="2026-01-01", by="plan")

    assert (by_project["plans"], by_project["cost_usd"]) == (3, pytest.approx(0.3))
    assert by_project["entries"][0]["name"] == "/src/api"
    assert by_project["tokens"] == {
        "input_tokens": 30,
        "output_tokens": 60,
        "cache_read_tokens": 90,
        "cache_write_tokens": 120,
    }
    assert by_project["is_complete"] is True
    assert {one["name"]: one["plans"] for one in by_model["entries"]} == {
        "claude-sonnet": 2,
        "claude-haiku": 1,
    }
    assert [one["name"] for one in by_day["entries"]] == ["2026-11-30"]
    assert {one["name"] for one in by_plan["entries"]} == {"one", "two", "three"}
    assert talk("usage_report", since="2026-01-01", until="2026-11-30")["plans"] == 0


def test_without_a_root_every_answer_says_how_to_make_one(tmp_path: Path):
    with talking(tmp_path / "none", {}) as talk:
        with pytest.raises(ToolFailed, match="init"):
            talk("list_plans")
        assert talk.ask("list_resources").resources == []


def test_resources_are_the_same_by_address(talk: Talk, root: Root):
    settled(root, "api")
    (root.path / "context").mkdir(exist_ok=True)
    (root.path / "context" / "api.md").write_text('+++\nproject = "/src/api"\n+++\nLimits are new.\n')

    listed = [str(one.uri) for one in talk.ask("list_resources").resources]
    templates = {one.uri_template for one in talk.ask("list_resource_templates").resource_templates}

    assert listed == [
        "handoff://plans/api/result",
        "handoff://requests/api.docs.md",
        "handoff://projects/api/context",
    ]
    assert templates == {
        "handoff://plans/{id}",
        "handoff://plans/{id}/result",
        "handoff://plans/{id}/log",
        "handoff://requests/{name}",
        "handoff://projects/{name}/context",
    }
    assert json.loads(talk.read("handoff://plans/api"))["status"] == "succeeded"
    assert json.loads(talk.read("handoff://plans/api/result"))["branch"] == "handoff/api"
    assert talk.read("handoff://plans/api/log") == "Nothing has run yet."
    assert talk.read("handoff://requests/api.docs.md").startswith("+++\n")
    assert talk.read("handoff://projects/api/context") == "Limits are new."
    for address in ("handoff://plans/none", "handoff://plans/..%2Finbox", "handoff://requests/..%2Fstatus"):
        with pytest.raises(ToolFailed, match=r"(?i)no plan|unknown resource|no open request"):
            talk.read(address)


def test_each_prompt_says_what_was_given(talk: Talk):
    names = {one.name for one in talk.ask("list_prompts").prompts}

    assert names == {"plan_a_feature", "fix_a_bug", "document_what_was_done", "review_what_waits"}
    text = (
        talk.ask("get_prompt", "plan_a_feature", {"project": "/src/api", "wish": "A dark mode"})
        .messages[0]
        .content.text
    )
    assert "/src/api" in text
    assert "A dark mode" in text
    with pytest.raises(ToolFailed, match="symptom"):
        talk.ask("get_prompt", "fix_a_bug", {"project": "/src/api"})
    for name in ("document_what_was_done", "review_what_waits"):
        assert "<<" not in talk.ask("get_prompt", name, {}).messages[0].content.text


def test_what_the_index_is_asked_is_answered_by_its_rows(root: Root):
    settled(root, "api")

    index = IndexReader(root.index)

    assert index.projects()[0][:2] == ("/src/api", 1)
    assert [row.result for row in index.rows(["api", "none"])] == ["archive/2026-11/api/result.toml"]
    assert index.ids(Wanted(status="failed")) == []
    assert index.spent(Wanted(project="/src/api"), "project", 5) == [("/src/api", 1, pytest.approx(0.1))]


def test_a_disk_that_hangs_holds_no_answer_up(talk: Talk, root: Root):
    settled(root, "api")
    file = root.results / "api.toml"
    file.unlink()
    os.mkfifo(file)  # whoever opens it to read waits for somebody who writes

    before = time.monotonic()
    with pytest.raises(ToolFailed, match=r"very busy.*nothing is done twice"):
        talk("get_result", plan="api")
    passed = time.monotonic() - before
    file.open("w").close()

    assert passed < 2.5
    assert talk("daemon_status")["root"] == str(root.path)


def test_a_result_that_is_damaged_and_a_journal_that_is_torn_are_told(talk: Talk, root: Root):
    settled(root, "api")
    (root.results / "api.toml").write_text("status = ")
    journal = Telling(root, "torn").accepted().folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"accepted", b"acceptex") + b"{\n")

    for tool in ("get_result", "plan_status", "get_diff"):
        with pytest.raises(ToolFailed, match="orchestrd verify"):
            talk(tool, plan="api")
    assert talk("plan_status", plan="torn")["state"] == "waiting"
    assert "torn" in [one["id"] for one in talk("list_plans")["plans"]]
