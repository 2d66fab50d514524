"""`python -m tests.faults.figures`: put the figures of the last runs into docs/reliability.md, between its two marks.

From `build/faults/SIZE.json`, `build/faults/soak.json` and `build/faults/seeded.json`; what was not run is not told of.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.faults.campaign import Report, Violation
from tests.faults.report import HEADS, cells

PAGE = Path("docs/reliability.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
GROWTHS = 2
"""Lines of a soak: of the storm and of the peace."""
COMMANDS = {"long": "make torture-long", "middle": "make torture", "short": "the short form, in `make test`"}


def main() -> int:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.figures", description=__doc__)
    parser.add_argument("--reports", type=Path, default=Path("build/faults"), help="folder (%(default)s)")
    parser.add_argument("--into", type=Path, default=PAGE, help="page (%(default)s)")
    asked = parser.parse_args()
    told = "\n".join(figures(asked.reports))
    if not told:
        print(f"{asked.reports}: there is no report; run make torture first", file=sys.stderr)
        return 1
    asked.into.write_text(put(asked.into.read_text("utf-8"), told), "utf-8")
    return 0


def put(page: str, figures: str) -> str:
    """The page with other figures between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no marks {BEGIN} and {END}")
    return f"{before}{begin}\n{figures}\n{end}{after}"


def figures(reports: Path) -> Iterator[str]:
    """The tables, line by line."""
    for size, command in COMMANDS.items():
        path = reports / f"{size}.json"
        if path.exists():
            yield from _campaigns(json.loads(path.read_text("utf-8")), command)
    path = reports / "soak.json"
    if path.exists():
        yield from _soak(json.loads(path.read_text("utf-8")))
    path = reports / "seeded.json"
    if path.exists():
        yield from _seeded(json.loads(path.read_text("utf-8")))


def _campaigns(told: dict[str, Any], command: str) -> Iterator[str]:
    rows = [_report(row) for row in told["rows"]]
    fired, broken = sum(row.fired for row in rows), sum(len(row.violations) for row in rows)
    yield f"### {command}, {told['time'][:10]}: {fired:,} faults, {broken} violations, {_span(told['seconds'])}"
    yield ""
    yield from _table(rows)


def _table(rows: Sequence[Report]) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells(row))} |"
    yield ""


def _report(row: dict[str, Any]) -> Report:
    kept = {name: value for name, value in row.items() if name not in {"passed", "violations"}}
    return Report(**kept, violations=[Violation(**one) for one in row["violations"]])


def _soak(told: dict[str, Any]) -> Iterator[str]:
    rows = [_report(row) for row in told["rows"]]
    fired, broken = sum(row.fired for row in rows), sum(len(row.violations) for row in rows)
    span = f"{told['minutes']:g} min"
    yield f"### make soak, {told['time'][:10]}: {fired:,} faults, {broken} violations, {span}"
    yield ""
    yield from _table(rows)
    # The last lines say what has grown; those before them, how far it was.
    yield from (f"- {line}" for line in told["said"][-GROWTHS:])
    yield ""


def _seeded(told: dict[str, Any]) -> Iterator[str]:
    bugs = told["bugs"]
    caught = sum(bug["outcome"] == "caught" for bug in bugs)
    yield f"### make seeded, {told['time'][:10]}: {caught} of {len(bugs)} caught, {_span(told['seconds'])}"
    yield ""
    yield "| bug | caught by | seed | seconds | seen |"
    yield "|---|---|---|---|---|"
    for bug in bugs:
        seen = bug["said"].partition(":")[0] if bug["outcome"] == "caught" else f"**{bug['outcome']}**"
        yield f"| {bug['bug']}: {bug['what']} | {bug['caught_by']} | {bug['seed']} | {bug['seconds']:.0f} | {seen} |"
    yield ""


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
