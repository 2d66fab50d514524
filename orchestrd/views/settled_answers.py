"""What became of an answer that lies in `replies/` no more, while its request is gone too: taken, or came too late."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handoff import durable, looking
from handoff.foreign import MAX_DOCUMENT_BYTES
from handoff.root import PlanId, Root
from orchestrd.record.replies import FOLDER, REFUSED
from orchestrd.views.looking import plan_folder
from orchestrd.views.words import read_lines

Content = str | Mapping[str, object]
"""An answer: Markdown, or fields that were written as JSON."""


def why_refused(root: Root, plan: str, content: Content) -> str | None:
    """Say why an answer of just these words was refused; None: none was.

    That stands in the plan's journal before the answer leaves the lane.
    """
    folder = plan_folder(root, PlanId(plan))
    if folder is None:
        return None
    said = content if isinstance(content, str) else json.loads(json.dumps(content))
    for record in reversed(read_lines(folder / durable.JOURNAL)):
        if record.get("event") == REFUSED:
            kept = folder / FOLDER / Path(str(record.get("reply"))).name
            if _said(kept, content) == said:
                return str(record.get("message"))
    return None


def _said(file: Path, like: Content) -> Any:
    """What a kept answer says, as far as it can be read."""
    try:
        raw = looking.read_file(file, MAX_DOCUMENT_BYTES + 1)
        return raw.decode() if isinstance(like, str) else json.loads(raw)
    except (OSError, ValueError, RecursionError):
        return None
