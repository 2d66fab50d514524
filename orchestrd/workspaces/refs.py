"""Which refs a repository has, read from its own files: no git is started to find a name free.

Whoever makes the ref afterwards has git make it, which looks again and refuses one that is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from handoff import looking

_COMMIT = re.compile(rb"[0-9a-f]{40,64}\n")


def refs_there(common: Path, refs: Sequence[str]) -> list[bool] | None:
    """Tell of each ref whether it is there; None: this repository keeps its refs elsewhere, so git must be asked."""
    if looking.is_there(common / "reftable"):
        return None
    try:
        packed = looking.read_file(common / "packed-refs", follow=True)
    except FileNotFoundError:
        packed = b""
    except OSError:
        return None
    return [looking.is_file(common / ref) or b" %b\n" % os.fsencode(ref) in packed for ref in refs]


def loose_tip(common: Path, ref: str) -> str | None:
    """Tell the commit that a ref was last moved to; None: it stands elsewhere (packed, reftable), or is gone."""
    try:
        content = looking.read_file(common / ref, follow=True)
    except OSError:
        return None
    return content[:-1].decode() if _COMMIT.fullmatch(content) else None
