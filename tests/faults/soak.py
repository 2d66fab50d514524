"""`python -m tests.faults.soak --minutes 30`: plans, kills and full disks; at the end nothing is lost or has grown.

Two thirds of the time are the storm, one third is peace. Exit 1 where something was found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from handoff.root import create_root
from tests.faults.__main__ import SEED
from tests.faults.campaign import Campaign, Ground, Outcome, Size, run_campaign
from tests.faults.disks import small_disk, why_no_disks
from tests.faults.report import as_markdown, as_table
from tests.faults.soaking import Soak
from tests.faults.world import a_world

STORM = 2 / 3
"""Of the time; the rest is peace."""
DISK_BYTES = 1 << 30
PROJECTS = 4


def soak(minutes: float, say: Callable[[str], None], ground: Ground) -> Outcome:
    """Let plans come for so long."""
    with ExitStack() as ended:
        missing = why_no_disks()
        disk = None if missing else ended.enter_context(small_disk(ground.folder / "disk", DISK_BYTES))
        if missing:
            say(f"the disk stays empty: {missing}")
        world = ended.enter_context(a_world(ground.folder / "world", projects=PROJECTS))
        if disk is not None:
            world.here.root = create_root(disk.path / "handoff")
        one = Soak(world, disk, ground.random("soak"), say)
        one.weather_a_storm(minutes * 60 * STORM)
        one.live_in_peace(minutes * 60 * (1 - STORM))
        one.judge()
        for growth in (one.storm, one.peace):
            say(growth.told())
        one.outcome.figures["plans"] = len(one.model.plans)
        one.outcome.figures["starts"] = len(one.storm.samples)
        return one.outcome


def main() -> int:
    """Run it, show the table, write the report."""
    asked = _asked()
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=asked.folder))
    folder.chmod(0o700)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        console.print(line, highlight=False)

    campaign = Campaign(
        "soak", f"{asked.minutes:g} minutes of plans and faults", partial(soak, asked.minutes, say)
    )
    report = run_campaign(campaign, Ground(Size.LONG, asked.seed, folder))
    for violation in report.violations[:50]:
        console.print(f"  {violation.invariant} {violation.where}: {violation.what}", markup=False)
    if report.error:
        console.print(f"it broke: {report.error}", markup=False)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    asked.report.mkdir(parents=True, exist_ok=True)
    told = {"time": when, "minutes": asked.minutes, "rows": [report.as_dict()], "said": said}
    (asked.report / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
    (asked.report / "soak.md").write_text(
        as_markdown([report], f"soak, {when}") + "\n" + "".join(f"- {line}\n" for line in said)
    )
    Console().print(as_table([report]))
    if report.passed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        console.print(f"what is left of it: {folder}")
    return 0 if report.passed else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)g)")
    parser.add_argument("--seed", type=int, default=SEED, help="what chance follows (%(default)s)")
    parser.add_argument("--report", type=Path, default=Path("build/faults"), help="folder (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the root is made (the system's own for such)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
