"""Whether a process grows: its memory, descriptors and threads, from the first quarter of a time to the last."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.campaign import Violation

FEWEST = 4
"""With fewer samples nothing can be said."""
MEMORY_MORE = 4 << 20
"""Bytes that come and go: an allocator gives back late, and a collection may be due."""
MEMORY_A_PLAN = 2048
"""Bytes that a daemon may keep of each plan that there ever was: its id, its key, whether it succeeded."""
DESCRIPTORS_MORE = 6
"""Each of three runs at work has one or two; one lost with each plan would be thousands."""
THREADS_MORE = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at a moment."""

    plans: int
    """So many there had been by then."""
    memory_bytes: int
    descriptors: int
    threads: int


@dataclass(slots=True)
class Growth:
    """Samples of processes that can be compared, in order."""

    what: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, pid: int, plans: int) -> None:
        """Look at a process; one that is gone adds nothing."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return
        told = dict(line.split(":", 1) for line in status.splitlines())
        if "VmRSS" not in told:
            return  # a zombie
        memory = int(told["VmRSS"].split()[0]) << 10
        self.samples.append(Sample(plans, memory, descriptors, int(told["Threads"])))

    def first_and_last(self) -> tuple[Sample, Sample] | None:
        """The medians of the first quarter and of the last; None where there are too few samples."""
        quarter = len(self.samples) // 4
        if len(self.samples) < FEWEST:
            return None
        return _median(self.samples[:quarter]), _median(self.samples[-quarter:])

    def judge(self) -> Iterator[Violation]:
        """Tell what has grown by more than it may."""
        both = self.first_and_last()
        if both is None:
            yield Violation(
                "-", self.what, f"{len(self.samples)} samples are too few to say whether it grows"
            )
            return
        first, last = both
        allowed = MEMORY_MORE + MEMORY_A_PLAN * (last.plans - first.plans)
        for name, more, most in (
            ("bytes of memory", last.memory_bytes - first.memory_bytes, allowed),
            ("descriptors", last.descriptors - first.descriptors, DESCRIPTORS_MORE),
            ("threads", last.threads - first.threads, THREADS_MORE),
        ):
            if more > most:
                yield Violation(
                    "I5", self.what, f"{more} {name} more at the end than at the beginning, of {most}"
                )

    def told(self) -> str:
        """In one line."""
        both = self.first_and_last()
        if both is None:
            return f"{self.what}: {len(self.samples)} samples"
        first, last = both
        return (
            f"{self.what}: {first.memory_bytes / 2**20:.1f} → {last.memory_bytes / 2**20:.1f} MiB, "
            f"{first.descriptors} → {last.descriptors} descriptors, {first.threads} → {last.threads} threads "
            f"({last.plans - first.plans} plans in between, {len(self.samples)} samples)"
        )


def _median(samples: list[Sample]) -> Sample:
    return Sample(
        *(
            int(statistics.median(getattr(one, name) for one in samples))
            for name in ("plans", "memory_bytes", "descriptors", "threads")
        )
    )
