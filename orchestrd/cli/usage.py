"""How commands are told in `--help`: `submit [OPTIONS] FILE`, as every other program does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand


class App(typer.Typer):
    """Typer, whose usage lines put no braces around what is required."""

    def command(self, name: str | None = None, **more: Any) -> Callable[[Any], Any]:
        """Register a command, as `typer.Typer` does."""
        return super().command(name, cls=_Command, **more)


class _Command(TyperCommand):
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = super().collect_usage_pieces(ctx)
        return [piece.removeprefix("{").removesuffix("}") for piece in pieces]
