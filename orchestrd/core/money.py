"""Money as the decisions reckon with it: whole micro-dollars, as exact as what journals hold. And a plan's purse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from handoff.root import PlanId


def micros(usd: float) -> int:
    """Whole micro-dollars."""
    return round(usd * 1_000_000)


def dollars(amount: int) -> float:
    """US dollars, as documents have them."""
    return amount / 1_000_000


def whole(max_usd: float | None) -> int | None:
    """A cap; one that is above 0 stays so."""
    return None if max_usd is None else max(micros(max_usd), int(max_usd > 0))


def shown(amount: int) -> str:
    """Dollars and cents, and smaller parts where there are any."""
    return f"${amount // 10_000 / 100:.2f}" + f"{amount % 10_000:04}".rstrip("0")


class Amounts:
    """Amounts by project, and their sum."""

    def __init__(self) -> None:
        self._by_project: Counter[str] = Counter()
        self._sum = 0

    def add(self, project: str, amount: int) -> None:
        """Add to what one project has, or with less than nothing take away."""
        self._sum += amount
        self._by_project[project] += amount
        if not self._by_project[project]:
            del self._by_project[project]

    def of(self, project: str | None) -> int:
        """Of one project; None: of all."""
        return self._sum if project is None else self._by_project[project]

    def projects(self) -> Collection[str]:
        """Those that have something."""
        return self._by_project.keys()


@dataclass(slots=True)
class Run:
    """What one run may cost, and has."""

    handed: int | None
    """None: nobody set a limit."""
    told: int = 0
    """What it has cost so far."""

    @property
    def open(self) -> int:
        """What it may still cost."""
        return max(0, (self.handed or 0) - self.told)


@dataclass(slots=True)
class Purse:
    """What one admitted plan may spend."""

    project: str
    max: int | None
    spent: int
    reserved: int = 0
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def left(self) -> int | None:
        """Of its own `max_usd`."""
        return None if self.max is None else max(0, self.max - self.spent)

    @property
    def open(self) -> int:
        """What its runs that are alive may still cost."""
        return sum(run.open for run in self.runs.values())


Holders = Mapping[str | None, Sequence[PlanId]]
"""The plans that have reserved something, by project; None: all of them."""


def holders_of(purses: Mapping[PlanId, Purse]) -> Holders:
    """Return who has reserved something, in the order of their admission."""
    found: dict[str | None, list[PlanId]] = defaultdict(list)
    for plan, purse in purses.items():
        if purse.reserved:
            found[None].append(plan)
            found[purse.project].append(plan)
    return dict(found)
