"""From the engine's order to start something to all that its runner has to be told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from handoff.effects import effects
from handoff.plan import Permissions, Plan, Step
from handoff.result import Payer
from handoff.root import PlanId, Root, network_filesystem
from handoff.settling import UNPROVED_NETWORK_SECONDS, UNPROVED_SECONDS
from orchestrd.config import Config, trust_file
from orchestrd.core.commands import StartRun
from orchestrd.core.facts import check_number
from orchestrd.core.steps_of_plan import plan_of_step, schema_of, steps_of
from orchestrd.library.roles import NoRole, given_to
from orchestrd.runs.asking.ledger import granted_rules
from orchestrd.runs.claude import ClaudeCommand, ClaudeMissing
from orchestrd.runs.command_launch import compose_command
from orchestrd.runs.environment import foresee_payer, run_environment
from orchestrd.runs.launch import Asking, Launch, NotLaunchable, RunSettings, Start, compose
from orchestrd.runs.telling import HOW_TO_END, prompt_of
from orchestrd.runs.trust import look_up_trust
from orchestrd.workspaces.places import Places

Records = Sequence[Mapping[str, Any]]


class Launching:
    """Puts starts together; starts nothing."""

    def __init__(
        self,
        root: Root,
        config: Config,
        places: Places,
        environ: Mapping[str, str],
        plan_of: Callable[[PlanId], Plan | None],
        known_of: Callable[[Path], str],
    ) -> None:
        """`known_of`: what runs on a project are told of it."""
        self.claude: ClaudeCommand | None = None
        """The binary that is there now; None: none, and then nothing is started."""
        self.max_steps = config.limits.max_steps
        self._root = root
        self._lanes = config.lanes
        self._unproved_seconds = (
            UNPROVED_NETWORK_SECONDS if network_filesystem(root.path) else UNPROVED_SECONDS
        )
        self._settings = RunSettings.of(config)
        self._places = places
        self._environ = environ
        self._plan_of = plan_of
        self._known_of = known_of
        self._tells_how_to_end = config.context.keep

    def compose(
        self, command: StartRun, session: str | None, project: Path, run_folder: Path, records: Records
    ) -> Launch | str:
        """Put a start together; a text says why that cannot be. `records` are what the plan's journal says so far.

        Raises ClaudeMissing: a condition of the machine, not of the plan, which waits.
        """
        plan = self._plan_of(command.plan)
        if plan is None:
            return unreadable(run_folder.parent.parent)
        argv = command_of(plan, command.step, records)
        try:
            if argv is not None:
                return self._command(plan, command, argv, records)
            step = steps_of(plan, records)[command.step]
            return self._claude(plan, step, command, session, project, run_folder, records)
        except NotLaunchable as error:
            return str(error)

    def _command(self, plan: Plan, command: StartRun, argv: Sequence[str], records: Records) -> Launch:
        is_check = check_number(command.step) is not None
        whose = plan if is_check else plan_of_step(plan, steps_of(plan, records)[command.step])
        return compose_command(
            argv,
            checkout=self._places.place_of(command.plan, command.step).cwd,
            environ=self._environ,
            settings=self._settings,
            limits=whose.limits,
        )

    def _claude(
        self,
        plan: Plan,
        step: Step,
        command: StartRun,
        session: str | None,
        project: Path,
        run_folder: Path,
        records: Records,
    ) -> Launch:
        claude = self.claude
        if claude is None or not effects.may(claude.path, os.X_OK):
            raise ClaudeMissing("Claude Code is gone from this machine.", "Install it again.")
        context = self._known_of(project) if command.session is None else ""
        told = prompt_of(plan, step, command, run_folder, records, context)
        whole = plan_of_step(plan, step)
        try:
            given = given_to(step, plan)
        except NoRole as error:
            raise NotLaunchable(str(error)) from error
        checkout = self._places.place_of(command.plan, command.step).cwd
        start = Start(
            checkout=checkout,
            run_folder=run_folder,
            session_id=session or "",
            prompt=told.text,
            output_schema=schema_of(step),
            tools=given.tool_names,
            agents=given.agents,
            resume=command.session is not None,
            budget_usd=command.budget_usd,
            files=told.files,
            readable=told.readable,
            kept_out=self._kept_out(checkout),
            granted=_granted(run_folder.parent),
            asking=self._asking(whole.permissions, command, records),
        )
        return compose(
            whole.model_copy(
                update={"system_prompt_append": self._system_prompt(step, given.system_prompt_append)}
            ),
            start,
            claude=claude,
            trust=look_up_trust(project, trust_file(), self._environ),
            environ=self._environ,
            settings=self._settings,
        )

    def _kept_out(self, checkout: Path) -> tuple[Path, ...]:
        """The root: whoever writes there hands plans in, and answers what is asked."""
        is_at_home = Path(os.path.realpath(checkout)).is_relative_to(os.path.realpath(self._root.path))
        return () if is_at_home else (self._root.path,)

    def _asking(self, permissions: Permissions, command: StartRun, records: Records) -> Asking | None:
        if permissions.ask != "request":
            return None
        return Asking(
            root=str(self._root.path),
            plan=command.plan,
            step=command.step,
            number=command.number,
            format="json" if records and records[0].get("format") == "json" else "toml",
            timeout_seconds=permissions.ask_timeout,
            settle_seconds=self._lanes.settle_seconds,
            unproved_seconds=self._unproved_seconds,
            patience_seconds=self._lanes.patience_seconds,
            polling=self._lanes.polling,
            deny=permissions.deny,
        )

    def _system_prompt(self, step: Step, own: str | None) -> str | None:
        # Of one whose answer has a form to keep to no lists are asked.
        if not self._tells_how_to_end or schema_of(step) is not None:
            return own
        return "\n\n".join(text for text in (own, HOW_TO_END) if text)

    def payer(self) -> Payer:
        """Say who would be billed for a run of Claude Code that is started now."""
        settings = self._settings
        return foresee_payer(
            run_environment(self._environ, env_pass=settings.env_pass, api_retries=settings.api_retries)
        )


def _granted(runs_folder: Path) -> tuple[str, ...]:
    """The rules that a person has allowed for the rest of a plan; one that no command line can carry is left out."""
    return tuple(rule for rule in granted_rules(runs_folder) if "\0" not in rule)


def unreadable(folder: Path) -> str:
    """Say that a plan which was accepted cannot be read any more; `folder` is its own."""
    return (
        f"{folder}: the plan cannot be read any more, neither from accepted.json nor from its own file, "
        "which lay there when it was accepted. What a run of it left stays in its checkout. "
        "To do: look who removes files there, and hand the plan in anew"
    )


def command_of(plan: Plan, step: str, records: Records) -> Sequence[str] | None:
    """The command that a step or a check is; None: it asks a model."""
    number = check_number(step)
    if number is not None:
        return plan.accept.checks[number - 1]
    return steps_of(plan, records)[step].run
