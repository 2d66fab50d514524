"""What has to be true before something is started: dates, plans and steps before it, pauses, the account, attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core import events as told
from orchestrd.core.account_limit import MARGIN_SECONDS
from orchestrd.core.after_run import LEAST_USD
from orchestrd.core.commands import Prepare, StartRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, RunOutcome, StepHistory
from orchestrd.core.facts import PlanFacts, check_number
from orchestrd.core.step_life import StepState
from tests.simulate.clockwork import Clockwork
from tests.simulate.kept import Kept
from tests.simulate.script import Script
from tests.simulate.violation import Violation

PAUSES_SECONDS = (2.0, 10.0, 60.0)
"""Before the second, third and every further attempt."""
MOST_SLOTS = 20
"""So often at most a step has its workspace made before it is started: it costs git and a line of its journal."""
_EPSILON = 0.001
Key = tuple[PlanId, str]


class Starts:
    """Follows what is told, and holds slots and starts against it."""

    def __init__(
        self,
        script: Script,
        kept: dict[PlanId, Kept],
        clock: Clockwork,
        is_open: Callable[[PlanId, str], bool],
    ) -> None:
        self._script = script
        self._kept = kept
        self._clock = clock
        self._is_open = is_open
        self._paused = False
        self._draining = False
        self._troubles: set[str] = set()
        self._pauses: dict[Key, float] = {}
        """Until when a step is not started again, in seconds."""
        self._shut_until = 0.0
        """Until when the account is known to be at its limit, in seconds."""
        self._told_until = 0.0
        """Until when somebody who is refused without a time is taken to be refused until then, too."""
        self._is_guess = False
        """It is at its limit, and nobody knows until when."""
        self._probes: set[Key] = set()
        """Runs of a model that were started since then."""
        self._slots_in_vain: Counter[Key] = Counter()
        """How often a step was given a slot since it was started last."""
        self._parked_since: dict[Key, float] = {}
        """Since when a step has been refused and done nothing. That outlives daemons."""

    @property
    def may_start(self) -> bool:
        """Nothing keeps everybody from starting."""
        return not self._paused and not self._draining and not self._troubles

    def restart(self, in_hand: Sequence[tuple[PlanId, str, StepHistory]]) -> None:
        """A new daemon is told of pauses and troubles anew, and need not wait any longer between attempts."""
        for plan, step, history in in_hand:
            if history.outcome is not None and history.parked_since_before is None:
                # That it was refused is decided upon once more: it has waited since then.
                self._parked_since.pop((plan, step), None)
        self._paused = self._draining = self._is_guess = False
        self._troubles.clear()
        self._pauses.clear()
        self._probes.clear()
        self._shut_until = self._told_until = 0.0

    def follow(self, event: Event) -> None:
        """Take in what the engine is told."""
        match event:
            case told.PauseAsked():
                self._paused = True
            case told.ResumeAsked():
                self._paused = False
            case told.DrainAsked():
                self._draining = True
            case told.ConditionChanged(word=word, holds=holds):
                (self._troubles.add if holds else self._troubles.discard)(word)
            case told.LookAgain(plan=plan):
                for key in [key for key in self._pauses if key[0] == plan]:
                    del self._pauses[key]
            case told.LimitTold(status="allowed") if self._is_guess or self._told_until <= self._clock.wall:
                self._shut_until = self._told_until = 0.0
                self._is_guess = False
            case told.LimitTold(status="rejected", resets_at=float(resets_at)):
                self._shut(resets_at)
            case told.RunEnded(plan=plan, step=step, outcome=outcome):
                self._follow_run((plan, step), outcome)
            case _:
                pass

    def _shut(self, resets_at: float) -> None:
        self._shut_until = max(self._shut_until, resets_at - self._clock.set_by)
        self._told_until = max(self._shut_until, self._clock.now) + MARGIN_SECONDS
        self._is_guess = False

    def _follow_run(self, key: Key, outcome: RunOutcome) -> None:
        is_refused = outcome.reason is Reason.USAGE_LIMIT
        if key in self._probes and not is_refused:
            self._is_guess = False
        self._probes.discard(key)
        if not is_refused:
            self._parked_since.pop(key, None)
            if outcome.may_retry:
                attempt = max(
                    (one["attempt"] for one in self._kept[key[0]].of("run-intended", key[1])), default=1
                )
                pause = PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS)) - 1]
                self._pauses[key] = self._clock.now + pause
            return
        if outcome.limit_resets_at is not None:
            self._shut(outcome.limit_resets_at)
        elif self._told_until <= self._clock.now:
            self._is_guess = True
            self._probes.clear()
        if outcome.cost_usd:
            self._parked_since.pop(key, None)
        self._parked_since.setdefault(key, self._clock.now)

    # -- slots ----------------------------------------------------------------------------------------------------

    def hold_prepare(self, engine: Engine, command: Prepare) -> None:
        """Whether a step may be given a slot now."""
        plan, step = command.plan, command.step
        kept, now = self._kept[plan], self._clock.now
        facts = kept.facts
        if facts is None:
            raise Violation(plan, "it was refused, and is given a slot")
        held = engine.plan(plan)
        if held is None or held.decided is not None or held.cancelled is not None:
            raise Violation(plan, f"it is decided how it ends, and a step is begun: {step}")
        self._slots_in_vain[plan, step] += 1
        if self._slots_in_vain[plan, step] > MOST_SLOTS:
            raise Violation(plan, f"it is given a slot again and again, and not started: {step}")
        if not self.may_start:
            raise Violation(plan, "it is given a slot while nothing may start")
        if now < self._pauses.get((plan, step), 0.0) - _EPSILON and not self._script.is_clock_set:
            raise Violation(plan, f"its pause is not over: {step}")
        self._hold_dates(kept, facts)

    def _hold_dates(self, kept: Kept, facts: PlanFacts) -> None:
        for name in facts.after:
            if name not in self._kept or self._kept[name].status is not Status.SUCCEEDED:
                raise Violation(
                    kept.plan, f"it is given a slot before one that it comes after has succeeded: {name}"
                )
        if self._script.is_clock_set or any(one["event"] == "run-intended" for one in kept.records):
            return
        if facts.not_before is not None and facts.not_before > self._clock.wall:
            raise Violation(kept.plan, "it is given a slot before its date")
        if facts.expires is not None and facts.expires <= self._clock.wall:
            raise Violation(kept.plan, "it is given a slot after it has expired")

    # -- starts ---------------------------------------------------------------------------------------------------

    def hold_start(self, engine: Engine, command: StartRun) -> None:
        """Whether a step, or a check, may be started now, as that start."""
        plan, step = command.plan, command.step
        kept = self._kept[plan]
        self._slots_in_vain.pop((plan, step), None)
        if any(one["event"] == "cancel-asked" for one in kept.records):
            raise Violation(plan, f"it was cancelled, and is started: {step}")
        numbers = [one["n"] for one in kept.of("run-intended", step)]
        if command.number != max(numbers, default=0) + 1:
            raise Violation(plan, f"that is not its next start: {step}.{command.number}")
        if check_number(step) is not None:
            self._hold_check(kept, command)
            return
        if not self.may_start:
            raise Violation(plan, f"it is started while nothing may start: {step}")
        facts = kept.step(step)
        for need in self._needs(kept, step):
            if not _has_succeeded(kept, need):
                raise Violation(plan, f"it is started before a step that it needs: {step} before {need}")
        self._hold_attempt(kept, command)
        if not facts.is_command:
            kept.handed.add((step, command.number))
            kept.most_handed = max(kept.most_handed, len(kept.handed))
            self._hold_limit(command)
            self._hold_budget(kept, command)
        held = engine.plan(plan)
        if held is None or held.steps[step].state is not StepState.RUNNING:
            raise Violation(plan, f"it is started and does not run: {step}")

    def _hold_check(self, kept: Kept, command: StartRun) -> None:
        """In each round a check is run once, and again only if something else has ended it."""
        before = kept.intended(command.step, command.number - 1)
        ended = next(kept.of("run-ended", command.step), None)
        if before is None or ended is None or (before.get("round") or 0) != command.round:
            return
        if ended["n"] == before["n"] and ended.get("reason") != "interrupted":
            raise Violation(kept.plan, f"a check is run twice in one round: {command.step}")

    def _needs(self, kept: Kept, step: str) -> tuple[str, ...]:
        needs = kept.step(step).needs
        further = kept.script.further
        # Who needs a step that returns others needs those; they need the one that has returned them.
        more = [one.step for need in needs for one in further.get(need, ())]
        parents = [name for name, steps in further.items() if any(one.step == step for one in steps)]
        return (*needs, *more, *parents)

    def _hold_attempt(self, kept: Kept, command: StartRun) -> None:
        facts, most = kept.step(command.step), kept.facts.attempts if kept.facts is not None else 0
        if command.attempt > (facts.attempts or most):
            raise Violation(kept.plan, f"an attempt too many: {command.step}.{command.number}")
        further = sum(not one["same_attempt"] for one in kept.of("run-again", command.step))
        if not kept.has_gaps and command.attempt != 1 + further:
            what = f"its attempts are not counted right: {command.attempt} instead of {1 + further}"
            raise Violation(kept.plan, what)

    def _hold_limit(self, command: StartRun) -> None:
        key = command.plan, command.step
        if self._clock.now < self._shut_until - _EPSILON:
            raise Violation(command.plan, f"it is started while the account is at its limit: {command.step}")
        if self._is_guess:
            if self._probes:
                raise Violation(
                    command.plan, f"a second one finds out whether the limit is over: {command.step}"
                )
            self._probes.add(key)

    def _hold_budget(self, kept: Kept, command: StartRun) -> None:
        if command.budget_usd is not None and command.budget_usd < LEAST_USD:
            raise Violation(
                kept.plan, f"it is started with no money: {command.step} with {command.budget_usd}"
            )
        most = kept.facts.max_usd if kept.facts is not None else None
        if most is None:
            return
        if command.budget_usd is None:
            raise Violation(kept.plan, f"it is started without a limit to its cost: {command.step}")
        spent = given = 0.0
        for one in kept.records:
            if one["event"] == "run-intended":
                name = one["step"], one["n"]
                if name in kept.told:
                    spent += kept.told[name]
                elif name[0] != command.step:
                    given += one.get("budget_usd") or 0.0
        if command.budget_usd > most - spent - given + 0.000_01:
            what = f"more is handed out than its plan has: {command.budget_usd} to {command.step}"
            raise Violation(kept.plan, what)

    # -- parked ---------------------------------------------------------------------------------------------------

    def hold_parked(self, engine: Engine, plan: PlanId, step: str) -> None:
        """Whether a step has been parked for longer than may be."""
        since, held = self._parked_since.get((plan, step)), engine.plan(plan)
        if since is None or held is None or step not in held.steps or self._script.is_clock_set:
            return
        one = held.steps[step]
        if self._kept[plan].has_gaps or self._kept[plan].has_lost:
            return  # nobody knows any more since when
        if one.state is StepState.WAITING and one.wait is not None and one.wait.word == "limit":
            waited = self._clock.wall - self._clock.set_by - since
            if waited > self._script.max_parked + 1.0:
                raise Violation(plan, f"it is parked for longer than may be: {step} for {waited:.0f} s")


def _has_succeeded(kept: Kept, step: str) -> bool:
    """Whether the last start of a step has, and what it left is gathered."""
    ended = next(kept.of("run-ended", step), None)
    gathered = next(kept.of("step-gathered", step), None)
    return (
        ended is not None
        and gathered is not None
        and ended["status"] == "succeeded"
        and gathered["seq"] > ended["seq"]
    )
