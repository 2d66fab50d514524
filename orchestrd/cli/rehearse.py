"""Trying things at no cost: a plan of one's own, or the whole way of a plan as a story."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrd.cli.calling import Call, Complaint
from orchestrd.cli.plans import File, read_plan
from orchestrd.cli.refusing import tell_errors
from orchestrd.views.words import plain


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (rehearse, demo):
        app.command()(command)


def rehearse(
    context: typer.Context,
    plan: File,
    script: Annotated[
        Path | None, typer.Option(help="What the model does; none: it improvises.", show_default=False)
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the folder in which it was rehearsed, and name it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Try a plan out at no cost. The real Claude Code, a scripted model, a copy of the project."""
    from orchestrd.rehearsal import ScriptError
    from orchestrd.stage.rehearsing import NoPlan, rehearse_plan

    call: Call = context.obj
    raw, name = read_plan(plan)
    try:
        code = rehearse_plan(raw, name, script, call.config, keep=keep, as_json=as_json)
    except NoPlan as refused:
        tell_errors(plan, refused.errors)
        raise typer.Exit(2) from refused
    except ScriptError as error:
        raise Complaint(plain(error)) from error
    except OSError as error:
        raise Complaint(f"{plain(error.filename or script)}: {error.strerror or error}") from error
    raise typer.Exit(code)


def demo() -> None:
    """Show the whole way of a plan. The real Claude Code, a scripted model; nothing is billed."""
    from orchestrd.stage.demo import tell

    raise typer.Exit(tell())
