"""`python -m orchestrd.library` draws the documentation's pictures anew; with `--check` it only tells, by exit 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from handoff import durable, looking
from orchestrd.library.pages import renewed

PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"


def main(arguments: Sequence[str]) -> int:
    """Write or check the page; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("use: python -m orchestrd.library [--check]\n")
        return 2
    written = looking.read_file(PAGE).decode()
    wanted = renewed(written)
    if written == wanted:
        return 0
    if arguments:
        sys.stderr.write(f"{PAGE} is stale: python -m orchestrd.library\n")
        return 1
    durable.replace(PAGE, wanted.encode(), mode=0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
