"""From the engine's order to start a run to all that its runner has to be told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from handoff.effects import effects
from handoff.plan import Plan
from handoff.root import PlanId
from orchestrd.config import Config, trust_file
from orchestrd.core.commands import StartRun
from orchestrd.runs.claude import ClaudeCommand, ClaudeMissing
from orchestrd.runs.launch import Launch, NotLaunchable, RunSettings, Start, compose
from orchestrd.runs.trust import look_up_trust
from orchestrd.workspaces.places import Places

GO_ON = (
    "This session was interrupted before the task was done. Look at what is there already, then go on with the task "
    "from where it stopped. Do not begin anew, and do not repeat what was done."
)
"""What a session is told that is resumed."""


class Launching:
    """Puts starts together; starts nothing."""

    def __init__(
        self,
        config: Config,
        places: Places,
        environ: Mapping[str, str],
        plan_of: Callable[[PlanId], Plan | None],
    ) -> None:
        self.claude: ClaudeCommand | None = None
        """The binary that is there now; None: none, and then nothing is started."""
        self._settings = RunSettings.of(config)
        self._places = places
        self._environ = environ
        self._plan_of = plan_of

    def compose(self, command: StartRun, session: str, project: Path, run_folder: Path) -> Launch | str:
        """Put a start together; a text says why that cannot be.

        Raises ClaudeMissing: a condition of the machine, not of the plan, which waits.
        """
        plan = self._plan_of(command.plan)
        if plan is None:
            return "accepted.json cannot be read"
        claude = self.claude
        if claude is None or not effects.may(claude.path, os.X_OK):
            raise ClaudeMissing("Claude Code is gone from this machine.", "Install it again.")
        start = Start(
            checkout=self._places.place_of(command.plan).cwd,
            run_folder=run_folder,
            session_id=session,
            prompt=GO_ON if command.session else plan.prompt or "",
            resume=command.session is not None,
            budget_usd=command.budget_usd,
        )
        trust = look_up_trust(project, trust_file(), self._environ)
        try:
            return compose(
                plan, start, claude=claude, trust=trust, environ=self._environ, settings=self._settings
            )
        except NotLaunchable as error:
            return str(error)
