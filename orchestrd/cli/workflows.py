"""Workflows: which there are, what one takes, and a plan made of one with parameters from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from orchestrd.cli.calling import Call, Complaint, show_json
from orchestrd.cli.usage import App
from orchestrd.views.words import one_line, plain, table

if TYPE_CHECKING:
    from orchestrd.library.finding import Found, Library, Listed
    from orchestrd.library.params import Misfit

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
Project = Annotated[
    Path, typer.Option(help="The project whose own workflows count, too.", show_default="this folder")
]

workflows_app = App(
    name="workflows",
    help="List the workflows that a plan may name, or show one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(workflows_app)


@workflows_app.callback()
def workflows(context: typer.Context, project: Project = Path(), as_json: AsJson = False) -> None:
    """List the workflows that a plan may name, or show one."""
    if context.invoked_subcommand is not None:
        return
    call: Call = context.obj
    listed = call.library.listing(_place(project))
    if as_json:
        show_json([_fields(one) for one in listed])
        return
    rows: list[tuple[str, ...]] = [(one.name, str(one.origin), _about(one)) for one in listed]
    print(table(rows, ("NAME", "FROM", "WHAT IT IS FOR")))


@workflows_app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.", show_default=False)],
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Show what a workflow takes, and its steps."""
    call: Call = context.obj
    found = _find(call.library, name, _place(project))
    if as_json:
        show_json(_described(found))
    else:
        print(plain(_page(found)), end="")


def plan_of_workflow(library: Library, name: str, given: list[str], project: Path) -> tuple[bytes, str]:
    """Write a plan that names a workflow; return its bytes and the name under which it is handed in.

    Raises Complaint where a parameter cannot be read; whether the plan would be accepted is not looked at here.
    """
    import tomli_w

    from orchestrd.library.titles import title_of

    place = _place(project)
    found = _find(library, name, place)
    params = _params(found, given)
    # Nothing but this: what a plan says itself, be it a default, outranks its workflow.
    title = title_of(found.workflow, params)
    says = {"handoff": 1} | ({"title": title} if title else {}) | {"project": str(place), "workflow": name}
    # Written in several lines, CR LF would be read as LF.
    in_lines = not any(isinstance(value, str) and "\r" in value for value in params.values())
    return tomli_w.dumps(says | {"params": params}, multiline_strings=in_lines).encode(), f"{name}.plan.toml"


def _find(library: Library, name: str, project: Path) -> Found:
    from orchestrd.library.finding import NoWorkflow

    try:
        return library.find(name, project)
    except NoWorkflow as problem:
        if problem.file is None:
            raise Complaint(plain(problem)) from problem
        # A line each, as of a plan: an editor finds the place.
        print(plain(problem), file=sys.stderr)
        raise typer.Exit(2) from None


def _params(found: Found, given: list[str]) -> dict[str, Any]:
    """Read `name=value` and `name=@file`, each value as the workflow's declaration says. Unknown ones stay text.

    Where one is no value all that is wrong with the parameters is told; it ends with exit code 2.
    """
    from orchestrd.library.typed import NoValue, read_value

    texts: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise Complaint(f"-p {plain(one)}: write -p NAME=VALUE, or -p NAME=@FILE for what a file holds")
        texts.setdefault(name.strip(), []).append(_from_file(name, value) if value.startswith("@") else value)
    params: dict[str, Any] = {}
    unread: dict[str, Misfit] = {}
    for name, values in texts.items():
        declared = found.workflow.params.get(name)
        try:
            params[name] = values[-1] if declared is None else read_value(declared, values)
        except NoValue as none:
            unread[name] = none.misfit
    if unread:
        _tell(found, params, unread)
    return params


def _tell(found: Found, params: dict[str, Any], unread: dict[str, Misfit]) -> NoReturn:
    """Tell of the parameters that could not be read, and of all else that is wrong with what was given."""
    from handoff.document_error import FieldError, path_text
    from orchestrd.cli.refusing import tell_errors
    from orchestrd.library.params import check_params

    _, others = check_params(found.workflow.params, params)
    errors = [FieldError(path_text(("params", name)), *misfit) for name, misfit in unread.items()]
    # That one is missing which could not be read is not told besides.
    errors += [
        FieldError(path_text(one.path), one.message, one.hint) for one in others if one.path[-1] not in unread
    ]
    tell_errors(f"--workflow {found.name}", errors)
    raise typer.Exit(2)


def _from_file(name: str, value: str) -> str:
    from orchestrd.cli.refusing import MAX_PLAN_BYTES

    if value.startswith("@@"):
        return value[1:]
    try:
        with open(value[1:], "rb") as opened:
            raw = opened.read(MAX_PLAN_BYTES + 1)
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Complaint(f"-p {plain(name)}={plain(value)}: the file is not UTF-8") from error
    except OSError as error:
        raise Complaint(
            f"-p {plain(name)}={plain(value)}: {error.strerror} (text that begins with @: @@)"
        ) from error
    if len(raw) > MAX_PLAN_BYTES:
        raise Complaint(
            f"-p {plain(name)}={plain(value)}: larger than 1 MiB; name the file in the text instead"
        )
    return text.rstrip("\r\n")


def _place(project: Path) -> Path:
    folder = project.expanduser()
    if not folder.is_dir():
        raise Complaint(f"{plain(project)}: no such directory")
    return Path(os.path.realpath(folder))


def _about(one: Listed) -> str:
    if one.found is not None:
        return one_line(one.found.workflow.description, 90)
    return one_line(f"cannot be used: {one.problem.in_short if one.problem else ''}", 160)


def _fields(one: Listed) -> dict[str, Any]:
    workflow = one.found.workflow if one.found else None
    return {
        "name": one.name,
        "from": str(one.origin),
        "file": str(one.found.file) if one.found else None,
        "title": workflow.title if workflow else None,
        "description": workflow.description.strip() if workflow else None,
        "problem": str(one.problem) if one.problem else None,
    }


def _described(found: Found) -> dict[str, Any]:
    workflow = found.workflow
    return {
        "name": found.name,
        "from": str(found.origin),
        "file": str(found.file),
        "title": workflow.title,
        "description": workflow.description.strip(),
        "params": {
            name: param.model_dump(exclude_defaults=True) | {"required": param.required}
            for name, param in workflow.params.items()
        },
        "body": workflow.body,
    }


def _page(found: Found) -> str:
    from orchestrd.library.drawing import draw_text
    from orchestrd.library.params import kind_in_words

    workflow = found.workflow
    rows: list[tuple[str, ...]] = [
        (name, kind_in_words(param), _default(param), one_line(param.description, 100))
        for name, param in workflow.params.items()
    ]
    parts = [
        f"{found.name}: {workflow.title} ({found.origin}, {found.file})\n",
        f"{' '.join(workflow.description.split())}\n",
        f"{table(rows, ('PARAMETER', 'TYPE', 'DEFAULT', 'WHAT IT IS'))}\n"
        if rows
        else "It takes no parameters.\n",
        draw_text(workflow.body.get("steps", ()), workflow.body.get("accept", {}).get("checks", ())),
    ]
    return "\n".join(part for part in parts if part)


def _default(param: Any) -> str:
    import json

    if param.required:
        return "required"
    return "-" if param.default is None else json.dumps(param.default, ensure_ascii=False)
