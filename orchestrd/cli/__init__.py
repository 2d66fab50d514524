"""The command line: parse, call, print. It talks to the daemon only through the root, as any other program does.

Only typer and the standard library are imported here; each command imports the rooms that it needs when it runs, so
that `orchestrd --help` and completion stay quick.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from orchestrd.cli import (
    answering,
    contexts,
    mcp,
    notify_test,
    orders,
    plans,
    reading,
    rehearse,
    requests,
    serving,
    setup,
    tidying,
    workflows,
)
from orchestrd.cli.calling import Call, Complaint
from orchestrd.cli.usage import App

__all__ = ["app", "main"]

app = App(
    name="orchestrd",
    help="Drop a plan in a folder; Claude Code carries it out; a result and a request for documentation come back.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for room in (
    plans,
    workflows,
    reading,
    contexts,
    requests,
    answering,
    orders,
    serving,
    mcp,
    setup,
    notify_test,
    tidying,
    rehearse,
):
    room.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"orchestrd {version('orchestrd')}")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            help="The handoff root; else ORCHESTRD_ROOT, the configuration's, ~/handoff.", show_default=False
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    context.obj = Call(root)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; wrong use and what cannot be done are one line on stderr and 2."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code: Any = typer.main.get_command(app).main(
            _root_first(given), prog_name="orchestrd", standalone_mode=False
        )
    except TyperException as error:
        return _usage(error)
    except Complaint as complaint:
        return _say(str(complaint), complaint.code)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # Whoever read our output (`| head`) has gone; Python would complain once more while it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (
        Exception
    ) as error:  # the border of the command line: what the rooms refuse is a line, a bug is a traceback
        if isinstance(error, OSError) or type(error).__module__.startswith(("handoff.", "orchestrd.")):
            return _say(str(error), 2)
        raise
    return code if isinstance(code, int) else 0


def _root_first(arguments: list[str]) -> list[str]:
    """Allow `orchestrd ps --root X` as well as `orchestrd --root X ps`."""
    ends = arguments.index("--") if "--" in arguments else len(arguments)
    found: list[str] = []
    rest: list[str] = []
    at = 0
    while at < ends:
        if arguments[at] == "--root" and at + 1 < ends:
            found += arguments[at : at + 2]
            at += 1
        elif arguments[at].startswith("--root="):
            found.append(arguments[at])
        else:
            rest.append(arguments[at])
        at += 1
    return [*found, *rest, *arguments[ends:]]


def _usage(error: TyperException) -> int:
    message = error.format_message().rstrip(".")
    if message.startswith("Usage:"):  # called with nothing at all: the help is the answer
        print(message)
        return 2
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "orchestrd"
    return _say(f"{message} — see `{where} --help`", 2)


def _say(message: str, code: int) -> int:
    print(f"orchestrd: {message}", file=sys.stderr)
    return code
