"""Tidying up: old checkouts, archives and merged branches; the index made anew; is all as promised."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrd.cli.calling import Call, Complaint, note, show_json
from orchestrd.views.present import read_daemon
from orchestrd.views.words import how_long, plain

if TYPE_CHECKING:
    from orchestrd.views.findings import Looked

PROGRESS_SECONDS = 3.0

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (clean, reindex, verify):
        app.command()(command)


def clean(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and why.")] = False,
    older_than: Annotated[
        str, typer.Option(help="Of checkouts and branches: settled at least so long ago.")
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Remove what is old and saved elsewhere. Checkouts, archives, merged branches; never work that is nowhere else."""
    from handoff.quantities import parse_duration
    from orchestrd.cli.cleaning import look_for_old, remove

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise Complaint(f"--older-than {older_than}: {error}") from error
    call: Call = context.obj
    found = look_for_old(call.root, age, call.config.archive.keep)
    failed = 0
    for one in found:
        problem = remove(call.root, one) if one.goes and not dry_run else None
        failed += problem is not None
        if not as_json:
            word = (
                "kept"
                if not one.goes
                else "would go"
                if dry_run
                else "removed"
                if problem is None
                else "failed"
            )
            print(f"{word:<9} {one.kind:<9} {plain(one.name)} — {plain(problem or one.why)}")
    if as_json:
        show_json([{"kind": one.kind, "name": one.name, "goes": one.goes, "why": one.why} for one in found])
    elif not any(one.goes for one in found):
        print(f"nothing to remove: nothing was settled more than {how_long(age)} ago that may go")
    if failed:
        raise typer.Exit(1)


def reindex(context: typer.Context) -> None:
    """Make the index of plans anew. It comes from their journals; while no daemon runs."""
    from orchestrd.record.index import Index

    root = context.obj.root
    daemon = read_daemon(root)
    if daemon.stalled_pid is not None:
        raise Complaint(
            f"a daemon holds this root and is {daemon.state}: {daemon.remedy}; then stop it first", 1
        )
    if daemon.alive:
        raise Complaint("a daemon serves this root and keeps its index; stop it first", 1)
    with Index(root.index) as index:
        problems = index.rebuild(root)
    for problem in problems:
        note(plain(problem))
    print(f"{root.index}: made anew")


def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Look whether all is as promised. It only reads, with the daemon at work or away; exit 1: something is not."""
    from orchestrd.views.findings import PROMISES, Looked
    from orchestrd.views.verifying import verify as look_at

    call: Call = context.obj
    looked = Looked()
    found = list(
        look_at(call.root, keep_seconds=call.config.archive.keep, progress=_Progress().tell, looked=looked)
    )
    if as_json:
        findings = [one.fields() for one in found]
        show_json({"root": call.root.path, "looked": looked.fields(), "findings": findings})
    else:
        print(f"{call.root.path}: looked at {_counted(looked)}")
        for word in (word for word in PROMISES if word in {one.invariant for one in found}):
            print(f"\nNot as promised ({word}): {PROMISES[word]}")
            for one in (one for one in found if one.invariant == word):
                print(plain(f"  {one.where}: {one.what}\n    what to do: {one.remedy}"))
        if not found:
            print("all is as promised")
    if found:
        raise typer.Exit(1)


def _counted(looked: Looked) -> str:
    return (
        f"{looked.inbox:,} plans in the inbox, {looked.active:,} in work, {looked.archived:,} in the archive: "
        f"{looked.journals:,} journals with {looked.events:,} events, {looked.results:,} results, "
        f"{looked.runs:,} runs and their locks, {looked.processes:,} processes of runs"
    )


class _Progress:
    """Says on stderr how far it is, now and then, where it takes long."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PROGRESS_SECONDS

    def tell(self, done: int, of: int) -> None:
        """So many plans of so many were looked at."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            note(f"looked at {done:,} of {of:,} plans")
