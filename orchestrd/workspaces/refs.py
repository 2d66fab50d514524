"""Which refs a repository has, read from its own files: no git is started to find a name free.

Whoever makes the ref afterwards has git make it, which looks again and refuses one that is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

_COMMIT = re.compile(rb"[0-9a-f]{40,64}\n")


def refs_there(common: Path, refs: Sequence[str]) -> list[bool] | None:
    """Tell of each ref whether it is there; None: this repository keeps its refs elsewhere, so git must be asked."""
    if (common / "reftable").exists():
        return None
    try:
        packed = (common / "packed-refs").read_bytes()
    except FileNotFoundError:
        packed = b""
    except OSError:
        return None
    return [os.path.isfile(common / ref) or b" %b\n" % os.fsencode(ref) in packed for ref in refs]


def loose_tip(common: Path, ref: str) -> str | None:
    """Tell the commit that a ref was last moved to; None: it stands elsewhere (packed, reftable), or is gone."""
    try:
        content = (common / ref).read_bytes()
    except OSError:
        return None
    return content[:-1].decode() if _COMMIT.fullmatch(content) else None
