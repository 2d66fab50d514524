"""What T11 exchanges for what, and how: at once, by name; in the daemon itself at the worst moment, each time."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handoff.effects import Effects
from tests.faults.world import World

LANES = ("inbox", "control", "replies")
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


class Counter:
    """A number that all processes see."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        """How many exchanges there were."""
        return int.from_bytes(self._memory[:], "little")

    @count.setter
    def count(self, count: int) -> None:
        self._memory[:] = count.to_bytes(8, "little")


def exchange(one: Path, other: Path, libc: ctypes.CDLL) -> bool:
    """Exchange two names, at once; False where one is gone."""
    done = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return bool(done == 0)


def links(world: World, outside: Path) -> dict[Path, Path]:
    """For each lane a link to the folder outside that is to be taken for it."""
    pairs = {world.root.path / lane: world.root.path / f".{lane}-link" for lane in LANES}
    for lane, link in pairs.items():
        link.symlink_to(outside / lane.name)
    return pairs


def put_others(lane: Path, canary: Path) -> tuple[str, ...]:
    """Lay beside a lane's files what they are exchanged for, as `.swap-KIND`; the kinds.

    Made anew where the daemon has taken it, or a file is left in its place.
    """
    makers: dict[str, tuple[int, Callable[[Path], object]]] = {
        "link": (stat.S_IFLNK, lambda path: path.symlink_to(canary)),
        "fifo": (stat.S_IFIFO, os.mkfifo),
        "folder": (stat.S_IFDIR, lambda path: (path / "inner").mkdir(parents=True)),
        "far": (stat.S_IFLNK, lambda path: path.symlink_to(canary.parent)),
        "hard": (0, lambda path: os.link(canary, path)),
    }
    for name, (kind, make) in makers.items():
        path = lane / f".swap-{name}"
        there = stat.S_IFMT(os.lstat(path).st_mode) if os.path.lexists(path) else None
        if there == kind:
            continue
        if there == stat.S_IFDIR:
            path.rename(lane / f".swap-folder-{time.monotonic_ns()}")
        elif there is not None:
            path.unlink()
        make(path)
    return tuple(makers)


# -- in the daemon ----------------------------------------------------------------------------------------------------


def exchange_at_takes(world: World, outside: Path, counter: Counter, _seed: str) -> None:
    """Whenever something is moved out of a lane, the lane is away for just that moment."""
    moved: Callable[..., None] = Effects.rename_new
    pairs = links(world, outside)
    libc = ctypes.CDLL(None, use_errno=True)

    def moved_while_away(self: Effects, src: str, dst: str, **how: Any) -> None:
        link = pairs.get(Path(src).parent)
        if link is None:
            return moved(self, src, dst, **how)
        exchange(Path(src).parent, link, libc)
        try:
            return moved(self, src, dst, **how)
        finally:
            exchange(Path(src).parent, link, libc)
            counter.count += 1

    Effects.rename_new = moved_while_away  # type: ignore[method-assign]


def exchange_at_opens(world: World, outside: Path, counter: Counter, seed: str) -> None:
    """Every other time that a file is opened in a lane, it is another thing for just that moment."""
    opened: Callable[..., int] = Effects.open
    lanes = {os.fspath(world.root.path / lane): outside / lane / "plan.toml" for lane in LANES}
    kinds = {lane: put_others(Path(lane), canary) for lane, canary in lanes.items()}
    chance = random.Random(seed)
    libc = ctypes.CDLL(None, use_errno=True)

    def opened_late(self: Effects, path: Any, flags: int, mode: int = 0o600, **how: Any) -> int:
        folder = how.get("dir_fd")
        lane = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else ""
        if lane not in lanes or chance.random() < 0.5:
            return opened(self, path, flags, mode, **how)
        kind = chance.choice(kinds[lane])
        other = Path(lane, f".swap-{kind}")
        if not exchange(Path(lane, path), other, libc):
            return opened(self, path, flags, mode, **how)
        counter.count += 1
        try:
            descriptor = opened(self, path, flags, mode, **how)
            if kind in ("link", "far"):
                with _followed(world).open("a") as told:
                    told.write(f"{lane}/{path}\n")
            return descriptor
        finally:
            exchange(Path(lane, path), other, libc)

    Effects.open = opened_late  # type: ignore[method-assign,assignment]


def followed(world: World) -> list[str]:
    """The files of lanes that were opened while they were links."""
    told = _followed(world)
    return told.read_text().splitlines() if told.exists() else []


def _followed(world: World) -> Path:
    return world.folder / "followed"
