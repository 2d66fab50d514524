"""What the model is told when acceptance checks failed: what was run, how it ended, what it said, what to do now. Pure.

What a check said is data: a test may print anything, and whoever wrote the code under test decides what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrd.runs.command_end import CommandEnd
from orchestrd.runs.command_words import shown
from orchestrd.runs.marked_data import Marks

_EXPECTED = (
    "What is expected now: find the cause of each failure, correct it here in this workspace, and end your turn. The"
    " same checks are run again then, all of them; whether the work is accepted is decided by their exit codes and not"
    " by what is said of it. Correct the work and not the checks: they are not to be weakened, skipped or worked"
    " around. If a check cannot pass in this workspace whatever is done (a program is missing, say), tell so and why."
)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check that failed, as the model is told of it."""

    command: tuple[str, ...]
    ending: str
    """How it ended: `exit code 2`."""
    seconds: float | None = None
    tail: str = ""
    """The end of its output."""
    head: str = ""
    """The beginning, where the tail is not all."""
    is_cut: bool = False
    logs: tuple[Path, ...] = ()
    """The files that hold all of it."""
    note: str = ""
    """What there is to say of its end: which limit it met, why it could not be started."""

    @classmethod
    def of(cls, end: CommandEnd) -> CheckReport:
        """Take it from what became of the command."""
        output = end.output
        return cls(
            command=end.command,
            ending=end.ending,
            seconds=end.seconds,
            tail=output.tail,
            head=output.head,
            is_cut=output.is_cut,
            logs=output.logs,
            note=end.note,
        )


def feedback(failed: Sequence[CheckReport]) -> str:
    """Compose the message to the model out of the checks that failed; what is left out of an output is said, and where.

    Where an output is cut, the model has to be allowed to read the files that are named: `files_to_read`.
    """
    marks = Marks(text for report in failed for text in (report.head, report.tail))
    one = len(failed) == 1
    begin = (
        "The work is not accepted yet: after your turn the daemon that runs this plan ran its acceptance checks in"
        f" this workspace, and {'one of them' if one else f'{len(failed)} of them'} failed."
    )
    said = [marks.rule] if any(report.tail.strip() for report in failed) else []
    reports = [_report(number, report, marks) for number, report in enumerate(failed, 1)]
    return "\n\n".join([begin, *said, *reports, _EXPECTED])


def files_to_read(failed: Sequence[CheckReport]) -> tuple[Path, ...]:
    """Name the files that `feedback` refers to: to be handed over for reading (`Start.readable`)."""
    return tuple(path for report in failed if report.is_cut for path in report.logs)


def _report(number: int, report: CheckReport, marks: Marks) -> str:
    after = "" if report.seconds is None else f" after {report.seconds:.1f} s"
    lines = [f"{number}. `{shown(report.command)}`: {report.ending}{after}."]
    if report.note:
        lines.append(report.note)
    if not report.tail.strip():
        lines.append("It said nothing.")
    elif not report.is_cut:
        lines.append(marks.block(f"all that check {number} said", report.tail))
    else:
        lines += [
            marks.block(f"how the output of check {number} begins", report.head),
            marks.block(f"how the output of check {number} ends", report.tail),
            "What is between them is left out here. All of it can be read, in pieces, with your Read tool:",
            *(f"- {path}" for path in report.logs),
        ]
    return "\n".join(lines)
