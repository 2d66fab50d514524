"""The entries that we put into Desktop's configuration, and by what they are known again. Pure.

No value of a token is ever in one: an entry names the variable in which the token is.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrd.desktop.error import DesktopError

SECTION = "mcpServers"
SERVER_NAME = "orchestrd"
PROXY_NAME = "mcp-proxy"
TOKEN_VARIABLE = "API_ACCESS_TOKEN"  # noqa: S105 - the name that mcp-proxy reads, not a token
"""Where mcp-proxy itself looks for its token."""
WITH_TOKEN = ("desktop", "with-token")
"""Our command that starts another with a token from the session's environment."""
TRANSPORTS = ("streamablehttp", "sse")

_KEPT = ("ORCHESTRD_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR")
"""Desktop hands next to nothing of its environment on: where things lie has to be said."""
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""In capitals, as all have it: many a token would pass for a name otherwise, and come to stand in the file."""
_SECRET_PARAMETER = re.compile(r"token|key|secret|passw|auth|sig", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A server of Desktop's: the name that people see, and what is started."""

    name: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proxied:
    """What an entry of mcp-proxy's says: which server, how, and which variable holds the token ("": none)."""

    url: str
    transport: str
    token_variable: str

    @property
    def shown(self) -> str:
        """The URL as it may be shown: somebody may have put a password or a token into it."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


def server_entry(command: tuple[str, ...], root: Path, environ: Mapping[str, str]) -> Entry:
    """Return our server's entry: `command` is how this installation is started."""
    kept = {name: environ[name] for name in _KEPT if environ.get(name)}
    if "ORCHESTRD_CONFIG" in kept:
        kept["ORCHESTRD_CONFIG"] = os.path.abspath(os.path.expanduser(kept["ORCHESTRD_CONFIG"]))
    env = {"ORCHESTRD_ROOT": str(root)} | kept
    for text in (*command, *env.values()):
        _demand_unicode(text)
    return Entry(SERVER_NAME, {"command": command[0], "args": [*command[1:], "mcp"], "env": env})


def proxy_entry(name: str, launcher: tuple[str, ...], proxy: tuple[str, ...], proxied: Proxied) -> Entry:
    """Return mcp-proxy's entry: as everybody has it, or, with a token, started by ours (`launcher`), which finds it."""
    words = [*proxy, "--transport", proxied.transport, proxied.url]
    if proxied.token_variable:
        words = [*launcher, *WITH_TOKEN, proxied.token_variable, *words]
    for text in words:
        _demand_unicode(text)
    return Entry(name, {"command": words[0], "args": words[1:]})


def is_server(value: object) -> bool:
    """Tell whether an entry starts our server, from whichever installation."""
    words = _words(value)
    return words[-1:] == ["mcp"] and _is_orchestrd(words)


def is_proxy_with_token(value: object) -> bool:
    """Tell whether an entry is one that starts something with a token by our command."""
    words = _words(value)
    return _is_orchestrd(words) and _after_launcher(words) is not None


def read_proxy(value: object) -> Proxied | None:
    """Understand an entry that starts mcp-proxy towards a server by HTTP; None: it is something else."""
    words = _words(value)
    variable = ""
    after = _after_launcher(words)
    if after is not None:
        variable, words = (words[after], words[after + 1 :]) if after < len(words) else ("", [])
    urls = [word for word in words if word.startswith(("http://", "https://")) and _is_url(word)]
    if not urls or not any(_program(word).split("@")[0] == "mcp-proxy" for word in words):
        return None
    transport = "sse"
    for at, word in enumerate(words):
        if word == "--transport" and at + 1 < len(words):
            transport = words[at + 1]
        elif word.startswith("--transport="):
            transport = word.partition("=")[2]
    return Proxied(urls[0], transport, variable)


def check_proxied(
    url: str, transport: str | None, token_variable: str, environ: Mapping[str, str]
) -> Proxied:
    """Check what is to be proxied. DesktopError: not on this machine, or a token would come to stand in the file."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise DesktopError(f"{url}: no URL: {error}") from None
    del port  # asked for because a bad one raises
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise DesktopError(f"{url}: a URL such as http://127.0.0.1:8000/mcp is expected")
    if parts.username is not None or parts.password is not None:
        raise DesktopError(
            "the URL holds a name or a password, and would stand in Desktop's configuration; "
            "put the token into a variable instead and name that: --token-env NAME"
        )
    if any(_SECRET_PARAMETER.search(part.partition("=")[0]) for part in parts.query.split("&")):
        raise DesktopError(
            "the URL's query holds what looks like a token, and would stand in Desktop's configuration; "
            "put it into a variable instead and name that: --token-env NAME"
        )
    if not is_loopback(host):
        raise DesktopError(
            f"{url}: {host} is not this machine; the entry is for servers on localhost, 127.0.0.0/8 or [::1], "
            "since its token would leave the machine: add a server elsewhere in Desktop itself (Settings, Connectors)"
        )
    if token_variable and not _VARIABLE.fullmatch(token_variable):
        raise DesktopError(
            "--token-env takes the name of a variable (capitals, digits, underscores), never the token itself"
        )
    token = environ.get(token_variable, "") if token_variable else ""
    if token and token in url:
        raise DesktopError(
            f"the URL holds the value of {token_variable}; leave it out: mcp-proxy sends it by itself"
        )
    guessed = "sse" if parts.path.rstrip("/").endswith("/sse") else "streamablehttp"
    return Proxied(url, transport or guessed, token_variable)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine for certain, without asking any resolver."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_url(word: str) -> bool:
    try:
        parts = urlsplit(word)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _words(value: object) -> list[str]:
    if not isinstance(value, dict) or not isinstance(value.get("command"), str):
        return []
    args = value.get("args", [])
    return [value["command"], *(str(one) for one in args)] if isinstance(args, list) else []


def _is_orchestrd(words: list[str]) -> bool:
    return bool(words) and (_program(words[0]) == "orchestrd" or words[1:3] == ["-m", "orchestrd"])


def _program(word: str) -> str:
    return re.split(r"[/\\]", word)[-1].removesuffix(".exe")


def _after_launcher(words: list[str]) -> int | None:
    """Return where the variable's name stands, in what our command starts."""
    for at in range(1, len(words) - 1):
        if tuple(words[at : at + 2]) == WITH_TOKEN:
            return at + 2
    return None


def _demand_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DesktopError(f"{text!r}: a path that is no UTF-8 cannot stand in a JSON file") from None
