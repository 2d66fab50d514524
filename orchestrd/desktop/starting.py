"""Whether what an entry starts is an MCP server: it is started as Desktop does it, greeted, and ended."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

HANDED_ON = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TMPDIR")
"""All that Desktop hands a server of its own environment; the rest comes from the entry."""
GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "orchestrd-desktop-status", "version": "1"},
    },
}
_PATIENCE_SECONDS = 0.7
"""How long it is given to end, before it is asked to, and once more before it has to."""
_MOST_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Started:
    """What came of it. `is_server`: it has answered as an MCP server does."""

    is_server: bool
    said: str


def try_entry(value: Mapping[str, Any], environ: Mapping[str, str], deadline_seconds: float) -> Started:
    """Start what an entry names and greet it; it is gone when this returns."""
    command, args = str(value.get("command", "")), [str(one) for one in value.get("args", [])]
    given = value.get("env")
    env = {name: environ[name] for name in HANDED_ON if name in environ}
    env |= {str(name): str(one) for name, one in given.items()} if isinstance(given, dict) else {}
    if any("\0" in text for text in (command, *args, *env, *env.values())):
        return Started(is_server=False, said="what it is to be started with holds a NUL")
    found = shutil.which(command, path=env.get("PATH"))
    if found is None:
        return Started(is_server=False, said=f"{command}: there is no such program, or it cannot be executed")
    try:
        process = subprocess.Popen(
            [found, *args],
            env=env,
            cwd=os.sep,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Started(is_server=False, said=f"{command}: {getattr(error, 'strerror', None) or error}")
    with process:
        try:
            return _greet(process, time.monotonic() + deadline_seconds)
        finally:
            _end(process)


def _greet(process: subprocess.Popen[bytes], deadline: float) -> Started:
    assert process.stdin is not None  # noqa: S101 - for the type checker: asked for above
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(GREETING).encode() + b"\n")
        process.stdin.flush()
    except OSError:  # it ended without reading; what it said tells why
        pass
    heard: dict[int, bytes] = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    out = process.stdout.fileno()
    with selectors.DefaultSelector() as waiting:
        for stream in (process.stdout, process.stderr):
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                piece = os.read(key.fd, 1 << 16)
                if not piece:
                    waiting.unregister(key.fileobj)
                heard[key.fd] = (heard[key.fd] + piece)[-_MOST_ANSWER_BYTES:]
            answer = _answer_in(heard[out])
            if answer:
                return answer
        is_silent = not waiting.get_map()
    errors = heard[process.stderr.fileno()].decode("utf-8", "replace").strip().splitlines()
    last = f": {errors[-1]}" if errors else ""
    if is_silent and _has_ended(process):
        return Started(is_server=False, said=f"it ended with exit {process.returncode} and no answer{last}")
    return Started(is_server=False, said=f"no answer in time{last}")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether it has ended, giving one that has closed its streams the moment that takes."""
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _answer_in(heard: bytes) -> Started | None:
    for line in heard.split(b"\n")[:-1]:
        try:
            message = json.loads(line)
        except ValueError:
            return Started(is_server=False, said="it prints something that is no MCP on its standard output")
        if isinstance(message, dict) and message.get("id") == GREETING["id"]:
            server = (message.get("result") or {}).get("serverInfo")
            if not isinstance(server, dict):
                return Started(is_server=False, said=f"it refused the greeting: {message.get('error')}")
            return Started(is_server=True, said=f"{server.get('name')} {server.get('version', '')}".strip())
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it as Desktop does: its input is closed, then it is asked, then it is killed."""
    _close(process.stdin)
    for end in (process.terminate, process.kill):
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            end()
    process.wait()


def _close(stream: IO[bytes] | None) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:  # a greeting that was never read
        pass
