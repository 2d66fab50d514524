"""T10: hostile objects of every kind we could think of lie in all lanes; each meets its fate, and nobody waits for it.

Each is ignored and shown, or refused with a word why, within `patience` and five seconds. A good plan that comes then
is run at once, and no turn of the daemon's loop takes longer than a second, the time left out in which the machine
had no processor for it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_native_id

from handoff.root import Root
from handoff.settling import shown
from orchestrd.record.journal import read_journal
from tests.faults.campaign import Campaign, Ground, Outcome, Violation
from tests.faults.objects import RENAMED_WHILE_WRITTEN, WRITTEN_FOR_EVER, Cannot, Fate, Holder, Kind, kinds
from tests.faults.world import World, a_world

PATIENCE_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""RELIABILITY: within `patience` + 5 s."""
TURN_SECONDS = 1.0
DELAY_SECONDS = 5.0
LANES = ("inbox", "control", "replies")
SETTINGS = {"LANES__PATIENCE_SECONDS": str(PATIENCE_SECONDS), "LIMITS__MAX_PARALLEL": "2"}

IN_CROWDS = (
    *("a link to nothing", "a link to a file outside", "a link to /dev/zero", "a link to a folder", "a FIFO"),
    *("a folder", "an empty file", "a socket"),
)
"""Of these, thousands at once. What is taken is a burst of plans, and T13 has those."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An object that lies in a lane."""

    kind: Kind
    lane: str
    name: bytes

    @property
    def shown(self) -> str:
        """As `status/` and orders name it."""
        return f"{self.lane}/{shown(os.fsdecode(self.name))}"


def run(ground: Ground) -> Outcome:
    """Every kind once in each lane; in the longer forms ten thousand besides, by polling, and without a proof."""
    total = Outcome()
    variants: list[tuple[str, int, Mapping[str, str]]] = [("every kind", 0, {})]
    if ground.pick(0, 1, 1):
        variants.append(("a crowd", 10_000, {}))
    if ground.pick(0, 0, 1):
        variants.append(("polling", 10_000, {"LANES__POLLING": "true"}))
        variants.append(("portable", 10_000, {"PORTABLE": "1"}))
    for done, (name, crowd, settings) in enumerate(variants, 1):
        total.add(_patiently(ground.folder / name.replace(" ", "-"), crowd, settings, ground.random(name)))
        ground.progress(done, len(variants))
    return total


def _patiently(folder: Path, crowd: int, settings: Mapping[str, str], chance: random.Random) -> Outcome:
    """Try once more where only a time was missed: the disk may have been somebody else's."""
    outcome = one_world(folder, crowd, settings, chance)
    if outcome.violations and all(one.what.startswith("late: ") for one in outcome.violations):
        again = one_world(folder.with_name(f"{folder.name}-again"), crowd, settings, chance)
        again.figures["tried once more"] += 1
        return again
    return outcome


def one_world(folder: Path, crowd: int, settings: Mapping[str, str], chance: random.Random) -> Outcome:
    """Lay every kind into each lane of a world under these settings; then so many more, and a good plan."""
    outcome = Outcome()
    with a_world(folder) as world, _holder(world.folder / "outside") as holder:
        turns = world.folder / "turns"
        world.fork(lambda: _measure_turns(turns), **{**SETTINGS, **settings})
        world.await_up()
        placed = list(_place_all(world, holder, outcome, settings))
        outcome.violations += _await_fates(world, placed, outcome)
        if crowd:
            _place_crowd(world, holder, crowd, chance)
            outcome.fired += crowd
        outcome.violations += _good_plan(world, outcome)
        worst = float(turns.read_text())
        outcome.worst["s of a turn"] = worst
        if worst > TURN_SECONDS:
            outcome.violations.append(Violation("-", "the loop", f"late: a turn took {worst:.2f} s"))
        outcome.violations += _untouched(world, placed)
        if world.stop() != 0:
            outcome.violations.append(Violation("-", "the daemon", f"did not stop: {world.here.said()}"))
    return outcome


@contextmanager
def _holder(outside: Path) -> Iterator[Holder]:
    outside.mkdir()
    holder = Holder(outside)
    try:
        yield holder
    finally:
        holder.close()


def _measure_turns(file: Path) -> None:
    """In the daemon: write down how long the longest turn took, less the time that it waited for a processor."""
    from orchestrd.daemon.loop import Daemon

    turn: Callable[[Daemon], None] = Daemon._turn
    worst = 0.0
    file.write_text("0")

    def measured(self: Daemon) -> None:
        nonlocal worst
        began, waited = time.monotonic(), _waited()
        turn(self)
        seconds = time.monotonic() - began - (_waited() - waited)
        if seconds > worst:
            worst = seconds
            file.write_text(str(worst))

    Daemon._turn = measured  # type: ignore[method-assign]


def _waited() -> float:
    """Seconds that this thread was ready to run and was not let."""
    return int(Path(f"/proc/self/task/{get_native_id()}/schedstat").read_text().split()[1]) / 1e9


def kinds_for(settings: Mapping[str, str]) -> list[Kind]:
    """All kinds, with what becomes of each under these settings."""
    if "PORTABLE" in settings:
        return [*kinds()]
    # Whoever polls sees no rename, and the proof says that somebody writes: it waits, and is no more than that.
    polls = settings.get("LANES__POLLING") == "true"
    found = (
        replace(kind, fate=Fate.UNSEEN) if polls and kind.name == RENAMED_WHILE_WRITTEN else kind
        for kind in kinds()
    )
    return [*found, *WRITTEN_FOR_EVER]


def _place_all(
    world: World, holder: Holder, outcome: Outcome, settings: Mapping[str, str]
) -> Iterator[Placed]:
    everything = kinds_for(settings)
    for lane in LANES:
        for number, kind in enumerate(everything):
            name = kind.file_name or f"object-{number}.{('toml', 'json')[number % 2]}".encode()
            path = Path(os.fsdecode(os.path.join(os.fsencode(world.root.path / lane), name)))
            try:
                kind.make(path, holder)
            except Cannot as why:
                outcome.figures[f"cannot be made: {kind.name} ({why})"] = 1
                continue
            outcome.fired += 1
            yield Placed(kind, lane, name)
    outcome.figures["kinds"] = len(everything)


def _await_fates(world: World, placed: list[Placed], outcome: Outcome) -> list[Violation]:
    began = time.monotonic()
    missing = placed
    while missing:
        passed = time.monotonic() - began
        seen = _seen(world)
        missing = [one for one in missing if not _is_met(one, seen)]
        if passed > PATIENCE_SECONDS + GRACE_SECONDS:
            return [
                Violation(
                    "-",
                    one.shown,
                    f"late: {one.kind.name} is not {one.kind.fate.value!r} after {passed:.1f} s",
                    one.kind.name,
                )
                for one in missing
            ]
        time.sleep(0.05)
    outcome.worst["s until each was told of"] = time.monotonic() - began
    return list(_read_all_the_same(world, placed))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a user can see of what became of the objects."""

    ignored: Mapping[str, str]
    """And why."""
    rejected: frozenset[str]
    """Names of plans' files."""
    refused: Mapping[str, str]
    """Names of orders' files, and why."""
    put_aside: Mapping[str, bool]
    """Names of answers that plans' journals refuse, and whether they were read."""


def _seen(world: World) -> _Seen:
    root = world.root
    ids = [json.loads(line) for line in _lines(root.ids_log)]
    results = set(os.listdir(root.results))
    rejected = (
        one["source"] for one in ids if f"{one['id']}.toml" in results or f"{one['id']}.json" in results
    )
    refused = {
        one["file"]: one["message"]
        for one in map(json.loads, _lines(root.orders_log))
        if one["outcome"] == "refused" and one["message"]
    }
    ignored = {one["file"]: one["why"] for one in world.here.status("daemon")["ignored"] if one["why"]}
    return _Seen(ignored, frozenset(rejected), refused, dict(_put_aside(root)))


def _put_aside(root: Root) -> Iterator[tuple[str, bool]]:
    for folder in root.archive.glob("*-*/*/replies"):
        for record in read_journal(folder.parent / "journal.jsonl"):
            if record["event"] == "reply-refused" and os.path.lexists(folder / record["reply"]):
                yield record["reply"], not record["mark"].startswith("unread:")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _is_met(one: Placed, seen: _Seen) -> bool:
    match one.kind.fate:
        case Fate.UNSEEN:
            return one.shown not in seen.ignored and os.fsdecode(one.name) not in seen.rejected
        case Fate.IGNORED:
            return one.shown in seen.ignored
        case _ if (
            one.lane == "replies"
        ):  # nobody has asked: each is shown, or put aside for the plan of its name
            return one.shown in seen.ignored or os.fsdecode(one.name) in seen.put_aside
        case _ if one.lane == "inbox":
            return os.fsdecode(one.name) in seen.rejected
        case _:
            return shown(os.fsdecode(one.name)) in seen.refused


def _read_all_the_same(world: World, placed: list[Placed]) -> Iterator[Violation]:
    """What was refused for what it says, and ought to have been for what it is."""
    seen = _seen(world)
    sources = {json.loads(line)["source"]: json.loads(line)["id"] for line in _lines(world.root.ids_log)}
    for one in placed:
        if one.kind.fate is not Fate.UNREAD:
            continue
        name = os.fsdecode(one.name)
        if one.lane == "replies" and name in seen.put_aside:
            unread, why = not seen.put_aside[name], "it was put aside"
        elif one.lane == "inbox":
            result = world.here.result(sources[name])
            unread, why = "sha256" not in result, str(result.get("errors") or result.get("reason"))
        else:
            why = seen.ignored[one.shown] if one.lane == "replies" else seen.refused[shown(name)]
            unread = why.startswith("the file ")
        if not unread:
            yield Violation("-", one.shown, f"{one.kind.name} was read: {why}", one.kind.name)


def _place_crowd(world: World, holder: Holder, count: int, chance: random.Random) -> None:
    crowd = [kind for kind in kinds() if kind.name in IN_CROWDS]
    for number in range(count):
        lane = chance.choice(LANES)
        chance.choice(crowd).make(world.root.path / lane / f"crowd-{number}.toml", holder)


def _good_plan(world: World, outcome: Outcome) -> list[Violation]:
    """Hand in a good plan beside all of them; it has its run and its result in time."""
    began = time.monotonic()
    world.submit("good", project=world.plain)
    order = world.root.control / ".tmp"
    order.write_bytes(b'action = "cancel"\nplan = "nobody-knows-it"\n')
    order.rename(world.root.control / "good-order.toml")
    result = world.here.result("good", 30)
    passed = time.monotonic() - began
    outcome.worst["s of a good plan"] = passed
    found = []
    if result["status"] != "succeeded":
        found.append(Violation("-", "good.toml", f"{result['status']} among hostile objects"))
    if passed > DELAY_SECONDS:
        found.append(Violation("-", "good.toml", f"late: its result came after {passed:.1f} s"))
    if not any('"good-order.toml"' in line for line in _lines(world.root.orders_log)):
        found.append(Violation("-", "good-order.toml", "late: an order was overtaken by a whole plan"))
    return found


def _untouched(world: World, placed: list[Placed]) -> list[Violation]:
    """What is ignored lies where it lay."""
    return [
        Violation("-", one.shown, "it was ignored, and is gone", one.kind.name)
        for one in placed
        if one.kind.fate in {Fate.IGNORED, Fate.UNSEEN}
        and not os.path.lexists(os.path.join(os.fsencode(world.root.path / one.lane), one.name))
    ]


CAMPAIGNS = (Campaign("T10", "hostile objects in the lanes", run),)
