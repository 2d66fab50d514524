"""One plan as the engine holds it in hand: its facts, its state, and what was used up so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from handoff.root import PlanId
from orchestrd.core.events import Ending, History, Moment, PlanFacts
from orchestrd.core.plan_life import State, Trigger, next_state


class EngineFault(Exception):
    """The engine was told something that cannot be: a bug of the caller."""


class Wait(NamedTuple):
    """What a plan waits for, a word of PROTOCOL 8, and until when (wall seconds), where that is known."""

    word: str
    until: float | None = None


@dataclass(slots=True)
class PlanInHand:
    """A plan between acceptance and settling. Only the engine changes it."""

    facts: PlanFacts
    since: float
    """Wall seconds since when it is in its state."""
    state: State = State.WAITING
    wait: Wait | None = None
    awaited: set[PlanId] = field(default_factory=set)
    paused_until: float | None = None
    """Boot seconds: not started again before."""
    starts: int = 0
    attempt: int = 0
    same_attempt: bool = False
    """The next start does not count as a further attempt."""
    resumes: int = 0
    session: str | None = None
    """The session that the next start resumes."""
    spent_usd: float = 0.0
    denied: bool = False
    cancelled: str | None = None
    decided: Ending | None = None
    """How its run ended, until the evidence is there."""

    def move(self, trigger: Trigger) -> None:
        """Follow the table; raises `IllegalTransitionError` and changes nothing where it has no way."""
        self.state = next_state(self.state, trigger)

    def is_overdue(self, at: Moment) -> bool:
        """It has never been started and its date to expire has come."""
        return not self.starts and self.facts.expires is not None and self.facts.expires <= at.wall

    def take_up(self, history: History) -> None:
        """Go on from what the journal tells."""
        self.starts = history.starts
        self.attempt = history.attempt
        self.resumes = history.resumes
        self.spent_usd = history.spent_usd
        self.session = history.session
        self.cancelled = history.cancelled
