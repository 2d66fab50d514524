"""What is left of a take that was cut off before its plan was moved in: a folder in `active/` that means nothing.

The plan's file still lies in its lane, so whoever finds such a folder may pass it over, and the next daemon removes
it. A folder that tells of more belongs to a plan that was taken, whoever removed its file since.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from handoff import durable
from orchestrd.record.journal import Record


def may_be_cut_take(names: Collection[str]) -> bool:
    """Whether a folder holds, by the names in it, nothing but a journal, and what replacing that left half-written."""
    return all(name == durable.JOURNAL or (name.startswith(".") and name.endswith(".tmp")) for name in names)


def is_cut_take(names: Collection[str], records: Sequence[Record]) -> bool:
    """Whether a folder with these names, whose journal (missing, empty, torn: none) says this, holds no plan."""
    return may_be_cut_take(names) and (not records or (len(records) == 1 and records[0]["event"] == "taken"))
