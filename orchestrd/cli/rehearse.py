"""Trying things at no cost: a plan of one's own, or the whole way of a plan as a story."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrd.cli.calling import Call


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (rehearse, demo):
        app.command()(command)


def rehearse(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(help="A plan: .toml, .json or .md.", show_default=False)],
    script: Annotated[
        Path | None, typer.Option(help="What the model does; none: it improvises.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the folder in which it was rehearsed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Try a plan out at no cost. The real Claude Code, a scripted model, a copy of the project."""
    from orchestrd.rehearsing import rehearse_plan

    call: Call = context.obj
    raise typer.Exit(rehearse_plan(plan, script, call.config, keep=keep, as_json=as_json))


def demo() -> None:
    """Show the whole way of a plan. The real Claude Code, a scripted model; nothing is billed."""
    from orchestrd.demo import tell

    raise typer.Exit(tell())
