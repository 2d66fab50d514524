"""Claude Desktop's side of the set-up: our server in its configuration, looked at, taken out again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrd.cli.calling import Call, Complaint, note, show_json
from orchestrd.cli.usage import App
from orchestrd.views.words import plain

if TYPE_CHECKING:
    from orchestrd.desktop.changes import Change
    from orchestrd.desktop.entries import Entry

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Desktop's configuration, where it lies elsewhere.", show_default=False),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

NOT_IN_ORDER = 3
START_SECONDS = 10.0

desktop_app = App(
    name="desktop",
    help="Give Claude Desktop our server, by its own configuration.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@desktop_app.command("install")
def install(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    local_proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Add mcp-proxy too, for an MCP server by HTTP on this machine.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the proxied server is called.")] = "mcp-proxy",
    token_env: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The variable of your session that holds its token.", show_default=False
        ),
    ] = "",
    transport: Annotated[
        str | None,
        typer.Option(help="streamablehttp or sse; else by the URL.", show_default=False),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where somebody else's entry has the name.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--print", help="Only print what would be put in, to do it by hand.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Put our server into Claude Desktop's configuration. Shows the difference, asks, keeps a dated backup."""
    from orchestrd.desktop.changes import plan_install
    from orchestrd.desktop.config_file import read_config
    from orchestrd.desktop.places import configuration_file

    call: Call = context.obj
    entries = _entries(call, local_proxy, name, token_env, transport)
    if show:
        show_json({"mcpServers": {entry.name: entry.value for entry in entries}})
        return
    file = read_config(configuration_file(config))
    change = plan_install(file, entries, replacing=replace)
    if change.is_none:
        print(f"nothing to do: {plain(file.name)} has it already")
    elif not _do(change, yes=yes):
        raise typer.Exit(1)
    print(f"root: {plain(call.root_path)}")
    _say_what_lacks(call, token_env)
    if not change.is_none:
        print(
            "now quit Claude Desktop altogether (closing its window is not enough) and start it again; "
            "then: orchestrd desktop status"
        )


@desktop_app.command("uninstall")
def uninstall(
    config: ConfigOption = None,
    restore: Annotated[
        str | None,
        typer.Option(
            metavar="BACKUP",
            help="Go back to a backup instead: latest, its name or its time.",
            show_default=False,
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Take out again what install has put in; all else stays."""
    from orchestrd.desktop.backups import find_backup
    from orchestrd.desktop.changes import plan_restore, plan_uninstall
    from orchestrd.desktop.config_file import read_config
    from orchestrd.desktop.places import configuration_file

    file = read_config(configuration_file(config))
    change = plan_uninstall(file) if restore is None else plan_restore(file, find_backup(file.named, restore))
    for left in change.left_alone:
        note(f"{plain(left)} came with us, but was changed since: it is left as it is")
    if change.is_none:
        print(f"nothing to do: {plain(file.name)} is {'as in that backup' if restore else 'without us'}")
    elif not _do(change, yes=yes):
        raise typer.Exit(1)
    else:
        print("Claude Desktop knows it when it is started again")


@desktop_app.command("status")
def status(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Say how it stands; starts the server once. Exit 0 when it answers, 3 when not."""
    from orchestrd.cli.desktop_status import Standing, look
    from orchestrd.desktop.places import configuration_file

    found: Standing = look(configuration_file(config), os.environ, START_SECONDS)
    if as_json:
        show_json(found.as_json())
    else:
        print(plain("\n".join(found.lines())))
    if not found.is_in_order:
        raise typer.Exit(NOT_IN_ORDER)


@desktop_app.command("prompt")
def prompt(context: typer.Context) -> None:
    """Print what Desktop has to be told to hand plans in by files."""
    from orchestrd.views.pasting import desktop_prompt

    print(desktop_prompt(context.obj.root_path), end="")


@desktop_app.command(
    "with-token",
    hidden=True,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def with_token(
    name: Annotated[str, typer.Argument(help="The variable that holds the token.", show_default=False)],
    command: Annotated[list[str], typer.Argument(help="What to start.", show_default=False)],
) -> None:
    """Start mcp-proxy with the token that the session has in a variable. Desktop starts this."""
    from orchestrd.desktop.entries import TOKEN_VARIABLE
    from orchestrd.desktop.session_environment import how_to_set, session_variable

    token = session_variable(name, os.environ)
    if not token:
        raise Complaint(f"{name} is not set in this session: {how_to_set(name)}, then start Desktop again", 1)
    signal.signal(
        signal.SIGPIPE, signal.SIG_DFL
    )  # which Python ignores, and another program might not expect
    try:
        os.execvpe(command[0], command, os.environ | {TOKEN_VARIABLE: token})  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise Complaint(f"{command[0]}: {error.strerror}", 127) from error


def _entries(
    call: Call, local_proxy: str | None, name: str, token_env: str, transport: str | None
) -> list[Entry]:
    from orchestrd.desktop.entries import (
        SERVER_NAME,
        TRANSPORTS,
        check_proxied,
        proxy_entry,
        server_entry,
    )
    from orchestrd.service.facts import program

    if transport not in (None, *TRANSPORTS):
        raise Complaint(f"--transport {plain(transport)}: there is {' and '.join(TRANSPORTS)}")
    entries = [server_entry(program(), call.root_path, os.environ)]
    if local_proxy is None:
        if token_env or transport:
            raise Complaint("--token-env and --transport are for --local-proxy URL")
        return entries
    if name == SERVER_NAME:
        raise Complaint(f"--name {name}: that is ours; name the proxied server otherwise")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise Complaint(f"--name {plain(name)}: letters, digits, - and _ make a name, 64 at most")
    proxied = check_proxied(local_proxy, transport, token_env, os.environ)
    return [*entries, proxy_entry(name, program(), _proxy_program(), proxied)]


def _proxy_program() -> tuple[str, ...]:
    """Find mcp-proxy: Desktop's own search path is not ours, so it is named in full."""
    proxy, runner = shutil.which("mcp-proxy"), shutil.which("uvx")
    if proxy:
        return (os.path.abspath(proxy),)
    if runner:
        return (os.path.abspath(runner), "mcp-proxy")
    raise Complaint("mcp-proxy is not installed: pipx install mcp-proxy, or uv tool install mcp-proxy")


def _do(change: Change, *, yes: bool) -> bool:
    """Show a change, ask, and carry it out. False: it was not wanted."""
    from orchestrd.desktop.changes import carry_out, difference
    from orchestrd.desktop.config_file import demand_writable

    demand_writable(change.file)
    for line in difference(change):
        print(plain(line))
    if not yes and not _is_wanted(change):
        print("nothing was changed")
        return False
    backup = carry_out(change, datetime.now(UTC))
    print(f"{'wrote' if change.content is not None else 'removed'} {plain(change.file.name)}")
    if backup is not None:
        print(f"backup: {plain(backup)}")
    return True


def _is_wanted(change: Change) -> bool:
    if not sys.stdin.isatty():
        raise Complaint(
            f"nobody can be asked here, so {plain(change.file.named)} was left as it is; say so by --yes"
        )
    return typer.confirm(f"Change {plain(change.file.name)} like this?")


def _say_what_lacks(call: Call, token_env: str) -> None:
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        note("the server needs a library that is not installed: pip install 'orchestrd[desktop]'")
    if not call.root_path.is_dir():
        note(f"{plain(call.root_path)} is not there yet: orchestrd init")
    if token_env:
        from orchestrd.desktop.session_environment import how_to_set, session_variable

        if not session_variable(token_env, os.environ):
            note(f"{token_env} is not set in this session yet: {how_to_set(token_env)}")
