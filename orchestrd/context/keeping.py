"""A project's context brought up to date: read, merged, exchanged, remembered. Repeatable after a cut anywhere.

First the file, then what is remembered of it: a block that is in the file and not remembered is found there again, one
that is remembered and not in the file would be taken for removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import tomli_w

from handoff import durable, looking
from handoff.context import ContextProblem, find_context, parse_context, read_context
from handoff.exchanging import put_in, read_still, rescue
from handoff.foreign import MAX_DOCUMENT_BYTES, BadFile, StillWritten
from handoff.result import Result
from handoff.root import Root
from orchestrd.context.blocks import STATE, Kept, Merged, Piece, merge
from orchestrd.context.entries import entry_of, has_entry
from orchestrd.context.register import Register, Remembered, newly_written
from orchestrd.context.state import OpenPlan, Seen, state_of, still_open

TRIES = 5
"""How often it is read anew because somebody saved it meanwhile."""

Look = Callable[[str, Sequence[OpenPlan]], Seen]


class BeingWritten(Exception):
    """Somebody writes into the file just now: later."""


@dataclass(frozen=True, slots=True)
class Update:
    """What is to be kept of a project."""

    project: str
    results: tuple[Result, ...]
    """Those that are new, or have changed."""


class Keeping:
    """Writes contexts. One thread at a time calls `keep`; any may call `preview`."""

    def __init__(self, root: Root, register: Register, look: Look, most_bytes: int) -> None:
        self._root = root
        self._register = register
        self._look = look
        self._most_bytes = most_bytes

    def keep(self, update: Update, now: datetime) -> list[Path]:
        """Bring a project's context up to date. Return what of somebody's had to be put aside.

        Raises ContextProblem where the file is none of ours to write; BeingWritten; OSError.
        """
        durable.make_folder(self._root.context)
        aside = rescue(self._root.context)
        known = self._known(update.project)
        plans, seen = self._plans(known, update.results, now)
        path = self._root.context / f"{known.name}.md"
        for _ in range(TRIES):
            before = _read(path)
            if before is None and not plans and not any(map(has_entry, update.results)):
                return aside  # nothing to tell of, and nobody who wanted it
            known = known if before is not None else _begun_anew(known)
            text = _text(path, before, known.project) if before is not None else new_text(known.project)
            merged = self._merged(text, known, state_of(plans, seen), update.results)
            content = merged.text.encode()
            if len(content) > MAX_DOCUMENT_BYTES:
                raise ContextProblem(path, "has no more room (1 MiB)", "shorten it")
            if content == before or put_in(path, content, before):
                self._register.save(
                    replace(
                        known,
                        written=newly_written(known.written, merged.written),
                        dropped=merged.dropped,
                        open_plans=tuple(plans),
                    )
                )
                return aside
        raise BeingWritten(str(path))

    def preview(self, update: Update, now: datetime) -> str | None:
        """Say what the context would say (without front matter, with marks), and write nothing; None: switched off.

        Raises as `keep` does.
        """
        known = self._known(update.project)
        plans, seen = self._plans(known, update.results, now)
        path = self._root.context / f"{known.name}.md"
        try:
            found = read_context(path)
        except FileNotFoundError:
            text = parse_context(path, new_text(known.project).encode()).text
            known = _begun_anew(known)
        else:
            if not found.hand_over:
                return None
            text = found.text
        return self._merged(text, known, state_of(plans, seen), update.results).text

    def _known(self, project: str) -> Remembered:
        """What is remembered of a project, with the name under which its context lies, or is going to."""
        known = self._register.of(project)
        if known is not None and looking.is_there(self._root.context / f"{known.name}.md"):
            return known
        # Somebody may have given it another name, or have written one before any plan of the project ran.
        found = find_context(self._root, project)
        if known is None:
            name = found.stem if found is not None else self._register.free_name(project)
            return Remembered(name, project)
        return replace(known, name=found.stem) if found is not None else known

    def _plans(
        self, known: Remembered, results: Sequence[Result], now: datetime
    ) -> tuple[list[OpenPlan], Seen]:
        new = [OpenPlan.of(result) for result in results if has_entry(result)]
        names = {one.plan for one in new}
        plans = [*new, *(one for one in known.open_plans if one.plan not in names)]
        seen = self._look(known.project, plans)
        return still_open(plans, seen, now), seen

    def _merged(
        self, text: str, known: Remembered, state: tuple[Piece, ...], results: Sequence[Result]
    ) -> Merged:
        newest = sorted(filter(has_entry, results), key=lambda result: result.settled, reverse=True)
        kept = Kept(
            state=state,
            done=tuple(entry_of(result) for result in newest),
            written=frozenset(known.written),
            dropped=known.dropped,
        )
        return merge(text, kept, self._most_bytes)


def new_text(project: str) -> str:
    """A context in which nothing stands yet."""
    return (
        f"+++\n{tomli_w.dumps({'handoff': 1, 'project': project})}"
        "# The daemon keeps State and Done. Whatever you write, change or remove in this file stays so.\n"
        "# hand_over = false keeps it from the runs on this project.\n"
        f"+++\n\n# {Path(project).name or project}\n\n## Notes\n\n## State\n\n## Done\n"
    )


def _begun_anew(known: Remembered) -> Remembered:
    """The file is gone: what was done before is not told again, but what is open is."""
    return replace(known, written=tuple(name for name in known.written if not name.startswith(f"{STATE}/")))


def _read(path: Path) -> bytes | None:
    try:
        return read_still(path)
    except FileNotFoundError:
        return None
    except StillWritten:
        raise BeingWritten(str(path)) from None
    except BadFile as bad:
        raise ContextProblem(path, bad.why, "move it away; it is begun anew") from None


def _text(path: Path, content: bytes, project: str) -> str:
    found = parse_context(path, content)
    if found.project != project:
        raise ContextProblem(
            path, f"says that it is of {found.project}", f"let it say {project}, or give it another name"
        )
    return content.decode()
