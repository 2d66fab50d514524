"""`make bench`, `python -m bench [PART ...]`: measure, print the table, leave it in bench/out/."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import end_to_end, idle, sampler, scale, throughput
from bench.ground import scratch
from bench.table import Row, table

OUT = Path(__file__).parent / "out"


def _sampling(_folder: Path) -> list[Row]:
    found = sampler.measure()
    what = f"sampling {sampler.RUNS} runs of {sampler.PROCESSES} processes at 1 s"
    here = f"{found.sampler_percent:.2f} % of a core, {found.ratio:.2f}×"
    met = found.ratio <= 0.15 and found.sampler_percent < 1
    return [Row(what, here, f"psutil {found.psutil_percent:.2f} %", "< 1 %, ≤ 0.15×", met)]


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "end_to_end": end_to_end.measure,
    "throughput": throughput.measure,
    "scale": scale.measure,
    "idle": idle.measure,
    "sampler": _sampling,
}


def main() -> int:
    """Measure the parts that were asked for, else all of them; one that fails is a row of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; none: all")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rows: list[Row] = []
    broken = False
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            with scratch() as folder:
                found = PARTS[name](folder)
        except Exception as error:  # noqa: BLE001 - the other parts are measured all the same
            broken = True
            found = [Row(name, f"could not be measured: {error!r}", met=False)]
        rows += found
        for row in found:
            print(row.markdown(), file=sys.stderr)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    text = table(rows)
    OUT.mkdir(exist_ok=True)
    (OUT / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md").write_text(text, "utf-8")
    print(text)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
