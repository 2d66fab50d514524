"""Who answers where a rehearsed run asks a person: the script; whoever looks on; else nobody, and that is a no."""

from __future__ import annotations

import json
import os
import shlex
import time
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from handoff.client import ClientError, NameTaken, reply
from handoff.request_names import parse_request_name
from handoff.root import Root
from orchestrd.rehearsal import Answer

WAIT_SECONDS = 120.0
"""How long whoever looks on has to answer from another terminal."""
NOBODY = "Nobody answered in the rehearsal. In its script [[answers]] may say what a person would."


class Person:
    """Answers what is asked. `is_there`: somebody looks on, and may answer by hand."""

    def __init__(self, root: Root, answers: Sequence[Answer], *, is_there: bool) -> None:
        self._root = root
        self._answers = answers
        self._wait = WAIT_SECONDS if is_there else 0.0
        self._asked: dict[str, float] = {}
        """When each request was seen first; those that were answered are never due."""

    def look(self) -> Iterator[str]:
        """Answer what is to be answered now; say what is asked and what was answered."""
        for name in sorted(os.listdir(self._root.requests)):
            if parse_request_name(name) is None:
                continue
            due = self._asked.get(name)
            if due is None:
                yield from self._first_look(name)
            elif time.monotonic() >= due:
                self._asked[name] = float("inf")
                yield from self._answer(name, _of_nobody(_read(self._root, name)))

    def _first_look(self, name: str) -> Iterator[str]:
        request = _read(self._root, name)
        if not request:
            return  # it was answered this moment
        words = _words(request)
        told = next((one for one in self._answers if _is_of(one, request) and one.fits(words)), None)
        if told is not None:
            self._asked[name] = float("inf")
            yield from self._answer(name, _fields(told, request))
            return
        self._asked[name] = time.monotonic() + self._wait
        yield f"it asks a person: {words}"
        if self._wait:
            command = f"orchestrd --root {shlex.quote(str(self._root.path))}"
            how = (
                f"answer {name} WORDS"
                if request.get("kind") == "question"
                else f"approve {name}, or deny {name}"
            )
            yield f"to answer, in another terminal and within {self._wait:g} s: {command} {how}"

    def _answer(self, name: str, fields: dict[str, Any]) -> Iterator[str]:
        try:
            reply(self._root, name, fields)
        except (ClientError, NameTaken):
            return  # somebody was quicker
        yield f"answered in its place: {fields.get('decision') or fields.get('answers') or fields.get('answer')}"


def _read(root: Root, name: str) -> dict[str, Any]:
    try:
        text = (root.requests / name).read_text("utf-8")
        return dict(json.loads(text) if name.endswith(".json") else tomllib.loads(text))
    except (OSError, ValueError):
        return {}


def _words(request: dict[str, Any]) -> str:
    if request.get("kind") == "question":
        return "\n".join(str(one.get("text")) for one in request.get("questions", ()))
    return f"{request.get('tool')} {request.get('input_json')}"


def _is_of(answer: Answer, request: dict[str, Any]) -> bool:
    return (answer.answer is not None) == (request.get("kind") == "question")


def _fields(told: Answer, request: dict[str, Any]) -> dict[str, Any]:
    if told.answer is not None:
        return {"answers": {one["id"]: [told.answer] for one in request.get("questions", ())}}
    fields: dict[str, Any] = {"decision": told.decision, "scope": told.scope}
    if told.message is not None:
        fields["message"] = told.message
    if told.input is not None:
        fields["input_json"] = json.dumps(told.input)
    return fields


def _of_nobody(request: dict[str, Any]) -> dict[str, Any]:
    """An approval is a no, which says so; of a question the first option is taken."""
    if request.get("kind") != "question":
        return {"decision": "deny", "message": NOBODY}
    chosen = {
        one["id"]: [one["options"][0]["label"] if one.get("options") else NOBODY]
        for one in request["questions"]
    }
    return {"answers": chosen}
