"""Who carries a step out: a plan's own `[agents.*]`, then the roles that ship; and what a step is given with one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from handoff import looking
from handoff.effects import effects
from handoff.fields import Problem
from handoff.formats import Format, read_document
from handoff.plan import Agent, Plan, Step

SHIPPED_FOLDER = Path(__file__).parent.parent / "agents"
DELEGATES = ("Agent", "Task")
"""The tool that calls sub-agents, in its two names."""
_NAME = re.compile(r"[A-Za-z_*][A-Za-z0-9_.*:-]*")


class NoRole(ValueError):
    """A step names an agent that nobody knows; says so, with the nearest name."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a step's run is given because of who carries it out."""

    system_prompt_append: str | None
    """The role's prompt, then what plan and step add."""
    tools: tuple[str, ...] | None
    """The role's tools as they are written, rules perhaps; None: all there are."""
    agents: Mapping[str, Mapping[str, Any]]
    """The sub-agents it may call, as `--agents` takes them."""

    @property
    def tool_names(self) -> tuple[str, ...] | None:
        """The tools for `--tools`, which knows names only: of `Bash(git *)` it takes nothing at all."""
        if self.tools is None:
            return None
        return tuple(dict.fromkeys(found[0] for tool in self.tools if (found := _NAME.match(tool))))


@cache
def shipped_roles() -> Mapping[str, Agent]:
    """The roles that ship, by name."""
    names = sorted(
        name.removesuffix(".toml") for name in effects.list(SHIPPED_FOLDER) if name.endswith(".toml")
    )
    return {
        name: read_document(Agent, looking.read_file(SHIPPED_FOLDER / f"{name}.toml"), Format.TOML)
        for name in names
    }


def role_named(name: str, own: Mapping[str, Agent]) -> Agent:
    """Find who is meant: a plan's own agent, else a role that ships. Raises NoRole."""
    found = own.get(name) or shipped_roles().get(name)
    if found is None:
        raise NoRole(f"{_unknown(name)}; {_nearest(name, own)}")
    return found


def problems_of_roles(steps: Sequence[Step], own: Mapping[str, Agent]) -> list[Problem]:
    """Tell which steps name an agent that nobody knows. Paths are those of a plan: `steps[1].agent`."""
    return [
        Problem(("steps", index, "agent"), _unknown(step.agent), _nearest(step.agent, own))
        for index, step in enumerate(steps)
        if step.agent is not None and step.agent not in own and step.agent not in shipped_roles()
    ]


def given_to(step: Step, plan: Plan) -> Given:
    """Say what a step of a plan is given with the role that it names, or without one. Raises NoRole.

    Tools limit and allow nothing: what may be done without asking is said by the permissions. A role whose tools do not
    name `Agent` calls no sub-agents, so it is handed none.
    """
    added = step.system_prompt_append or plan.system_prompt_append
    if step.agent is None:
        return Given(added, None, _table(plan.agents))
    role = role_named(step.agent, plan.agents)
    prompt = role.prompt.strip() + (f"\n\n{added}" if added else "")
    others = {name: agent for name, agent in plan.agents.items() if name != step.agent}
    calls = role.tools is None or any(tool in DELEGATES for tool in role.tools)
    return Given(prompt, role.tools, _table(others if calls else {}))


def _table(agents: Mapping[str, Agent]) -> dict[str, dict[str, Any]]:
    return {name: agent.model_dump(mode="json", exclude_none=True) for name, agent in agents.items()}


def _unknown(name: str) -> str:
    return f'there is no agent "{name}"'


def _nearest(name: str, own: Mapping[str, Agent]) -> str:
    known = sorted(shipped_roles().keys() | own.keys())
    near = get_close_matches(name[:80], known, n=1) or get_close_matches(name[:80].lower(), known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"the agents here are: {', '.join(known)}"
