"""The table of what was tried: for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from tests.faults.campaign import Report

HEADS = ("test", "what", "faults fired", "violations", "seconds", "counted")


def as_table(reports: Iterable[Report]) -> Table:
    """For a terminal."""
    table = Table(*HEADS)
    for report in reports:
        table.add_row(*cells(report), style=None if report.passed else "yellow" if report.skipped else "red")
    return table


def as_markdown(reports: Sequence[Report], heading: str) -> str:
    """For a page: the table, then what was found."""
    lines = [f"# Faults: {heading}", "", f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    lines += [f"| {' | '.join(cells(report))} |" for report in reports]
    for report in reports:
        if report.violations:
            lines += ["", f"## {report.test}", ""]
            lines += [
                f"- {one.invariant} {one.where}: {one.what} (again: {one.reproduce})"
                for one in report.violations
            ]
    return "\n".join(lines) + "\n"


def cells(report: Report) -> tuple[str, ...]:
    """One row."""
    counted = [f"{name} {value}" for name, value in report.figures.items()]
    counted += [f"{name} ≤ {value:g}" for name, value in report.worst.items()]
    violations = report.skipped or report.error or str(len(report.violations))
    return (
        report.test,
        report.title,
        str(report.fired),
        violations,
        f"{report.seconds:.0f}",
        ", ".join(counted),
    )
