"""What a campaign of faults is, and what it reports: faults fired, promises broken, seconds.

A campaign that fired no fault has failed (RELIABILITY: the sweep that "passed" with no kill fired).
"""

from __future__ import annotations

import math
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

BROKE = "?"
"""The invariant of a round that raised an error: not as it should be, and nobody says which promise is broken."""

WORKERS = 2
"""Rounds at a time: the cores of the smallest machine that this runs on."""


class Size(StrEnum):
    """How much of a campaign is run."""

    SHORT = "short"
    """Inside `make test`."""
    MIDDLE = "middle"
    """`make torture`: all of them in at most 20 minutes on two cores."""
    LONG = "long"
    """`make torture-long`: the whole figure."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was seen broken."""

    invariant: str
    """`I1` to `I10`; `-` where a campaign expects more than those (a deadline, a refusal).

    BROKE is what no campaign says: a round of it raised an error, which may be its own.
    """
    where: str
    what: str
    reproduce: str = ""
    """The seed, step or object that shows it again."""

    def is_one_of(self, wanted: Collection[str]) -> bool:
        """Whether it is one of those: `I5`, or `-: no slot` for one of `-` that says so."""
        return self.invariant in wanted or any(
            one.startswith("-: ") and self.invariant == "-" and one[3:] in self.what for one in wanted
        )


class PromiseBroken(AssertionError):
    """A promise was seen broken, and there is no going on with the round."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(f"{violation.invariant} {violation.where}: {violation.what}")
        self.violation = violation


@dataclass(slots=True)
class Outcome:
    """What one round, or a whole campaign, came to."""

    fired: int = 0
    """Faults that really happened: kills delivered, errors raised, states built, inputs read."""
    violations: list[Violation] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    """Whatever else was counted: plans, starts, rounds, points of this and that. Added up over rounds."""
    worst: dict[str, float] = field(default_factory=dict)
    """The highest of what was measured: seconds until adopted, bytes, descriptors."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """What rounds met, for the campaign to compare when all are done; no report tells of it."""

    def breaks(self, wanted: Collection[str]) -> bool:
        """Whether one of these was seen broken."""
        return any(violation.is_one_of(wanted) for violation in self.violations)

    def add(self, other: Outcome) -> None:
        """Add what another round came to."""
        self.fired += other.fired
        self.violations += other.violations
        self.figures.update(other.figures)
        for name, value in other.worst.items():
            self.worst[name] = max(value, self.worst.get(name, value))
        for word, met in other.names.items():
            self.names.setdefault(word, set()).update(met)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where and how a campaign runs."""

    size: Size
    seed: int
    folder: Path
    """Its own, empty, removed when nothing was found."""
    progress: Callable[[int, int], None] = lambda _done, _all: None
    """Told after each round: how many are done, of how many."""
    until: tuple[str, ...] = ()
    """Stop as soon as one of these is seen (`Violation.is_one_of`): it is enough to know that it can be."""
    rounds: str = ""
    """Of a sweep, only the rounds that these words stand in, as they are told where one fails."""

    def random(self, *what: object) -> random.Random:
        """Chance that the seed alone decides, another for each `what`."""
        return random.Random(f"{self.seed}/{what}")

    def pick(self, short: int, middle: int, long: int) -> int:
        """The figure for this size."""
        return {Size.SHORT: short, Size.MIDDLE: middle, Size.LONG: long}[self.size]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One row of the table."""

    test: str
    """T1 to T14, as docs/reliability.md numbers them; a second row of one test has a word after it: `T4 real`."""
    title: str
    run: Callable[[Ground], Outcome]
    needs: Callable[[], str | None] = lambda: None
    """Why this machine cannot run it (no strace, no tmpfs, not root), or None."""


@dataclass(slots=True)
class Report:
    """A row that was run."""

    test: str
    title: str
    size: str
    seed: int
    fired: int
    violations: list[Violation]
    seconds: float
    figures: dict[str, int]
    worst: dict[str, float]
    skipped: str | None = None
    error: str | None = None

    @property
    def passed(self) -> bool:
        """No promise broke, and there were faults to break one."""
        return self.skipped is None and self.error is None and self.fired > 0 and not self.violations

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


def too_few(what: str, fired: int, asked: int, least: float = 1.0) -> Iterator[Violation]:
    """A row, or a kind within it, of whose faults fewer happened than that share of what was asked for."""
    wanted = math.ceil(asked * least)
    if fired < wanted:
        yield Violation(
            "-", what, f"{fired} faults happened of {asked} that were asked for; {wanted} have to"
        )


def run_campaign(campaign: Campaign, ground: Ground) -> Report:
    """Run a row; whatever it raises is its failure."""
    began = time.monotonic()
    outcome, error = Outcome(), None
    missing = campaign.needs()
    if missing is None:
        try:
            outcome = campaign.run(ground)
        except PromiseBroken as broken:
            outcome = Outcome(violations=[broken.violation])
        except Exception as problem:  # noqa: BLE001 - a campaign that broke is a row of the table too
            error = f"{type(problem).__name__}: {problem}"
    return Report(
        campaign.test,
        campaign.title,
        ground.size.value,
        ground.seed,
        outcome.fired,
        outcome.violations,
        round(time.monotonic() - began, 1),
        dict(sorted(outcome.figures.items())),
        {name: round(value, 3) for name, value in sorted(outcome.worst.items())},
        missing,
        error,
    )


def run_rounds(
    ground: Ground, rounds: Sequence[T], one: Callable[[Path, T], Outcome], workers: int = WORKERS
) -> Outcome:
    """Run rounds side by side, each in a process and a folder of its own; add up what they came to.

    `one` is a function of a module (it is named to the other process). A round that raises is a violation of BROKE.
    Processes are forked from this one, so what is imported here costs no round anything.
    """
    total = Outcome()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        todo = {
            pool.submit(_round, one, ground.folder / f"round-{number}", what): what
            for number, what in enumerate(rounds)
        }
        for done, future in enumerate(as_completed(todo), 1):
            total.add(future.result())
            ground.progress(done, len(todo))
            if total.breaks(ground.until):
                for waiting in todo:
                    waiting.cancel()
                break
    return total


def _round(one: Callable[[Path, T], Outcome], folder: Path, what: T) -> Outcome:
    import shutil

    folder.mkdir(parents=True)
    try:
        outcome = one(folder, what)
    except PromiseBroken as broken:
        outcome = Outcome(violations=[replace(broken.violation, reproduce=repr(what))])
    except Exception as problem:  # noqa: BLE001 - one round's trouble is told, the others go on
        import traceback

        told = traceback.format_exc(limit=-3)
        outcome = Outcome(
            violations=[Violation(BROKE, str(folder), f"{type(problem).__name__}: {told}", repr(what))]
        )
    if not outcome.violations:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def spread(ground: Ground, everything: Iterable[T], most: int) -> list[T]:
    """At most so many of all that are wanted, chosen by the seed, in their order: a short form of a sweep."""
    whole = [one for one in everything if ground.rounds in str(one)]
    if len(whole) <= most:
        return whole
    chosen = sorted(ground.random("spread").sample(range(len(whole)), most))
    return [whole[number] for number in chosen]
