"""What the engine is told. Each event carries its time: the engine has no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handoff.result import Reason, Status
from handoff.root import PlanId


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by two clocks.

    `wall` is seconds since 1970 (UTC), to be compared with dates that people wrote; `boot` is seconds that only
    grow while the machine is up, for pauses: a step of the wall clock neither ends nor repeats one.
    """

    wall: float
    boot: float


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The little of a plan that its order among others depends on; 20,000 of them fit in memory."""

    plan: PlanId
    arrival: int
    accepted: float
    """Wall seconds; waiting counts from here."""
    project: str
    """Where it works, symbolic links resolved: plans in place take turns by it."""
    in_place: bool = False
    priority: int = 50
    after: tuple[PlanId, ...] = ()
    not_before: float | None = None
    expires: float | None = None
    attempts: int = 3
    on_interrupt: str = "resume"
    max_usd: float | None = None
    changes: str = "allowed"
    title: str = ""


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
class History:
    """What had happened to a plan before the daemon was started anew, as its journal tells it."""

    starts: int = 0
    attempt: int = 0
    resumes: int = 0
    spent_usd: float = 0.0
    session: str | None = None
    cancelled: str | None = None
    """Why, if it was cancelled ('' where no reason was given)."""
    in_hand: bool = False
    """A start was intended whose end has not been judged."""
    ending: Ending | None = None
    """Decided, not yet published."""
    since: float | None = None
    """Wall seconds since when it is where it stands."""


@dataclass(frozen=True, slots=True)
class PlanRecovered:
    """A plan was found in `active/` at the start of the daemon."""

    at: Moment
    facts: PlanFacts
    history: History
    settled: Mapping[PlanId, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkspaceMade:
    """The checkout (or the place itself) is ready for a run."""

    at: Moment
    plan: PlanId


@dataclass(frozen=True, slots=True)
class WorkspaceFailed:
    """No run can be started there; `message` says what was wrong, where, and what to do."""

    at: Moment
    plan: PlanId
    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A start is over and judged."""

    at: Moment
    plan: PlanId
    outcome: RunOutcome


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
