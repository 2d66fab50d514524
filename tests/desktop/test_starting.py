"""What an entry starts is tried as Desktop starts it, and is gone afterwards."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrd.desktop.starting import try_entry

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"serverInfo": {"name": "x", "version": "1"}}}
REFUSAL = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}


def entry(program: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", program], "env": {"GIVEN": "yes"}}


@pytest.mark.parametrize(
    "program, is_server, says",
    [
        (f"input(); print({json.dumps(ANSWER)!r}); input()", True, "x 1"),
        (f"input(); print('null'); print({json.dumps(ANSWER)!r})", True, "x 1"),
        (f"input(); print({json.dumps(REFUSAL)!r})", False, "refused the greeting"),
        ("print('Welcome!')", False, "no MCP on its standard output"),
        ("import sys; sys.exit('no library')", False, "ended with exit 1 and no answer: no library"),
        ("input(); input()", False, "no answer in time"),
        (
            "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
            False,
            "no answer in time",
        ),
    ],
)
def test_what_came_of_it_is_told(program, is_server, says):
    found = try_entry(entry(program), os.environ, 0.4 if "in time" in says else 10.0)

    assert found.is_server is is_server
    assert says in found.said
    assert psutil.Process().children() == []


def test_it_is_given_what_desktop_hands_on_and_nothing_else(tmp_path: Path):
    seen = tmp_path / "seen"
    program = f"import json, os; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ) | {{'cwd': os.getcwd()}}))"

    try_entry(entry(program), os.environ | {"CANARY": "x", "HOME": "/h"}, 5.0)

    found = json.loads(seen.read_text())
    assert (found["GIVEN"], found["HOME"], found["cwd"]) == ("yes", "/h", "/")
    assert "CANARY" not in found


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd", ""])
def test_a_command_that_is_none_is_told(command):
    found = try_entry({"command": command, "args": []}, os.environ, 1.0)

    assert not found.is_server
    assert "no such program" in found.said
