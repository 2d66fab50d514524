"""What waits for an answer, seen and answered by a model; what does not fit is told before it is handed over."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from handoff.root import Root
from orchestrd.outbound import publish
from orchestrd.record.present_documents import PresentDocuments, keep
from tests.bridge.settled import settled
from tests.bridge.talking import Talk, ToolFailed
from tests.outbound.telling import Telling
from tests.waiting import wait_until

APPROVAL = "api.main.1.1.approval.toml"
QUESTION = "api.main.1.2.question.json"
DOCUMENT = {"path": "docs/limits.md", "content": "# Limits\n\nThere are some.\n"}


def asks(root: Root, name: str, **fields: Any) -> None:
    """Let a runner have asked something."""
    whole = {"handoff": 1, "plan": "api", "created": "2026-11-24T02:00:00Z", "step": "main", **fields}
    if name.endswith(".json"):
        (root.requests / name).write_text(json.dumps(whole))
        return
    from datetime import UTC, datetime

    whole["created"] = datetime(2026, 11, 24, 2, tzinfo=UTC)
    (root.requests / name).write_text(tomli_w.dumps(whole))


def an_approval(root: Root, **fields: Any) -> None:
    told = {
        "kind": "approval",
        "tool": "Bash",
        "input_json": '{"command": "make deploy"}',
        "rule": "Bash(make *)",
    }
    asks(root, APPROVAL, **told | fields)


def a_question(root: Root, *more: dict[str, Any]) -> None:
    first = {
        "id": "q1",
        "text": "Which?",
        "options": [{"label": "Red", "description": "warm"}, {"label": "Blue"}],
    }
    asks(root, QUESTION, kind="question", questions=[first, *more])


def replies(root: Root) -> dict[str, str]:
    return {file.name: file.read_text() for file in root.replies.iterdir()}


def test_everything_that_waits_is_listed_with_what_it_is_about(talk: Talk, root: Root):
    settled(root, "docs-owed")
    an_approval(root)
    a_question(root)

    listed = {one["name"]: one for one in talk("list_requests")["requests"]}

    assert {name: one["kind"] for name, one in listed.items()} == {
        "docs-owed.docs.md": "docs",
        APPROVAL: "approval",
        QUESTION: "question",
    }
    assert listed[APPROVAL]["about"] == "Bash: make deploy"
    assert listed[QUESTION]["about"] == "Which?"
    assert listed["docs-owed.docs.md"]["title"] == "Rate-limit the API"
    assert [one["name"] for one in talk("list_requests", kind="docs")["requests"]] == ["docs-owed.docs.md"]
    assert [one["name"] for one in talk("list_requests", project="/src/api")["requests"]] == [
        "docs-owed.docs.md"
    ]
    assert talk("list_requests", plan="api", limit=1)["more"] is True


def test_a_docs_request_has_all_that_is_needed_to_write(talk: Talk, root: Root):
    settled(root, "api")

    answer = talk("get_request", name="api.docs.md")

    assert (answer["kind"], answer["branch"], answer["write_to"]) == ("docs", "handoff/api", ["docs/**"])
    assert answer["files"] == [{"path": "limits.py", "status": "A"}]
    assert "+LIMIT = 10" in answer["text"]["text"]
    assert "documents" in answer["how_to_answer"]


def test_what_an_answer_would_replace_is_shown_whole_in_pieces(talk: Talk, root: Root):
    told = Telling(root).accepted().worktree().run().gathered()
    readme = "".join(f"line {number}\n" for number in range(4000))
    keep(told.folder, PresentDocuments.model_validate({"files": [{"path": "README.md", "text": readme}]}))
    told.ended()
    publish.settle(root, told.id, lambda _checkout: None)

    pieces = [talk("get_request", name="api.docs.md")]
    while (offset := pieces[-1]["text"].get("next_offset")) is not None:
        pieces.append(talk("get_request", name="api.docs.md", offset=offset))

    assert len(pieces) > 1
    assert readme in "".join(piece["text"]["text"] for piece in pieces)
    assert "its section 'What stands there now'" in pieces[0]["how_to_answer"]


def test_documents_are_handed_over_as_the_protocol_wants_them(talk: Talk, root: Root):
    settled(root, "api")
    other = {"path": "docs/more.md", "content": "# More"}

    answer = talk("answer_request", name="api.docs.md", documents=[DOCUMENT, other])

    assert (answer["delivered"], answer["outcome"]) == (True, "waiting")
    assert "away" in answer["next"]
    first = "<!-- file: docs/limits.md -->\n# Limits\n\nThere are some.\n"
    assert replies(root) == {"api.docs.md": f"{first}\n<!-- file: docs/more.md -->\n# More\n"}


def test_the_same_answer_again_is_no_second_one_and_another_one_waits(talk: Talk, root: Root):
    settled(root, "api")
    talk("answer_request", name="api.docs.md", documents=[DOCUMENT])

    again = talk("answer_request", name="api.docs.md", documents=[DOCUMENT])

    assert again["delivered"] is True
    assert talk("get_request", name="api.docs.md")["answered"] is True
    with pytest.raises(ToolFailed, match="another answer lies"):
        talk("answer_request", name="api.docs.md", nothing_to_document=True)


def test_there_may_be_nothing_to_document(talk: Talk, root: Root):
    settled(root, "api")

    talk("answer_request", name="api.docs.md", nothing_to_document=True)

    assert replies(root) == {"api.docs.md": "<!-- nothing to document -->\n"}


@pytest.mark.parametrize(
    "documents, words",
    [
        ([{"path": "../../etc/passwd", "content": "x"}], "not a plain one"),
        ([{"path": "/etc/passwd", "content": "x"}], "not inside"),
        ([{"path": "src/main.py", "content": "x"}], "may not be written"),
        ([{"path": "docs/.git/hooks/x", "content": "x"}], "git's own folder"),
        ([DOCUMENT, DOCUMENT], "each file once"),
        ([{"path": "docs/x.md", "content": "  "}], "empty"),
        ([{"path": "docs/x.md", "content": "a\n<!-- file: docs/y.md -->\nb"}], "begin another"),
        ([{"path": "docs/x.md", "content": "a\0b"}], "none of a text"),
        ([{"path": "docs/x.md", "content": "x" * 1_100_000}], "at most"),
        ([{"path": "docs/x.md -->\n<!-- file: docs/z.md", "content": "x"}], "fit|begin another|empty"),
        ([], "give one of them"),
    ],
)
def test_documents_that_do_not_fit_are_told_and_nothing_is_handed_over(
    talk: Talk, root: Root, documents: list[dict[str, str]], words: str
):
    settled(root, "api")

    with pytest.raises(ToolFailed, match=words):
        talk("answer_request", name="api.docs.md", documents=documents)

    assert replies(root) == {}


def test_an_approval_shows_the_tool_and_is_answered_with_another_input_for_the_whole_plan(
    talk: Talk, root: Root
):
    an_approval(root)

    asked = talk("get_request", name=APPROVAL)
    answer = talk(
        "answer_request",
        name=APPROVAL,
        decision="allow",
        message="Only a try",
        input={"command": "make -n deploy"},
        scope="plan",
    )

    assert (asked["tool"], asked["input"], asked["rule"]) == (
        "Bash",
        {"command": "make deploy"},
        "Bash(make *)",
    )
    assert answer["outcome"] == "waiting"
    written = json.loads(replies(root)["api.main.1.1.approval.json"])
    assert json.loads(written.pop("input_json")) == {"command": "make -n deploy"}
    assert written == {"decision": "allow", "message": "Only a try", "scope": "plan"}


def test_a_question_is_answered_by_its_label_or_in_words(talk: Talk, root: Root):
    a_question(root)

    asked = talk("get_request", name=QUESTION)
    talk("answer_request", name=QUESTION, answer="Neither: green")

    assert asked["questions"][0]["options"][0] == {"label": "Red", "description": "warm"}
    assert json.loads(replies(root)[QUESTION]) == {"answer": "Neither: green"}


@pytest.mark.parametrize(
    "name, given, words",
    [
        (APPROVAL, {}, "decision"),
        (APPROVAL, {"decision": "deny", "input": {}}, "belongs to allow"),
        (APPROVAL, {"decision": "allow", "answer": "yes"}, "not for a request of the kind approval"),
        (APPROVAL, {"decision": "allow", "input_json": "{}"}, "takes no input_json, and did nothing"),
        (QUESTION, {}, "exactly one"),
        (QUESTION, {"answers": {"q2": ["Red"]}}, "q1"),
        (QUESTION, {"answers": {"q1": ["Red", "Blue"]}}, "one"),
        (QUESTION, {"answers": {"q1": ["  "]}}, "empty"),
        (QUESTION, {"documents": [DOCUMENT]}, "not for a request of the kind question"),
        ("none.docs.md", {"nothing_to_document": True}, "no open request"),
        ("../inbox/x.docs.md", {"nothing_to_document": True}, "no open request"),
        ("..", {"decision": "allow"}, "no open request"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_and_not_handed_over(
    talk: Talk, root: Root, name: str, given: dict[str, Any], words: str
):
    an_approval(root)
    a_question(root)

    with pytest.raises(ToolFailed, match=words):
        talk("answer_request", name=name, **given)

    assert replies(root) == {}


def test_the_like_of_it_can_be_refused_for_the_whole_plan_too(talk: Talk, root: Root):
    an_approval(root)

    talk("answer_request", name=APPROVAL, decision="deny", message="Never deploy", scope="plan")

    written = json.loads(replies(root)["api.main.1.1.approval.json"])
    assert written == {"decision": "deny", "message": "Never deploy", "scope": "plan"}


def test_a_scope_for_the_whole_plan_needs_a_rule(talk: Talk, root: Root):
    told = {"kind": "approval", "tool": "Bash", "input_json": "{}"}
    asks(root, APPROVAL, **told)

    with pytest.raises(ToolFailed, match="no `rule`"):
        talk("answer_request", name=APPROVAL, decision="allow", scope="plan")


def test_why_the_last_answer_was_refused_is_told(talk: Talk, root: Root):
    problem = {"reply": QUESTION, "time": "2026-11-24T03:00:00Z", "message": "has several answers"}
    asks(root, QUESTION, kind="question", questions=[{"id": "q1", "text": "Which?"}], problem=problem)

    assert talk("get_request", name=QUESTION)["problem"] == "has several answers"
    assert talk("list_requests")["requests"][0]["problem"] == "has several answers"


def test_a_link_in_place_of_a_request_is_not_followed(talk: Talk, root: Root, tmp_path: Path):
    secret = tmp_path / "secret.md"
    secret.write_text("+++\nhandoff = 1\n+++\nsecret")
    (root.requests / "api.docs.md").symlink_to(secret)

    with pytest.raises(ToolFailed) as refused:
        talk("get_request", name="api.docs.md")

    assert 'secret"' not in str(refused.value)
    assert "symbolic link" in str(refused.value)
    assert talk("list_requests")["requests"][0]["problem"]


def test_an_answer_that_came_too_late_is_not_told_as_taken(talk: Talk, root: Root):
    an_approval(root)
    folder = root.active / "api"
    (folder / "replies").mkdir(parents=True)

    def withdraw() -> None:
        reply = wait_until(lambda: next(root.replies.glob("[!.]*"), None), 20, "an answer")
        (root.requests / APPROVAL).unlink()
        record = {"seq": 1, "event": "reply-refused", "reply": reply.name, "message": "no request is open"}
        (folder / "journal.jsonl").write_text(json.dumps(record) + "\n")
        reply.rename(folder / "replies" / reply.name)

    thread = threading.Thread(target=withdraw)
    thread.start()
    answered = talk("answer_request", name=APPROVAL, decision="allow")
    thread.join()

    assert answered["outcome"] == "refused"
    assert answered["problem"] == "it came too late: no request is open"
