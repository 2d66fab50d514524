from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import ValidationError

from handoff.formats import DocumentError, Format, read_document
from handoff.plan import Plan
from tests.builders import a_plan

HEAD = 'handoff = 1\nproject = "~/x"\n'


def errors_of(text: str, file_format: Format = Format.TOML) -> list[tuple[str, int | None]]:
    with pytest.raises(DocumentError) as refused:
        read_document(Plan, text.encode(), file_format)
    return [(error.path, error.line) for error in refused.value.errors]


def read(text: str) -> Plan:
    return read_document(Plan, text.encode(), Format.TOML)


def test_a_plan_of_three_lines_has_the_defaults_of_the_protocol():
    plan = read(HEAD + 'prompt = "Say hello."\n')

    assert (plan.priority, plan.permissions.mode, plan.permissions.ask) == (50, "default", "deny")
    assert (plan.accept.changes, plan.accept.rounds, plan.docs.request) == ("allowed", 2, False)
    assert (plan.workspace.commit, plan.workspace.keep) == (True, "on-failure")
    assert (plan.workspace.branch, plan.limits.on_interrupt) == ("handoff/{id}", "resume")
    assert plan.docs.write_to == ("docs/**",)
    left_to_the_place = (plan.title, plan.workspace.mode, plan.limits.timeout, plan.limits.attempts)
    assert left_to_the_place == (None, None, None, None)


def test_every_field_of_the_protocol_is_understood():
    text = (
        HEAD
        + """
title = "Rate-limit the public API"
key = "api-rate-limit-v1"
priority = 50
after = ["design-api"]
not_before = 2026-11-24T02:00:00Z
expires = 2026-11-25T04:00:00+02:00
model = "sonnet"
fallback_model = "haiku"
effort = "high"
system_prompt_append = "Be brief."
[limits]
timeout = "45m"
max_turns = 40
max_usd = 2.50
memory = "4GiB"
attempts = 3
on_interrupt = "restart"
[workspace]
mode = "worktree"
base = "main"
branch = "handoff/{id}"
commit = true
keep = "always"
touches = ["src/api/**"]
[permissions]
mode = "acceptEdits"
allow = ["Bash(git *)", "Edit", "mcp__database__query"]
deny = ["WebFetch"]
ask = "request"
ask_timeout = "24h"
[mcp.database]
command = "uvx"
args = ["mcp-alchemy"]
env = { DB_URL = "${DATABASE_URL}" }
[agents.test-writer]
description = "Writes tests first"
prompt = "Write tests."
tools = ["Read", "Bash(pytest *)"]
[accept]
checks = [["make", "test"]]
changes = "expected"
rounds = 1
[docs]
request = true
about = "Operators need to know"
write_to = ["docs/rate-limits.md"]
expires = 2026-12-24T00:00:00Z
[metadata]
ticket = "API-142"
[[steps]]
id = "analyse"
agent = "architecture-analyzer"
prompt = "Look."
permissions.mode = "plan"
output_schema = { type = "object", properties = { n = { type = "integer" } }, required = ["n"] }
[[steps]]
id = "test"
run = ["make", "test"]
needs = ["analyse"]
[[steps]]
id = "coordinate"
prompt = "Go on."
expands = true
"""
    )

    plan = read(text)

    assert plan.limits.timeout == 2700
    assert plan.limits.memory == 4 << 30
    assert plan.expires is not None
    assert plan.expires.isoformat() == "2026-11-25T02:00:00+00:00"
    assert [step.id for step in plan.steps] == ["analyse", "test", "coordinate"]
    assert plan.mcp["database"].env == {"DB_URL": "${DATABASE_URL}"}


def test_a_plan_survives_its_way_through_json():
    plan = a_plan(
        limits={"timeout": "1h30m", "memory": "512MiB"},
        not_before="2026-11-24T02:00:00Z",
        metadata={
            "when": read(HEAD + 'prompt="x"\n[metadata]\nd = 2026-01-02\nt = 10:00:00\n').metadata,
            "$toml": 1,
        },
        params={},
    )

    again = Plan.model_validate_json(plan.model_dump_json())

    assert again == plan


def test_metadata_that_looks_like_our_own_mark_survives_json():
    plan = a_plan(metadata={"a": {"$toml": "2026-01-02"}, "b": {"$toml": [{"$toml": "x"}]}})

    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_nothing_to_do_is_an_error():
    assert errors_of(HEAD) == [("", 1)]


def test_a_prompt_and_steps_exclude_each_other():
    assert errors_of(HEAD + 'prompt = "x"\n[[steps]]\nid = "a"\nprompt = "y"\n') == [("steps", 4)]


def test_python_code_is_told_the_same():
    with pytest.raises(ValidationError) as refused:
        a_plan(prompt="x", workflow="feature")

    assert "exactly one of" in str(refused.value)


@pytest.mark.parametrize(
    "line, path",
    [
        ('handoff = "1"', "handoff"),
        ("handoff = true", "handoff"),
        ('project = "src/api"', "project"),
        ('title = ""', "title"),
        ('title = "two\\nlines"', "title"),
        ('prompt = "   "', "prompt"),
        ('prompt = "a\\u0000b"', "prompt"),
        ("priority = 101", "priority"),
        ("priority = true", "priority"),
        ('priority = "50"', "priority"),
        ("priority = 50.0", "priority"),
        ('after = ["Design API"]', "after[0]"),
        ('after = "design-api"', "after"),
        ("not_before = 2026-11-24T02:00:00", "not_before"),
        ("not_before = 2026-11-24", "not_before"),
        ("not_before = 02:00:00", "not_before"),
        ('not_before = "2026-02-30T02:00:00Z"', "not_before"),
        ("not_before = 1795485600", "not_before"),
        ('model = "--dangerously-skip-permissions"', "model"),
        ("limits.timeout = 90", "limits.timeout"),
        ('limits.timeout = "0s"', "limits.timeout"),
        ('limits.timeout = "90"', "limits.timeout"),
        ("limits.max_usd = -1", "limits.max_usd"),
        ("limits.max_usd = inf", "limits.max_usd"),
        ("limits.max_turns = 0", "limits.max_turns"),
        ('limits.memory = "4 gigs"', "limits.memory"),
        ("limits.attempts = 0", "limits.attempts"),
        ('limits.on_interrupt = "retry"', "limits.on_interrupt"),
        ('workspace.mode = "copy"', "workspace.mode"),
        ('workspace.branch = "a..b"', "workspace.branch"),
        ('workspace.branch = "x.lock/{id}"', "workspace.branch"),
        ('workspace.branch = "handoff/{name}"', "workspace.branch"),
        ('workspace.branch = "-x"', "workspace.branch"),
        ('workspace.base = "--upload-pack=x"', "workspace.base"),
        ('workspace.commit = "yes"', "workspace.commit"),
        ('workspace.touches = ["/etc/**"]', "workspace.touches[0]"),
        ('permissions.mode = "yolo"', "permissions.mode"),
        ('permissions.allow = ["Bash(git *"]', "permissions.allow[0]"),
        ('permissions.allow = ["--x"]', "permissions.allow[0]"),
        ('docs.write_to = ["../x.md"]', "docs.write_to[0]"),
        ('docs.write_to = ["docs//x.md"]', "docs.write_to[0]"),
        ('docs.write_to = [".git/hooks/x"]', "docs.write_to[0]"),
        ("docs.write_to = []", "docs.write_to"),
        ('docs.write_to = ["docs/**", "!docs/secret.md"]', "docs.write_to[1]"),
        ('docs.write_to = ["docs/a:b.md"]', "docs.write_to[0]"),
        ('docs.write_to = ["docs/x.md "]', "docs.write_to[0]"),
        ("mcp.database.args = []", "mcp.database.command"),
        ('mcp."a b".command = "x"', 'mcp."a b"'),
        ("accept.checks = [[]]", "accept.checks[0]"),
        ("metadata.x = nan", "metadata.x"),
        ('metadata = "x"', "metadata"),
    ],
)
def test_a_wrong_value_is_named_with_its_field_and_line(line, path):
    own = line.partition(" ")[0]
    head = [f"{name} = {value}" for name, value in HEADERS.items() if name != own]

    found = errors_of("\n".join([*head, line]))

    assert found == [(path, 3 if own in HEADERS else 4)]


HEADERS: dict[str, Any] = {"handoff": 1, "project": '"~/x"', "prompt": '"hello"'}


@pytest.mark.parametrize(
    "title", ["レート\u3000制限", "👩\u200d💻 works", "a\u00a0b", '"quoted" \\ and more']
)
def test_a_title_may_be_in_any_language(title):
    assert read(HEAD + f"prompt = 'x'\ntitle = '{title}'").title == title


def steps(*written: str) -> str:
    return HEAD + "".join(f"[[steps]]\n{one}\n" for one in written)


def test_unknown_needs_name_the_steps_that_are_there():
    with pytest.raises(DocumentError) as refused:
        read(steps('id = "a"\nprompt = "x"', 'id = "b"\nprompt = "x"\nneeds = [\n  "a",\n  "c",\n]'))

    (error,) = refused.value.errors
    assert (error.path, error.line, error.hint) == ("steps[1].needs[1]", 11, "the steps here are: a, b")


@pytest.mark.parametrize("written", ["analyze", "Analyse", "ANALYSE"])
def test_an_unknown_need_is_told_with_the_step_that_was_meant(written):
    with pytest.raises(DocumentError) as refused:
        read(steps('id = "analyse"\nrun = ["x"]', f'id = "build"\nrun = ["x"]\nneeds = ["{written}"]'))

    assert [error.hint for error in refused.value.errors if error.message.startswith("there is no step")] == [
        "did you mean `analyse`?"
    ]


def test_a_thousand_unknown_needs_are_told_in_a_moment():
    long = "a" * 60
    written = [f'id = "{long}{number}"\nrun = ["x"]\nneeds = ["{long}x{number}"]' for number in range(1000)]
    raw = steps(*written)

    begun = time.thread_time()
    with pytest.raises(DocumentError):
        read(raw)

    assert time.thread_time() - begun < 3


def test_a_circle_of_steps_is_told_with_its_way():
    with pytest.raises(DocumentError) as refused:
        read(steps(*(f'id = "{one}"\nrun = ["x"]\nneeds = ["{need}"]' for one, need in ("ab", "bc", "ca"))))

    (error,) = refused.value.errors
    assert error.path == "steps[0].needs"
    assert "a → b → c → a" in error.message


def test_two_steps_of_one_id_are_an_error():
    assert errors_of(steps('id = "a"\nprompt = "x"', 'id = "a"\nprompt = "x"')) == [("steps[1].id", 7)]


def test_a_step_is_a_prompt_or_a_command():
    assert errors_of(steps('id = "a"', 'id = "b"\nprompt = "x"\nrun = ["x"]')) == [
        ("steps[0]", 3),
        ("steps[1].run", 8),
    ]


def test_an_output_schema_that_is_no_json_schema_is_refused_with_all_that_is_wrong_with_it():
    schema = "{ minimum = 'five', properties = { n = { type = 'obj', pattern = '(' } } }"
    with pytest.raises(DocumentError) as refused:
        read(steps(f'id = "a"\nprompt = "x"\noutput_schema = {schema}'))

    (error,) = refused.value.errors
    assert (error.path, error.line) == ("steps[0].output_schema", 6)
    for told in ("/minimum is no number", "/properties/n/type is not one of array,", "/properties/n/pattern"):
        assert told in error.message
    assert "draft-07" in (error.hint or "")


def test_ten_thousand_steps_in_a_row_are_no_trouble():
    chain = [{"id": f"s{n}", "prompt": "x", **({"needs": [f"s{n - 1}"]} if n else {})} for n in range(10_000)]

    assert len(a_plan(steps=chain).steps) == 10_000
