"""T8, the decisions alone: the engine and the fold of its journals under a state machine, thousands of steps a second.

Hands of a test stand around the real engine: they keep the journals that the daemon would keep, do what is ordered in
any order, and crash. What was not written down is forgotten then; what was is folded, as a daemon's start does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core import events as told
from orchestrd.core.commands import Command, Gather, Leave, Prepare, Settle, StartRun, StopRun
from orchestrd.core.engine import Engine
from orchestrd.core.events import Event, Moment, RunOutcome
from orchestrd.core.facts import MAIN, PlanFacts
from orchestrd.core.history import facts_of, outcome_of, read_history
from orchestrd.core.plan_life import HOLDS_A_SLOT, Life, State
from orchestrd.core.step_life import NOT_BEGUN, StepState
from tests.faults.campaign import Campaign, Ground, Outcome, Violation

ANY = st.integers(0, 99)
"""Which of those that there are."""
PROJECT = st.sampled_from(("/a", "/b"))
PRIORITY = st.sampled_from((10, 50, 51, 90))
USUAL = {
    "in_place": False,
    "priority": 50,
    "attempts": 3,
    "on_interrupt": "resume",
    "changes": "allowed",
}
ENDS: dict[str, dict[str, Any]] = {
    "well": {"status": "succeeded"},
    "for good": {"status": "failed", "reason": "auth", "cost_usd": 0.1},
    "for now": {"status": "failed", "reason": "api", "retry": True, "session_id": "s", "cost_usd": 0.4},
    "by a signal": {"status": "failed", "reason": "interrupted", "retry": True, "session_id": "s"},
    "refused": {"status": "failed", "reason": "bad-launch", "resume_refused": True},
    "stopped": {"status": "cancelled", "reason": "cancelled"},
}
"""How a run may end, as its journal says it."""


@dataclass(slots=True)
class Kept:
    """What is on the disk of one plan, and what is known of what became of it."""

    records: list[dict[str, Any]]
    alive: int | None = None
    """The start whose process is alive."""
    made: set[int] = field(default_factory=set)
    """The starts that were made."""
    status: Status | None = None
    """How it is settled."""
    cancelled_before_start: bool = False
    latest: float = 0.0
    """The latest time that the wall clock has shown while it was there."""

    def add(self, event: str, **fields: Any) -> dict[str, Any]:
        """Append a line to its journal."""
        record = {"seq": len(self.records) + 1, "event": event, **fields}
        self.records.append(record)
        return record


class Decisions(RuleBasedStateMachine):
    """One engine after another, over the same plans."""

    def __init__(self, counted: Counter[str]) -> None:
        super().__init__()
        self.counted = counted
        self.wall, self.boot = 1_000_000.0, 500.0
        self.kept: dict[PlanId, Kept] = {}
        self.errands: dict[PlanId, Command | RunOutcome | None] = {}
        """What is under way in other threads, and is lost by a crash. An outcome or None: a start is gone on with."""
        self.stops: set[PlanId] = set()
        """Runs that are told to stop."""
        self.was_set = False
        """The wall clock."""
        self.paused: str | None = None
        self.missing: set[str] = set()
        self.left = False

    @property
    def at(self) -> Moment:
        return Moment(self.wall, self.boot)

    @initialize(parallel=st.integers(1, 3))
    def begin(self, parallel: int) -> None:
        self.engine = Engine(parallel)

    # -- what people do -------------------------------------------------------------------------------------------

    @rule(project=PROJECT, in_place=st.booleans(), priority=PRIORITY, attempts=st.integers(1, 4))
    def accept(self, **fields: Any) -> None:
        """Accept a plan that may run at once."""
        self.take_in(**fields)

    @rule(
        project=PROJECT,
        after=st.lists(ANY, max_size=2),
        not_before=st.sampled_from((None, -10.0, 30.0)),
        expires=st.sampled_from((None, None, -10.0, 30.0, 90.0)),
        on_interrupt=st.sampled_from(("restart", "stop")),
        max_usd=st.sampled_from((None, 0.5)),
    )
    def accept_to_wait(self, **fields: Any) -> None:
        """Accept a plan that may have to wait."""
        self.take_in(**fields)

    def take_in(
        self,
        after: Sequence[int] = (),
        not_before: float | None = None,
        expires: float | None = None,
        **given: Any,
    ) -> None:
        number = len(self.kept) + 1
        plan = PlanId(f"p{number}")
        # p0 never comes.
        names = tuple(dict.fromkeys(PlanId(f"p{one % number}") for one in after))
        dates = {"not_before": not_before, "expires": expires}
        record = {
            "after": names,
            **USUAL,
            **given,
            **{name: self.wall + value for name, value in dates.items() if value is not None},
        }
        kept = self.kept[plan] = Kept([])
        kept.add("taken", arrival=number, accepted=self.wall)
        facts = facts_of(plan, number, self.wall, kept.add("accepted", **record))
        self.handle(told.PlanAccepted(self.at, facts, self.settled(names)))

    @rule()
    def refuse(self) -> None:
        number = len(self.kept) + 1
        plan = PlanId(f"p{number}")
        kept = self.kept[plan] = Kept([])
        kept.add("taken", arrival=number, accepted=self.wall)
        kept.add("refused", reason="invalid")
        ending = told.Ending(Status.REJECTED, Reason.INVALID)
        self.handle(told.PlanRefused(self.at, plan, ending))

    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        plan = self.some(which)
        if plan is not None:
            self.cancel_plan(plan)

    def cancel_plan(self, plan: PlanId) -> None:
        held = self.engine.plan(plan)
        if held is None or held.state in {State.SETTLING, State.GATHERING}:
            return
        self.kept[plan].add("cancel-asked", why="")
        self.kept[plan].cancelled_before_start |= not self.kept[plan].made and self.kept[plan].alive is None
        self.handle(told.CancelAsked(self.at, plan))

    @rule(which=ANY)
    def look_again(self, which: int) -> None:
        plan = self.some(which)
        if plan is not None:
            self.handle(told.LookAgain(self.at, plan))

    @rule()
    def pause_or_resume(self) -> None:
        if self.paused is None:
            self.paused = "lunch"
            self.handle(told.PauseAsked(self.at, "lunch"))
        else:
            self.paused = None
            self.handle(told.ResumeAsked(self.at))

    @rule(word=st.sampled_from(("claude", "space")))
    def change(self, word: str) -> None:
        """Something of the machine goes missing, or is back."""
        holds = word not in self.missing
        (self.missing.add if holds else self.missing.discard)(word)
        self.handle(told.ConditionChanged(self.at, word, holds=holds))

    @rule(seconds=st.sampled_from((0.5, 5.0, 31.0, 700.0)))
    def let_pass(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds
        self.handle(told.Tick(self.at))

    @rule(seconds=st.sampled_from((-3600.0, -20.0, 20.0, 3600.0)))
    def step_the_clock(self, seconds: float) -> None:
        self.wall += seconds
        self.was_set = True
        self.counted["clock jumps"] += 1
        self.handle(told.Tick(self.at))

    # -- what the hands do ----------------------------------------------------------------------------------------

    @rule(which=ANY, fails=st.booleans(), end=st.sampled_from(sorted(ENDS)))
    def work(self, which: int, fails: bool, end: str) -> None:
        """One errand comes to its end."""
        if not self.errands:
            return
        plan = sorted(self.errands)[which % len(self.errands)]
        errand, kept = self.errands.pop(plan), self.kept[plan]
        match errand:
            case Prepare():
                self.handle(
                    told.WorkspaceFailed(self.at, plan, "no branch")
                    if fails and which % 4 == 0
                    else told.WorkspaceMade(self.at, plan)
                )
            case StartRun():
                self.make_start(plan, errand)
            case Gather():
                kept.add("gathered")
                self.handle(told.EvidenceGathered(self.at, plan, changed=not fails))
            case Settle(ending=ending):
                if not any(one["event"] == "settling" for one in kept.records):
                    kept.add("settling", status=ending.status.value, reason=ending.reason)
                self.check(
                    kept.records[-1]["status"] == ending.status.value,
                    plan,
                    "it ends in another way than was noted",
                )
                self.check(kept.status is None, plan, "it is settled twice")
                kept.status = ending.status
                self.handle(told.PlanPublished(self.at, plan, ending.status))
            case RunOutcome():
                self.end_run(plan, errand)
            case None:
                self.go_on(plan, end)

    @rule(first=ANY, then=ANY)
    def work_on(self, first: int, then: int) -> None:
        """Two errands come to their ends."""
        self.work(first, fails=False, end="well")
        self.work(then, fails=False, end="well")

    @rule(which=ANY, end=st.sampled_from(sorted(ENDS)))
    def run_ends(self, which: int, end: str) -> None:
        """A run comes to its end, and is judged."""
        alive = [
            plan for plan, kept in self.kept.items() if kept.alive is not None and plan not in self.errands
        ]
        if alive:
            plan = alive[which % len(alive)]
            self.kept[plan].alive = None
            self.end_run(plan, outcome_of(self.kept[plan].add("run-ended", **ENDS[end])))

    def make_start(self, plan: PlanId, start: StartRun) -> None:
        kept = self.kept[plan]
        kept.add(
            "run-intended",
            n=start.number,
            attempt=start.attempt,
            session_id=start.session or f"s{start.number}",
            resumes=start.session is not None,
        )
        self.launch(plan, start.number)

    def launch(self, plan: PlanId, number: int) -> None:
        kept = self.kept[plan]
        if plan in self.stops:
            self.end_run(plan, outcome_of(kept.add("run-ended", **ENDS["stopped"])))
            return
        self.check(number not in kept.made, plan, f"start {number} is made twice")
        self.check(kept.alive is None, plan, "a second process is started")
        self.check(not kept.cancelled_before_start, plan, "it was cancelled, and is started")
        kept.made.add(number)
        kept.alive = number

    def end_run(self, plan: PlanId, outcome: RunOutcome) -> None:
        self.stops.discard(plan)
        self.handle(told.RunEnded(self.at, plan, outcome))
        held = self.engine.plan(plan)
        step = held.steps[MAIN] if held is not None else None
        if step is not None and step.state in {*NOT_BEGUN, StepState.PREPARING}:
            session = {"session_id": step.session} if step.session else {}
            self.kept[plan].add("run-again", same_attempt=step.same_attempt, **session)

    def go_on(self, plan: PlanId, end: str) -> None:
        """After a crash: go on with a start that was intended, by the table of recovery."""
        kept = self.kept[plan]
        number = max(one["n"] for one in kept.records if one["event"] == "run-intended")
        if number not in kept.made:
            self.launch(plan, number)
        elif kept.alive is None:
            self.end_run(plan, outcome_of(kept.add("run-ended", **ENDS[end])))

    @rule(while_down=st.booleans())
    def crash(self, while_down: bool) -> None:
        """The daemon is killed, and another one folds what was written down."""
        self.counted["crashes"] += 1
        self.errands.clear()
        self.stops.clear()
        if while_down:
            self.boot += 5
            self.wall += 5
        self.engine = Engine(self.engine.max_parallel)
        self.left = False
        if self.paused is not None:
            self.handle(told.PauseAsked(self.at, self.paused))
        for word in sorted(self.missing):
            self.handle(told.ConditionChanged(self.at, word, holds=True))
        in_hand = []
        for plan, kept in self.kept.items():
            if kept.status is None:
                known = read_history(kept.records)
                self.handle(self.recovered(plan, kept, known))
                if known.history.in_hand and known.history.ending is None:
                    in_hand.append((plan, known.history.steps[MAIN].outcome))
        for plan, outcome in in_hand:
            self.check(plan not in self.errands, plan, "it is in hand, and something else is ordered for it")
            self.errands[plan] = outcome
        self.handle(told.Tick(self.at))

    def recovered(self, plan: PlanId, kept: Kept, known: Any) -> Event:
        taken = kept.records[0]
        if known.facts is None:
            return told.PlanRefused(self.at, plan, known.history.ending)
        facts = facts_of(plan, taken["arrival"], taken["accepted"], known.facts)
        return told.PlanRecovered(self.at, facts, known.history, self.settled(facts.after))

    # -- what has to hold -----------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        for kept in self.kept.values():
            kept.latest = max(kept.latest, self.wall)
        for command in self.engine.handle(event):
            match command:
                case Leave():
                    self.left = True
                case StopRun(plan=plan):
                    self.check(
                        self.engine.plan(plan) is not None, plan, "what is not in hand is told to stop"
                    )
                    self.stops.add(plan)
                case _:
                    self.check(
                        command.plan not in self.errands,
                        command.plan,
                        f"{command} while another errand goes on",
                    )
                    self.errands[command.plan] = command
                    self.look_at(command)

    def look_at(self, command: Command) -> None:
        """Hold an order of the engine against what the protocol says of order and time."""
        match command:
            case Prepare(plan=plan):
                self.check(
                    self.paused is None and not self.missing,
                    plan,
                    "it is given a slot while nothing may start",
                )
                facts = self.facts(plan)
                for name in facts.after:
                    self.check(
                        self.status(name) is Status.SUCCEEDED,
                        plan,
                        f"it is given a slot before {name} succeeded",
                    )
                if facts.not_before is not None:
                    # A clock that was set back later takes nothing back.
                    self.check(
                        facts.not_before <= self.kept[plan].latest, plan, "it is given a slot before its date"
                    )
                if facts.expires is not None and not self.kept[plan].made:
                    self.check(facts.expires > self.wall, plan, "it is given a slot after it expired")
                self.check(len(self.holding()) <= self.engine.max_parallel, plan, "there is no slot for it")
                self.look_at_turn(plan, facts)
            case StartRun(plan=plan, number=number, attempt=attempt):
                self.check(
                    self.paused is None and not self.missing, plan, "it is started while nothing may start"
                )
                events = Counter(
                    one["event"] for one in self.kept[plan].records if not one.get("same_attempt")
                )
                self.check(number not in self.kept[plan].made, plan, f"start {number} is ordered twice")
                self.check(attempt == 1 + events["run-again"], plan, f"this is not attempt {attempt}")
                self.check(attempt <= self.facts(plan).attempts, plan, f"attempt {attempt} is one too many")
            case Settle(plan=plan, ending=ending):
                self.look_at_ending(plan, ending.status)

    def look_at_turn(self, plan: PlanId, facts: PlanFacts) -> None:
        """Somebody of its priority has most points of all who are ready and whose place is free; in its project, it.

        Where somebody set the clock, how long a plan has waited is not to be told from outside.
        """
        if self.was_set:
            return
        busy = {self.facts(one.facts.plan).project for one in self.in_place()}
        most_of_priority = self.points(facts)
        for other in self.engine.plans():
            # One that was chosen just after it may have been the one that gave their priority its turn.
            if other.state in {State.READY, State.PREPARING} and other.facts.priority == facts.priority:
                most_of_priority = max(most_of_priority, self.points(other.facts))
        for other in self.engine.plans():
            stands_in_line = other.facts.in_place and other.facts.project in busy and not other.begun
            if other.state is not State.READY or stands_in_line:
                continue
            others = self.points(other.facts)
            self.check(others <= most_of_priority, plan, f"it comes before {other.facts.plan}")
            if (other.facts.project, other.facts.priority) == (facts.project, facts.priority):
                is_later = (-others, other.facts.arrival) > (-self.points(facts), facts.arrival)
                self.check(is_later, plan, f"it comes before {other.facts.plan} of its project")

    def look_at_ending(self, plan: PlanId, status: Status) -> None:
        kept = self.kept[plan]
        events = [one["event"] for one in kept.records]
        last = next((one for one in reversed(kept.records) if one["event"] == "run-ended"), None)
        if status is Status.CANCELLED:
            waited = any(self.status(name) not in {None, Status.SUCCEEDED} for name in self.facts(plan).after)
            self.check(
                "cancel-asked" in events or waited or ENDS["stopped"]["status"] == (last or {}).get("status"),
                plan,
                "nobody cancelled it",
            )
        if status is Status.SUCCEEDED:
            self.check(
                last is not None and last["status"] == "succeeded", plan, "it succeeds without a run that did"
            )
        if status is Status.EXPIRED:
            self.check(not kept.made, plan, "it expires after it was started")

    @invariant()
    def slots_are_kept(self) -> None:
        if not hasattr(self, "engine"):
            return
        places = Counter(one.facts.project for one in self.in_place())
        self.check(
            all(count == 1 for count in places.values()), "-", f"several plans work in one place: {places}"
        )
        self.counted["steps"] += 1

    def teardown(self) -> None:
        """Everything that troubles is over: all has to come to its end."""
        if not hasattr(self, "engine"):
            return
        if self.paused is not None:
            self.pause_or_resume()
        for word in sorted(self.missing):
            self.change(word)
        for one in list(self.engine.plans()):
            if PlanId("p0") in one.awaited:
                self.cancel_plan(one.facts.plan)
        self.go_on_to_the_end()
        self.check(
            not list(self.engine.plans()),
            "-",
            f"these never end: {[one.facts.plan for one in self.engine.plans()]}",
        )
        self.check(all(kept.status is not None for kept in self.kept.values()), "-", "a plan was forgotten")
        self.handle(told.DrainAsked(self.at))
        self.check(self.left, "-", "it was drained, nothing is left, and it does not leave")
        self.counted["plans"] += len(self.kept)
        self.counted["examples"] += 1

    def go_on_to_the_end(self) -> None:
        ends = cycle(("for now", "well", "by a signal", "refused"))
        # Crashed again and again, but less and less often: each daemon has to come further than the one before.
        crashes = {number * (number + 1) // 2 for number in range(20)}
        for step in range(60 * len(self.kept) + 210):
            if step in crashes:
                self.crash(while_down=False)
            if self.errands:
                self.work(step, fails=False, end=next(ends))
            elif any(kept.alive is not None for kept in self.kept.values()):
                self.run_ends(step, next(ends))
            elif any(True for _ in self.engine.plans()):
                self.let_pass(700.0)
            else:
                break

    # -- small parts ----------------------------------------------------------------------------------------------

    def some(self, which: int) -> PlanId | None:
        """One of the plans in hand."""
        plans = [plan for plan, kept in self.kept.items() if kept.status is None]
        return plans[which % len(plans)] if plans else None

    def facts(self, plan: PlanId) -> PlanFacts:
        taken, accepted = self.kept[plan].records[:2]
        return facts_of(plan, taken["arrival"], taken["accepted"], accepted)

    def holding(self) -> list[Any]:
        return [one for one in self.engine.plans() if one.state in HOLDS_A_SLOT]

    def in_place(self) -> list[Any]:
        """Plans that work in place: from their first slot until they are gathered."""
        return [
            one
            for one in self.engine.plans()
            if one.facts.in_place and one.begun and one.life in {Life.OPEN, Life.GATHERING}
        ]

    def points(self, facts: PlanFacts) -> int:
        return facts.priority + int(self.wall // 600 - facts.accepted // 600)

    def status(self, plan: PlanId) -> Status | None:
        return self.kept[plan].status if plan in self.kept else None

    def settled(self, names: tuple[PlanId, ...]) -> dict[PlanId, Status]:
        return {name: status for name in names if (status := self.status(name)) is not None}

    def check(self, holds: bool, where: str, what: str) -> None:
        if not holds:
            raise Broken(where, what)


class Broken(AssertionError):
    """The engine decided what it must not."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.what = where, what


def run(ground: Ground) -> Outcome:
    """Let hypothesis try so many examples of so many steps."""
    counted: Counter[str] = Counter()
    asked = settings(
        max_examples=ground.pick(400, 600, 2000),
        stateful_step_count=ground.pick(30, 50, 50),
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    seeded = ground.random("decisions").randrange(1 << 32)
    violations = []
    try:
        run_state_machine_as_test(seed(seeded)(lambda: Decisions(counted)), settings=asked)
    except Broken as broken:
        steps = "; ".join(line for note in getattr(broken, "__notes__", ()) for line in note.splitlines())
        violations.append(Violation("-", broken.where, broken.what, f"seed {seeded}: {steps}"))
    return Outcome(counted["crashes"] + counted["clock jumps"], violations, counted)


CAMPAIGNS = (
    Campaign("T8 engine", "the decisions alone: the engine and its journals, crashed anywhere", run),
)
