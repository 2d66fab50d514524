"""Which settled plans the index lacks: a daemon that was killed may have archived one and not put its row in.

Nothing is listed but the months whose number of plans is not that of the index, and of these only what is missing
is read: with 100,000 plans archived and none missing that is one count and one list of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from handoff.effects import effects
from handoff.root import Root
from orchestrd.record.index import IndexReader, Row, row_on_disk

_MONTH = re.compile(r"\d{4}-\d\d")


def missing_rows(root: Root) -> Iterator[Row]:
    """Yield the rows of settled plans that the index does not have, the newest month first. Raises sqlite3.Error."""
    index = IndexReader(root.index)
    indexed = index.count_by_month()
    for month in sorted(filter(_MONTH.fullmatch, _names(root)), reverse=True):
        names = _names(root, month)
        if len(names) == indexed.get(month, 0):
            continue
        for name in sorted(set(names) - index.ids_of_month(month)):
            row = row_on_disk(root, f"archive/{month}/{name}", [])
            if row is not None:
                yield row


def _names(root: Root, month: str = "") -> list[str]:
    try:
        return effects.list(root.archive / month)
    except OSError:
        return []
