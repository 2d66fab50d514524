"""`python -m tests.faults --size middle`: run campaigns, show the table, write the report. Exit 1 where one failed."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults.campaign import Campaign, Ground, Report, Size, run_campaign
from tests.faults.report import as_markdown, as_table
from tests.faults.table import campaigns

SEED = 20261124


def main() -> int:
    """Run what the command line names."""
    asked = _asked()
    console = Console(stderr=True)
    reports = []
    began = time.monotonic()
    base = Path(tempfile.mkdtemp(prefix="faults-", dir=asked.folder))
    base.chmod(0o700)
    try:
        for campaign in campaigns(tuple(asked.only)):
            folder = base / campaign.test.replace(" ", "-")
            folder.mkdir()
            with _bar(console, campaign) as told:
                report = run_campaign(
                    campaign,
                    Ground(Size(asked.size), asked.seed, folder, told, tuple(asked.until), asked.rounds),
                )
            console.print(f"{campaign.test}: {_in_a_word(report)} in {report.seconds} s")
            for violation in report.violations[:20]:
                console.print(f"  {violation.invariant} {violation.where}: {violation.what}", markup=False)
                console.print(f"     again: {violation.reproduce}", markup=False)
            reports.append(report)
            if report.passed:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        if all(report.passed or report.skipped for report in reports):
            shutil.rmtree(base, ignore_errors=True)
        else:
            console.print(f"what is left of the rounds that failed: {base}")
    _write(asked.report, asked.size, reports, time.monotonic() - began)
    Console().print(as_table(reports))
    return 0 if reports and all(report.passed for report in reports) else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--size", choices=[size.value for size in Size], default=Size.MIDDLE.value)
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed, the same faults (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TEST", help="T4, 'T4 real', or '=T4' for that row alone"
    )
    parser.add_argument(
        "--rounds", default="", metavar="WORDS", help="of T1, T3 and T7, those that hold these words"
    )
    parser.add_argument("--until", nargs="+", default=[], metavar="SEEN", help="stop at: I5, or '-: words'")
    parser.add_argument("--report", type=Path, default=Path("build/faults"), help="folder (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the roots are made (the system's own for such)")
    return parser.parse_args()


@contextmanager
def _bar(console: Console, campaign: Campaign) -> Iterator:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{campaign.test} {campaign.title}"[:70], total=None)
        yield lambda done, all_: progress.update(task, completed=done, total=all_)


def _in_a_word(report: Report) -> str:
    if report.skipped:
        return f"skipped: {report.skipped}"
    if report.error:
        return f"broke: {report.error}"
    return f"{report.fired} faults, {len(report.violations)} violations"


def _write(folder: Path, size: str, reports: list[Report], seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    told = {
        "time": when,
        "size": size,
        "seconds": round(seconds, 1),
        "rows": [one.as_dict() for one in reports],
    }
    (folder / f"{size}.json").write_text(json.dumps(told, indent=1) + "\n")
    (folder / f"{size}.md").write_text(as_markdown(reports, f"{size}, {when}, {seconds:.0f} s"))


if __name__ == "__main__":
    sys.exit(main())
