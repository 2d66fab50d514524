"""What every run's process tree uses, sampled while it is alive.

What is counted is Claude Code and all below it, as the runner counts them itself for `exit.json`. The runner, which is
the root of the tree, is not; of it only the CPU time of ended children is taken, which fell to it when they ended.
Which runs there are is told by the caller; what the figures mean for a plan is not known here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from handoff.platform import PLATFORM, Platform
from orchestrd.observe.machine import Daemon, Machine
from orchestrd.observe.proc_trees import ProcTrees
from orchestrd.observe.psutil_trees import PsutilTrees
from orchestrd.observe.readings import Reading, Trees
from orchestrd.observe.totals import InheritedTotal, RememberedTotal
from orchestrd.observe.usage import DaemonUsage, MachineUsage, TreeUsage, percent

PSS_EVERY = 30
"""Proportional memory is measured in every so many samples of a run: it costs up to a millisecond a process."""

Key = TypeVar("Key", bound=Hashable)


class Sampler(Generic[Key]):
    """Samples trees by any key. `now` is a clock that only grows, in seconds."""

    def __init__(self, platform: Platform = PLATFORM, *, pss_every: int = PSS_EVERY) -> None:
        self._trees: Trees = ProcTrees() if platform.proc else PsutilTrees()
        self._machine = Machine(platform)
        self._daemon = Daemon(platform)
        self._pss_every = pss_every
        self._seen: dict[Key, _Tree] = {}
        self._begun = 0

    def sample(self, roots: Mapping[Key, int], now: float) -> dict[Key, TreeUsage]:
        """Sample the tree below each pid, which is none of it.

        A run that has ended is left out, and one not named any more is forgotten.
        """
        for gone in self._seen.keys() - roots.keys():
            del self._seen[gone]
        if not roots:
            return {}
        self._trees.begin()
        usages = {}
        for key, pid in roots.items():
            readings = self._trees.read(pid)
            root = readings.get(pid)
            if root is None or not root.alive:
                continue
            tree = self._seen.get(key)
            if tree is None or tree.root != (pid, root.started):
                # Not all trees in the same sample.
                self._begun += 1
                tree = self._seen[key] = _Tree((pid, root.started), self._begun, self._trees)
            del readings[pid]
            usages[key] = tree.take(root, readings, now, self._pss_every)
        return usages

    def daemon(self, now: float) -> DaemonUsage:
        """Measure this process."""
        return self._daemon.usage(now)

    def machine(self, now: float) -> MachineUsage:
        """Measure the machine."""
        return self._machine.usage(now)


class _Tree:
    """What is kept of a tree from one sample to the next."""

    def __init__(self, root: tuple[int, bytes], age: int, trees: Trees) -> None:
        self.root = root
        # In samples; begun at some number, so that rare measurements of many trees are spread.
        self._age = age
        self._trees = trees
        counter = InheritedTotal if trees.inherits else RememberedTotal
        self._cpu, self._read, self._written = counter(), counter(), counter()
        self._pss_bytes: int | None = None
        self._time: float | None = None

    def take(self, root: Reading, readings: dict[int, Reading], now: float, pss_every: int) -> TreeUsage:
        """Take a sample of what is below the root."""
        alive = [reading for reading in readings.values() if reading.alive]
        cpu_before, passed = self._cpu.value, now - self._time if self._time is not None else 0.0
        self._time = now
        self._cpu.take(
            {
                self.root: root.inherited_seconds,
                **{(pid, one.started): one.cpu_seconds for pid, one in readings.items()},
            }
        )
        self._read.take({(pid, one.started): one.read_bytes for pid, one in readings.items()})
        self._written.take({(pid, one.started): one.written_bytes for pid, one in readings.items()})
        if self._age % pss_every == 0:
            self._pss_bytes = _sum(self._trees.pss_bytes(pid) for pid, one in readings.items() if one.alive)
        self._age += 1
        return TreeUsage(
            cpu_seconds=self._cpu.value or 0.0,
            cpu_percent=percent((self._cpu.value or 0.0) - (cpu_before or 0.0), passed),
            memory_bytes=sum(reading.memory_bytes for reading in alive),
            pss_bytes=self._pss_bytes,
            read_bytes=_whole(self._read.value),
            written_bytes=_whole(self._written.value),
            processes=len(alive),
            threads=sum(reading.threads for reading in alive),
        )


def _sum(shares: Iterable[int | None]) -> int | None:
    known = [share for share in shares if share is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
