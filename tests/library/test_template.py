"""Placeholders in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrd.library.template import TemplateError, fill, names_in, parse, whole


def filled(text: str, **texts: str) -> str | None:
    return fill(parse(text), texts, frozenset(name for name, value in texts.items() if value))


@pytest.mark.parametrize(
    "text, result",
    [
        ("no placeholder", "no placeholder"),
        ("", ""),
        ("Run {{test}}.", "Run make."),
        ("{{ test }}{{test}}", "makemake"),
        ("a {{#test}}with {{test}}{{/test}}{{^test}}without{{/test}}.", "a with make."),
        ("a {{#none}}with {{none}}{{/none}}{{^none}}without{{/none}}.", "a without."),
        ("{{#test}}{{#none}}both{{/none}}{{^none}}one{{/none}}{{/test}}", "one"),
        ('json: {"a": {"b": 1}}', 'json: {"a": {"b": 1}}'),
        ("{{{{test}}", "{{test}}"),
        ("{{{{{{test}}}}", "{{make}}"),
        ("one brace { and }", "one brace { and }"),
    ],
)
def test_what_a_text_becomes(text, result):
    assert filled(text, test="make") == result


def test_a_mark_with_a_line_to_itself_takes_the_line_along():
    text = "first\n{{#test}}\n- run {{test}}\n  {{/test}}  \n{{^test}}\n- run nothing\n{{/test}}\nlast\n"

    assert filled(text, test="make") == "first\n- run make\nlast\n"
    assert filled(text) == "first\n- run nothing\nlast\n"


def test_what_needs_a_value_that_is_not_there_is_nothing_at_all():
    assert filled("Run {{test}}.") is None
    assert filled("{{#test}}Run {{other}}.{{/test}}", test="make") is None
    assert filled("{{#test}}Run {{other}}.{{/test}}") == ""


@given(value=st.text())
def test_what_is_put_in_is_never_read_again(value):
    assert filled("a {{x}} b{{#x}}{{/x}}", x=value) == f"a {value} b"
    assert filled("{{x}}", x="{{x}}{{/x}}{{{{" + value) == "{{x}}{{/x}}{{{{" + value


@pytest.mark.parametrize(
    "text, said",
    [
        ("{{test", "does not end"),
        ("{{te\nst}}", "does not end"),
        ("{{#test}}x", "the section `test` does not end ({{/test}} where it ends)"),
        ("x{{/test}}", "ends a section that never began"),
        ("{{#a}}{{#b}}{{/a}}{{/b}}", "{{/a}} stands within the section `b`"),
        ("{{#a}}" * 30 + "{{/a}}" * 30, "too deeply"),
    ],
)
def test_what_makes_no_sense_is_told(text, said):
    with pytest.raises(TemplateError) as told:
        parse(text)

    assert said in str(told.value)


def test_which_parameters_a_text_asks_for():
    parts = parse("{{a}} {{#b}}{{c}}{{^d}}{{/d}}{{/b}}")

    assert list(names_in(parts)) == ["a", "b", "c", "d"]
    assert whole(parts) is None
    assert whole(parse("{{ a }}")) == "a"
    assert whole(parse("{{a}} ")) is None


def test_a_hostile_text_takes_no_time():
    for text in (
        "{{" + " " * 500_000,
        "{{a" * 200_000 + "}}",
        " " * 500_000 + "{{#a}}",
        "{{#a}}\n" * 10 + "x" * 900_000,
    ):
        with pytest.raises(TemplateError):
            parse(text)
