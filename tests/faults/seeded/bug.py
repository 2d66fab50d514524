"""What a seeded bug is: a few words of the product, exchanged for others, and which campaign has to catch it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.__main__ import SEED


class NotApplicable(Exception):
    """The code has changed: the bug has to be put in another way, or is none any more."""


@dataclass(frozen=True)
class Edit:
    """One place in the code."""

    path: str
    before: str
    """Stands there exactly once."""
    after: str


@dataclass(frozen=True)
class Bug:
    """A bug, and what has to catch it."""

    name: str
    what: str
    """What is wrong, for a person."""
    edits: tuple[Edit, ...]
    breaks: tuple[str, ...]
    """What has to be seen: a promise that it breaks (`I5`), or words of what a campaign expects besides (`-: no slot`).

    Nothing else is a catch: a deadline that a slow machine missed is none. Of a test: ().
    """
    caught_by: str
    """A row of the campaigns (`T4 orders`), or a test (`tests/...::test_...`) where no campaign can reach it."""
    rounds: str = ""
    """Of a sweep, the rounds that are enough."""
    seed: int = SEED
    size: str = "short"

    @property
    def paths(self) -> list[str]:
        """The files that it changes."""
        return sorted({edit.path for edit in self.edits})

    def applied(self, path: str, text: str) -> str:
        """Return the text of a file with the bug in it. Raises NotApplicable."""
        for edit in self.edits:
            if edit.path != path:
                continue
            count = text.count(edit.before)
            if count != 1:
                raise NotApplicable(f"{self.name}: {path} holds this {count} times, not once:\n{edit.before}")
            text = text.replace(edit.before, edit.after)
        return text


def a_bug(
    name: str,
    what: str,
    path: str,
    before: str,
    after: str,
    *more: Edit,
    caught_by: str,
    breaks: str = "",
    rounds: str = "",
    seed: int = SEED,
    size: str = "short",
) -> Bug:
    """Write a bug down whose first edit, often its only one, is spelt out."""
    seen = tuple(breaks.split(" | ")) if breaks else ()
    return Bug(name, what, (Edit(path, before, after), *more), seen, caught_by, rounds, seed, size)
