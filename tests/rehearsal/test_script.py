from __future__ import annotations

from pathlib import Path

import pytest

from orchestrd.rehearsal import ScriptError, load_script, parse_script

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "rehearsals").glob("*.toml"))


def mistakes_in(text: str) -> dict[str, str]:
    with pytest.raises(ScriptError) as caught:
        parse_script(text)
    return {mistake.path: str(mistake) for mistake in caught.value.mistakes}


def test_all_mistakes_are_told_at_once_with_their_places():
    text = """
    abuot = "x"
    [[conversations]]
    match = "("
    [[conversations.turns]]
    txt = "hello"
    [[conversations.turns]]
    error = { status = 200 }
    """

    found = mistakes_in(text)

    assert "did you mean about?" in found["abuot"]
    assert "did you mean text?" in found["conversations[0].turns[0].txt"]
    assert "not a regular expression" in found["conversations[0].match"]
    assert "greater than or equal to 400" in found["conversations[0].turns[1].error.status"]


def test_a_mistake_deep_inside_is_given_the_names_that_are_known_there():
    found = mistakes_in("[[conversations]]\n[[conversations.turns]]\nerror = { status = 500, xyz = 1 }")

    assert "known here: times, status, type, message, headers" in found["conversations[0].turns[0].error.xyz"]


def test_two_troubles_in_one_turn_are_a_mistake():
    found = mistakes_in("[[conversations]]\n[[conversations.turns]]\nsilent = {}\ncut = {}")

    assert "only one thing can go wrong in a turn" in found["conversations[0].turns[0]"]


def test_a_turn_that_says_nothing_is_a_mistake():
    found = mistakes_in("[[conversations]]\n[[conversations.turns]]\nmodel = 'x'")

    assert "the turn says nothing" in found["conversations[0].turns[0]"]


def test_a_turn_that_could_never_be_reached_is_a_mistake():
    found = mistakes_in(
        "[[conversations]]\n[[conversations.turns]]\nsilent = {}\n[[conversations.turns]]\ntext = 'x'"
    )

    assert "no later turn is reached" in found["conversations[0]"]


def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "bad.toml"
    path.write_text("a = 1\nb = = 2\n", encoding="utf-8")

    with pytest.raises(ScriptError, match=r"bad\.toml: is no TOML: .*line 2"):
        load_script(path)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(ScriptError, match="can't be read"):
        load_script(tmp_path / "none.toml")


def test_a_script_may_be_json(tmp_path: Path):
    path = tmp_path / "script.json"
    path.write_text('{"conversations": [{"turns": [{"text": "hi"}]}]}', encoding="utf-8")

    assert load_script(path).conversations[0].turns[0].text == "hi"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_script_that_says_what_it_is_about(path: Path):
    assert load_script(path).about


def test_there_are_examples():
    assert EXAMPLES
