"""A start that is alive, or over and not judged yet, as the daemon follows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from handoff.result import Payer
from handoff.root import PlanId
from orchestrd.runs.asking.following import AskedOfRun
from orchestrd.runs.command_output import CommandFacts
from orchestrd.runs.environment import name_payer
from orchestrd.runs.kinds import COMMAND
from orchestrd.runs.stream import RateLimit, StreamFacts
from orchestrd.runs.watch import RunWatch

Key = tuple[PlanId, str]
"""A step of a plan, of which no two starts are alive at a time."""


@dataclass(slots=True)
class Running:
    """A start whose end has not been judged."""

    plan: PlanId
    step: str
    number: int
    attempt: int
    session: str | None
    """Claude Code's; a command has none."""
    since: float
    """Wall seconds."""
    watch: RunWatch
    payer: str | None = None
    booked_usd: float = 0.0
    """What was booked for the same session before."""
    noted_lines: int = 0
    """How much of what it asked stands in the plan's journal already."""
    asked: AskedOfRun = field(init=False)
    """What it asks a person."""
    facts: StreamFacts | CommandFacts = field(init=False)
    """What it has said so far."""
    knows_to_stop: bool = False
    """It was told, if it is to stop."""
    is_judged: bool = False
    """It is over, and its end is being written down."""

    def __post_init__(self) -> None:
        self.asked = AskedOfRun(self.watch.run_folder, self.noted_lines)
        self.facts = CommandFacts() if self.watch.kind == COMMAND else StreamFacts()

    @property
    def key(self) -> Key:
        """Whose start it is."""
        return self.plan, self.step

    @property
    def limit(self) -> RateLimit | None:
        """How the account stands, as it was told last."""
        return self.facts.rate_limit if isinstance(self.facts, StreamFacts) else None

    @property
    def cost_usd(self) -> float:
        """US dollars of this start so far, as far as Claude Code has told."""
        return self.facts.cost_usd

    @property
    def billed(self) -> str | None:
        """Who is billed for it, as foreseen or as Claude Code has said by now; None: it is a command."""
        if not isinstance(self.facts, StreamFacts) or self.payer is None:
            return None
        return name_payer(Payer(self.payer), self.facts.api_key_source).value

    def fields(self) -> dict[str, Any]:
        """As `status/plans` shows it."""
        return {
            "step": self.step,
            "attempt": self.attempt,
            "since": datetime.fromtimestamp(int(self.since), UTC),
            "turns": self.facts.turns,
            "cost_usd": round(self.facts.cost_usd, 6),
            "last_words": self.facts.last_words,
            "asks": self.asked.fields() or None,
            "log": f"active/{self.plan}/runs/{self.step}.{self.number}/{self.watch.log}",
        }
