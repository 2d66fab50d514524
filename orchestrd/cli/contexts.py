"""What is known of each project: shown, listed, and opened in an editor. Only a person's own words are written here."""

from __future__ import annotations

import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrd.cli.calling import Complaint, note, show_json
from orchestrd.views.words import plain, table

if TYPE_CHECKING:
    from handoff.context import Context
    from handoff.root import Root

EDITOR = "vi"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("context")(show_context)


def show_context(
    context: typer.Context,
    project: Annotated[
        str | None,
        typer.Argument(
            metavar="PROJECT", help="Its folder, or its name in the list; none: list all.", show_default=False
        ),
    ] = None,
    edit: Annotated[
        bool, typer.Option("--edit", help="Open it in $VISUAL or $EDITOR; begin it where there is none.")
    ] = False,
    path: Annotated[bool, typer.Option("--path", help="Only say where it lies.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Show or edit what is known of a project. Without one: list all."""
    root: Root = context.obj.root
    if sum((edit, path, as_json)) > 1:
        raise Complaint("--edit, --path and --json: one of them")
    if project is None:
        if edit or path:
            raise Complaint("name a project: its folder, or its name in `orchestrd context`")
        _list(root, as_json=as_json)
        return
    found = _find(root, project)
    if edit:
        _edit(found.path if found is not None else _begin(root, project))
        return
    if found is None:
        where = _folder(project)
        raise Complaint(
            f"nothing is known of {where} yet; `orchestrd context {shlex.quote(project)} --edit` begins it", 1
        )
    if path:
        print(found.path)
    elif as_json:
        show_json(_fields(found))
    else:
        print("\n".join(plain(line) for line in found.words.split("\n")))


def _list(root: Root, *, as_json: bool) -> None:
    from handoff.context import read_contexts

    contexts, problems = read_contexts(root)
    if as_json:
        show_json(
            [{name: value for name, value in _fields(one).items() if name != "text"} for one in contexts]
        )
    elif contexts:
        rows: list[tuple[str, ...]] = [
            (one.name, f"{_updated(one):%Y-%m-%d %H:%M}", "" if one.hand_over else "no", plain(one.project))
            for one in contexts
        ]
        print(table(rows, ("NAME", "CHANGED", "HANDED OVER", "PROJECT")))
    else:
        print("nothing is known of any project yet; plans that ran are told of in context/")
    for problem in problems:
        note(str(problem))


def _find(root: Root, text: str) -> Context | None:
    """The context that somebody named: by its name, by its project's folder, or by one within that."""
    from handoff.context import list_contexts

    contexts = list_contexts(root)
    by_project = {one.project: one for one in contexts}
    if os.sep not in text and not text.startswith((".", "~")):
        named = next((one for one in contexts if one.name == text), None)
        if named is not None:
            return named
    folder = Path(_folder(text))
    return next((by_project[str(one)] for one in (folder, *folder.parents) if str(one) in by_project), None)


def _folder(text: str) -> str:
    from handoff.context import project_of

    return project_of(text)


def _begin(root: Root, text: str) -> Path:
    """Make a context in which nothing stands yet; the daemon goes on with it."""
    from handoff import durable
    from orchestrd.context.keeping import new_text
    from orchestrd.context.register import Register

    project = _folder(text)
    if not os.path.isdir(project):
        raise Complaint(
            f"{plain(project)}: no such folder, and no context of that name; `orchestrd context` lists them"
        )
    register = Register(root)
    register.load()
    durable.make_folder(root.context)
    path = root.context / f"{register.free_name(project)}.md"
    durable.publish_new(path, new_text(project).encode(), alone=False)
    return path


def _edit(path: Path) -> None:
    from handoff.context import ContextProblem, read_context
    from handoff.effects import programs

    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or EDITOR)
    try:
        ended = programs.run([*editor, os.fspath(path)])
    except FileNotFoundError:
        raise Complaint(
            f"there is no editor {editor[0]!r}; name one: EDITOR=nano orchestrd context … --edit"
        ) from None
    try:
        read_context(path)
    except FileNotFoundError:
        note(f"{path} is gone; it is begun anew with the next plan")
    except ContextProblem as problem:
        raise Complaint(f"{problem}; until then the daemon leaves it alone", 1) from None
    if ended.returncode:
        raise Complaint(f"{editor[0]} ended with {ended.returncode}", 1)


def _fields(one: Context) -> dict[str, Any]:
    return {
        "name": one.name,
        "project": one.project,
        "path": str(one.path),
        "hand_over": one.hand_over,
        "changed": _updated(one),
        "text": one.words,
    }


def _updated(one: Context) -> datetime:
    return datetime.fromtimestamp(one.path.stat().st_mtime, UTC)
