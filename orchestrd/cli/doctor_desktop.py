"""How it stands with Claude Desktop: our server in its configuration, what is proxied there, where its token lies.

Where Desktop has never been started, which is so on every server, there is nothing to say.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrd.cli.finding import Finding
from orchestrd.desktop.answering import Answers, ask
from orchestrd.desktop.backups import backups_of
from orchestrd.desktop.config_file import read_config
from orchestrd.desktop.entries import SERVER_NAME, TOKEN_VARIABLE, Proxied, is_loopback, is_server, read_proxy
from orchestrd.desktop.error import DesktopError
from orchestrd.desktop.installed import known_files
from orchestrd.desktop.leaks import Leak, files_of, files_of_project, find_by_shape, find_by_value
from orchestrd.desktop.places import FILE_NAME, desktop_folder
from orchestrd.desktop.section import read_text, servers_of
from orchestrd.desktop.session_environment import how_to_set, session_variable
from orchestrd.views.words import plain

_WHAT = "Claude Desktop"


def examine_desktop() -> Iterator[Finding]:
    """Look at each configuration of Desktop's that there is: where it usually lies, and where we were told it does."""
    usual = desktop_folder() / FILE_NAME
    files = [usual] if usual.parent.is_dir() else []
    files += [one for one in known_files() if one != Path(os.path.realpath(usual))]
    for file in files:
        yield from _examine(file)


def _examine(file: Path) -> Iterator[Finding]:
    try:
        config = read_config(file)
        servers = servers_of(read_text(config.content, str(file))) if config.content is not None else {}
    except DesktopError as error:
        yield Finding("missing", _WHAT, f"{file}", str(error).removeprefix(f"{file}:").strip())
        return
    yield _server(file, servers.get(SERVER_NAME))
    proxies = {plain(name): read for name, value in servers.items() if (read := _local_proxy(value))}
    for name, proxied in proxies.items():
        yield _proxy(name, proxied)
    if proxies:
        yield from _tokens(file, sorted({one.token_variable or TOKEN_VARIABLE for one in proxies.values()}))


def _local_proxy(value: Any) -> Proxied | None:
    from urllib.parse import urlsplit

    proxied = read_proxy(value)
    return proxied if proxied and is_loopback(urlsplit(proxied.url).hostname or "") else None


def _server(file: Path, value: Any) -> Finding:
    from importlib.util import find_spec

    if value is None:
        return Finding("note", _WHAT, f"{file}: our server is not in it", "orchestrd desktop install")
    if not is_server(value):
        return Finding(
            "note", _WHAT, f"{file}: a server {SERVER_NAME} that is not ours", "orchestrd desktop status"
        )
    command = str(value["command"])
    if shutil.which(command) is None:
        return Finding(
            "missing", _WHAT, f"{file}: {command} is not there any more", "orchestrd desktop install"
        )
    if find_spec("mcp") is None:
        return Finding(
            "missing", _WHAT, f"{file}: the server lacks a library", "pip install 'orchestrd[desktop]'"
        )
    env = value.get("env")
    root = env.get("ORCHESTRD_ROOT") if isinstance(env, dict) else None
    return Finding("ok", _WHAT, f"{file}, for {root or 'the root of its settings'}")


def _proxy(name: str, proxied: Proxied) -> Finding:
    variable = proxied.token_variable or TOKEN_VARIABLE
    token = session_variable(variable, os.environ)
    answer = ask(proxied, token)
    found = f"{proxied.shown} {answer.word}: {answer.said}"
    match answer.word:
        case Answers.YES:
            if proxied.token_variable and not token:
                remedy = f"{variable} is not set in this session, so Desktop finds no token: {how_to_set(variable)}"
                return Finding("note", name, found, remedy)
            return Finding("ok", name, found)
        case Answers.UNAUTHORIZED if not token:
            remedy = f"{variable} is not set in this session: {how_to_set(variable)}"
            if not proxied.token_variable:
                again = f"--local-proxy {proxied.shown} --token-env {variable}"
                remedy = f"it wants a token: orchestrd desktop install {again}"
            return Finding("missing", name, found, remedy)
        case Answers.UNAUTHORIZED:
            return Finding("missing", name, found, f"{variable} holds a token that it does not take")
        case Answers.OTHERWISE:
            return Finding(
                "missing", name, found, "is this its MCP address? name the right one: --local-proxy URL"
            )
        case Answers.NO:
            return Finding("missing", name, found, "start the server; Desktop starts none by HTTP")


def _tokens(file: Path, variables: list[str]) -> Iterator[Finding]:
    tokens = {name: value for name in variables if (value := session_variable(name, os.environ))}
    configurations = [file, *backups_of(file)]
    in_configurations = find_by_shape(configurations)
    for token in tokens.values():
        in_configurations += find_by_value(token, [*configurations, *_our_files()])
    told = {leak.file: leak for leak in reversed(in_configurations)}
    for leak in told.values():
        yield _leak("missing", leak)
    elsewhere = [leak for token in tokens.values() for leak in find_by_value(token, list(_files_of_others()))]
    for leak in elsewhere:
        yield _leak("note", leak)
    if not told and not elsewhere:
        by = "by value" if tokens else f"by shape: {', '.join(variables)} is not set here"
        yield Finding("ok", "token", f"in no file that we know ({by})")


def _leak(word: str, leak: Leak) -> Finding:
    remedy = "take it out, and give it a new value: whoever could read the file knows it"
    if leak.file.suffix == ".backup":
        remedy = "remove that backup, and give the token a new value"
    return Finding(word, "token", f"{leak.file}: {leak.why}", remedy)


def _our_files() -> Iterator[Path]:
    from orchestrd.config import config_file, state_folder

    yield config_file()
    yield state_folder() / "desktop.json"


def _files_of_others() -> Iterator[Path]:
    from orchestrd.config import trust_file
    from orchestrd.runs.environment import claude_state_file
    from orchestrd.runs.trust import TrustFileBroken, trusted_projects

    yield from files_of(Path.home())
    yield claude_state_file(os.environ)
    try:
        projects = trusted_projects(trust_file())
    except TrustFileBroken:
        return
    for project in projects:
        yield from files_of_project(Path(project))
