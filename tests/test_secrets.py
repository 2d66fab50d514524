from __future__ import annotations

import json

import pytest

from orchestrd.secrets import Redactor, secret_names

SECRET = "canary-4711"


def test_names_are_compared_as_shell_patterns_whatever_their_case() -> None:
    environ = {"ANTHROPIC_API_KEY": "", "my_token": "", "PATH": "", "TOKENS": "", "HOME": ""}

    assert secret_names(environ, ("*key*", "*_TOKEN")) == ["ANTHROPIC_API_KEY", "my_token"]


def test_a_value_becomes_its_name_wherever_it_stands() -> None:
    redactor = Redactor({"KEY": SECRET})

    assert (
        redactor.redact(b"a canary-4711, canary-4711canary-4711")
        == b"a [secret:KEY], [secret:KEY][secret:KEY]"
    )
    assert redactor.redact(b"canary-471") == b"canary-471"


@pytest.mark.parametrize(
    "value", ['with "quotes"', "back\\slash", "tab\tand\x01control", "ümläut-€", "two\nlines of it"]
)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_value_is_found_in_json_and_in_json_within_json(value: str, ascii_only: bool, depth: int) -> None:
    text = value
    for _ in range(depth):
        text = json.dumps({"text": text}, ensure_ascii=ascii_only)

    redacted = Redactor({"KEY": value}).redact(text.encode()).decode()

    for _ in range(depth):
        redacted = json.loads(redacted)["text"]
    assert redacted == "[secret:KEY]"


def test_each_long_line_of_a_key_file_is_a_secret_by_itself() -> None:
    redactor = Redactor({"PEM_KEY": "-----BEGIN KEY-----\nMIIEvAIBADANBgkq\nshort\n"})

    assert redactor.redact(b"line MIIEvAIBADANBgkq\n") == b"line [secret:PEM_KEY]\n"
    assert redactor.redact(b"short") == b"short"


def test_of_two_values_the_longer_goes_first() -> None:
    redactor = Redactor({"A": "canary", "B": "canary-4711"})

    assert redactor.redact(b"canary-4711 canary") == b"[secret:B] [secret:A]"


def test_a_value_that_is_in_every_text_is_left_alone() -> None:
    assert Redactor({"KEY": "abc", "EMPTY": ""}).redact(b"abc") == b"abc"


@pytest.mark.parametrize(
    "line, expected",
    [
        ({"n": 32000}, {"n": "[secret:N]"}),
        (
            {"n": 132000, "m": 32000.5, "e": [32000, 320001]},
            {"n": 132000, "m": 32000.5, "e": ["[secret:N]", 320001]},
        ),
        ({"text": '32000 "x\\" 132000'}, {"text": '[secret:N] "x\\" 1[secret:N]'}),
        ({"32000": {"deep": -32000}}, {"[secret:N]": {"deep": -32000}}),
    ],
)
def test_a_value_that_is_a_number_leaves_json_whole(line: object, expected: object) -> None:
    redacted = Redactor({"N": "32000"}).redact(json.dumps(line).encode() + b"\nplain 132000\n")

    first, second = redacted.splitlines()
    assert json.loads(first) == expected
    assert second == b"plain 1[secret:N]"


def test_a_value_that_is_a_word_of_json_leaves_json_whole() -> None:
    redacted = Redactor({"SECRET_MODE": "true"}).redact(b'{"a": true, "b": "true"}')

    assert json.loads(redacted) == {"a": "[secret:SECRET_MODE]", "b": "[secret:SECRET_MODE]"}


def test_bytes_that_are_no_utf8_are_found_raw_and_as_node_shows_them() -> None:
    redactor = Redactor({"KEY": b"canary-\xff-4711".decode("utf-8", "surrogateescape")})

    assert redactor.redact(b"canary-\xff-4711") == b"[secret:KEY]"
    assert redactor.redact("canary-\ufffd-4711".encode()) == b"[secret:KEY]"
