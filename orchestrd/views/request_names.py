"""Which requests are open, by their names alone: what they say is not looked at, so this is quick."""

from __future__ import annotations

import os

from handoff.root import Root, kind_of


def request_names(root: Root) -> list[str]:
    """Return the names in `requests/`, less what is still being written."""
    return sorted(name for name in os.listdir(root.requests) if kind_of(name).is_document)
