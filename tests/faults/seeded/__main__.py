"""`python -m tests.faults.seeded`: put each known bug in, and show that it is caught. Exit 1: too many are not."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.campaign import BROKE, Violation
from tests.faults.seeded.bug import Bug
from tests.faults.seeded.bugs import BUGS
from tests.faults.seeded.workshop import Workshop

MAY_BE_MISSED = 1 / 25
"""Of the bugs; of a few, none."""
MOST_SECONDS = 240.0
"""A campaign that takes longer has caught nothing."""
TIDY_SECONDS = 20.0
CAUGHT, MISSED, BROKEN = "caught", "missed", "broken"


@dataclass(frozen=True)
class Verdict:
    """What came of one bug."""

    bug: str
    what: str
    caught_by: str
    seed: int
    outcome: str
    """`caught`; `missed`: all was well; `broken`: the campaign itself did not work, so nobody knows."""
    said: str
    seconds: float


def main() -> int:
    """Try the bugs that the command line names."""
    asked = _asked()
    bugs = [bug for bug in BUGS if not asked.only or bug.name in asked.only]
    console = Console(stderr=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-") as folder:
        verdicts = _try_all(bugs, Path(folder), asked, console)
    seconds = time.monotonic() - began
    _write(asked.report, verdicts, seconds)
    Console().print(_table(verdicts))
    caught = sum(verdict.outcome == CAUGHT for verdict in verdicts)
    wanted = have_to_be_caught(len(verdicts))
    Console().print(f"{caught} of {len(verdicts)} caught in {seconds:.0f} s ({wanted} have to be)")
    return 0 if verdicts and caught >= wanted else 1


def have_to_be_caught(bugs: int) -> int:
    """How many of so many."""
    return bugs - int(bugs * MAY_BE_MISSED)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.seeded", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="BUG", help="by name")
    parser.add_argument("--by", metavar="ROW", help="try another campaign or test than the table names")
    parser.add_argument("--rounds", metavar="WORDS", help="try other rounds of it")
    parser.add_argument("--at-once", type=int, default=3, help="bugs at a time, each in a copy (%(default)s)")
    parser.add_argument("--report", type=Path, default=Path("build/faults"), help="folder (%(default)s)")
    return parser.parse_args()


def _try_all(bugs: Sequence[Bug], folder: Path, asked: argparse.Namespace, console: Console) -> list[Verdict]:
    free: SimpleQueue[Workshop] = SimpleQueue()
    for number in range(min(asked.at_once, len(bugs))):
        free.put(Workshop(folder / str(number)))

    def one(bug: Bug) -> Verdict:
        workshop = free.get()
        try:
            with workshop.with_bug(bug):
                verdict = _try(workshop, bug, asked.by or bug.caught_by, asked.rounds or bug.rounds)
        finally:
            free.put(workshop)
        console.print(
            f"{bug.name}: {verdict.outcome} in {verdict.seconds:.0f} s; {verdict.said}", markup=False
        )
        return verdict

    with ThreadPoolExecutor(asked.at_once) as pool:
        return list(pool.map(one, bugs))


def _try(workshop: Workshop, bug: Bug, by: str, rounds: str) -> Verdict:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-run-", ignore_cleanup_errors=True) as folder:
        if by.startswith("tests/"):
            outcome, said = _by_test(workshop, by, Path(folder))
        else:
            outcome, said = _by_campaign(workshop, bug, by, Path(folder), rounds)
    row, seconds = f"{by} ({rounds})" if rounds else by, round(time.monotonic() - began, 1)
    return Verdict(bug.name, bug.what, row, bug.seed, outcome, said, seconds)


def _by_campaign(workshop: Workshop, bug: Bug, row: str, folder: Path, rounds: str = "") -> tuple[str, str]:
    command = [
        "-m",
        "tests.faults",
        "--size",
        bug.size,
        "--seed",
        str(bug.seed),
        "--only",
        f"={row}",
        "--until",
        *bug.breaks,
    ]
    command += ["--rounds", rounds]
    ended, said = _run(workshop, [*command, "--report", str(folder), "--folder", str(folder)], folder)
    report = folder / f"{bug.size}.json"
    if ended is None or not report.exists():
        return BROKEN, f"the campaign did not come to its end: {said}"
    rows: list[dict[str, Any]] = json.loads(report.read_text())["rows"]
    violations = [violation for one in rows for violation in one["violations"]]
    named = [violation for violation in violations if Violation(**violation).is_one_of(bug.breaks)]
    if named:
        kinds = ", ".join(sorted({violation["invariant"] for violation in named}))
        return CAUGHT, f"{kinds}: {_short(named[0]['where'])}: {_short(named[0]['what'])}"
    if any(violation["invariant"] == BROKE for violation in violations) or any(one["error"] for one in rows):
        told = [one["error"] for one in rows if one["error"]] + [one["what"] for one in violations]
        return BROKEN, _short(told[0])
    if not rows or all(one["skipped"] for one in rows):
        return BROKEN, f"nothing was run: {[one['skipped'] for one in rows]}"
    others = [f"{one['invariant']}: {_short(one['what'])}" for one in violations]
    told = f"not what it breaks, but {others[0]}" if others else "all was well"
    return MISSED, f"{sum(one['fired'] for one in rows)} faults, and {told}"


def _by_test(workshop: Workshop, test: str, folder: Path) -> tuple[str, str]:
    ended, said = _run(
        workshop, ["-m", "pytest", "-q", "-x", "--tb=line", f"--basetemp={folder}/t", test], folder
    )
    if ended == 1:  # tests failed; others are errors of the call
        failed = re.findall(r"^(?:FAILED|ERROR) (.*)$", said, re.MULTILINE)
        return (CAUGHT, _short(failed[0])) if failed else (BROKEN, _short(said))
    return (MISSED, "the test passed") if ended == 0 else (BROKEN, _short(said))


def _run(workshop: Workshop, words: list[str], folder: Path) -> tuple[int | None, str]:
    """Run in the copy. The exit code (None: it took too long), and the end of what it said."""
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    with (folder / "said").open("w+b") as said:
        with subprocess.Popen(
            [str(workshop.python), *words],
            cwd=workshop.folder,
            env=environ | {"PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process:
            try:
                ended: int | None = process.wait(MOST_SECONDS)
            except subprocess.TimeoutExpired:
                ended = None
            _end_all(process, folder)
        said.seek(0)
        return ended, said.read().decode("utf-8", "replace")[-4000:]


def _end_all(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End a campaign in the way that lets it tidy up, then whatever is left of it: all of that names the folder."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TIDY_SECONDS)
    name = os.fsencode(folder)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError):
                told = [Path(f"/proc/{entry}/{what}").read_bytes() for what in ("cmdline", "environ")]
                if any(name in what for what in told):
                    os.kill(int(entry), signal.SIGKILL)


def _short(text: str) -> str:
    """One line; what is temporary about paths is left out."""
    return re.sub(r"/tmp/\S*/", "…/", " ".join(text.split()))[:160]


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table("bug", "caught by", "seconds", "what was seen")
    for one in verdicts:
        style = None if one.outcome == CAUGHT else "red" if one.outcome == MISSED else "yellow"
        said = one.said if one.outcome == CAUGHT else f"{one.outcome}: {one.said}"
        table.add_row(f"{one.bug}: {one.what}", one.caught_by, f"{one.seconds:.0f}", said, style=style)
    return table


def _write(folder: Path, verdicts: Sequence[Verdict], seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"time": when, "seconds": round(seconds, 1), "bugs": [asdict(verdict) for verdict in verdicts]}
    (folder / "seeded.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
