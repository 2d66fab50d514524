"""What is wrong with the machine or a plan: shown in `status/` while it lasts, logged when it comes and goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from loguru import logger

MOST_SAID = 16
"""Messages of one trouble that are logged; a trouble with more of them repeats itself."""

_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with the machine."""

    word: str
    message: str
    remedy: str


@dataclass(slots=True)
class _Known:
    trouble: Trouble
    said: set[str] = field(default_factory=set)
    """What the log has of it already, without the numbers: "63 MiB are free", "62 MiB are free" are one message."""


class Troubles:
    """Each trouble once, by its word. Any thread may raise and clear."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._groups: dict[str, set[str]] = {}

    def __contains__(self, word: str) -> bool:
        return word in self._known

    def __iter__(self) -> Iterator[Trouble]:
        return iter([known.trouble for known in list(self._known.values())])

    def raise_(self, trouble: Trouble) -> None:
        """There is a trouble; told once, however often it is found."""
        self._raise(trouble.word, trouble)

    def clear(self, word: str) -> None:
        """It is over, if there was one."""
        known = self._known.pop(word, None)
        if known is not None:
            logger.info("over: {}", known.trouble.message)

    def settle(self, group: str, troubles: Iterable[Trouble]) -> None:
        """These are all that is wrong with something, several with one word perhaps; what is not among them is over."""
        found = {f"{group}: {_bare(one.message)}": one for one in troubles}
        for key in self._groups.get(group, set()) - found.keys():
            self.clear(key)
        for key, trouble in found.items():
            self._raise(key, trouble)
        self._groups[group] = set(found)

    def _raise(self, key: str, trouble: Trouble) -> None:
        known = self._known.setdefault(key, _Known(trouble))
        known.trouble = trouble
        said = _bare(trouble.message)
        if said not in known.said and len(known.said) < MOST_SAID:
            known.said.add(said)
            logger.warning("{}; to do: {}", trouble.message, trouble.remedy)


def _bare(message: str) -> str:
    return _NUMBERS.sub("#", message)
