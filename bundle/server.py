"""What the extension starts: the MCP server of orchestrd, for the folder that was chosen in Claude Desktop.

The folder comes as the one argument; a host that does not know what the manifest says of arguments may give it as
ORCHESTRD_ROOT, or not at all. A host may leave `${HOME}` in a default as it is: that is filled in here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence


def command_line(words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return what orchestrd is called with."""
    for given in (*words, environ.get("ORCHESTRD_ROOT", "")):
        root = os.path.expanduser(os.path.expandvars(given))
        if root and "${" not in root:
            return ["--root", root, "mcp"]
    return ["mcp"]


def main() -> int:
    """Serve until Desktop ends it."""
    wanted = command_line(sys.argv[1:], os.environ)
    # What is no folder here (a placeholder that nobody filled in) must not be taken for one later.
    os.environ.pop("ORCHESTRD_ROOT", None)
    from orchestrd.cli import main as orchestrd

    return orchestrd(wanted)


if __name__ == "__main__":
    sys.exit(main())
