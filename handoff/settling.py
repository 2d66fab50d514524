"""Whether a writer is done.

`Settling` decides, of what was seen of a file and when, whether it may be taken (PROTOCOL 2). It opens nothing: the
one question that needs the file open (does anybody write it?) is handed in. How it is then opened: `foreign`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from enum import Enum
from typing import NamedTuple

from handoff.foreign import (
    MAX_DOCUMENT_BYTES,
    BadFile,
    FileKind,
    Seen,
    StillWritten,
    look,
    nobody_writes_in,
    read_settled,
    shown,
    why_bad,
)
from handoff.root import kind_of

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "BadFile",
    "FileKind",
    "Judgement",
    "Seen",
    "Settling",
    "StillWritten",
    "Verdict",
    "look",
    "nobody_writes_in",
    "read_settled",
    "shown",
]

UNPROVED_SECONDS = 2.0
"""How long a file must be quiet where nothing proves that its writer is done."""
UNPROVED_NETWORK_SECONDS = 10.0

_LOOK_AGAIN_AT_MOST = 2.0


class Verdict(Enum):
    """What to do with a file."""

    READY = "ready"
    WAIT = "wait"
    IGNORE = "ignore"
    """Left where it lies and shown in `status/`; it gets no result."""
    BAD = "bad"
    """Taken and settled at once as rejected (`bad-file`); never opened."""


class Judgement(NamedTuple):
    """A verdict, for IGNORE and BAD a reason for a person, for WAIT when to look again."""

    verdict: Verdict
    why: str = ""
    look_again_at: float | None = None

    @property
    def is_moment_away(self) -> bool:
        """Nothing is known against it: it only has to be quiet for a moment."""
        return self.verdict is Verdict.WAIT and self.why == _CHANGED


_CHANGED = "was changed just now"
_KEEPS_CHANGING = "is changed again and again"


class _Watched:
    """What is remembered of a name from one look to the next."""

    __slots__ = ("bad", "changed_at", "first_seen", "held", "proved", "renamed", "signature")

    def __init__(
        self, signature: Seen, now: float, first_seen: float, *, renamed: bool, bad: str | None
    ) -> None:
        self.signature = signature
        self.bad = bad
        self.proved = False
        self.changed_at = now
        self.first_seen = first_seen
        self.renamed = renamed
        self.held = False


class Settling:
    """The files of one lane, from their first sight until they are taken or gone.

    `now` is any clock that only grows, in seconds. Quiet counts from when a change was *seen*, not from the file's
    own times: `cp -p` and clocks that step make those say anything.
    """

    def __init__(
        self,
        settle_seconds: float,
        patience_seconds: float,
        *,
        unproved_seconds: float = UNPROVED_SECONDS,
        max_bytes: int = MAX_DOCUMENT_BYTES,
        owners: Container[int] | None = None,
    ) -> None:
        self._settle = settle_seconds
        self._patience = patience_seconds
        self._unproved = max(unproved_seconds, settle_seconds)
        self._max_bytes = max_bytes
        self._owners = (0, os.geteuid()) if owners is None else owners
        self._watched: dict[str, _Watched] = {}

    def consider(
        self, name: str, seen: Seen, now: float, *, renamed: bool, proof: Callable[[], bool | None]
    ) -> Judgement:
        """Judge a file by this look and those before. `proof` tells whether nobody writes it (None: cannot say)."""
        watched = self._watched.get(name)
        if watched is None or watched.signature != seen:
            bad = why_bad(seen, self._owners, self._max_bytes)
            first_seen = watched.first_seen if watched is not None else now
            watched = self._watched[name] = _Watched(seen, now, first_seen, renamed=renamed, bad=bad)
        elif renamed and not watched.renamed:
            watched.renamed = True
        if seen.kind is not FileKind.REGULAR:
            return Judgement(Verdict.IGNORE, f"is {seen.kind.value}: only regular files are taken")
        over = watched.changed_at + self._patience
        if not kind_of(name).is_document:
            return self._late(
                now, over, Verdict.IGNORE, "has a name that does not end in .toml, .json or .md"
            )
        if watched.bad:
            return Judgement(Verdict.BAD, watched.bad)
        if seen.size == 0:
            return self._late(now, over, Verdict.IGNORE, "is empty")
        if seen.nlink > 1:
            # link-then-unlink writers have two names for a moment; whoever keeps the second could change it later.
            return self._late(now, over, Verdict.BAD, "has a second hard link")
        return self._when_done(watched, now, over, proof)

    def _late(self, now: float, over: float, then: Verdict, why: str) -> Judgement:
        """Wait out the patience, looking again now and then, before saying so."""
        if now >= over:
            return Judgement(then, why)
        return Judgement(
            Verdict.WAIT, why, min(over, now + max(self._settle, (now - over + self._patience) / 4))
        )

    def _when_done(
        self, watched: _Watched, now: float, over: float, proof: Callable[[], bool | None]
    ) -> Judgement:
        if watched.held and now < over:
            return Judgement(Verdict.WAIT, "is not valid yet", over)
        if watched.renamed:
            return _READY
        quiet = now - watched.changed_at
        changed = _CHANGED if now - watched.first_seen < self._patience else _KEEPS_CHANGING
        if quiet < self._settle:
            return Judgement(Verdict.WAIT, changed, watched.changed_at + self._settle)
        # Proved once is enough while nothing changes: it is proved again after the take.
        done = watched.proved or proof()
        if done:
            watched.proved = True
            return _READY
        if done is None:
            if quiet >= self._unproved:
                return _READY
            return Judgement(Verdict.WAIT, changed, watched.changed_at + self._unproved)
        return Judgement(
            Verdict.WAIT, "is open for writing", now + max(self._settle, min(_LOOK_AGAIN_AT_MOST, quiet / 4))
        )

    def hold(self, name: str) -> None:
        """Remember that a file, as it stands, is not valid: it waits until it changes or its patience is over."""
        watched = self._watched.get(name)
        if watched is not None:
            watched.held = True

    def patience_over(self, name: str, now: float) -> bool:
        """Tell whether an invalid file is to be refused now: it came by a rename, or is unchanged for `patience`."""
        watched = self._watched.get(name)
        return watched is None or watched.renamed or now >= watched.changed_at + self._patience

    def is_renamed(self, name: str) -> bool:
        """Tell whether the file, as it stands, came by a rename that was seen."""
        watched = self._watched.get(name)
        return watched is not None and watched.renamed

    def keep_only(self, names: Container[str]) -> None:
        """Forget the names that are no longer there."""
        for name in [name for name in self._watched if name not in names]:
            del self._watched[name]


_READY = Judgement(Verdict.READY)
