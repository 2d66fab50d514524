"""Answers to approvals and questions, read with the standard library alone: the runner takes them by itself.

What fits is what the documents in `request` accept, and nothing else (a test holds both alike). That an answer fits
the very question that was asked is looked at here too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NoReturn

from handoff.document_error import DocumentError, FieldError, line_at, path_text
from handoff.reading import Reading, read_json, read_toml, text_of, too_many_values
from handoff.wholesome import faults_in, holds_too_much, is_wholesome

VERSION = 1
"""As in `fields`, which the runner cannot load."""
OBJECT_HINT = "the tool's whole input, an object of exact JSON in a text"


class ApprovalAnswer(NamedTuple):
    """The answer to an approval."""

    decision: Literal["allow", "deny"]
    message: str | None = None
    input: dict[str, Any] | None = None
    """Allowed with this input instead."""
    scope: Literal["once", "plan"] = "once"


class QuestionAnswer(NamedTuple):
    """The answer to a question."""

    answers: Mapping[str, Sequence[str]] | None = None
    answer: str | None = None


class Asked(NamedTuple):
    """A question, as far as an answer has to fit it."""

    id: str
    multiple: bool


class NoObject(ValueError):
    """A text is no JSON object that can be handed on; completes "this …"."""


def read_approval_reply(raw: bytes, name: str) -> ApprovalAnswer:
    """Read the answer to an approval; `name`, by its ending, tells the language. Raises DocumentError."""
    given = _Fields(_reading(raw, name))
    given.know(("handoff", "decision", "message", "input_json", "scope"))
    decision = given.one_of("decision", ("allow", "deny"), required=True)
    message = given.text("message")
    text = given.text("input_json", may_hold_nul=True)
    scope = given.one_of("scope", ("once", "plan")) or "once"
    found = None
    if text is not None:
        try:
            found = exact_object(text)
        except NoObject as error:
            given.wrong(("input_json",), str(error), OBJECT_HINT)
        if decision == "deny":
            given.wrong(("input_json",), "`input_json` belongs to `allow`", "leave it out")
    given.check()
    return ApprovalAnswer(decision, message, found, scope)  # type: ignore[arg-type]


def read_question_reply(raw: bytes, name: str) -> QuestionAnswer:
    """Read the answer to a question; `name`, by its ending, tells the language. Raises DocumentError."""
    given = _Fields(_reading(raw, name))
    given.know(("handoff", "answers", "answer"))
    answer, answers = given.prose("answer"), given.tree.get("answers")
    if isinstance(answers, dict):
        for question, told in answers.items():
            given.proses(("answers", question), told)
    elif answers is not None:
        given.wrong(("answers",), "is no table", 'by each question\'s id: answers = { ID = ["…"] }')
    if (answers is None) == (given.tree.get("answer") is None):
        given.wrong((), "exactly one of `answer` and `answers` is needed", 'answer = "…"')
    given.check()
    return QuestionAnswer(answers, answer)


def answers_to(questions: Sequence[Asked], given: QuestionAnswer) -> dict[str, list[str]]:
    """Bring an answer to its questions: words by each question's id. Raises DocumentError where it does not fit."""
    ids = [one.id for one in questions]
    if given.answer is not None:
        if len(questions) != 1:
            _refuse(
                "answer", f"there are {len(questions)} questions", f"answers, by their ids: {', '.join(ids)}"
            )
        return {ids[0]: [given.answer]}
    answers = given.answers or {}
    unknown = [one for one in answers if one not in ids]
    if unknown:
        _refuse(path_text(("answers", unknown[0])), "is no question's id", f"one of: {', '.join(ids)}")
    missing = [one for one in ids if one not in answers]
    if missing:
        _refuse("answers", f"{missing[0]} is not answered", "an answer to each question")
    single = next((one.id for one in questions if not one.multiple and len(answers[one.id]) > 1), None)
    if single is not None:
        _refuse(path_text(("answers", single)), "has several answers", "one: only one may be chosen here")
    return {one: list(answers[one]) for one in ids}


def exact_object(text: str) -> dict[str, Any]:
    """Read an object of exact JSON, which can be written as such again. Raises NoObject."""
    try:
        found = json.loads(text, parse_constant=_no_number)
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        raise NoObject("is no JSON") from None
    if not isinstance(found, dict):
        raise NoObject("is no JSON object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _reading(raw: bytes, name: str) -> Reading:
    ending = name.rpartition(".")[2].lower()
    if ending not in {"toml", "json"}:
        _refuse("", "this kind of document is no Markdown", "TOML or JSON")
    reading = read_json(text_of(raw)) if ending == "json" else read_toml(text_of(raw))
    if holds_too_much(reading.tree):
        raise too_many_values()
    return reading


def _refuse(path: str, message: str, hint: str) -> NoReturn:
    raise DocumentError([FieldError(path, message, hint)])


class _Fields:
    """The fields of one answer, and all that is wrong with them."""

    def __init__(self, reading: Reading) -> None:
        self.tree = reading.tree
        self._reading = reading
        self._wrong: list[tuple[tuple[str | int, ...], str, str]] = []
        if not is_wholesome(reading.tree):
            self._wrong += faults_in(reading.tree)

    def know(self, names: Sequence[str]) -> None:
        for name in self.tree:
            if name not in names:
                self.wrong((name,), "is no field here", f"one of: {', '.join(names)}")
        version = self.tree.get("handoff", VERSION)
        if type(version) is not int or version != VERSION:
            self.wrong(
                ("handoff",), "is no version of the protocol that is known here", f"handoff = {VERSION}"
            )

    def one_of(self, name: str, words: Sequence[str], *, required: bool = False) -> str | None:
        value = self.tree.get(name)
        if isinstance(value, str) and value in words:
            return value
        if required or name in self.tree:
            what = "is none of the words for this" if name in self.tree else "is missing"
            self.wrong((name,), what, " or ".join(f'"{word}"' for word in words))
        return None

    def text(self, name: str, *, may_hold_nul: bool = False) -> str | None:
        value = self.tree.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong((name,), "is no text", "a text in quotes")
            return None
        if "\0" in value and not may_hold_nul:
            self.wrong((name,), "holds a NUL character", "leave it out: no program can be given such text")
        return value

    def prose(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not value.strip():
            self.wrong((name,), "is empty", "write something, or leave the field out")
        return value

    def proses(self, path: tuple[str | int, ...], value: Any) -> None:
        if not isinstance(value, list) or not value:
            self.wrong(path, "is no list of answers", 'at least one, like ["a label, or words of your own"]')
            return
        for index, one in enumerate(value):
            for what, hint in _faults_of_prose(one):
                self.wrong((*path, index), what, hint)

    def wrong(self, path: tuple[str | int, ...], what: str, hint: str) -> None:
        self._wrong.append((path, what, hint))

    def check(self) -> None:
        """Raise DocumentError with everything that is wrong."""
        if not self._wrong and not self._reading.faults:
            return
        lines = self._reading.find_lines()
        told = [
            FieldError(path_text(path), what, hint, line_at(lines, path)) for path, what, hint in self._wrong
        ]
        raise DocumentError([*self._reading.faults, *told])


def _faults_of_prose(value: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        yield "is no text", "a text in quotes"
    elif "\0" in value:
        yield "holds a NUL character", "leave it out: no program can be given such text"
    elif not value.strip():
        yield "is empty", "write something, or leave the field out"
