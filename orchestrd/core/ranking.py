"""Things in an order in which each can be moved or taken out; only the first one is ever asked for. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Key = tuple[int, ...]

_SPARE = 64
"""So many outdated places in the heap are no matter."""


class Ranking(Generic[Item]):
    """Each item has a key, and the one with the least is first. Each call costs the logarithm of their number.

    What is moved or taken out leaves its old place in the heap behind, to be dropped when it comes to the top.
    """

    __slots__ = ("_heap", "_keys", "_order")

    def __init__(self) -> None:
        self._keys: dict[Item, Key] = {}
        self._heap: list[tuple[Key, int, Item]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, item: Item, key: Key) -> None:
        """Put an item where its key says, wherever it was before."""
        if self._keys.get(item) == key:
            return
        self._keys[item] = key
        if len(self._heap) > 2 * len(self._keys) + _SPARE:
            self._heap = [(key, number, item) for number, (item, key) in enumerate(self._keys.items())]
            self._order = len(self._heap)
            heapq.heapify(self._heap)
            return
        self._order += 1
        heapq.heappush(self._heap, (key, self._order, item))

    def drop(self, item: Item) -> None:
        """Take an item out; nothing happens if it is not there."""
        self._keys.pop(item, None)

    def first(self) -> tuple[Item, Key] | None:
        """The first one and its key; None: there is none."""
        while self._heap:
            key, _, item = self._heap[0]
            if self._keys.get(item) == key:
                return item, key
            heapq.heappop(self._heap)
        return None

    def best(self) -> Item:
        """The first one, where it is known that there is one."""
        found = self.first()
        if found is None:
            raise LookupError("nothing is ranked here")
        return found[0]
