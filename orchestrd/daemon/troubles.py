"""What is wrong with the machine or a plan: shown in `status/` while it lasts, logged when it comes and goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loguru import logger


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with the machine."""

    word: str
    message: str
    remedy: str


class Troubles:
    """Each trouble once, by its word. Any thread may raise and clear."""

    def __init__(self) -> None:
        self._known: dict[str, Trouble] = {}

    def __contains__(self, word: str) -> bool:
        return word in self._known

    def __iter__(self) -> Iterator[Trouble]:
        return iter(list(self._known.values()))

    def raise_(self, trouble: Trouble) -> None:
        """There is a trouble; told once, however often it is found."""
        known = self._known.get(trouble.word)
        self._known[trouble.word] = trouble
        if known is None or known.message != trouble.message:
            logger.warning("{}; to do: {}", trouble.message, trouble.remedy)

    def clear(self, word: str) -> None:
        """It is over, if there was one."""
        trouble = self._known.pop(word, None)
        if trouble is not None:
            logger.info("over: {}", trouble.message)
