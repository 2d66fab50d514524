"""`python -m orchestrd` is the command `orchestrd`."""

from __future__ import annotations

import sys

from orchestrd.cli import main

if __name__ == "__main__":
    sys.exit(main())
