"""What a power cut left in two places: a rename between two folders is two changes, and one may be all that was kept.

Such a file is one, by two names. The new name is where it is gone on with; the old one goes before anybody looks into
the lane, or it would be taken once more. A file that merely looks like it, or has its name, is another.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from handoff import durable
from handoff.effects import effects
from handoff.root import Root
from orchestrd.inbound.taken import Taken

Same = tuple[int, int]


def remove_old_names(root: Root, plans: Iterable[Taken]) -> None:
    """Remove from lanes, and from the orders in hand, what lies in `active/` or among the orders too."""
    plans = list(plans)
    inbox, orders = _names(root.inbox), _names(root.orders)
    for one in plans:
        new = root.plan_folder(one.plan) / one.file_name
        if one.source in inbox and one.retry_of is None:
            _remove_if_same(root.inbox / one.source, _file(new))
        copy = f"{one.order}-{one.file_name}"
        if copy in orders:
            _remove_if_same(root.orders / copy, _file(new))
    if not orders:
        return
    in_hand = {_file(root.orders / name) for name in orders} - {None}
    for name in _names(root.control):
        if _file(root.control / name) in in_hand:
            durable.remove(root.control / name)


def _remove_if_same(old: Path, new: Same | None) -> None:
    if new is not None and _file(old) == new:
        durable.remove(old)


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(effects.list(folder))
    except OSError:
        return frozenset()  # a lane that cannot be looked into: nothing is taken out of it either


def _file(path: Path) -> Same | None:
    """Which file a name is; None: there is none of that name."""
    try:
        found = effects.stat(path, follow=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino
