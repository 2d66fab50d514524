"""What Claude Code asks, as it was measured: what a yes for the plan would grant, and how a request shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.formats import Format, read_document
from handoff.request import Approval, Question, RequestName
from orchestrd.runs.asking import paper
from orchestrd.runs.asking.prompt import Grants, Prompt

CWD = "/src/x"
MODE = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}


def rules(*texts: str | None, tool: str = "Bash") -> dict[str, Any]:
    given_rules = [{"toolName": tool, **({"ruleContent": text} if text else {})} for text in texts]
    return {"type": "addRules", "behavior": "allow", "destination": "localSettings", "rules": given_rules}


def folders(*paths: str) -> dict[str, Any]:
    return {"type": "addDirectories", "directories": list(paths), "destination": "session"}


def prompt(tool: str, given_input: dict[str, Any], *suggestions: dict[str, Any], **fields: Any) -> Prompt:
    request = {"tool_name": tool, "input": given_input, "permission_suggestions": list(suggestions), **fields}
    return Prompt("r", request, CWD)


FILE = {"file_path": f"{CWD}/a.txt"}
SAFETY = {"decision_reason_type": "safetyCheck"}


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (prompt("Bash", {"command": "npm run x"}, rules("npm run *")), "Bash(npm run *)"),
        (prompt("Bash", {"command": "a && b"}, rules("a *", "b *")), "Bash(a *), Bash(b *)"),
        (prompt("Bash", {"command": "touch a && echo b > c"}), "Bash(touch a && echo b > c)"),
        (prompt("Bash", {"command": "rm -rf ."}, suppress_always_allow_rule=True, **SAFETY), None),
        (prompt("Bash", {"command": "rm *.o"}), None),
        (prompt("Bash", {"command": "cat <<E\nx\nE"}), None),
        (prompt("Bash", {"command": " ls "}), None),
        (prompt("Bash", {"command": "x"}, rules("printf 'a\\n(b)'")), "Bash(printf 'a\\\\n\\(b\\)')"),
        (prompt("Bash", {"command": "x"}, rules("a\nb"), rules("//etc/**", tool="Read")), None),
        (prompt("Write", FILE, MODE), "Edit(./**)"),
        (prompt("Edit", {"file_path": f"{CWD}/.git/hooks/x"}, MODE, **SAFETY), None),
        (
            prompt(
                "Write",
                {"file_path": "/srv/x.conf"},
                MODE,
                folders("/srv"),
                decision_reason_type="workingDir",
            ),
            "Edit(//srv/x.conf)",
        ),
        (prompt("Write", {"file_path": "/srv/[x].conf"}, folders("/srv")), None),
        (prompt("NotebookEdit", {"notebook_path": "/srv/n.ipynb"}), "Edit(//srv/n.ipynb)"),
        (prompt("Read", {"file_path": "/etc/x"}, rules("//etc/**", tool="Read")), "Read(//etc/**)"),
        (
            prompt("WebFetch", {"url": "http://a.b/"}, rules("domain:a.b", tool="WebFetch")),
            "WebFetch(domain:a.b)",
        ),
        (prompt("mcp__t__echo", {"x": "1"}, rules(None, tool="mcp__t__echo")), "mcp__t__echo"),
        (prompt("mcp__t__echo", {"x": "1"}), None),
        (prompt("ExitPlanMode", {}, requires_user_interaction=True), None),
        (prompt("Bash", {"command": "x"}, rules("-x", tool="-y")), None),
        (prompt("Bash", {"command": "x" * 5000}), None),
    ],
)
def test_what_a_yes_for_the_plan_grants(asked: Prompt, rule: str | None) -> None:
    assert paper.rule_of(asked) == rule


def test_what_was_granted_covers_the_like_of_it_and_nothing_more() -> None:
    grants = Grants()
    grants.rules = {"Bash(npm run *)": None}
    like = prompt("Bash", {"command": "npm run y"}, rules("npm run *"))
    more = prompt("Bash", {"command": "npm run y && x"}, rules("npm run *", "x"))
    inside = prompt(
        "Bash", {"command": "npm run y"}, rules("npm run *"), folders(CWD), blocked_path=f"{CWD}/b"
    )
    outside = prompt("Bash", {"command": "npm run z"}, rules("npm run *"), blocked_path="/etc/b")

    assert like.is_covered(grants)
    assert inside.is_covered(grants)
    assert not more.is_covered(grants)
    assert not outside.is_covered(grants)
    assert not prompt("mcp__t__e", {}).is_covered(grants), "what has no rule is covered by none"
    grants.commands = {"npm run z"}
    assert outside.is_covered(grants), "the very command that was seen and allowed"


def test_questions_have_names_of_their_own_and_are_answered_by_their_words() -> None:
    questions = [
        {"question": f"Q{number}?", "header": header} for number, header in enumerate(["A b", "A b", "", "?"])
    ]
    asked = prompt("AskUserQuestion", {"questions": questions})

    assert [one.id for one in asked.questions] == ["a-b", "a-b-2", "q3", "q4"]
    response = asked.answer({"a-b": ["x", "y"], "a-b-2": ["z"], "q3": ["1"], "q4": ["2"]})
    assert response["updatedInput"]["questions"] == questions
    assert response["updatedInput"]["answers"] == {"Q0?": "x, y", "Q1?": "z", "Q2?": "1", "Q3?": "2"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(), st.text(), st.sampled_from(["toml", "json"]))
def test_whatever_a_tool_is_given_its_request_can_be_read_and_says_it_exactly(
    given_input: dict[str, Any], description: str, reason: str, ending: str
) -> None:
    asked = prompt("mcp__t__x", given_input, description=description, decision_reason=reason)
    name = RequestName("p", "main", 1, 1, "approval")

    fields = paper.fields_of(asked, name, 1_700_000_000.5, 1_700_000_060.0, "log")
    fields = paper.with_problem(fields, "reply", 1_700_000_001.0, f"bad\r\n{description}")
    request = read_document(Approval, paper.written(fields, ending), Format(ending))

    assert json.loads(request.input_json) == json.loads(json.dumps(given_input))
    assert request.problem is not None
    assert request.expires is not None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"question": st.text(), "header": st.text(), "options": st.just([{"label": "é"}])}
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_is_asked_its_request_can_be_read(questions: list[dict[str, Any]]) -> None:
    asked = prompt("AskUserQuestion", {"questions": questions})
    fields = paper.fields_of(asked, RequestName("p", "main", 1, 1, "question"), 1.0, None, "log")

    for ending in ("toml", "json"):
        request = read_document(Question, paper.written(fields, ending), Format(ending))
        assert len({one.id for one in request.questions}) == len(questions)


def test_half_a_surrogate_pair_is_shown_exactly() -> None:
    text, is_cut = paper.shown_input({"command": "\ud800"})

    assert (json.loads(text), is_cut) == ({"command": "\ud800"}, False)
    text.encode()


def test_an_input_of_any_size_is_shown_within_bounds_as_json() -> None:
    for given_input in (
        {"a": ["x" * 100] * 5000},
        {f"k{number}": "y" * 3000 for number in range(100)},
        {"a": {"b": "z" * 10**6}},
    ):
        text, is_cut = paper.shown_input(given_input)
        assert is_cut
        assert len(text.encode()) <= paper.MOST_INPUT_BYTES
        assert paper.is_cut(json.loads(text))
