"""`orchestrd mcp`: the MCP server for Claude Desktop, over stdin and stdout."""

from __future__ import annotations

import os

import typer

from orchestrd.cli.calling import Call, Complaint


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(mcp)


def mcp(context: typer.Context) -> None:
    """Be the MCP server for Claude Desktop, over stdin and stdout."""
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise Complaint("the MCP SDK is not installed: pip install 'orchestrd[desktop]'")
    from orchestrd.bridge.desk import Desk
    from orchestrd.bridge.server import serve

    call: Call = context.obj
    serve(Desk(call.root_path, os.environ))
