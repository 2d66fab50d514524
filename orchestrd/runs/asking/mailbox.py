"""The answers to this run's own requests, as they come into `replies/`: seen, settled, taken (PROTOCOL 2 and 6).

Only names that were asked for are ever looked at: all others are the daemon's, or other runners'. What an answer says
is not known here. Standard library only; loaded when something is asked.
"""

from __future__ import annotations

import os
from contextlib import suppress

from handoff import durable, foreign, platform, settling
from handoff.arrivals import Arrivals
from handoff.effects import effects
from handoff.open_lane import open_lane
from handoff.settling import BadFile, FileKind, Settling, StillWritten, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from handoff.settling import Seen

LOOK_SECONDS = 0.5
"""How often one looks where nobody tells of arrivals."""
LOOK_WATCHED_SECONDS = 5.0
"""And where somebody does: what is told may be lost."""
_MOST_NAMES = 1000
_TOO_EARLY = "it was there before this was asked, so it cannot be the answer; answer what is asked here"


class Unfit(Exception):
    """An answer that cannot be used; `str()` says why, for whoever gave it."""


class Letter:
    """A file that answers a request, and may be taken now; or one that lies there and cannot be (`why`)."""

    __slots__ = ("content", "name", "seen", "stays", "why")

    def __init__(
        self,
        name: str,
        seen: Seen,
        content: bytes | None = None,
        *,
        why: str | None = None,
        stays: bool = False,
    ) -> None:
        self.seen = seen
        self.name = name
        self.content = content
        """What it held when it was looked at; None: it was never opened."""
        self.why = why
        self.stays = stays
        """It is no regular file, or empty, and is left where it lies."""


class Mailbox:
    """The lane of replies, as one runner sees it."""

    def __init__(
        self, root: str, plan: str, *, settle: float, patience: float, unproved: float, polling: bool
    ) -> None:
        self._lane = os.path.join(root, "replies")
        self._kept = os.path.join(root, "active", plan, "replies")
        self._arrivals = Arrivals(self._lane, polling=polling)
        self._platform = platform.PLATFORM
        self._settling = Settling(settle, patience, unproved_seconds=unproved)
        self._renamed: set[str] = set()
        self._told: dict[str, Seen] = {}
        """What was said already to be left where it lies, as it looked then."""
        self.next_look = float("-inf")
        """When to look again though nothing is heard (awake seconds)."""

    @property
    def ear(self) -> int | None:
        """Becomes readable when something may have come."""
        return self._arrivals.ear

    def look(self, names: Iterable[str], now: float, fits: Callable[[Letter], bool]) -> list[Letter]:
        """Look for answers under these names. `fits` says whether one, as it stands, could be used.

        What could not, and may still be written to, is given its patience. Raises OSError where the lane cannot be
        looked into.
        """
        self._arrivals.repair()
        self._renamed |= self._arrivals.take_renamed()
        self.next_look = now + (LOOK_SECONDS if self._arrivals.ear is None else LOOK_WATCHED_SECONDS)
        letters = []
        here = set()
        with open_lane(self._lane) as fd:
            for name in names:
                with suppress(FileNotFoundError):
                    seen = settling.look(fd, name)
                    here.add(name)
                    letter = self._consider(fd, name, seen, now)
                    if letter is not None and self._is_ripe(letter, now, fits):
                        letters.append(letter)
        self._settling.keep_only(here)
        self._renamed &= here
        self._told = {name: seen for name, seen in self._told.items() if name in here}
        return letters

    def early(self, names: Iterable[str]) -> Letter | None:
        """Find a file that has one of these names before they were asked for. Never opened."""
        # In a lane that cannot be looked into nothing is found later either.
        with suppress(OSError), open_lane(self._lane) as fd:
            for name in names:
                with suppress(FileNotFoundError):
                    seen = settling.look(fd, name)
                    if seen.kind is FileKind.REGULAR and self._told.get(name) != seen:
                        return Letter(name, seen, why=_TOO_EARLY)
        return None

    def take(self, letter: Letter, as_name: str) -> bytes:
        """Move an answer to those that the plan keeps, and read it again. Repeatable. Raises Unfit, OSError.

        Whoever wrote it may have changed it, or put something else in its place, a moment before it was taken.
        """
        durable.make_folder(self._kept)
        with open_lane(self._lane) as fd:
            durable.move_new(
                os.path.join(self._lane, letter.name), os.path.join(self._kept, as_name), within=fd
            )
        if letter.content is None:
            raise Unfit(letter.why or "the file may not be read")
        try:
            return foreign.read_taken(self._kept, as_name)
        except BadFile as error:
            raise Unfit(f"the file {error.why}") from None
        except StillWritten:
            raise Unfit("the file was changed while it was read") from None

    def leave(self, letter: Letter) -> None:
        """Let an answer lie that cannot be moved, until it changes."""
        self._told[letter.name] = letter.seen

    def free_name(self, name: str) -> str:
        """A name under which an answer can be kept: its own, or one more like it."""
        stem, _, ending = name.rpartition(".")
        names = (name, *(f"{stem}.{number}.{ending}" for number in range(2, _MOST_NAMES)))
        for one in names:
            try:
                effects.stat(os.path.join(self._kept, one), follow=False)
            except FileNotFoundError:
                return one
        return name

    def close(self) -> None:
        """Stop listening."""
        self._arrivals.close()

    def _consider(self, fd: int, name: str, seen: Seen, now: float) -> Letter | None:
        if self._told.get(name) == seen:
            return None
        judgement = self._settling.consider(
            name,
            seen,
            now,
            renamed=name in self._renamed,
            proof=lambda: settling.nobody_writes_in(fd, name, self._platform),
        )
        if judgement.verdict is Verdict.WAIT:
            if judgement.look_again_at is not None:
                self.next_look = min(self.next_look, judgement.look_again_at)
            return None
        if judgement.verdict is Verdict.IGNORE:
            self._told[name] = seen
            return Letter(name, seen, why=f"the file {judgement.why}", stays=True)
        if judgement.verdict is Verdict.BAD:
            return Letter(name, seen, why=f"the file {judgement.why}")
        try:
            content = settling.read_settled(fd, name, prove=not self._settling.is_renamed(name))
        except BadFile as error:
            return Letter(name, seen, why=f"the file {error.why}")
        except StillWritten:
            self.next_look = min(self.next_look, now + LOOK_SECONDS)
            return None
        return Letter(name, seen, content)

    def _is_ripe(self, letter: Letter, now: float, fits: Callable[[Letter], bool]) -> bool:
        """Whether to act on it now: what does not fit and came without a rename may become what it is to be."""
        if letter.content is None or fits(letter) or self._settling.patience_over(letter.name, now):
            return True
        self._settling.hold(letter.name)
        self.next_look = min(self.next_look, now + LOOK_SECONDS)
        return False
