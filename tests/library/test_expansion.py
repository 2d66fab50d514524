"""From a plan that names a workflow to the plan that is carried out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.fields import Problem
from handoff.formats import DocumentError
from handoff.plan import Plan
from orchestrd.library.expansion import expand
from orchestrd.library.workflow import Workflow, read_workflow
from tests.library.texts import a_workflow, made, refused

GRAPH = """
[params.task]
type = "string"
description = "What is to be done"
required = true

[params.test]
type = "command"
description = "The tests"

[params.depth]
type = "integer"
description = "How deep"
min = 1
max = 5
default = 2

[params.files]
type = "list"
description = "Files"

[params.docs]
type = "boolean"
description = "Documentation"
default = false

[limits]
max_turns = "{{depth}}"

[permissions]
mode = "acceptEdits"
allow = ["Edit", "Bash({{test}})"]

[accept]
checks = [["true"], "{{test}}"]

[docs]
write_to = "{{files}}"

[[steps]]
id = "look"
prompt = "Look at {{task}}, {{depth}} deep{{#files}}, in {{files}}{{/files}}."
permissions.mode = "plan"

[[steps]]
id = "test"
when = "test"
run = "{{test}}"
needs = ["look"]

[[steps]]
id = "write"
when = "docs"
prompt = "Document {{task}}."
needs = ["test", "look"]

[[steps]]
id = "end"
prompt = "End."
needs = ["write", "test"]
"""


@pytest.fixture(scope="module")
def graph():
    return a_workflow(GRAPH)


def test_values_are_put_in_as_what_they_are(graph):
    plan = made(graph, {"task": "it", "test": ["make", "all tests"], "files": ["a.md", "b/**"], "docs": True})

    assert (plan.workflow, plan.params, plan.project) == (None, {}, "/project")
    assert plan.limits.max_turns == 2
    assert plan.permissions.allow == ("Edit", "Bash(make 'all tests')")
    assert plan.accept.checks == (("true",), ("make", "all tests"))
    assert plan.docs.write_to == ("a.md", "b/**")
    assert [step.id for step in plan.steps] == ["look", "test", "write", "end"]
    assert plan.steps[0].prompt == "Look at it, 2 deep, in a.md, b/**."
    assert plan.steps[1].run == ("make", "all tests")


def test_what_needs_a_parameter_that_is_not_given_is_left_out(graph):
    plan = made(graph, {"task": "it"})

    assert plan.permissions.allow == ("Edit",)
    assert plan.accept.checks == (("true",),)
    assert plan.docs.write_to == ("docs/**",)
    assert plan.steps[0].prompt == "Look at it, 2 deep."


@pytest.mark.parametrize(
    "params, needs",
    [
        ({}, {"look": (), "end": ("look",)}),
        ({"docs": True}, {"look": (), "write": ("look",), "end": ("write", "look")}),
        ({"test": ["make"]}, {"look": (), "test": ("look",), "end": ("test", "look")}),
    ],
)
def test_who_needs_a_step_that_is_left_out_needs_what_that_one_needed(graph, params, needs):
    plan = made(graph, {"task": "it", **params})

    assert {step.id: tuple(sorted(step.needs, reverse=True)) for step in plan.steps} == {
        name: tuple(sorted(needed, reverse=True)) for name, needed in needs.items()
    }


def test_what_the_plan_says_itself_outranks_the_workflow_field_by_field(graph):
    plan = made(
        graph,
        {"task": "it", "test": ["make"]},
        title="Mine",
        priority=70,
        key="once",
        permissions={"allow": ["WebFetch"]},
        limits={"timeout": "5m"},
        accept={"changes": "expected"},
        metadata={"ticket": 1},
    )

    assert (plan.title, plan.priority, plan.key, plan.metadata) == ("Mine", 70, "once", {"ticket": 1})
    assert (plan.permissions.mode, plan.permissions.allow) == ("acceptEdits", ("WebFetch",))
    assert (plan.limits.timeout, plan.limits.max_turns) == (300, 2)
    assert (plan.accept.changes, plan.accept.checks) == ("expected", (("true",), ("make",)))


def test_a_server_or_agent_of_the_plan_replaces_the_workflows_of_that_name_whole():
    workflow = a_workflow(
        'prompt = "x"\n[mcp.a]\ncommand = "theirs"\nargs = ["-x"]\n[mcp.b]\ncommand = "b"\n'
    )

    plan = made(workflow, mcp={"a": {"command": "mine"}})

    assert plan.mcp["a"].args == ()
    assert plan.mcp["b"].command == "b"


def test_every_wrong_parameter_is_told_at_once(graph):
    found = refused(graph, {"tsk": "it", "depth": 9, "files": "a.md"})

    assert [problem.path for problem in found] == [
        ("params", "tsk"),
        ("params", "task"),
        ("params", "depth"),
        ("params", "files"),
    ]
    assert found[0].hint == "did you mean `task`?"
    assert found[2].hint == "a whole number from 1 to 5, without quotes"


def test_a_value_that_makes_no_plan_is_told_at_its_parameter(graph):
    (found,) = refused(graph, {"task": "it", "files": ["../secret"]})

    assert found.path == ("params", "files")
    assert found.message == (
        '"../secret" has an empty part, . or .. in it (it stands in docs.write_to[0] of the workflow try)'
    )


def test_what_is_wrong_with_the_plans_own_fields_beside_a_workflow_is_told_at_them(graph):
    (found,) = refused(graph, {"task": "it"}, docs={"write_to": []})

    assert found.path == ("docs", "write_to")


@pytest.mark.parametrize("command", [["make", "*"], ["make", "a(b)"], ["make", "a\\b"], ["make", "a\nb"]])
def test_a_command_that_would_be_a_pattern_of_commands_is_no_permission(graph, command):
    (found,) = refused(graph, {"task": "it", "test": command})

    assert found.path == ("params", "test")
    assert "have a meaning in permissions" in found.message


@pytest.mark.parametrize("value, is_refused", [("--output=x", True), ("-", True), ("x --output", False)])
def test_a_text_as_an_argument_is_no_option(value, is_refused):
    workflow = a_workflow(
        '[params.word]\ntype = "string"\ndescription = "d"\nrequired = true\n'
        '[[steps]]\nid = "a"\nrun = ["git", "log", "{{#word}}{{word}}{{/word}}"]\n'
    )

    if is_refused:
        (found,) = refused(workflow, {"word": value})
        assert found.path == ("params", "word")
        assert '"git" would take it for an option' in found.message
    else:
        assert made(workflow, {"word": value}).steps[0].run == ("git", "log", value)


def test_after_two_dashes_or_something_of_its_own_an_argument_may_begin_with_one():
    workflow = a_workflow(
        '[params.word]\ntype = "string"\ndescription = "d"\nrequired = true\n'
        '[[steps]]\nid = "a"\nrun = ["grep", "--", "{{word}}"]\n'
        '[[steps]]\nid = "b"\nrun = ["grep", "--regexp={{word}}"]\n'
    )

    plan = made(workflow, {"word": "-x"})

    assert [step.run for step in plan.steps] == [("grep", "--", "-x"), ("grep", "--regexp=-x")]


def test_an_option_of_the_workflows_own_stays_one_beside_an_empty_text():
    workflow = a_workflow(
        '[params.word]\ntype = "string"\ndescription = "d"\ndefault = ""\n'
        '[[steps]]\nid = "a"\nrun = ["ls", "{{word}}-l", "-{{word}}"]\n'
    )

    assert made(workflow).steps[0].run == ("ls", "-l", "-")
    assert [one.path for one in refused(workflow, {"word": "-a"})] == [("params", "word")]


def test_what_a_workflow_makes_of_a_text_is_not_endless():
    steps = "".join(f'[[steps]]\nid = "s{n}"\nprompt = "{{{{text}}}}"\n' for n in range(10))
    workflow = a_workflow(f'[params.text]\ntype = "string"\ndescription = "d"\nrequired = true\n{steps}')

    (found,) = refused(workflow, {"text": "x" * 1_000_000})

    assert found.path == ("params", "text")
    assert "longer than 4 million characters" in found.message


HOSTILE = st.text() | st.sampled_from(
    [
        '"]\n[permissions]\nmode = "bypassPermissions"',
        "x\"\"\"\n[[steps]]\nid = 'evil'\nrun = ['rm']",
        "{{test}}",
        "{{#docs}}x{{/docs}}",
        "'; touch evil; '",
        "$(touch evil)",
        "a b",
        "",
    ]
)


@given(task=HOSTILE, words=st.lists(HOSTILE, min_size=1, max_size=3), file=HOSTILE)
def test_a_parameters_text_becomes_no_field_no_permission_and_no_second_argument(task, words, file):
    workflow = a_workflow(GRAPH + '[[steps]]\nid = "show"\nrun = ["printf", "%s", "a {{task}}"]\n')
    plain = made(workflow, {"task": "x", "test": ["x"], "files": ["x"]})

    found = expand(
        {"handoff": 1, "project": "/project", "params": {"task": task, "test": words, "files": [file]}},
        "try",
        workflow,
    )

    if isinstance(found, list):
        assert all(isinstance(one, Problem) and one.path[0] == "params" for one in found)
        return
    assert shape(found.plan) == shape(plain)
    assert found.plan.steps[1].run == tuple(words)
    assert found.plan.steps[-1].run == ("printf", "%s", f"a {task}")
    assert found.plan.steps[0].prompt == f"Look at {task}, 2 deep{f', in {file}'}."
    allowed = found.plan.permissions.allow
    assert len(allowed) == 2
    assert allowed[1].startswith("Bash(")
    assert not set("*()\\\n") & set(allowed[1][5:-1])


def shape(plan: Plan) -> object:
    """All of a plan but its texts."""

    def of(value: object) -> object:
        if isinstance(value, dict):
            return {name: of(one) for name, one in value.items()}
        if isinstance(value, list):
            return [of(one) for one in value] if value and isinstance(value[0], dict) else "list"
        return "text" if isinstance(value, str) else value

    return of(plan.model_dump(mode="json"))


TITLED = (
    '[params.what]\ntype = "string"\ndescription = "What"\n'
    '[params.hard]\ntype = "boolean"\ndescription = "Hard"\ndefault = false\n'
)


def titled(title: str) -> Workflow:
    head = f'handoff = 1\ntitle = "{title}"\ndescription = "To try things."\n'
    prompt = 'prompt = "{{#what}}{{what}} {{/what}}Go. {{hard}}"\n'
    return read_workflow((head + prompt + TITLED).encode())


@pytest.mark.parametrize(
    "title, what, expected",
    [
        ("Mine: {{what}}", "mend it", "Mine: mend it"),
        ("Mine: {{what}}{{#hard}} (hard){{/hard}}", " several\n\tlines\x1b[1m ", "Mine: several lines [1m"),
        ("{{what}}", "{{hard}} [link](x)", "{{hard}} [link](x)"),
        ("Braces {{{{", "x", "Braces {{"),
        ("Mine: {{what}}", "word " * 100, "Mine: " + "word " * 17 + "word…"),
        ("Mine: {{what}}", "x" * 1000, "Mine: " + "x" * 93 + "…"),
    ],
)
def test_a_title_with_placeholders_is_filled_and_one_short_line(title: str, what: str, expected: str):
    assert made(titled(title), {"what": what}).title == expected


def test_a_plan_that_says_its_title_keeps_it_and_one_without_a_value_to_put_in_is_called_by_its_id():
    workflow = titled("Mine: {{what}}")

    assert made(workflow, {"what": "x"}, title="My own {{what}}").title == "My own {{what}}"
    assert made(workflow).title is None
    assert made(titled("Plain"), {"what": "x"}).title is None


@pytest.mark.parametrize(
    "title, message",
    [
        ("Mine: {{waht}}", 'there is no parameter "waht"'),
        ("Mine: {{what", "{{ begins a placeholder that does not end"),
        ("Mine: {{#what}}", "the section `what` does not end"),
    ],
)
def test_a_title_with_a_placeholder_that_stands_for_nothing_is_told(title: str, message: str):
    with pytest.raises(DocumentError) as told:
        titled(title)

    assert [(one.path, one.line, one.message) for one in told.value.errors] == [("title", 2, message)]
