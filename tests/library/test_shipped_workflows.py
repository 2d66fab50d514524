"""What ships: every workflow can be used by anybody, on any project, and has a rehearsal that fits it."""

from __future__ import annotations

import re
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handoff.plan import Step
from orchestrd.core.graph import implementing
from orchestrd.core.steps_of_plan import facts_of_step
from orchestrd.library.finding import SHIPPED
from orchestrd.library.params import Param
from orchestrd.library.roles import given_to, problems_of_roles, shipped_roles
from orchestrd.library.workflow import Workflow, read_workflow
from orchestrd.rehearsal import load_script
from orchestrd.rehearsal.script import Conversation
from tests.library.texts import made

NAMES = list(SHIPPED.names(None))
EXAMPLES = Path(__file__).parents[2] / "examples"
TEST = ["python3", "-m", "unittest"]


def workflow_named(name: str) -> Workflow:
    return SHIPPED.find(name, None).workflow


def a_value(param: Param) -> Any:
    if param.type == "command":
        return TEST
    return {"string": "Say goodbye, too", "boolean": True, "list": ["src/**"], "number": 2.5}.get(
        param.type, param.default
    )


def given(workflow: Workflow, names: set[str]) -> dict[str, Any]:
    return {
        name: a_value(param) for name, param in workflow.params.items() if name in names or param.required
    }


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_given_and_left_out_a_plan_comes_of_it(name):
    workflow = workflow_named(name)
    optional = [one for one, param in workflow.params.items() if not param.required]

    for chosen in product((False, True), repeat=len(optional)):
        params = given(workflow, {one for one, is_in in zip(optional, chosen, strict=True) if is_in})
        plan = made(workflow, params)
        assert problems_of_roles(plan.steps, plan.agents) == []
        assert "{{" not in plan.model_dump_json()
        assert "Say goodbye, too" in plan.model_dump_json() or not workflow.params.keys() & {
            "description",
            "topic",
        }


@pytest.mark.parametrize("name", NAMES)
def test_who_uses_it_has_to_give_one_thing_at_most(name):
    assert sum(param.required for param in workflow_named(name).params.values()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_allowed_without_asking_but_edits_and_the_command_that_was_given(name):
    workflow = workflow_named(name)
    with_all = made(workflow, given(workflow, set(workflow.params)))
    without = made(workflow, given(workflow, set()))

    assert without.permissions.allow == ()
    assert set(with_all.permissions.allow) <= {"Bash(python3 -m unittest)"}
    assert with_all.permissions.mode in {"acceptEdits", "plan"}
    for step in with_all.steps:
        assert step.permissions is None or (step.permissions.mode, step.permissions.allow) == ("plan", ())


@pytest.mark.parametrize("name", NAMES)
def test_who_only_reads_cannot_write_and_who_is_to_write_can(name):
    workflow = workflow_named(name)
    plan = made(workflow, given(workflow, set(workflow.params)))

    for step in plan.steps:
        if step.run is not None:
            continue
        assert step.agent in shipped_roles()
        reads_only = (step.permissions or plan.permissions).mode == "plan"
        assert reads_only is ("Write" not in (given_to(step, plan).tool_names or ()))


def test_together_they_use_every_role():
    used = {step.get("agent") for name in NAMES for step in workflow_named(name).body["steps"]}

    assert used - {None} == set(shipped_roles())


@pytest.mark.parametrize("name", sorted({*NAMES} - {"review"}))
def test_what_is_given_to_verify_it_decides_at_the_end_and_goes_back_to_somebody_who_can_mend_it(name):
    workflow = workflow_named(name)
    plan = made(workflow, given(workflow, set(workflow.params)))

    mends = implementing([facts_of_step(plan, step) for step in plan.steps])

    assert plan.accept.checks == (tuple(TEST),)
    assert plan.accept.rounds > 0
    agent = next(step.agent for step in plan.steps if mends is not None and step.id == mends.step)
    assert agent == ("documenter" if name == "docs" else "implementer")


@pytest.mark.parametrize("name", NAMES)
def test_its_rehearsal_knows_each_step_and_answers_as_the_step_asks(name):
    workflow = workflow_named(name)
    script = load_script(EXAMPLES / "rehearsals" / f"workflow-{name}.toml")
    plan = made(workflow, given(workflow, set(workflow.params)))
    steps = [step for step in plan.steps if step.prompt is not None]
    if name == "coordinate":
        steps += [Step.model_validate(one) for one in expanded(script.conversations[0])]

    met = [conversation_of(script.conversations, step) for step in steps]

    assert len(met) == len(set(map(id, met))) == len(script.conversations)
    for step, conversation in zip(steps, met, strict=True):
        said = [turn.structured for turn in conversation.turns if turn.structured is not None]
        if step.output_schema:
            jsonschema.validate(said[-1], step.output_schema, jsonschema.Draft202012Validator)
        assert bool(said) is bool(step.output_schema or step.expands)
        tools = {tool.name for turn in conversation.turns for tool in turn.tools}
        assert tools <= set(given_to(step, plan).tool_names or ())


def conversation_of(conversations: tuple[Conversation, ...], step: Step) -> Conversation:
    """The only one that fits a step's prompt, whatever is put behind it."""
    fitting = [
        one
        for one in conversations
        if one.fits(f"{step.prompt}\n\nOutput of another step: review, write, test")
    ]
    assert len(fitting) == 1, (step.id, fitting)
    return fitting[0]


def expanded(conversation: Conversation) -> list[dict[str, Any]]:
    return [one for turn in conversation.turns for one in (turn.structured or {}).get("steps", [])]


def test_the_example_of_ones_own_makes_a_plan_of_the_example_that_uses_it():
    workflow = read_workflow((EXAMPLES / "workflows" / "upgrade.toml").read_bytes())
    written = tomllib.loads((EXAMPLES / "upgrade-dependency.plan.toml").read_text())

    plan = made(
        workflow, written.pop("params"), **{one: written[one] for one in ("project", "priority", "limits")}
    )

    assert [step.id for step in plan.steps] == ["read", "install", "adapt", "test", "review"]
    assert plan.steps[1].run == ("npm", "add", "@shop/cart@4.0.0")
    assert plan.permissions.allow == ("Bash(npm test)",)
    assert (plan.limits.max_usd, plan.limits.max_turns) == (5.0, 60)
    assert problems_of_roles(plan.steps, plan.agents) == []


def test_the_example_shows_every_type_but_those_that_explain_themselves():
    workflow = read_workflow((EXAMPLES / "workflows" / "upgrade.toml").read_bytes())

    assert {param.type for param in workflow.params.values()} >= {"string", "integer", "choice", "command"}
    text = (EXAMPLES / "workflows" / "upgrade.toml").read_text()
    assert all(re.search(one, text) for one in (r"\{\{#", r"\{\{\^", "when = ", "pattern = ", r"\[agents\."))
