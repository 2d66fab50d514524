"""What a run is of: Claude Code, or a plain command; and where each writes what it says. Standard library only.

No enum, which would cost a runner its import.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["claude", "command"]

CLAUDE: Kind = "claude"
"""Claude Code, with a stream of events. Also of a launch that does not say: older daemons started nothing else."""
COMMAND: Kind = "command"
"""A command in the workspace: a step without a model, or a check."""

EVENTS = "events.jsonl"
STDOUT = "stdout.log"
STDERR = "stderr.log"
ALL_LOGS = (EVENTS, STDOUT, STDERR)


def main_log(kind: Kind) -> str:
    """Name the file for what a run of this kind says on standard output: the log that a result names."""
    return STDOUT if kind == COMMAND else EVENTS


def logs(kind: Kind) -> tuple[str, str]:
    """Name the files for standard output and standard error, in this order."""
    return main_log(kind), STDERR


def kind_in(launch: dict[str, object]) -> Kind:
    """Tell the kind of run that a `launch.json` is for."""
    return COMMAND if launch.get("kind") == COMMAND else CLAUDE
