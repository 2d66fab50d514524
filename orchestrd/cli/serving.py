"""`orchestrd serve`: the daemon in the foreground."""

from __future__ import annotations

import typer

from orchestrd.cli.calling import Call


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(context: typer.Context) -> None:
    """Be the daemon. It stays in the foreground, and makes the root if there is none."""
    from orchestrd.daemon.loop import serve as serve_root
    from orchestrd.log import start_logging

    call: Call = context.obj
    start_logging(call.config)
    raise typer.Exit(serve_root(call.config))
