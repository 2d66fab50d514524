from __future__ import annotations

import json

from orchestrd.rehearsal.choice import Chooser
from orchestrd.rehearsal.request import read_request
from orchestrd.rehearsal.script import Error, parse_script
from tests.rehearsal.builders import a_request

TWO_TURNS = """
[[conversations]]
match = "^fix"
[[conversations.turns]]
text = "one"
[[conversations.turns]]
error = { status = 529, times = 2 }
[[conversations.turns]]
text = "two"
"""


def test_the_turn_follows_from_what_the_model_has_already_said():
    chooser = Chooser(parse_script(TWO_TURNS))

    assert chooser.choose(a_request("fix it")).turn.text == "one"
    assert isinstance(chooser.choose(a_request("fix it", "one", "go on")).trouble, Error)
    assert isinstance(chooser.choose(a_request("fix it", "one", "go on")).trouble, Error)
    assert chooser.choose(a_request("fix it", "one", "go on")).turn.text == "two"
    assert chooser.choose(a_request("fix it", "one", "go on", "two", "more")).turn.text == "Done."
    assert chooser.choose(a_request("fix it")).turn.text == "one"


def test_troubles_are_counted_for_each_checkout_on_its_own():
    chooser = Chooser(parse_script(TWO_TURNS))
    for _ in range(2):
        chooser.choose(a_request("fix it", "one", "go on", cwd="/first"))

    assert chooser.choose(a_request("fix it", "one", "go on", cwd="/first")).trouble is None
    assert chooser.choose(a_request("fix it", "one", "go on", cwd="/second")).trouble is not None


def test_a_trouble_that_is_over_is_over_for_a_session_that_goes_on_after_its_first_prompt_was_refused():
    """Then Claude Code says the next prompt in the same message as the first."""
    chooser = Chooser(
        parse_script(
            "[[conversations]]\n[[conversations.turns]]\nusage_limit = { times = 1 }\ntext = '{last_prompt}'"
        )
    )
    both = a_request([{"type": "text", "text": "fix it\n"}, {"type": "text", "text": "go on"}])

    assert chooser.choose(a_request("fix it")).trouble is not None
    assert chooser.choose(both).trouble is None
    assert (both.prompt, both.prompts[-1]) == ("fix it", "go on")


def test_the_first_conversation_that_matches_is_taken_in_any_case():
    chooser = Chooser(
        parse_script(
            "[[conversations]]\nmatch = 'login'\n[[conversations.turns]]\ntext = 'a'\n"
            "[[conversations]]\n[[conversations.turns]]\ntext = 'b'"
        )
    )

    assert chooser.choose(a_request("Add\na LOGIN page")).turn.text == "a"
    assert chooser.choose(a_request("Add a logout page")).turn.text == "b"


def test_what_claude_code_adds_on_its_own_is_neither_prompt_nor_turn():
    chooser = Chooser(parse_script(TWO_TURNS))
    reminder = {"type": "text", "text": "<system-reminder>\nfix nothing\n</system-reminder>"}
    request = a_request([reminder, {"type": "text", "text": "fix it"}], "No response requested.", "Go on")

    assert request.prompt == "fix it"
    assert chooser.choose(request).turn.text == "one"


def test_a_question_for_a_title_is_not_taken_for_the_conversation():
    chooser = Chooser(parse_script("[[conversations]]\n[[conversations.turns]]\ntext = 'main'"))
    body = {
        "system": "Generate a concise, sentence-case title for this coding session.",
        "messages": [{"role": "user", "content": "fix it"}],
    }
    aside = read_request(1, 0.0, "POST", "/v1/messages", {}, json.dumps(body).encode())

    assert chooser.choose(aside).conversation is None
    assert json.loads(chooser.choose(aside).turn.text or "") == {"title": "Rehearsal"}


def test_a_conversation_without_any_tools_still_follows_the_script():
    chooser = Chooser(parse_script("[[conversations]]\n[[conversations.turns]]\ntext = 'main'"))

    assert chooser.choose(a_request("hello", tools=())).turn.text == "main"
