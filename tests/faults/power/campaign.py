"""T7: power cuts at every step of a recorded story; and each sync of the code left out, which must be noticed.

A sync is noticed by a promise that breaks without it and holds after the same cut with it.
"""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, Violation, run_rounds
from tests.faults.power.explained import EXPLAINED
from tests.faults.power.replay import Replay
from tests.faults.power.states import cuts_without, some_cuts, split_renames, told, with_the_sync
from tests.faults.power.story import record
from tests.faults.world import a_world

FOREMOST = (
    "names in inbox: taking.take_many < ",
    "names in active/ID/runs: durable.make_folder < ",
    "names in active/ID: durable.publish_new < publish",
)
"""How the syncs begin without which a plan is lost or runs twice; the short form leaves out these alone."""
QUIET_SECONDS = 30.0
FEW = 6


@dataclass(frozen=True, slots=True)
class Share:
    """What one round does with its own recording."""

    number: int
    of: int
    seed: int
    states: int
    """How many states of the whole story."""
    tries: int = 0
    """How many states at most without each sync; 0: no sync is left out."""
    foremost: bool = False
    words: str = ""
    """Only states in whose telling they stand, and only syncs that are named so."""
    until: tuple[str, ...] = ()
    """Stop where one of these is seen broken."""

    def has(self, site: str) -> bool:
        """Whether a sync is this share's to leave out: by its name, for each share has a recording of its own."""
        return zlib.crc32(site.encode()) % self.of == self.number


def recovers_from_cuts(ground: Ground) -> Outcome:
    """States of the story as a cut may leave it, recovered; then states without one sync after the other."""
    rounds = ground.pick(2, 8, 40)
    states = ground.pick(15, 40, 50)
    tries = ground.pick(10, 80, 200)
    shares = [
        Share(number, rounds, ground.seed, states, tries, ground.size == "short", ground.rounds, ground.until)
        for number in range(rounds)
    ]
    total = run_rounds(ground, shares, _round)
    if not total.breaks(ground.until):
        for site in sorted(total.names.get("recorded", set()) - total.names.get("left out", set())):
            what = "a recording has this sync, and that of the share that it belongs to has not: nobody left it out"
            total.violations.append(Violation("-", site, what))
    return total


def _round(folder: Path, share: Share) -> Outcome:
    chance = random.Random(f"{share.seed}/{share.number}")
    total = Outcome()
    with a_world(folder) as world:
        recording = record(world)
        replay = Replay(world, recording)
        split = [one for one in split_renames(recording) if share.words in told(*one)]
        split = split[share.number :: share.of]
        total.figures["split renames"] += len(split)
        for disk, cut in (*split, *some_cuts(recording, share.states, chance, share.words)):
            again = chance.random() < 0.25
            found = replay.judge(disk, cut, again=again, seconds=QUIET_SECONDS)
            total.add(Outcome(1, found, Counter({"states": 1, "recovered twice": int(again)})))
            if total.breaks(share.until):
                return total
        sites = sorted(site for site in recording.sites() if not share.foremost or site.startswith(FOREMOST))
        assert all(any(site.startswith(one) for site in sites) for one in FOREMOST), sites
        sites = [site for site in sites if share.words in site]
        total.names["recorded"] = set(sites)
        total.names["left out"] = set()
        for site in filter(share.has, sites):
            total.names["left out"].add(site)
            total.add(_without(replay, site, share))
            if total.breaks(share.until):
                break
    return total


def _without(replay: Replay, site: str, share: Share) -> Outcome:
    """Leave one sync out: a state must break a promise, or it stands in the code why the sync is there."""
    total = Outcome(figures=Counter({"syncs left out": 1}))
    # Of one that is explained, nothing is looked for; a few states show that it does not stand in the way.
    tries = min(share.tries, FEW) if site.startswith(EXPLAINED) else share.tries
    for disk, cut in cuts_without(replay.recording, site, tries):
        total.fired += 1
        without = replay.judge(disk, cut, seconds=QUIET_SECONDS)
        if not without:
            continue
        total.figures["states compared"] += 1
        with_it = replay.judge(*with_the_sync(replay.recording, cut), seconds=QUIET_SECONDS)
        total.violations += with_it
        if broken_by(without) - broken_by(with_it):
            total.figures["noticed"] += 1
            return total
    if site.startswith(EXPLAINED):
        total.figures["explained"] += 1
        return total
    what = f"no promise breaks without this sync ({total.fired} states): it is not needed, or not tried hard enough"
    total.violations.append(Violation("-", site, what, str(share)))
    return total


def broken_by(found: Iterable[Violation]) -> set[tuple[str, str]]:
    """Which promises, and of what: to compare two states."""
    return {(one.invariant, re.sub(r"^pid \d+$", "a process", one.where)) for one in found}


CAMPAIGNS = (Campaign("T7", "power cuts, and every sync left out in turn", recovers_from_cuts),)
