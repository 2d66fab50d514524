"""`python -m handoff.schema` writes the schemas anew; with `--check` it only tells, by exit code 1, which are stale."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from handoff import durable
from handoff.schema import NAMES, schema_path, schema_text


def main(arguments: Sequence[str]) -> int:
    """Write or check all schemas; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("use: python -m handoff.schema [--check]\n")
        return 2
    stale = [name for name in NAMES if _written(name) != schema_text(name)]
    for name in stale:
        if arguments:
            sys.stderr.write(f"{schema_path(name)} is stale: python -m handoff.schema\n")
        else:
            durable.replace(schema_path(name), schema_text(name).encode(), mode=0o644)
    return 1 if stale and arguments else 0


def _written(name: str) -> str | None:
    try:
        return schema_path(name).read_text("utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
