"""Who carries a step out, and what its run is given for it."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.plan import Plan
from orchestrd.library.roles import NoRole, given_to, problems_of_roles, role_named, shipped_roles
from tests.builders import a_plan

NAMES = ["architecture-analyzer", "coordinator", "documenter", "implementer", "reviewer", "test-writer"]
AGENTS = {
    "helper": {"description": "Helps", "prompt": "You help."},
    "tester": {
        "description": "Tests",
        "prompt": "You test.",
        "tools": ["Read", "Bash(pytest *)", "Bash(git *)"],
    },
}


def a_graph(*steps: dict[str, Any], **fields: Any) -> Plan:
    return a_plan(steps=[{"id": f"s{n}", "prompt": "Do.", **step} for n, step in enumerate(steps)], **fields)


def test_what_ships():
    assert list(shipped_roles()) == NAMES
    for name, role in shipped_roles().items():
        assert role.description.strip().count("\n") == 0
        assert 800 < len(role.prompt) < 2500
        assert role.tools
        writes = {"Edit", "Write"} & set(role.tools)
        assert bool(writes) is (name in {"documenter", "implementer", "test-writer"})


def test_a_plans_own_agent_outranks_a_role_that_ships():
    plan = a_graph({"agent": "reviewer"}, agents={"reviewer": {"description": "Mine", "prompt": "Mine."}})

    assert role_named("reviewer", plan.agents).prompt == "Mine."
    assert role_named("implementer", plan.agents) is shipped_roles()["implementer"]
    assert given_to(plan.steps[0], plan).system_prompt_append == "Mine."


def test_an_agent_that_nobody_knows_is_told_with_the_nearest_name():
    plan = a_graph({"agent": "reviwer"}, {"agent": "helper"}, {"agent": "zzz"}, agents=AGENTS)

    found = problems_of_roles(plan.steps, plan.agents)

    assert [(one.path, one.message) for one in found] == [
        (("steps", 0, "agent"), 'there is no agent "reviwer"'),
        (("steps", 2, "agent"), 'there is no agent "zzz"'),
    ]
    assert found[0].hint == "did you mean `reviewer`?"
    assert found[1].hint == f"the agents here are: {', '.join(sorted([*NAMES, *AGENTS]))}"
    with pytest.raises(NoRole, match="did you mean `reviewer`"):
        given_to(plan.steps[0], plan)


def test_a_step_with_a_role_is_given_its_prompt_its_tools_and_no_agents_that_it_cannot_call():
    plan = a_graph({"agent": "reviewer", "system_prompt_append": "Be brief."}, agents=AGENTS)

    given = given_to(plan.steps[0], plan)

    role = shipped_roles()["reviewer"]
    assert given.system_prompt_append == f"{role.prompt.strip()}\n\nBe brief."
    assert given.tools == role.tools
    assert given.agents == {}


def test_what_the_plan_adds_to_the_system_prompt_is_inherited():
    plan = a_graph(
        {"agent": "helper"}, {}, {"system_prompt_append": "Mine."}, agents=AGENTS, system_prompt_append="All."
    )

    assert [given_to(step, plan).system_prompt_append for step in plan.steps] == [
        "You help.\n\nAll.",
        "All.",
        "Mine.",
    ]


def test_agents_are_handed_over_as_claude_code_takes_them_but_never_a_step_to_itself():
    plan = a_graph({}, {"agent": "helper"}, {"agent": "tester"}, agents=AGENTS)

    none, helper, tester = (given_to(step, plan) for step in plan.steps)

    assert none.agents == AGENTS
    assert helper.agents == {"tester": AGENTS["tester"]}
    assert tester.agents == {}
    assert none.tools is None
    assert none.tool_names is None


def test_names_of_tools_are_names_only():
    plan = a_graph({"agent": "tester"}, agents=AGENTS)

    given = given_to(plan.steps[0], plan)

    assert given.tools == ("Read", "Bash(pytest *)", "Bash(git *)")
    assert given.tool_names == ("Read", "Bash")
