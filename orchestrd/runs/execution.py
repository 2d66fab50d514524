"""The runs of one daemon: given a workspace, started, judged; and found again by the next daemon.

Carries out what the engine orders and tells what came of it, in events. What it is about to do stands in the plan's
journal before it does it, so whatever kills the daemon, the next one knows what to look for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from handoff.plan import Plan
from handoff.root import PlanId, Root
from orchestrd.config import Config, checkouts_folder, root_name
from orchestrd.core.commands import GatherStep, Join, Prepare, StartRun
from orchestrd.core.events import (
    Event,
    EvidenceGathered,
    Joined,
    Moment,
    RunEnded,
    StepGathered,
    StepHistory,
    WorkspaceFailed,
)
from orchestrd.core.facts import MAIN
from orchestrd.core.history import outcome_of
from orchestrd.core.steps_of_plan import facts_of_step, steps_of
from orchestrd.record.journal import Record
from orchestrd.record.journals import Journals
from orchestrd.runs import recovery
from orchestrd.runs.asking.following import noted_lines, withdraw, withdraw_forgotten
from orchestrd.runs.closing import keep_output
from orchestrd.runs.environment import claude_folder
from orchestrd.runs.followed import Followed
from orchestrd.runs.judging import fields_of_end
from orchestrd.runs.kinds import CLAUDE
from orchestrd.runs.launch import Launch
from orchestrd.runs.launching import Launching, command_of, unreadable
from orchestrd.runs.recovery import Found
from orchestrd.runs.running import Key, Running
from orchestrd.runs.start import start_runner
from orchestrd.runs.watch import RunWatch
from orchestrd.secrets import Redactor, secret_names
from orchestrd.workspaces.git import GitLock
from orchestrd.workspaces.places import Places

STOPPED_BEFORE = "It was stopped before it was started."


class Executions:
    """Carries runs out. The rest belongs to the loop, but `prepare`, `start`, `adopt`, `judge` and `gather` block.

    Those are called in workers' threads, one at a time for each plan.
    """

    def __init__(
        self,
        root: Root,
        config: Config,
        journals: Journals,
        git_lock: GitLock,
        environ: Mapping[str, str],
        now: Callable[[], Moment],
        plan_of: Callable[[PlanId], Plan | None],
        known_of: Callable[[Path], str] = lambda _project: "",
    ) -> None:
        self._root = root
        self._journals = journals
        self._environ = environ
        self._now = now
        self._plan_of = plan_of
        # A service's runs get scopes of their own, so that they outlive its restart.
        self._scoped = "INVOCATION_ID" in environ and "NOTIFY_SOCKET" in environ
        names = secret_names(environ, config.secrets.names)
        redact = Redactor({name: environ[name] for name in names}).redact
        self._places = Places(root, checkouts_folder(root.path), journals, git_lock, now, redact)
        self.followed = Followed(now)
        self.launching = Launching(root, config, self._places, environ, plan_of, known_of)

    # -- workspaces -----------------------------------------------------------------------------------------------

    def prepare(self, command: Prepare, project: Path) -> Event:
        """Make the workspace of a step, or find it as it was made before."""
        plan = command.plan
        accepted = self._plan_of(plan)
        if accepted is None:
            return WorkspaceFailed(self._now(), plan, self._unreadable(plan), command.step)
        return self._places.prepare(plan, accepted, project, command)

    def gather(self, plan: PlanId) -> Event:
        """Commit and compare what the run left."""
        accepted = self._plan_of(plan)
        if accepted is None:
            return EvidenceGathered(self._now(), plan, changed=None, problem=self._unreadable(plan))
        return self._places.gather(plan, accepted)

    def gather_step(self, command: GatherStep) -> Event:
        """Commit what a step left, for those that come after it."""
        plan, step = command.plan, command.step
        accepted = self._plan_of(plan)
        if accepted is None:
            return StepGathered(self._now(), plan, step, problem=self._unreadable(plan))
        own = steps_of(accepted, self._journals.read(plan))[step]
        writes = facts_of_step(accepted, own).writes
        title = own.title or f"{accepted.title or plan}: {step}"
        return self._places.gather_step(accepted, command, title, writes=writes)

    def join(self, command: Join) -> Event:
        """Merge what steps have left that ran side by side."""
        accepted = self._plan_of(command.plan)
        if accepted is None:
            return Joined(self._now(), command.plan, problem=self._unreadable(command.plan))
        return self._places.join(command.plan, accepted, command.steps)

    def checkout_remover(self, plan: PlanId) -> Callable[[Path], None]:
        """Return what removes the plan's checkout when its result is out."""
        return self._places.remover(plan)

    # -- runs -----------------------------------------------------------------------------------------------------

    def start(self, command: StartRun, project: Path) -> Event | None:
        """Start Claude Code as ordered; an event says why that cannot be, and ends the run.

        May be repeated after an OSError: what was started is not started again. Raises ClaudeMissing, to be repeated
        when it is back, unless the run is to stop anyway.
        """
        records = self._journals.read(command.plan)
        intended = _intended(records, (command.plan, command.step), command.number)
        if intended is not None:
            return self._go_on((command.plan, command.step), intended, project)
        session = command.session or (None if self._is_command(command, records) else str(uuid.uuid4()))
        launch = self._compose(command, session, project, records)
        self._journals.append(
            command.plan,
            "run-intended",
            sync=True,
            step=command.step,
            n=command.number,
            attempt=command.attempt,
            session_id=session,
            resumes=command.session is not None,
            **_given(budget_usd=command.budget_usd, round=command.round or None, payer=_payer_of(launch)),
        )
        if isinstance(launch, str):
            return self._not_started(command, launch)
        self._launch(command, session, launch)
        return None

    def _is_command(self, command: StartRun, records: list[Record]) -> bool:
        plan = self._plan_of(command.plan)
        return plan is not None and command_of(plan, command.step, records) is not None

    def _compose(
        self, command: StartRun, session: str | None, project: Path, records: list[Record]
    ) -> Launch | str:
        if self.followed.is_to_stop((command.plan, command.step)):
            return STOPPED_BEFORE
        folder = self._run_folder(command.plan, command.step, command.number)
        return self.launching.compose(command, session, project, folder, records)

    def _launch(self, command: StartRun, session: str | None, launch: Launch) -> None:
        plan, step, number = command.plan, command.step, command.number
        folder = self._run_folder(plan, step, number)
        mark = f"{root_name(self._root.path)}/{plan}/{step}.{number}"
        booked = self._booked(plan, session)
        started = start_runner(
            folder,
            launch,
            mark=mark,
            scope=self._scoped,
            attempt=command.attempt,
            round_number=command.round,
        )
        run = Running(
            plan=plan,
            step=step,
            number=number,
            attempt=command.attempt,
            session=session,
            since=self._now().wall,
            watch=RunWatch.of(started),
            payer=launch.payer.value,
            booked_usd=booked,
        )
        self.followed.add(run)
        # It runs, whether or not this can be written: `started.json` says the same.
        with suppress(OSError, KeyError):
            self._journals.append(plan, "run-started", step=step, n=number, pid=started.pid)

    def withdraw_forgotten(self, in_hand: Iterable[tuple[PlanId, str, int]]) -> None:
        """Remove what no start in hand asks: it was to be removed when its daemon and its runner ended."""
        with suppress(OSError):  # a request too many harms nobody; the next daemon tries again
            withdraw_forgotten(self._root, in_hand, self.followed.left_alone)

    def note_asked(self, run: Running) -> None:
        """Write down in the plan's journal what a run has asked and was answered. Repeatable. Raises OSError."""
        while run.asked.to_note:
            event, fields = run.asked.to_note[0]
            self._journals.append(run.plan, event, step=run.step, n=run.number, **fields)
            run.asked.to_note.popleft()

    def note_all_asked(self) -> None:
        """The same of all that are alive; where the disk refuses, the next turn tries again."""
        for run in self.followed.unjudged():
            with suppress(OSError, KeyError):
                self.note_asked(run)

    def judge(self, key: Key) -> Event:
        """Write down how a run that is over ended, and tell the engine."""
        event = self._judge(self.followed[key])
        self.followed.remove(key)
        return event

    def forget(self, plan: PlanId) -> None:
        """The plan is settled."""
        self.followed.forget(plan)
        self._places.forget(plan)

    # -- after a restart ------------------------------------------------------------------------------------------

    def adopt(self, key: Key, told: StepHistory, project: Path) -> Event | None:
        """Go on with a start about whose end nothing was decided: by the table of recovery."""
        plan, step = key
        if told.outcome is not None:
            self.followed.is_found_out(key)
            return RunEnded(self._now(), plan, told.outcome, step)
        intended = _intended(self._journals.read(plan), key, told.starts)
        if intended is None:
            raise LookupError(f"the journal of {plan} does not know start {step}.{told.starts}")
        event = self._go_on(key, intended, project)
        self.followed.is_found_out(key)
        return event

    def _go_on(self, key: Key, intended: Mapping[str, Any], project: Path) -> Event | None:
        """Go on with a start that was intended, wherever it was cut off. Repeatable."""
        plan, step = key
        number, session = intended["n"], intended["session_id"]
        folder = self._run_folder(plan, step, number)
        found = recovery.inspect(folder)
        if found is Found.NEVER_RAN:
            command = StartRun(
                plan,
                number,
                intended["attempt"],
                session if intended["resumes"] else None,
                intended.get("budget_usd"),
                step,
                intended.get("round") or 0,
            )
            launch = self._compose(command, session, project, self._journals.read(plan))
            if isinstance(launch, str):
                return self._not_started(command, launch)
            self._launch(command, session, launch)
            return None
        run = Running(
            plan=plan,
            step=step,
            number=number,
            attempt=intended["attempt"],
            session=session,
            since=datetime.fromisoformat(intended["time"]).timestamp(),
            watch=RunWatch.adopt(folder),
            payer=recovery.read_launch(folder).get("payer"),
            booked_usd=self._booked(plan, session),
            noted_lines=noted_lines(self._journals.read(plan), step, number),
        )
        if found in {Found.ALIVE, Found.FINISHING}:
            self.followed.add(run)
            return None
        return self._judge(run)

    # -- small parts ----------------------------------------------------------------------------------------------

    def _judge(self, run: Running) -> Event:
        """Write down how a start ended, and tell the engine."""
        folder = self._run_folder(run.plan, run.step, run.number)
        while self.followed.read(run):
            pass
        end = recovery.read_exit(folder)
        if not end:
            # The runner was killed: whatever it looked after may still be alive.
            recovery.sweep(folder)
            recovery.sync_logs(folder)
        recovery.remove_unfinished(folder)
        keep_output(folder, run.facts)
        self.note_asked(run)
        if run.asked.has_asked:
            self._withdraw(run)
        fields = fields_of_end(
            run,
            end,
            self._plan_of(run.plan),
            self._journals.read(run.plan),
            plan_folder=self._root.plan_folder(run.plan),
            claude_folder=claude_folder(self._environ),
            most_steps=self.launching.max_steps,
        )
        record = self._journals.append(run.plan, "run-ended", step=run.step, n=run.number, **fields)
        run.watch.close()
        self.followed.has_stopped(run.key)
        return RunEnded(self._now(), run.plan, outcome_of(record), run.step)

    def _withdraw(self, run: Running) -> None:
        """Take back what it still asks: its runner would have, but for its sudden end."""
        for name in withdraw(self._root, run.plan, run.step, run.number):
            self._journals.append(run.plan, "request-withdrawn", step=run.step, n=run.number, request=name)

    def _not_started(self, command: StartRun, message: str) -> Event:
        stopped = message == STOPPED_BEFORE
        fields: dict[str, Any] = {
            "status": "cancelled" if stopped else "failed",
            "reason": "cancelled" if stopped else "bad-launch",
            "retry": False,
            "summary": message,
        }
        if stopped and command.session is not None:
            # Nothing was said in it: whoever goes on goes on with it.
            fields["session_id"] = command.session
        record = self._journals.append(
            command.plan, "run-ended", step=command.step, n=command.number, **fields
        )
        self.followed.has_stopped((command.plan, command.step))
        return RunEnded(self._now(), command.plan, outcome_of(record), command.step)

    def _unreadable(self, plan: PlanId) -> str:
        return unreadable(self._root.plan_folder(plan))

    def _booked(self, plan: PlanId, session: str | None) -> float:
        if session is None:
            return 0.0
        records = self._journals.read(plan)
        starts = {_start(r) for r in records if r["event"] == "run-intended" and r["session_id"] == session}
        return float(
            sum(r.get("cost_usd") or 0 for r in records if r["event"] == "run-ended" and _start(r) in starts)
        )

    def _run_folder(self, plan: PlanId, step: str, number: int) -> Path:
        return self._root.plan_folder(plan) / "runs" / f"{step}.{number}"


def _intended(records: list[Record], key: Key, number: int) -> Record | None:
    """What was written down of a start before it was made; None: it was not thought of yet."""
    starts = (r for r in records if r["event"] == "run-intended")
    return next((r for r in starts if _start(r) == (key[1], number)), None)


def _payer_of(launch: Launch | str) -> str | None:
    """Who is going to be billed for it; None: nobody can be, for it is a command, or is not started at all."""
    return launch.payer.value if isinstance(launch, Launch) and launch.kind == CLAUDE else None


def _start(record: Mapping[str, Any]) -> tuple[str, int]:
    return record.get("step", MAIN), record["n"]


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
