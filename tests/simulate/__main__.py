"""`make simulate`: so many plan lives; `--seed N --world W` shows one world again, shortened, event by event."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from tests.simulate import cost
from tests.simulate.lives import LIVES_A_WORLD, Found, Played, play, play_all, script_of
from tests.simulate.shrinking import shrink

SEED = 20261124
LIVES = 1_000_000
SHOWN_EVERY_SECONDS = 5.0


def main() -> int:
    """Do what the command line asks for; 1 where a violation was found."""
    asked = _asked()
    if asked.cost:
        return 0 if cost.show(asked.chart) else 1
    if asked.world is not None:
        return _show_world(asked.seed, asked.world, is_short=not asked.whole)
    return _simulate(asked.seed, asked.lives, asked.processes)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--lives", type=int, default=LIVES, help=f"how many (default {LIVES:,})")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--world", type=int, help="show this world of the seed, as short as it can be made")
    parser.add_argument("--whole", action="store_true", help="with --world: the whole of it")
    parser.add_argument("--cost", action="store_true", help="measure what a decision costs")
    parser.add_argument("--chart", help="with --cost: where to draw the chart (SVG)")
    return parser.parse_args()


def _simulate(seed: int, lives: int, processes: int) -> int:
    progress = _Progress(lives)
    print(f"simulating {lives:,} plan lives, {LIVES_A_WORLD} a world, seed {seed}, {processes} processes")
    played = play_all(seed, lives, processes, progress.show)
    for found in played.violations:
        _tell(seed, found)
    figures = played.figures
    ends = ", ".join(
        f"{figures[name]:,} {name.removeprefix('ended ')}" for name in sorted(figures) if "ended" in name
    )
    print(f"lives {played.lives:,}: {ends}")
    print(f"events {figures['events']:,}, kills {figures['kills']:,}, worlds {figures['worlds']:,}")
    print(
        f"seed {seed}: {len(played.violations)} violations, {progress.seconds:.0f} s,"
        f" {played.lives / max(progress.seconds, 0.001):,.0f} lives/s"
    )
    return 1 if played.violations else 0


class _Progress:
    def __init__(self, lives: int) -> None:
        self._lives = lives
        self._shown = 0.0
        self.seconds = 0.0

    def show(self, played: Played, seconds: float) -> None:
        """Say how far it is, now and then."""
        self.seconds = seconds
        if seconds - self._shown < SHOWN_EVERY_SECONDS and played.lives < self._lives:
            return
        self._shown = seconds
        rate = played.lives / max(seconds, 0.001)
        left = max(0, self._lives - played.lives) / rate
        print(
            f"  {played.lives:>9,} lives  {rate:>7,.0f}/s  {len(played.violations)} violations"
            f"  {seconds:>5.0f} s, {left:.0f} s to go",
            flush=True,
        )


def _tell(seed: int, found: Found) -> None:
    print(f"VIOLATION in world {found.world}: {found.where}: {found.what}")
    print(f"  again: python -m tests.simulate --seed {seed} --world {found.world}")


def _show_world(seed: int, world: int, *, is_short: bool) -> int:
    script = script_of(seed, world)
    _, violation = play(script)
    if violation is not None and is_short:
        script = shrink(script, violation.kind)
    lines: list[str] = []
    played, violation = play(script, lines.append)
    parts = Counter(plans=len(script.plans), happenings=len(script.happenings), kills=len(script.kills))
    print(f"world {world} of seed {seed}: {dict(parts)}, {script.max_parallel} at a time")
    print("\n".join(lines))
    print(f"{played.events} events; {violation or 'no violation'}")
    return 1 if violation is not None else 0


if __name__ == "__main__":
    sys.exit(main())
