"""One step of a plan in hand: its facts, its state, and what was used up so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from orchestrd.core.events import Ending, RunOutcome, StepHistory
from orchestrd.core.facts import StepFacts
from orchestrd.core.step_life import ALIVE, StepState, StepTrigger, next_step_state


class Wait(NamedTuple):
    """What something waits for, a word of PROTOCOL 8, and until when (wall seconds), where that is known."""

    word: str
    until: float | None = None


@dataclass(slots=True)
class StepInHand:
    """A step of a plan that is open, or one of its checks. Only the engine changes it."""

    facts: StepFacts
    state: StepState = StepState.PENDING
    paused_until: float | None = None
    """Boot seconds: not started again before."""
    wait: Wait | None = None
    """What it waits for while it pauses."""
    starts: int = 0
    attempt: int = 0
    same_attempt: bool = False
    """The next start does not count as a further attempt."""
    resumes: int = 0
    round: int = 0
    """In which round it was started last."""
    session: str | None = None
    """The session that the next start resumes."""
    spent_usd: float = 0.0
    given_usd: float | None = None
    """What its last start may cost."""
    parked_since: float | None = None
    """Wall seconds since when it waits for the account's limit."""
    parked_since_before: float | None = None
    """The same, of its last start: if that is refused too, it has waited since then."""
    is_parked_untold: bool = False
    """Nobody has told until when."""
    started: float = 0.0
    """Boot seconds of its last start; of one that was found alive 0, for it is older."""
    is_yielding: bool = False
    """It was told to stop for the machine's sake."""
    yielded: int = 0
    """How often it has stopped for that."""
    outcome: RunOutcome | None = None
    """How its last start ended, once that is decided upon."""
    ending: Ending | None = None
    """How its plan ends because of it, if it is over and has not succeeded."""

    @property
    def name(self) -> str:
        """Its name in the plan."""
        return self.facts.step

    @property
    def is_alive(self) -> bool:
        """Its last start is not over."""
        return self.state in ALIVE

    def move(self, trigger: StepTrigger) -> None:
        """Follow the table; raises `IllegalTransitionError` and changes nothing where it has no way."""
        self.state = next_step_state(self.state, trigger)

    def take_up(self, history: StepHistory) -> None:
        """Go on from what the journal tells."""
        self.starts = history.starts
        self.attempt = history.attempt
        self.resumes = history.resumes
        self.round = history.round
        self.session = history.session
        self.spent_usd = history.spent_usd
        self.given_usd = history.given_usd
        self.parked_since = history.parked_since
        self.parked_since_before = history.parked_since_before
        if history.waits_for_money:
            self.wait = Wait("budget")
