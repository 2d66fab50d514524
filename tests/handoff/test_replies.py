"""Answers that the runner reads by itself: it takes what the documents accept, and nothing else."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handoff.document_error import DocumentError
from handoff.formats import Format, read_document
from handoff.replies import (
    Asked,
    QuestionAnswer,
    answers_to,
    exact_object,
    read_approval_reply,
    read_question_reply,
)
from handoff.request import ApprovalReply, QuestionReply

TEXTS = st.one_of(
    st.sampled_from(["allow", "deny", "once", "plan", "", " ", "{}", '{"command": "ls"}', "[1]", "{", "NaN"]),
    st.sampled_from(['{"a": NaN}', '{"a": 1e999}', "\ud800", "a\0b", '{"a": "\\ud800"}', '{"a":1,"a":2}']),
    st.text(max_size=12),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
NAMES = ["handoff", "decision", "message", "input_json", "scope", "answers", "answer"]


def documents(*fields: str) -> st.SearchStrategy[dict[str, Any]]:
    """Documents that are often nearly right, and sometimes anything."""
    likely = st.fixed_dictionaries(
        {},
        optional={
            "handoff": st.sampled_from([1, 1, 2, True, 1.0, "1"]),
            "decision": st.sampled_from(["allow", "deny", "Allow", 1]),
            "message": TEXTS | st.none(),
            "input_json": TEXTS | st.none(),
            "scope": st.sampled_from(["once", "plan", "always"]),
            "answers": st.dictionaries(
                TEXTS, st.lists(TEXTS | st.integers(), max_size=2) | TEXTS, max_size=2
            ),
            "answer": TEXTS | st.none(),
        },
    ).map(lambda one: {name: value for name, value in one.items() if name in fields})
    return likely | st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES, max_size=4)


def written(tree: dict[str, Any]) -> list[tuple[bytes, str]]:
    """The document in both languages, where they can hold it."""
    forms = [(json.dumps(tree).encode(), "reply.json")]
    with contextlib.suppress(TypeError, ValueError):
        forms.append((tomli_w.dumps(tree).encode(), "reply.toml"))
    return forms


def approval_by_document(raw: bytes, name: str) -> object:
    found = read_document(ApprovalReply, raw, Format.of(name))
    given = None if found.input_json is None else json.loads(found.input_json)
    return (found.decision, found.message, given, found.scope)


def question_by_document(raw: bytes, name: str) -> object:
    found = read_document(QuestionReply, raw, Format.of(name))
    answers = None if found.answers is None else {one: list(told) for one, told in found.answers.items()}
    return (answers, found.answer)


def outcome(read: Any, raw: bytes, name: str) -> object:
    try:
        return read(raw, name)
    except DocumentError:
        return "refused"


@settings(max_examples=400, deadline=None)
@given(documents("handoff", "decision", "message", "input_json", "scope"))
@example({"decision": "allow", "input_json": "{}", "scope": "plan", "message": "so"})
def test_an_approvals_answer_is_taken_just_where_the_document_is(tree: dict[str, Any]) -> None:
    for raw, name in written(tree):
        assert outcome(read_approval_reply, raw, name) == outcome(approval_by_document, raw, name)


@settings(max_examples=400, deadline=None)
@given(documents("handoff", "answers", "answer"))
@example({"answers": {"db": ["Postgres"]}})
def test_a_questions_answer_is_taken_just_where_the_document_is(tree: dict[str, Any]) -> None:
    for raw, name in written(tree):
        assert outcome(read_question_reply, raw, name) == outcome(question_by_document, raw, name)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["r.toml", "r.json", "r.md"]))
@example(b"\xff", "r.toml")
@example(b"\xef\xbb\xbfdecision = 'allow'", "r.toml")
@example(b'{"decision": "allow", "decision": "deny"}', "r.json")
@example(b"+++\ndecision = 'allow'\n+++\n", "r.md")
def test_whatever_bytes_an_answer_holds_both_say_alike(raw: bytes, name: str) -> None:
    assert outcome(read_approval_reply, raw, name) == outcome(approval_by_document, raw, name)
    assert outcome(read_question_reply, raw, name) == outcome(question_by_document, raw, name)


def test_everything_that_is_wrong_is_told_with_its_line() -> None:
    with pytest.raises(DocumentError) as told:
        read_approval_reply(b'decision = "maybe"\nmesage = "no"\ninput_json = "[1]"\n', "r.toml")

    assert [(one.path, one.line) for one in told.value.errors] == [
        ("decision", 1),
        ("mesage", 2),
        ("input_json", 3),
    ]


QUESTIONS = (Asked("db", multiple=False), Asked("cols", multiple=True))


@pytest.mark.parametrize(
    ("given_answer", "wrong"),
    [
        (QuestionAnswer(answer="Postgres"), "there are 2 questions"),
        (QuestionAnswer({"db": ["Postgres"]}), "cols is not answered"),
        (QuestionAnswer({"db": ["Postgres"], "cols": ["A"], "x": ["B"]}), "is no question's id"),
        (QuestionAnswer({"db": ["Postgres", "SQLite"], "cols": ["A"]}), "has several answers"),
    ],
)
def test_an_answer_has_to_fit_its_questions(given_answer: QuestionAnswer, wrong: str) -> None:
    with pytest.raises(DocumentError, match=wrong):
        answers_to(QUESTIONS, given_answer)


def test_one_question_may_be_answered_by_itself() -> None:
    assert answers_to(QUESTIONS[:1], QuestionAnswer(answer="my own words")) == {"db": ["my own words"]}
    assert answers_to(QUESTIONS, QuestionAnswer({"cols": ["A", "B"], "db": ["SQLite"]})) == {
        "db": ["SQLite"],
        "cols": ["A", "B"],
    }


def test_an_input_that_could_not_be_handed_on_is_none() -> None:
    for text in ("[]", "1", "{", '{"a": NaN}', '{"a": 1e999}', "[" * 5000):
        with pytest.raises(ValueError, match="is no JSON"):
            exact_object(text)
    assert exact_object('{"command": "ls"}') == {"command": "ls"}
