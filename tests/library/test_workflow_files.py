"""A workflow's file: what is wrong with one is told when it is read, with path and line."""

from __future__ import annotations

import time

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from handoff.formats import DocumentError
from orchestrd.library.workflow import read_workflow
from tests.library.texts import HEAD, a_workflow, faults, hints

TASK = '[params.task]\ntype = "string"\ndescription = "What is to be done"\nrequired = true\n'


def test_a_workflow_may_be_one_prompt():
    workflow = a_workflow('prompt = "Do {{task}}."\n' + TASK)

    assert workflow.title == "Try"
    assert list(workflow.params) == ["task"]
    assert workflow.body == {"prompt": "Do {{task}}."}


@pytest.mark.parametrize(
    "body, path, line, message",
    [
        ('prompt = "Do."\npromt = "x"\n', "promt", 2, "there is no such field"),
        ('prompt = "Do."\nproject = "/x"\n', "project", 2, "there is no such field"),
        ('prompt = "Do."\n[limits]\ntimout = "1h"\n', "limits.timout", 3, "there is no such field"),
        ('prompt = "Do."\n[limits]\ntimeout = "soon"\n', "limits.timeout", 3, '"soon" is no duration'),
        ("", "", 1 - 3, "there is nothing to do"),
        (
            '[[steps]]\nid = "a"\nprompt = "x"\nneeds = ["b"]\n',
            "steps[0].needs[0]",
            4,
            "there is no step 'b'",
        ),
        (
            '[[steps]]\nid = "a"\nprompt = "x"\nneeds = ["b"]\n[[steps]]\nid = "b"\nprompt = "x"\nneeds = ["a"]\n',
            "steps[0].needs",
            4,
            "in a circle",
        ),
        ('[[steps]]\nprompt = "x"\n', "steps[0].id", 1, "a step has an id"),
        ('[[steps]]\nid = "a"\nprompt = "x"\nneeds = "b"\n', "steps[0].needs", 4, "no list of ids"),
        ('steps = ["a"]\n', "steps[0]", 1, "this is no step"),
        ("steps = 1\n", "steps", 1, "no list of steps"),
        ('prompt = "Do {{x}}."\n', "prompt", 1, 'there is no parameter "x"'),
        ('prompt = "Do {{#task}}."\n' + TASK, "prompt", 1, "the section `task` does not end"),
        ('prompt = "Do {{task"\n' + TASK, "prompt", 1, "does not end"),
        ('prompt = "Do {{x"\n', "prompt", 1, "does not end"),
        ('prompt = "Do."\n' + TASK, "params.task", 2, "nothing uses this parameter"),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "text"\ndescription = "A"\n',
            "params.a.type",
            3,
            '"text" is not known here',
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "string"\ndescription = "A"\nregex = "x"\n',
            "params.a.regex",
            5,
            "there is no such field",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "string"\n',
            "params.a.description",
            2,
            "required, and missing",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "integer"\ndescription = "A"\ndefault = "x"\n',
            "params.a.default",
            5,
            '"x" is text',
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "choice"\ndescription = "A"\n',
            "params.a.values",
            2,
            "nothing to choose from",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "string"\ndescription = "A"\nvalues = ["x"]\n',
            "params.a.values",
            5,
            "belong to a choice",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "string"\ndescription = "A"\npattern = "("\n',
            "params.a.pattern",
            5,
            "no regular expression",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "integer"\ndescription = "A"\nmin = 3\nmax = 1\n',
            "params.a.max",
            6,
            "less than `min`",
        ),
        (
            'prompt = "{{a}}"\n[params.a]\ntype = "string"\ndescription = "A"\nrequired = true\ndefault = "x"\n',
            "params.a.default",
            6,
            "needs no default",
        ),
        (
            'prompt = "{{A}}"\n[params.A]\ntype = "string"\ndescription = "A"\n',
            "params.A",
            2,
            "is no name of a parameter",
        ),
    ],
)
def test_what_is_wrong_is_told_with_path_and_line(body, path, line, message):
    found = faults(body)

    assert [(at, where) for at, where, _ in found] == [(path, line)], found
    assert message in found[0][2]


def test_everything_is_told_at_once():
    found = faults('promt = "x"\n' + TASK + '[params.n]\ntype = "int"\ndescription = "N"\n')

    assert [path for path, _, _ in found] == ["", "promt", "params.task", "params.n", "params.n.type"]


ALL_WRONG = """
[params.a]
type = "string"
description = "A"

[params.n]
type = "integer"
description = "N"
min = "x"

[[steps]]
id = "one"
prompt = "Do {{#a}} and {{neither}}"
needs = ["two"]

[[steps]]
id = "two"
prompt = "Do {{nope}} {{n}}"
needs = ["one", "tow"]
whem = "a"

[[steps]]
run = ["true"]
needs = [1]
limits = { timeout = "soon" }
"""


def test_what_is_wrong_with_one_text_hides_nothing_that_is_wrong_elsewhere():
    assert [(path, message) for path, _, message in faults(ALL_WRONG)] == [
        ("params.n.min", '"x" is text'),
        ("steps[0].prompt", "the section `a` does not end"),
        ("steps[0].prompt", 'there is no parameter "neither"'),
        ("steps[0].needs", "these steps need one another in a circle: one → two → one"),
        ("steps[1].prompt", 'there is no parameter "nope"'),
        ("steps[1].needs[1]", "there is no step 'tow'"),
        ("steps[1].whem", "there is no such field"),
        ("steps[2].id", "a step has an id, text in quotes"),
        ("steps[2].needs", "this is no list of ids"),
        ("steps[2].limits.timeout", '"soon" is no duration'),
    ]
    assert "did you mean `when`?" in hints(ALL_WRONG)


@pytest.mark.parametrize(
    "body",
    [
        'steps = 1\n[limits]\nmax_turns = "{{n}}"\n',
        '[[steps]]\nid = "{{n}}"\nrun = ["x"]\nwhen = 1\n[[steps]]\nid = "b"\nrun = ["x"]\nneeds = ["{{n}}"]\n',
        '[[steps]]\nid = "a"\nrun = "{{n}}"\nwhen = "not n"\n[[steps]]\nid = "a"\nrun = ["{{"]\nwhen = "n"\n',
        '[[steps]]\nid = "a"\nprompt = "x"\nmodel = "{{n}}"\nlimits = { timeout = "{{n}}", max_turns = "{{#n}}" }\n',
    ],
)
def test_nothing_is_told_of_what_follows_from_something_that_is_told_already(body):
    body += '[params.n]\ntype = "choice"\ndescription = "N"\n'  # of no values

    assert {hint for hint in hints(body) if "tried with" in hint} == set()
    assert all(
        "nothing to do" not in message and "has this id" not in message for _, _, message in faults(body)
    )
    assert "nothing uses this parameter" not in {message for _, _, message in faults(body)}


def test_a_version_of_the_protocol_that_nobody_knows_is_refused():
    with pytest.raises(DocumentError) as told:
        read_workflow(HEAD.replace("1", "2").encode() + b'prompt = "x"\n')

    assert "handoff = 1" in str(told.value)


COMMAND = '[params.test]\ntype = "command"\ndescription = "Tests"\n'
TEXT = '[params.text]\ntype = "string"\ndescription = "Text"\n'
LIST = '[params.many]\ntype = "list"\ndescription = "Many"\n'


FAST = '[params.fast]\ntype = "boolean"\ndescription = "Fast"\n'


def step(line: str, params: str = TEXT) -> str:
    return f'{params}\n[[steps]]\nid = "a"\nprompt = "{{{{text}}}}"\n{line}\n'


@pytest.mark.parametrize(
    "body, message",
    [
        (step('permissions.allow = ["Bash({{text}})"]'), "may be no permission"),
        (step('permissions.allow = ["{{text}}"]'), "may be no permission"),
        (step('permissions.mode = "{{text}}"'), "may be no permission"),
        (step('permissions.deny = ["Bash({{test}})"]', TEXT + COMMAND), "may be no permission"),
        (step('permissions.allow = ["Bash({{test}} *)"]', TEXT + COMMAND), "may be no permission"),
        (step('agent = "{{text}}"'), "no parameter may stand here"),
        (step('needs = ["{{text}}"]'), "no parameter may stand here"),
        (step('mcp.x.command = "{{text}}"'), "which programs start"),
        (step('mcp.x = { command = "a", args = ["{{text}}"] }'), "which programs start"),
        ('prompt = "{{text}}"\npermissions.allow = ["{{text}}"]\n' + TEXT, "may be no permission"),
        (
            'prompt = "x"\n[agents.a]\ndescription = "d"\nprompt = "p"\ntools = ["{{text}}"]\n' + TEXT,
            "permission",
        ),
        ('prompt = "x"\n[mcp.a]\ncommand = "{{text}}"\n' + TEXT, "which programs start"),
        ('prompt = "{{text}}"\n[limits]\n"{{text}}" = 1\n' + TEXT, "in the name of a field"),
        (TEXT + '[[steps]]\nid = "a"\nrun = "{{text}}"\n', "only a parameter of the type command"),
        (TEXT + '[[steps]]\nid = "a"\nrun = "make {{text}}"\n', "only a parameter of the type command"),
        (TEXT + '[[steps]]\nid = "a"\nrun = ["{{text}}", "x"]\n', "which program starts"),
        (
            LIST + '[[steps]]\nid = "a"\nrun = ["x", "{{many}}"]\n',
            "a list stands here, and an argument is one text",
        ),
        (TEXT + '[[steps]]\nid = "a"\nrun = ["sh", "-c", "echo {{text}}"]\n', "a shell would take"),
        (TEXT + '[[steps]]\nid = "a"\nrun = ["/bin/bash", "-euc", "{{text}}"]\n', "a shell would take"),
        ('prompt = "x"\naccept.checks = "{{test}}"\n' + COMMAND, "not the list of all"),
        ('prompt = "x"\naccept.checks = ["{{text}}"]\n' + TEXT, "only a parameter of the type command"),
        (step("when = 1"), "this is no condition"),
        (step('when = "nothing"'), 'there is no parameter "nothing"'),
    ],
)
def test_where_a_parameter_could_become_more_than_data_none_may_stand(body, message):
    found = faults(body)

    assert len(found) == 1, found
    assert message in found[0][2]
    assert hints(body)[0]


@pytest.mark.parametrize(
    "body",
    [
        step(
            'permissions.allow = ["Bash({{test}})"]',
            TEXT.replace("description", "required = true\ndescription") + COMMAND,
        ),
        COMMAND + '[[steps]]\nid = "a"\nrun = "{{test}}"\nwhen = "test"\n[[steps]]\nid = "b"\nprompt = "x"\n',
        TEXT
        + '[[steps]]\nid = "a"\nprompt = "x"\n[[steps]]\nid = "b"\nrun = ["grep", "--", "{{text}}"]\nwhen = "text"\n',
        TEXT
        + '[[steps]]\nid = "a"\nprompt = "x"\n'
        + '[[steps]]\nid = "b"\nrun = ["sh", "-c", "echo $1", "sh", "{{text}}"]\nwhen = "text"\n',
        COMMAND
        + '[[steps]]\nid = "a"\nprompt = "x"\n'
        + '[[steps]]\nid = "b"\nrun = ["sh", "-c", "{{test}} | tail"]\nwhen = "test"\n',
        FAST + '[[steps]]\nid = "a"\nrun = ["sh", "-c", "make{{#fast}} -j8{{/fast}}"]\n',
        'prompt = "x"\naccept.checks = ["{{test}}"]\n' + COMMAND,
        'prompt = "x"\ndocs.write_to = "{{many}}"\n' + LIST,
        'prompt = "x"\nlimits.timeout = "{{text}}"\n' + TEXT + 'example = "5m"\n',
        'prompt = "x"\nlimits.max_usd = "{{usd}}"\n[params.usd]\ntype = "number"\ndescription = "d"\nmin = 0.1\n',
        'prompt = "x"\ndocs.request = "{{yes}}"\n[params.yes]\ntype = "boolean"\ndescription = "d"\n',
    ],
)
def test_where_a_parameter_may_stand(body):
    assert faults(body) == []


def test_a_workflow_is_tried_without_what_may_be_left_out():
    body = TEXT + '[[steps]]\nid = "a"\nprompt = "Do {{text}}."\n'

    ((path, line, message),) = faults(body)

    assert (path, line) == ("steps[0]", 4)
    assert message == "this step has neither `prompt` nor `run`, where `text` is not given"


def test_a_step_that_is_left_out_may_not_leave_nothing():
    ((_, _, message),) = faults(TEXT + '[[steps]]\nid = "a"\nprompt = "Do {{text}}."\nwhen = "text"\n')

    assert message.startswith("there is nothing to do")
    assert message.endswith(", where `text` is not given")


def test_a_value_to_try_it_with_can_be_given_as_an_example():
    body = 'prompt = "x"\nlimits.timeout = "{{text}}"\n' + TEXT

    ((path, line, message),) = faults(body)

    assert (path, line, message) == ("limits.timeout", 2, '"x" is no duration')
    assert 'tried with text = "x"; an `example` would be taken instead' in hints(body)[0]
    assert faults(body + 'example = "5m"\n') == []


def test_each_of_two_steps_of_one_name_may_stand_where_the_other_does_not():
    body = (
        TEXT + '[[steps]]\nid = "a"\nprompt = "with {{text}}"\nwhen = "text"\n'
        '[[steps]]\nid = "a"\nprompt = "without"\nwhen = "not text"\n'
    )

    assert faults(body) == []
    assert "steps[0] has this id too" in [
        message for _, _, message in faults(body.replace("not text", "text"))
    ]


def told_of(raw: bytes):
    try:
        read_workflow(raw)
    except DocumentError as error:
        return error.errors
    return ()


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (HEAD + text).encode("utf-8", "replace"))
)
def test_whatever_the_bytes_are_it_is_read_or_told(raw):
    assert all(one.line for one in told_of(raw))


VALUES = st.recursive(
    st.sampled_from([1, True, "x", "{{a}}", "{{#a}}x{{/a}}", "{{b}}", "{{", "not a", "a", 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "needs", "run", "when", "allow"]), inner)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "steps", "accept", "permissions", "agents", "mcp", "params", "title"]),
        VALUES,
    ),
    st.lists(
        st.dictionaries(st.sampled_from(["id", "needs", "run", "prompt", "when", "permissions"]), VALUES),
        max_size=3,
    ),
)
def test_whatever_the_values_are_it_is_read_or_told(fields, steps):
    tree = {
        "handoff": 1,
        "title": "t",
        "description": "d",
        "params": {"a": {"type": "command", "description": "d"}},
    }
    raw = tomli_w.dumps({**tree, "steps": steps, **fields}).encode()

    assert all(one.line and one.message for one in told_of(raw))


def test_nobody_fills_in_more_than_32_parameters():
    body = "".join(f'[params.p{n}]\ntype = "string"\ndescription = "d"\n' for n in range(33))

    assert faults('prompt = "x"\n' + body) == [("params", 2, "there are 33 parameters")]


def test_a_workflow_as_large_as_any_is_read_soon():
    many = "".join(
        f'[[steps]]\nid = "s{n}"\nprompt = "x"\nneeds = ["s{max(0, n - 1)}"]\n' for n in range(1, 800)
    )
    body = TEXT + '[[steps]]\nid = "s0"\nprompt = "x{{#text}}{{text}}{{/text}}"\n' + many

    began = time.thread_time()
    assert faults(body) == []
    assert time.thread_time() - began < 5
