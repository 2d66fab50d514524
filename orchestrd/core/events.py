"""What the engine is told. Each event carries its time: the engine has no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.facts import MAIN, PlanFacts, StepFacts, check_number


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by two clocks.

    `wall` is seconds since 1970 (UTC), to be compared with dates that people wrote; `boot` is seconds that only
    grow while the machine is up, for pauses: a step of the wall clock neither ends nor repeats one.
    """

    wall: float
    boot: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a plan ends: what its result will say."""

    status: Status
    reason: Reason | None = None
    message: str | None = None
    """For a person: what was wrong and what to do. None where the run's own last words say it."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How one start of Claude Code ended, judged by its event stream and its exit."""

    succeeded: bool
    reason: Reason | None = None
    may_retry: bool = False
    session: str | None = None
    """The session that a further start may resume."""
    resume_refused: bool = False
    cost_usd: float = 0.0
    denied: bool = False
    """Some tool call was denied."""
    steps: tuple[StepFacts, ...] = ()
    """Of a step that expands: the further steps that it returned, checked."""
    limit_resets_at: float | None = None
    """Of a usage limit: when it is over (wall seconds), where that was told."""


@dataclass(frozen=True, slots=True)
class PlanAccepted:
    """A valid plan lies in `active/`; `settled` tells how those of its `after` ended that are settled already."""

    at: Moment
    facts: PlanFacts
    settled: Mapping[PlanId, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanRefused:
    """A plan was taken but will not run: rejected, or the duplicate of another."""

    at: Moment
    plan: PlanId
    ending: Ending


@dataclass(frozen=True, slots=True)
class StepHistory:
    """What had happened to a step before the daemon was started anew."""

    starts: int = 0
    attempt: int = 0
    resumes: int = 0
    session: str | None = None
    """The session that the next start resumes."""
    in_hand: bool = False
    """A start was intended about whose end nothing has been decided."""
    outcome: RunOutcome | None = None
    """How the last start ended, if its end was judged and nothing came of it yet, or if the step is over."""
    is_over: bool = False
    """What it left is gathered."""
    ending: Ending | None = None
    """How its plan ends because of it, if it is over and has not succeeded."""
    round: int = 0
    """In which round it was started last."""
    spent_usd: float = 0.0
    """Of the starts whose ends were acted upon."""
    given_usd: float | None = None
    """What its last start may cost."""
    parked_since: float | None = None
    """Wall seconds since when it waits for the account's limit."""
    parked_until: float | None = None
    """Wall seconds; as far as anybody knew."""
    parked_untold: bool = False
    """Nobody had told until when."""
    parked_since_before: float | None = None
    """Since when it had waited for that when it was started last."""
    waits_for_money: bool = False
    """It has used up its share of its plan's."""


@dataclass(frozen=True, slots=True)
class History:
    """What had happened to a plan before the daemon was started anew, as its journal tells it."""

    steps: Mapping[str, StepHistory] = field(default_factory=dict)
    """By name; those of checks too. What is not here was never started."""
    spent_usd: float = 0.0
    """Of the starts whose ends were acted upon."""
    cancelled: str | None = None
    """Why, if it was cancelled ('' where no reason was given)."""
    ending: Ending | None = None
    """Decided, not yet published."""
    since: float | None = None
    """Wall seconds since when it is where it stands."""

    @property
    def in_hand(self) -> tuple[str, ...]:
        """The steps of which a start was intended about whose end nothing has been decided; checks of this round."""
        return tuple(
            name
            for name, step in self.steps.items()
            if step.in_hand and (check_number(name) is None or step.round == self.round)
        )

    @property
    def starts(self) -> int:
        """How often something of it was started."""
        return sum(step.starts for step in self.steps.values())

    @property
    def round(self) -> int:
        """How often a failed check has gone back to the model."""
        return max((step.round for step in self.steps.values()), default=0)


@dataclass(frozen=True, slots=True)
class PlanRecovered:
    """A plan was found in `active/` at the start of the daemon."""

    at: Moment
    facts: PlanFacts
    history: History
    settled: Mapping[PlanId, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkspaceMade:
    """The checkout (or the place itself) is ready for a run of that step."""

    at: Moment
    plan: PlanId
    step: str = MAIN


@dataclass(frozen=True, slots=True)
class WorkspaceFailed:
    """No run can be started there; `message` says what was wrong, where, and what to do."""

    at: Moment
    plan: PlanId
    message: str
    step: str = MAIN
    is_conflict: bool = False
    """What the steps before it have left contradicts itself."""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A start of a step or of a check is over and judged."""

    at: Moment
    plan: PlanId
    outcome: RunOutcome
    step: str = MAIN


@dataclass(frozen=True, slots=True)
class CostTold:
    """A run has told what it has cost so far."""

    at: Moment
    plan: PlanId
    step: str
    number: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A run waits for a person: an approval, or an answer to a question."""

    at: Moment
    plan: PlanId
    step: str
    number: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A run waits for nobody any more: it was answered, or has taken back what it asked."""

    at: Moment
    plan: PlanId
    step: str
    number: int


@dataclass(frozen=True, slots=True)
class LimitTold:
    """A run was told how the account stands: `allowed`, `allowed_warning` or `rejected`, as Claude Code says it."""

    at: Moment
    status: str
    resets_at: float | None = None
    """Wall seconds."""


@dataclass(frozen=True, slots=True)
class StepGathered:
    """What a step left is committed and written down; `problem` says why that could not be."""

    at: Moment
    plan: PlanId
    step: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The work of the steps that ran side by side is merged; `problem` says why it could not be."""

    at: Moment
    plan: PlanId
    problem: str | None = None
    is_conflict: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceGathered:
    """What the run left is committed and compared; `changed` is None where nothing could be compared."""

    at: Moment
    plan: PlanId
    changed: bool | None
    problem: str | None = None
    """Why what it left could not be gathered."""


@dataclass(frozen=True, slots=True)
class PlanPublished:
    """The result is out and the folder has moved to the archive."""

    at: Moment
    plan: PlanId
    status: Status


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A person wants this plan to end."""

    at: Moment
    plan: PlanId
    why: str = ""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """`retry` of a plan that waits: its pause before a further attempt ends now."""

    at: Moment
    plan: PlanId


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """No plan starts from now on; runs go on."""

    at: Moment
    why: str = ""


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """Ends a pause."""

    at: Moment


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """No plan starts; when no run is left the daemon leaves."""

    at: Moment


@dataclass(frozen=True, slots=True)
class ConditionChanged:
    """A condition of the machine in which no plan starts: `claude` is missing, `space` is short, there is `pressure`.

    In the condition `dying` a run has to yield, too.
    """

    at: Moment
    word: str
    holds: bool
    """True: the trouble is there. False: it is over."""
    message: str = ""
    """What is wrong, for a person, where that is to be told of a plan."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: Moment


Event = (
    PlanAccepted
    | PlanRefused
    | PlanRecovered
    | WorkspaceMade
    | WorkspaceFailed
    | RunEnded
    | CostTold
    | Asked
    | Answered
    | LimitTold
    | StepGathered
    | Joined
    | EvidenceGathered
    | PlanPublished
    | CancelAsked
    | LookAgain
    | PauseAsked
    | ResumeAsked
    | DrainAsked
    | ConditionChanged
    | Tick
)
