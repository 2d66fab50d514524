"""Whether Claude Code can be held to what a run may cost. A cap that is silently without effect is worse than none.

Claude Code holds a run's budget itself (`--max-budget-usd`) and tells what it has cost, whoever is billed; with a
subscription, what the same would have cost by the price list. So it depends on the binary and its arguments alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from orchestrd.runs.claude import ClaudeCommand

OLDEST_VERSION_WITH_BUDGET = (2, 0, 53)
"""The oldest version of which it was seen that it keeps to its budget."""
_FLAG = "--max-budget-usd"


class Unenforceable(NamedTuple):
    """Why no cap could be kept, and what to do."""

    message: str
    remedy: str


def fault_of_caps(claude: ClaudeCommand, claude_args: Iterable[str]) -> Unenforceable | None:
    """Say why runs of this binary with these configured arguments could not be held to a cap; None: they can.

    Asks the binary for its version, once. A version that is not told is let pass: an old one refuses the flag.
    """
    if any(argument == _FLAG or argument.startswith(f"{_FLAG}=") for argument in claude_args):
        return Unenforceable(
            f"[claude] args names {_FLAG}, which would stand in the place of what a run may cost",
            "take it out; [budget] caps the day and each project, `limits.max_usd` a plan",
        )
    version = claude.version
    if version is not None and version < OLDEST_VERSION_WITH_BUDGET:
        told, oldest = (".".join(map(str, one)) for one in (version, OLDEST_VERSION_WITH_BUDGET))
        return Unenforceable(
            f"{claude.path} is Claude Code {told}, which keeps no run to what it may cost",
            f"update it to {oldest} or newer, or leave out [budget] and `limits.max_usd`",
        )
    return None
