from __future__ import annotations

from typing import Any

import pytest

from orchestrd.rehearsal.improvise import asks_for_work, file_for, improvise
from orchestrd.rehearsal.script import Turn
from tests.rehearsal.builders import a_request


@pytest.mark.parametrize(
    "prompt, wanted",
    [
        ("Add rate limits to the API", True),
        ("Please write hello.txt", True),
        ("The login is broken, fix it", True),
        ("What does this do?", False),
        ("How would you add a login?", False),
        ("Explain how to write tests", False),
        ("Hello", False),
    ],
)
def test_work_is_told_from_questions(prompt: str, wanted: bool):
    assert asks_for_work(prompt) is wanted


@pytest.mark.parametrize(
    "prompt, path",
    [
        ("Fix the bug in src/app.py, please", "src/app.py"),
        ("Write hello.txt.", "hello.txt"),
        ("Write `docs/a-b.md`", "docs/a-b.md"),
        ("Write /etc/passwd.txt", "write-etc-passwd-txt.md"),
        ("Write ../out.txt", "write-out-txt.md"),
        ("Write ~/x.txt", "write-x-txt.md"),
        ("Write https://example.org/x.html", "write-https-example-org-x-html.md"),
        ("Add a login", "add-a-login.md"),
        ("…", "rehearsal.md"),
    ],
)
def test_the_file_is_the_one_that_the_prompt_names_and_always_inside_the_project(prompt: str, path: str):
    assert file_for(prompt) == path


def after(tool: str, text: str, *, is_error: bool = False, prompt: str = "Fix app.py") -> Turn:
    call = [{"type": "tool_use", "id": "t1", "name": tool, "input": {}}]
    result: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "t1", "content": text, "is_error": is_error}
    ]
    return improvise(a_request(prompt, call, result))


def test_a_file_that_exists_keeps_its_lines_and_gets_one_more():
    turn = after("Read", "1\tx = 1\n2\t    y = 2\n3\t")

    content = turn.tools[0].input["content"]
    assert content == "x = 1\n    y = 2\n# Written in a rehearsal: no real model was asked.\n"


def test_a_file_too_long_to_be_shown_whole_is_left_alone():
    turn = after("Read", "\n".join(f"{n}\tline" for n in range(1, 1500)))

    assert not turn.tools
    assert "left it alone" in (turn.text or "")


def test_a_tool_that_was_interrupted_is_tried_again():
    turn = after("Write", "[Tool call interrupted: the session ended]", is_error=True, prompt="Add a login")

    assert turn.tools[0].name == "Write"


def test_a_tool_that_was_denied_is_told_and_not_tried_again():
    turn = after("Write", "You may not", is_error=True)

    assert not turn.tools
    assert "You may not" in (turn.text or "")


def test_without_a_tool_to_write_with_there_is_only_a_text():
    turn = improvise(a_request("Add a login", tools=("Read",)))

    assert not turn.tools
    assert turn.text
