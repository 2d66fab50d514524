"""Requests as Claude Code would send them."""

from __future__ import annotations

import json
from typing import Any

from orchestrd.rehearsal.request import Request, read_request


def a_request(*said: Any, cwd: str = "/work", tools: tuple[str, ...] = ("Write", "Read")) -> Request:
    """A request; `said` are texts of the user and the assistant in turn, or lists of content blocks."""
    messages = [
        {"role": "user" if index % 2 == 0 else "assistant", "content": content}
        for index, content in enumerate(said)
    ]
    system = f"# Environment\n - Primary working directory: {cwd}\n"
    body = {
        "model": "m",
        "system": system,
        "messages": messages,
        "tools": [{"name": name, "input_schema": {}} for name in tools],
    }
    return read_request(1, 0.0, "POST", "/v1/messages", {}, json.dumps(body).encode())
