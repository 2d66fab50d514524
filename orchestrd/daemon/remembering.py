"""The registers at a daemon's start: what they have lost and the folders still tell is made known again.

Where both agree, this costs the names of the archive's folders. What was taken in is told once, in the log: nothing
is wrong any more then.
"""

from __future__ import annotations

from loguru import logger

from handoff.root import Root
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.record.forgotten import forgotten_folders, forgotten_orders, read_forgotten
from orchestrd.record.ids import Ids, Orders

FORGOTTEN = "forgotten"


def remember(root: Root, troubles: Troubles) -> tuple[Ids, Orders]:
    """Load both registers, and take in what they lack. Raises OSError where they or the archive cannot be read."""
    ids, orders = Ids.load(root), Orders.load(root)
    _remember_plans(root, ids, troubles)
    _remember_orders(root, ids, orders)
    return ids, orders


def _remember_plans(root: Root, ids: Ids, troubles: Troubles) -> None:
    folders = forgotten_folders(root, ids)
    if not folders:
        return
    logger.warning(
        "archive/ids.jsonl did not know {} plans that lie in the archive ({}, …): it was lost, or is older than the "
        "archive. They are taken in again; ids and keys of plans that were pruned cannot be",
        len(folders),
        folders[0].name,
    )
    found = read_forgotten(folders)
    ids.arrived(found.arrival)
    for plan in found.unread:
        ids.hold(plan)
    if found.unread:
        told = "; ".join(list(found.unread.values())[:3])
        message = f"the keys of {len(found.unread)} plans in the archive are not known: {told}"
        remedy = "repair the disk and restart the daemon; until then hand in nothing with their keys"
        troubles.raise_(Trouble(FORGOTTEN, message, remedy))
    try:
        ids.take_in(found.lines)
    except OSError as error:
        # Known all the same; and should this daemon end before it could be written, the next one finds them again.
        logger.warning("{}: {}; it is written with the next plan's line", root.ids_log, error.strerror)


def _remember_orders(root: Root, ids: Ids, orders: Orders) -> None:
    lines = forgotten_orders(root, ids, orders)
    if not lines:
        return
    logger.warning(
        "archive/orders.jsonl did not know {} orders that made plans; their numbers are not given again. Keys of "
        "orders that it has lost are not known any more",
        len(lines),
    )
    for line in lines:
        orders.count_on(line.order)
    try:
        orders.append(lines)
    except OSError as error:
        logger.warning("{}: {}; the next daemon tries it again", root.orders_log, error.strerror)
