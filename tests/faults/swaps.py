"""T11: what lies in a lane is exchanged, as fast as another process can, for a link, a FIFO, a folder, a hard link.

So is a lane itself, for a link to a folder outside. Outside lie plans and orders that would be carried out if they
were ever read or moved: their bytes must show up nowhere, and nobody may have read them (their times of access tell).
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from tests.faults.campaign import Campaign, Ground, Outcome, PromiseBroken, Violation, run_rounds
from tests.faults.exchanging import (
    LANES,
    Counter,
    exchange,
    exchange_at_opens,
    exchange_at_takes,
    followed,
    links,
    put_others,
)
from tests.faults.fingerprints import fingerprint
from tests.faults.world import World, a_world
from tests.waiting import wait_until

CANARY = b"canary-1f0c8e77"
PLANS = 6
AWAY_SECONDS = 0.002
STUCK_SECONDS = 20.0
LOOK_SECONDS = 5.0
"""The longest time between two looks at the lanes (`scan_seconds`): each of them may meet one, and a daemon that polls
looks no sooner because something came."""
BEGIN_SECONDS = 60.0
SETTINGS = {"LANES__PATIENCE_SECONDS": "0.5", "LANES__SETTLE_SECONDS": "0.05", "LIMITS__MAX_PARALLEL": "2"}
_LONG_AGO = 1e9


class What(StrEnum):
    """What is exchanged, and when."""

    FILES = "files"
    """Names in the lanes, by another process, as fast as it can."""
    LANES = "lanes"
    """The lanes, by another process."""
    TAKES = "takes"
    """The lane that something is just moved out of: away just before, back just after. The worst moment, each time."""
    OPENS = "opens"
    """The file that is just opened in a lane: another thing from just before until just after, every other time."""


AT_MOMENTS = {What.TAKES: exchange_at_takes, What.OPENS: exchange_at_opens}
"""In the daemon itself; the others are exchanged by another process."""


@dataclass(frozen=True, slots=True)
class Swapping:
    """One round: how many exchanges, of what."""

    what: What
    swaps: int
    odd: int
    """So many files are to be taken as something else than they were seen as."""
    seed: str
    settings: Mapping[str, str]


def run(ground: Ground) -> Outcome:
    """Files in all lanes, and the lanes themselves; in the long form by polling and without a proof, too."""
    swaps = {
        What.FILES: ground.pick(2_000, 20_000, 100_000),
        What.LANES: ground.pick(500, 4_000, 20_000),
        What.TAKES: ground.pick(40, 300, 2_000),
        What.OPENS: ground.pick(40, 300, 2_000),
    }
    variants: list[Mapping[str, str]] = [{}]
    if ground.pick(0, 0, 1):
        variants += [{"LANES__POLLING": "true"}, {"PORTABLE": "1"}]
    odd = ground.pick(3, 10, 30)
    rounds = [
        # By polling what goes on being exchanged never settles, so it is not taken: the takes are met exactly, below.
        Swapping(
            what, swaps[what], 0 if "LANES__POLLING" in settings else odd, f"{ground.seed}/{number}", settings
        )
        for number, settings in enumerate(variants)
        for what in What
        # Where nothing can be proved, nothing is opened before it is taken.
        if what is not What.OPENS or "PORTABLE" not in settings
    ]
    return run_rounds(ground, rounds, one_round)


def one_round(folder: Path, asked: Swapping) -> Outcome:
    """Exchange while good plans come and go; then everything good is done, and nothing outside was touched."""
    outcome = Outcome()
    with a_world(folder) as world:
        outside = _lay_out(world, asked.swaps if asked.what in AT_MOMENTS else 0)
        before = {name: fingerprint(outside / name) for name in os.listdir(outside)}
        _date(outside)
        counter = Counter()
        at_moments = AT_MOMENTS.get(asked.what)
        prepare = partial(at_moments, world, outside, counter, asked.seed) if at_moments else lambda: None
        world.fork(prepare, **{**SETTINGS, **asked.settings})
        world.await_up()
        # By the folders themselves, as somebody who works in them: their names may lead elsewhere at the moment.
        lanes = [os.open(world.root.path / name, os.O_RDONLY | os.O_DIRECTORY) for name in LANES[:2]]
        hand_in = _write if asked.what is What.OPENS else _hand_in
        for number in range(PLANS):
            text = f'handoff = 1\nproject = "{world.plain}"\nprompt = "Say hello, {number}."\n'
            hand_in(lanes[0], f"good-{number}", text)
        if at_moments:
            for number in range(asked.swaps):
                hand_in(lanes[number % 2], f"bait-{number}", "x = 1\n")
            _await_taken(world)
            assert counter.count > asked.swaps / 4, f"{counter.count} exchanges at {asked.what}"
        else:
            with _swapper(world, outside, asked, counter):
                wait_until(lambda: counter.count >= asked.swaps, 120, f"{asked.swaps} exchanges")
                if asked.what is What.FILES:
                    # It must have met the daemon between its look and its take, several times.
                    wait_until(
                        lambda: len(_odd(world)) >= asked.odd,
                        BEGIN_SECONDS + asked.odd * LOOK_SECONDS,
                        f"{asked.odd} taken as something else",
                    )
        for lane in lanes:
            os.close(lane)
        outcome.fired += counter.count
        outcome.figures[f"exchanges of {asked.what}"] += counter.count
        outcome.violations += [*_all_done(world), *_at_rest(world), *_kept_out(world, outside, before)]
        outcome.figures["links, FIFOs and folders taken for files"] += len(_odd(world))
        if world.stop() != 0:
            outcome.violations.append(Violation("-", "the daemon", f"did not stop: {world.here.said()}"))
    return outcome


def _lay_out(world: World, baits: int) -> Path:
    """Outside: for each lane a folder with what would be taken there; all of it dated so that a reading would show."""
    outside = world.folder / "outside"
    for lane in LANES:
        (outside / lane).mkdir(parents=True)
        plan = f'handoff = 1\nproject = "{world.plain}"\nprompt = "{CANARY.decode()}"\n'
        order = f'action = "pause"\nwhy = "{CANARY.decode()}"\n'
        # Among them all that is in the lanes, too: taken by its name, it would be taken from here.
        goods = (f"good-{number}" for number in range(PLANS))
        for name in ("plan", *goods, *(f"bait-{number}" for number in range(baits))):
            (outside / lane / f"{name}.toml").write_text(order if lane == "control" else plan)
    return outside


def _date(outside: Path) -> None:
    """Set times of access that the next reading would change, on every file system that keeps them at all."""
    for path in outside.rglob("*"):
        os.utime(path, (_LONG_AGO, _LONG_AGO + 1e8))


def _hand_in(lane: int, name: str, text: str) -> None:
    fd = os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=lane)
    os.write(fd, text.encode())
    os.close(fd)
    os.rename(f".{name}", f"{name}.toml", src_dir_fd=lane, dst_dir_fd=lane)


def _write(lane: int, name: str, text: str) -> None:
    """As an editor does: what came by a rename is not opened before it is taken."""
    fd = os.open(f"{name}.toml", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=lane)
    os.write(fd, text.encode())
    os.close(fd)


def _await_taken(world: World) -> None:
    """Wait until no bait lies in the lanes any more; I8 where nothing goes on."""
    while left := _baits(world):
        try:
            wait_until(lambda left=left: _baits(world) != left, STUCK_SECONDS)  # type: ignore[misc]
        except AssertionError:
            what = f"{len(left)} files are not taken, and nothing goes on; {world.here.said()[-500:]}"
            raise PromiseBroken(Violation("I8", str(world.root.path), what)) from None


def _baits(world: World) -> set[str]:
    names = {name for lane in LANES for name in os.listdir(world.root.path / lane)}
    return {name for name in names if name.startswith("bait-")}


@contextmanager
def _swapper(world: World, outside: Path, asked: Swapping, counter: Counter) -> Iterator[None]:
    """Another process that exchanges, and counts, until this block ends."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            kind = _Lanes if asked.what is What.LANES else _Files
            kind(world, outside, random.Random(asked.seed)).go_on(counter)
            code = 0
        finally:
            os._exit(code)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError("the swapping process failed")


class _Swaps(ABC):
    """Exchanges, counted, until SIGTERM; then all is put back."""

    def __init__(self) -> None:
        self.is_over = False
        signal.signal(signal.SIGTERM, self._end)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _end(self, *_signal: object) -> None:
        self.is_over = True

    def exchange(self, one: Path, other: Path) -> bool:
        """Exchange two names, at once; False where one is gone."""
        return exchange(one, other, self._libc)

    def go_on(self, counter: Counter) -> None:
        """Exchange for as long as we are let."""
        done = 0
        while not self.is_over:
            done += self.some()
            counter.count = done
        self.put_back()

    @abstractmethod
    def some(self) -> int:
        """Exchange a few; how many it were."""

    def put_back(self) -> None:  # noqa: B027 - who exchanges no lanes has nothing to put back
        """Leave the lanes as lanes."""


class _Lanes(_Swaps):
    """Each lane for a link to a folder outside, and back."""

    def __init__(self, world: World, outside: Path, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.pairs = list(links(world, outside).items())

    def some(self) -> int:
        lane, link = self.chance.choice(self.pairs)
        done = self.exchange(lane, link)
        # As long as a look or a take lasts: at full speed the daemon would hardly ever meet one and then the other.
        time.sleep(self.chance.random() * AWAY_SECONDS)
        done += self.exchange(lane, link)
        return done

    def put_back(self) -> None:
        for lane, link in self.pairs:
            if lane.is_symlink():
                self.exchange(lane, link)
            link.unlink()


class _Files(_Swaps):
    """Names in the lanes: now a file, now a link to one outside, a FIFO, a folder, a hard link."""

    def __init__(self, world: World, outside: Path, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.lanes = [(world.root.path / lane, outside / lane / "plan.toml") for lane in LANES]

    def some(self) -> int:
        lane, canary = self.chance.choice(self.lanes)
        name = lane / f"swap-{self.chance.randrange(8)}.toml"
        others = [lane / f".swap-{kind}" for kind in put_others(lane, canary)]
        fresh = lane / ".swap-fresh"
        fresh.write_bytes(b'action = "resume"\n')
        if not name.is_dir() or name.is_symlink():
            fresh.rename(name)
        # It is seen as a file, and taken as what it is a moment later: what that is, is decided meanwhile.
        return sum(
            self.exchange(name, self.chance.choice(others)) for _ in range(self.chance.choice((1, 2, 9, 60)))
        )


def _all_done(world: World) -> list[Violation]:
    found = []
    for number in range(PLANS):
        try:
            status = world.here.result(f"good-{number}", 30)["status"]
        except AssertionError as missing:
            return [*found, Violation("I8", f"good-{number}", str(missing)[:800])]
        if status != "succeeded":
            found.append(Violation("-", f"good-{number}", f"{status} while others were exchanged"))
    return found


def _odd(world: World) -> list[str]:
    """The plans that were no files any more when they were taken, and the orders."""
    months = [entry.path for entry in os.scandir(world.root.archive) if entry.is_dir()]
    folders = [
        os.path.join(place, name) for place in (world.root.active, *months) for name in os.listdir(place)
    ]
    return [path for folder in folders if _is_odd(path := os.path.join(folder, "plan.toml"))]


def _is_odd(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:  # it goes into the archive just now
        return False


def _at_rest(world: World) -> list[Violation]:
    """What was taken is settled, and no order is left in hand."""
    root = world.root
    try:
        wait_until(lambda: not os.listdir(root.active) and not os.listdir(root.orders), 30)
    except AssertionError:
        left = [*os.listdir(root.active), *os.listdir(root.orders)][:8]
        return [Violation("I8", str(root.path), f"still in hand: {left}; {world.here.said()[-500:]}")]
    return []


def _kept_out(world: World, outside: Path, before: Mapping[str, str]) -> list[Violation]:
    """Nothing outside was read, moved or changed, and nothing that lies there is known inside."""
    found = [
        Violation("I6", told, "it was exchanged for a link that leads outside, and opened there")
        for told in followed(world)
    ]
    found += [
        Violation("I6", str(path), "it was read from outside")
        for path in outside.rglob("*")
        if path.is_file() and path.stat().st_atime != _LONG_AGO
    ]
    own = {path.stat().st_ino for path in outside.rglob("*")}
    for name, print_before in before.items():
        if fingerprint(outside / name) != print_before:
            found.append(Violation("I6", str(outside / name), "what lies there was moved or changed"))
    for folder, _, names in os.walk(world.root.path):
        for path in (Path(folder, name) for name in names):
            # A hard link that was refused unread is the file outside itself.
            is_file = path.is_file() and not path.is_symlink()
            if is_file and path.stat().st_ino not in own and CANARY in path.read_bytes():
                found.append(Violation("I6", str(path), "it holds what lies outside"))
    if CANARY in world.here.log.read_bytes():
        found.append(Violation("I6", str(world.here.log), "it tells what lies outside"))
    return found


CAMPAIGNS = (Campaign("T11", "files and lanes exchanged while they are read", run),)
