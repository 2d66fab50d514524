"""Which of the states that a cut may leave are tried: there are more of them than anybody could recover."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import chain, zip_longest

from tests.faults.power.disk import LOSSES, Content, Cut, Disk, Names, Recording, Sync, below, digest

UNSEEN = ("handoff/status", "handoff/.orchestrd/reserve", "handoff/.orchestrd/spare")
"""What a daemon makes anew at its start: whatever became of it is gone a moment later."""
FRAGILE = ("locked", ".commondir.tmp")
"""Files of a registration: git cannot read a repository with an empty `commondir`, and keeps what is `locked`."""
SMALL = 4
"""Of so many changes that may be missing every subset is tried."""
RANDOM = 3
"""Besides these, so many subsets by chance at each step."""


def cuts_at(disk: Disk, step: int, chance: random.Random) -> Iterator[Cut]:
    """The states after one step: all lost, nothing lost, each change alone lost or alone kept, and some by chance."""
    units = _units(disk, step)
    nodes = _nodes(disk, step)
    everything = frozenset(chain.from_iterable(units))

    def cut(lost: frozenset[int] = frozenset(), contents: dict[int, Content] | None = None) -> Cut:
        return Cut(step, lost, tuple(sorted((contents or {}).items())), disk.deleted)

    yield cut()
    yield cut(everything, dict.fromkeys(nodes, Content.NONE))
    for loss in LOSSES:
        yield cut(contents=dict.fromkeys(nodes, loss))
    for unit in units:
        yield cut(unit)
        yield cut(everything - unit)
        yield cut(everything - unit, dict.fromkeys(nodes, Content.NONE))
    for node in nodes:
        for loss in LOSSES:
            yield cut(contents={node: loss})
    if len(units) <= SMALL:
        for number in range(1 << len(units)):
            yield cut(frozenset(chain.from_iterable(one for at, one in enumerate(units) if number >> at & 1)))
    for _ in range(RANDOM):
        lost = frozenset(chain.from_iterable(unit for unit in units if chance.random() < 0.5))
        yield cut(lost, {node: chance.choice(list(Content)) for node in nodes if chance.random() < 0.5})


def some_cuts(
    recording: Recording, count: int, chance: random.Random, words: str = ""
) -> Iterator[tuple[Disk, Cut]]:
    """So many different states of the whole story, by chance; every one of them where it has no more.

    With `words`, only of those in whose telling (`told`) they stand.
    """
    disk = Disk(recording)
    steps = [step for step in range(len(recording.steps)) if _changes_something(recording, step)]
    left = {}
    for step in steps:
        cuts = [cut for cut in cuts_at(disk, step, chance) if not words or words in told(disk, cut)]
        if cuts:
            left[step] = cuts
    seen: set[str] = set()
    while left and len(seen) < count:
        step = chance.choice(list(left))
        cut = left[step].pop(chance.randrange(len(left[step])))
        if not left[step]:
            del left[step]
        named = name_of(disk, cut)
        if named not in seen:
            seen.add(named)
            yield disk, cut


def split_renames(recording: Recording) -> Iterator[tuple[Disk, Cut]]:
    """A cut in every rename of a file from one folder to another, at its last moment: both names are there."""
    disk = Disk(recording)
    for one in recording.names:
        if one.needs is not None and not one.is_folders:
            at = min(disk.durable_step(one), len(recording.steps)) - 1
            yield disk, Cut(at, frozenset({one.number}))


def cuts_without(recording: Recording, site: str, most: int) -> Iterator[tuple[Disk, Cut]]:
    """The states that become possible where one sync of the code is left out, the likeliest to hurt first."""
    with_it, without = Disk(recording), Disk(recording, site)
    seen: set[str] = set()
    found = [_cuts_of_occurrence(with_it, without, sync) for sync in recording.syncs if sync.site == site]
    while found and len(seen) < most:
        for one in list(found):
            cut = next(one, None)
            if cut is None:
                found.remove(one)
                continue
            named = name_of(without, cut)
            if named not in seen and len(seen) < most:
                seen.add(named)
                yield without, cut


def with_the_sync(recording: Recording, cut: Cut) -> tuple[Disk, Cut]:
    """The same cut with the sync in place: lost is only what may be lost all the same."""
    disk = Disk(recording)
    loose = {one.number for one in disk.loose_names(cut.step)}
    nodes = set(disk.loose_contents(cut.step))
    contents = tuple(one for one in cut.contents if one[0] in nodes)
    return disk, Cut(cut.step, cut.lost & loose, contents)


def _cuts_of_occurrence(with_it: Disk, without: Disk, occurrence: Sync) -> Iterator[Cut]:
    step = occurrence.step
    names, nodes = with_it.made_durable_by(step)
    names = [one for one in names if not _is_unseen(without, one) and without.durable_step(one) > step]
    nodes = [node for node in nodes if without.content_durable_step(node, step) > step]
    if not names and not nodes:
        return
    ends = [without.durable_step(one) for one in names]
    ends += [without.content_durable_step(node, step) for node in nodes]
    if occurrence.kind == "all":
        # What it was asked for comes first; the rest of the file system is luck.
        top = disk_path(without, occurrence.node)
        names = sorted(names, key=lambda one: not below(disk_path(without, one.folder), top))
        nodes = sorted(nodes, key=lambda node: not below(disk_path(without, node), top))
    touched = [
        disk_path(without, node) for one in names for node in one.leads.values() if node is not None
    ] + [disk_path(without, node) for node in nodes]
    moments = [
        list(_cuts_at_moment(without, at, step, names, nodes))
        for at in _moments(without.recording, step, max(ends), touched)
    ]
    yield from _by_turns(moments)


def _by_turns(moments: list[list[Cut]]) -> Iterator[Cut]:
    """Of every moment the likeliest first (one may be the only that hurts); by turns with more of the first moments."""
    wide = [cut for rank in zip_longest(*moments) for cut in rank if cut is not None]
    places = ((at, rank) for at, cuts in enumerate(moments) for rank in range(len(cuts)))
    deep = [moments[at][rank] for at, rank in sorted(places, key=lambda place: (sum(place), place))]
    for pair in zip_longest(wide, deep):
        yield from (cut for cut in pair if cut is not None)


def _cuts_at_moment(without: Disk, at: int, step: int, names: list[Names], nodes: list[int]) -> Iterator[Cut]:
    """What is possible at a moment for want of a sync, the likeliest to hurt first."""
    lost = [one for one in names if without.durable_step(one) > at]
    loose = [node for node in nodes if without.content_durable_step(node, step) > at]
    chosen: list[tuple[list[int], dict[int, Content]]] = []
    if lost:
        chosen.append(([one.number for one in lost], {}))
    # Where much is synced at once, that all of it is lost may hurt less than that one thing is.
    chosen += [([], {node: Content.NONE}) for node in loose if disk_path(without, node).endswith(FRAGILE)]
    chosen += [([one.number], {}) for one in lost if FRAGILE[0] in one.leads]
    if loose:
        chosen += [([], dict.fromkeys(loose, loss)) for loss in LOSSES]
    if lost:
        # With all else lost that may be: what is gone on with afterwards relies on nothing else.
        others = list(chain.from_iterable(_units(without, at)))
        chosen += [(others, {}), (others, dict.fromkeys(_nodes(without, at), Content.NONE))]
    chosen += [([one.number], {}) for one in lost]
    chosen += [([], {node: loss}) for node in loose for loss in LOSSES]
    for numbers, contents in chosen:
        yield Cut(at, frozenset(numbers), tuple(sorted(contents.items())), without.deleted)


def _moments(recording: Recording, first: int, end: int, touched: list[str]) -> Iterator[int]:
    """When the power might go, from a sync that was left out to the next that makes up for it."""
    last = min(end, len(recording.steps)) - 1
    window = range(first + 1, last + 1)
    telling = [
        step for step in window if recording.steps[step]["op"] in ("ledger", "mark", "unlink", "sync_dir")
    ]
    # What lies below the names that may be lost was put there in vain.
    tops = [f"{recording.top}/{path}" for path in touched if not path.startswith(UNSEEN)]
    inside = [step for step in window if any(below(_place(recording, step), top) for top in tops)]
    spread = [first + (last - first) * part // 8 for part in range(9)]
    yield from dict.fromkeys([last, *telling[:2], *_some(inside), first, *reversed(spread), *telling[2:]])


def _place(recording: Recording, step: int) -> str:
    line = recording.steps[step]
    return str(line.get("to") or line.get("path") or "")


def _some(steps: list[int], most: int = 12) -> list[int]:
    """A few of many, from all over."""
    return steps if len(steps) <= most else [steps[len(steps) * part // most] for part in range(most)]


def told(disk: Disk, cut: Cut) -> str:
    """Tell of a state what became of what was not synced, by the paths at which it came to be."""
    lost = {
        os.path.join(disk_path(disk, one.folder), name)
        for one in disk.recording.names
        if one.number in cut.lost
        for name in one.leads
    }
    words = [f"after step {cut.step}"]
    words += [f"lost the names {', '.join(sorted(lost))}"] if lost else []
    words += [f"content of {disk_path(disk, node)}: {content.value}" for node, content in cut.contents]
    words += [f"without the sync {cut.deleted}"] if cut.deleted else []
    return "; ".join(words)


def name_of(disk: Disk, cut: Cut) -> str:
    """Name a state by all that its recovery depends on: what is on the disk, what was promised, who had started."""
    past = disk.recording.steps[: cut.step + 1]
    told = [line for line in past if line["op"] == "ledger" or line.get("word") in ("promised", "ordered")]
    tree = {path: one for path, one in disk.tree(cut).items() if not path.startswith(UNSEEN)}
    return digest(tree, len(told), disk.deleted)


def _units(disk: Disk, step: int) -> list[frozenset[int]]:
    """The changes of directories that a cut may take: one by one; what a git did, together."""
    found: dict[object, set[int]] = {}
    for one in disk.loose_names(step):
        if not _is_unseen(disk, one):
            found.setdefault(f"git {one.group}" if one.group is not None else one.number, set()).add(
                one.number
            )
    return [frozenset(unit) for unit in found.values()]


def _nodes(disk: Disk, step: int) -> list[int]:
    nodes = disk.recording.nodes
    return [
        node for node in disk.loose_contents(step) if not any(below(nodes[node].path, top) for top in UNSEEN)
    ]


def _is_unseen(disk: Disk, names: Names) -> bool:
    return any(below(disk.recording.nodes[names.folder].path, top) for top in UNSEEN)


def _changes_something(recording: Recording, step: int) -> bool:
    return (
        recording.steps[step]["op"] not in ("fsync", "sync_dir", "sync_all")
        or step == len(recording.steps) - 1
    )


def disk_path(disk: Disk, node: int) -> str:
    """By which path a node came to be."""
    return disk.recording.nodes[node].path
