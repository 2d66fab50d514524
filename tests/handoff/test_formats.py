from __future__ import annotations

import json
import time
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.formats import DocumentError, FieldError, Format, dump, line_of, read_document
from handoff.plan import Plan
from handoff.result import Result
from tests.builders import a_plan

HEAD = 'handoff = 1\nproject = "~/x"\nprompt = "hello"\n'


def refusal(raw: bytes | str, file_format: Format = Format.TOML) -> tuple[FieldError, ...]:
    with pytest.raises(DocumentError) as refused:
        read_document(Plan, raw.encode() if isinstance(raw, str) else raw, file_format)
    return refused.value.errors


def places(raw: bytes | str, file_format: Format = Format.TOML) -> list[tuple[str, int | None]]:
    return [(error.path, error.line) for error in refusal(raw, file_format)]


def test_five_mistakes_are_told_at_once_with_their_lines_and_what_was_expected():
    found = refusal(
        """handoff = 3
titel = "x"
project = "~/x"
prompt = "hello"
[limits]
timeout = 90
[permissions]
mode = "yolo"
[docs]
write_to = [
  "docs/a.md",
  "/etc/passwd",
]
"""
    )

    assert [(error.path, error.line) for error in found] == [
        ("handoff", 1),
        ("titel", 2),
        ("limits.timeout", 6),
        ("permissions.mode", 8),
        ("docs.write_to[1]", 12),
    ]
    assert found[1].hint == "did you mean `title`?"
    assert "45m" in str(found[2].hint)
    assert '"acceptEdits"' in str(found[3].hint)
    assert all(error.hint for error in found)


def test_the_same_mistakes_are_found_in_json_and_yaml():
    as_json = (
        '{\n"handoff": 3,\n"titel": "x",\n"project": "~/x", "prompt": "y",\n"limits": {\n"timeout": 90}\n}'
    )
    as_yaml = "---\nhandoff: 3\ntitel: x\nproject: ~/x\nlimits:\n  timeout: 90\n---\nhello\n"

    assert places(as_json, Format.JSON) == [("handoff", 2), ("titel", 3), ("limits.timeout", 6)]
    assert places(as_yaml, Format.MARKDOWN) == [("handoff", 2), ("titel", 3), ("limits.timeout", 6)]


@pytest.mark.parametrize(
    "written, hint",
    [
        ("permisions.mode = 'plan'", "did you mean `permissions`?"),
        ("permissions.mod = 'plan'", "did you mean `mode`?"),
        ("timeout = '1m'", "did you mean `limits.timeout`?"),
        ("Title = 'x'", "did you mean `title`?"),
        ("docs.qqqqqq = 1", "the fields here are: request, about, write_to, expires"),
        ("mcp.db = { command = 'x', arg = [] }", "did you mean `args`?"),
    ],
)
def test_the_nearest_known_field_is_suggested(written, hint):
    (error,) = refusal(HEAD + written)

    assert (error.line, error.hint) == (4, hint)


@pytest.mark.parametrize(
    "text, path, line",
    [
        ("[a]\nb = 1\n", "a.b", 2),
        ("\n\na.b.c = 1\n", "a.b.c", 3),
        ("\n\na.b.c = 1\n", "a.b", 3),
        ("[[a]]\nb=1\n[[a]]\nb=1\n[a.c]\nd=1", "a[1].b", 4),
        ("[[a]]\nb=1\n[[a]]\nb=1\n[a.c]\nd=1", "a[1].c.d", 6),
        ("[[a]]\n[[a.b]]\nx=1\n[[a.b]]\nx=2", "a[0].b[1].x", 5),
        ("a = { b = 1, c = { d = 2 } }", "a.c.d", 1),
        ("a = [\n 1,\n # no\n [2,\n 3],\n]", "a[1][1]", 5),
        ('a = """\n[x]\ny = 1\n"""\nb = 1', "b", 5),
        ("a = '''\nit's \"\"\" here'''\nb = 1", "b", 3),
        ('a = "x # y = \\" z"\nb = 1', "b", 2),
        ('a = """\\\n  x""""\nb = 1', "b", 3),
        ('"a b"."c.d" = 1', '"a b"."c.d"', 1),
        ('[x]\n"\\u0061" = 1', "x.a", 2),
        ("a = 2026-11-24 02:00:00\nb = 1", "b", 2),
        ("a = 1\r\nb = 2\r\n", "b", 2),
        ("[a]\nx = 1\n", "a.missing", 1),
        ("\n\n[a]\nx = 1\n", "a.missing", 3),
    ],
)
def test_the_line_of_every_toml_value_is_known(text, path, line):
    tomllib.loads(text)

    assert line_of(text.encode(), Format.TOML, path) == line


def test_lines_of_markdown_are_counted_in_the_whole_file():
    text = "+++\nhandoff = 1\nproject = 'x'\n+++\n\n\nhello\n"

    assert places(text, Format.MARKDOWN) == [("project", 3)]
    assert line_of(text.encode(), Format.MARKDOWN, "prompt") == 7


def test_the_line_of_a_document_that_cannot_be_read_is_unknown():
    assert line_of(b"a = ", Format.TOML, "a") is None


@pytest.mark.parametrize(
    "raw, file_format, line",
    [
        (b"handoff = 1\ntitle = x\n", Format.TOML, 2),
        (b"handoff = 1\nhandoff = 1\n", Format.TOML, 2),
        (b"handoff = 1\n\ntitle = ", Format.TOML, 3),
        (b"", Format.JSON, 1),
        (b"[1]", Format.JSON, 1),
        (b'{"a": 1,\n}', Format.JSON, 2),
        (b"a\n\xff\n", Format.TOML, 2),
        (b"\xff\xfeh\x00", Format.TOML, 1),
        (b"a = 1\n# \x00\n", Format.TOML, 2),
        (b"hello", Format.MARKDOWN, 1),
        (b"---\na: 1\n", Format.MARKDOWN, 1),
        (b"---\na: [1\n---\n", Format.MARKDOWN, 3),
        (b"---\na: &x 1\nb: *x\n---\n", Format.MARKDOWN, 2),
        (b"---\nhandoff: 1\na: !!python/object:os.system x\n---\n", Format.MARKDOWN, 3),
        (b"---\n- 1\n---\n", Format.MARKDOWN, 2),
        (b"+++\na = 1\nb =\n+++\n", Format.MARKDOWN, 3),
        (b"a = " + b"1" * 5000, Format.TOML, 1),
        (b"x = " + b"[" * 100_000, Format.TOML, 1),
        (b"[" * 100_000, Format.JSON, 1),
        (b"\n" + b"a." * 300_000 + b"a = 1", Format.TOML, 2),
        (b"---\n" + b"[" * 1000 + b"\n---\n", Format.MARKDOWN, 2),
        (b"---\n" + b"a: b\n" * 20_000 + b"---\n", Format.MARKDOWN, 2),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(raw, file_format, line):
    started = time.thread_time()

    (error,) = refusal(raw, file_format)

    assert error.line == line
    assert error.message
    assert error.hint
    assert time.thread_time() - started < 5


def test_a_name_that_stands_twice_is_an_error_everywhere():
    twice = '{"handoff": 1, "project": "~/x", "prompt": "x", "limits": {"max_turns": 1,\n"max_turns": 2}}'
    in_yaml = "---\nhandoff: 1\nproject: ~/x\nproject: ~/y\n---\nhello"

    assert places(twice, Format.JSON) == [("limits.max_turns", 2)]
    assert places(in_yaml, Format.MARKDOWN) == [("project", 4)]


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "99999999999999999999"]
)
def test_json_numbers_that_are_none_are_refused_with_their_place(number):
    text = f'{{"handoff": 1, "project": "~/x", "prompt": "x",\n"metadata": {{"a":\n{number}}}}}'

    assert places(text, Format.JSON) == [("metadata.a", 2)]


def test_half_a_surrogate_pair_is_refused_with_its_place():
    text = '{"handoff": 1, "project": "~/x", "prompt": "a\\ud800b",\n"metadata": {"a": "\\udfff"}}'

    assert places(text, Format.JSON) == [("prompt", 1), ("metadata.a", 2)]


def test_the_words_of_yaml_are_what_they_look_like():
    text = "---\nhandoff: 1\nproject: ~/x\ntitle: no\nlimits: {timeout: 45m}\nmetadata: {a: 1:30, b: on}\n---\nhello"

    plan = read_document(Plan, text.encode(), Format.MARKDOWN)

    assert (plan.title, plan.limits.timeout) == ("no", 2700)
    assert plan.metadata == {"a": "1:30", "b": "on"}


def test_a_byte_order_mark_and_crlf_are_read():
    text = "\ufeff" + HEAD.replace("\n", "\r\n")
    markdown = "\ufeff+++\r\nhandoff = 1\r\nproject = '~/x'\r\n+++\r\n\r\nhello\r\nyou\r\n"

    assert read_document(Plan, text.encode(), Format.TOML).prompt == "hello"
    assert read_document(Plan, markdown.encode(), Format.MARKDOWN).prompt == "hello\nyou"


def test_a_prompt_in_the_front_matter_and_as_body_is_one_too_many():
    text = "+++\nhandoff = 1\nproject = '~/x'\nprompt = 'a'\n+++\nb\n"

    assert places(text, Format.MARKDOWN) == [("prompt", 6)]


def test_ten_thousand_mistakes_are_answered_briefly():
    found = refusal(HEAD + "".join(f"x{n} = 1\n" for n in range(10_000)))

    assert len(found) == 101
    assert (found[0].path, found[0].line) == ("x0", 4)
    assert found[-1].message == "and 9900 more errors"


def test_what_would_take_seconds_to_be_answered_is_answered_at_once():
    started = time.thread_time()

    (error,) = refusal(b'{"steps": [{}' + b",{}" * 300_000 + b"]}", Format.JSON)

    assert "20,000" in str(error.hint)
    assert time.thread_time() - started < 5


def test_a_number_that_is_too_long_is_found_at_once_behind_many_that_nearly_are():
    text = HEAD + ("# " + "3" * 3990 + "\n") * 200 + "priority = " + "1" * 5000
    started = time.thread_time()

    (error,) = refusal(text)

    assert (error.message, error.line) == ("a number is too large", 204)
    assert time.thread_time() - started < 2


@pytest.mark.parametrize("digits", [17, 4000])
def test_a_whole_number_of_any_size_is_told_and_not_written_out(digits: int):
    found = refusal(HEAD + f"priority = 0x{'f' * digits}\n[limits]\ntimeout = 0x{'f' * digits}")

    assert {one.path for one in found} == {"priority", "limits.timeout"}
    assert all(len(str(one)) < 300 for one in found)


@pytest.mark.parametrize(
    ("text", "file_format"),
    [
        ("a = [" + "1, " * 300_000 + "]", Format.TOML),
        ("".join(f"[a{n}]\n" for n in range(90_000)), Format.TOML),
        ("#\n" * 400_000, Format.TOML),
        ("".join("a." * 30 + f"k{n} = 1\n" for n in range(10_000)), Format.TOML),
        ("{" + '"a": 1, ' * 100_000 + '"a": 1}', Format.JSON),
        ("---\na: [" + "1," * 30_000 + "]\n---\n", Format.MARKDOWN),
    ],
)
def test_far_too_many_values_are_refused_before_they_are_read(text: str, file_format: Format):
    started = time.thread_time()

    (error,) = refusal(text.encode(), file_format)

    assert "too many" in error.message
    assert time.thread_time() - started < 1


def test_as_many_values_as_a_document_may_hold_are_read():
    most = 19_990
    text = HEAD + "[metadata]\n" + "".join(f"'k,{n}' = '[=,.'  # [=,.\n" for n in range(most))
    tree = {"handoff": 1, "project": "/tmp", "prompt": "[=,{" * 9000, "metadata": {"a": [0] * most}}

    assert len(read_document(Plan, text.encode(), Format.TOML).metadata) == most
    assert len(read_document(Plan, json.dumps(tree).encode(), Format.JSON).metadata["a"]) == most


def test_a_date_at_the_end_of_the_calendar_is_given_back():
    raw = (
        HEAD + "[metadata]\nlast = 9999-12-31T23:59:59-23:59\nfirst = 0001-01-01T00:00:00+23:59\n"
    ).encode()
    plan = read_document(Plan, raw, Format.TOML)

    again = read_document(Plan, dump(plan, Format.TOML), Format.TOML)

    assert again.metadata == plan.metadata
    assert b"23:59" in dump(plan, Format.JSON)


def test_names_with_control_characters_are_shown_harmlessly():
    (error,) = refusal(HEAD + '"\\u001b[31m\\u0007" = 1')

    assert error.path.isprintable()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
SCALARS = (
    TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLANS = st.fixed_dictionaries(
    {"prompt": TEXT.filter(str.strip), "priority": st.integers(0, 100)},
    optional={
        "title": TEXT.filter(lambda text: text.strip() and text.isprintable()),
        "metadata": st.dictionaries(TEXT, TREES, max_size=4),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "timeout": st.integers(1, 10**9).map(lambda n: n / 1000),
                "memory": st.integers(1, 2**50),
            },
        ),
        "not_before": st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given
        "permissions": st.fixed_dictionaries({"allow": st.just(["Bash(git *)", "Edit"])}),
        "mcp": st.just({"database": {"command": "uvx", "args": ["", "-x"], "env": {"A": "${B}"}}}),
    },
)


@pytest.mark.parametrize("file_format", list(Format))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(fields=PLANS)
def test_a_plan_that_was_written_is_read_as_the_same_plan(file_format, fields):
    plan = a_plan(**fields)

    assert read_document(Plan, dump(plan, file_format), file_format) == plan
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def only_document_errors(raw: bytes) -> None:
    for file_format in Format:
        for model in (Plan, Result):
            try:
                read_document(model, raw, file_format)
            except DocumentError as error:
                told = error.errors
                if not told or not all(one.line and one.message for one in told[:100]):
                    raise AssertionError(told) from error


@settings(max_examples=300)
@given(raw=st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_document_error(raw):
    only_document_errors(raw)


@settings(max_examples=300)
@given(tree=st.dictionaries(st.sampled_from([*Plan.model_fields, "x"]), TREES | st.none(), max_size=6))
def test_no_json_tree_raises_anything_but_a_document_error(tree: dict[str, Any]):
    only_document_errors(json.dumps({"handoff": 1, "project": "~/x", **tree}).encode())


@settings(max_examples=300)
@given(
    parts=st.lists(
        st.sampled_from(
            [
                "handoff = 1\n",
                "[a]\n",
                "[[steps]]\n",
                "a.b",
                " = ",
                "{",
                "}",
                "[",
                "]",
                '"""',
                "'''",
                '"',
                "\\",
                "#",
                "\n",
                "+++\n",
                "---\n",
                "a: ",
                "- ",
                "&x ",
                "*x",
                "!!int ",
                "|\n  ",
                "\t",
                "\r\n",
                "\0",
                "\ufeff",
                "1e9",
                "é",
                ",",
            ]
        ),
        max_size=40,
    ),
    fence=st.sampled_from(["", "+++\n", "---\n"]),
)
def test_no_broken_text_raises_anything_but_a_document_error(parts, fence):
    text = fence + "".join(parts) + ("\n" + fence)

    only_document_errors(text.encode())
