"""What others keep in the configuration and looks secret is not shown; everything else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from orchestrd.desktop.json_text import parse
from orchestrd.desktop.masking import masked
from tests.desktop.json_documents import documents

CANARY = "canary-3141"


@pytest.mark.parametrize(
    "config",
    [
        {"mcpServers": {"x": {"env": {"ANYTHING": CANARY, "list": [{"deep": CANARY}]}}}},
        {"mcpServers": {"env": {"env": {"A": CANARY}}}},
        {"mcpServers": {"x": {"headers": {"X-Any": CANARY}}}},
        {"mcpServers": {"x": {"args": ["--token", CANARY]}}},
        {"mcpServers": {"x": {"args": [f"--api-key={CANARY}"]}}},
        {"mcpServers": {"x": {"args": ["-H", "Authorization", CANARY]}}},
        {"mcpServers": {"x": {"args": ["--header", f"X-Own: {CANARY}"]}}},
        {"mcpServers": {"x": {"args": [f"Authorization: Bearer {CANARY}"]}}},
        {"mcpServers": {"x": {"args": [f"https://me:{CANARY}@example.org/"]}}},
        {"mcpServers": {"x": {"url": f"https://example.org/mcp?k={CANARY}"}}},
        {"mcpServers": {"x": {"args": [f"sk-{CANARY}"]}}},
        {"oauthToken": CANARY, "nested": {"clientSecret": {"value": CANARY}}},
    ],
)
def test_what_looks_secret_is_dots(config):
    shown = masked(json.dumps(config, indent=2))

    assert CANARY not in shown
    assert "•••" in shown


def test_what_is_no_secret_is_shown_and_so_is_where_our_own_things_lie():
    config = {
        "globalShortcut": "Ctrl+Space",
        "mcpServers": {
            "tokens": {
                "command": "npx",
                "args": ["-y", "@scope/some-server", "/home/ada/a/long/path/to/files"],
            },
            "orchestrd": {"command": "/usr/bin/orchestrd", "env": {"ORCHESTRD_ROOT": "/home/ada/handoff"}},
        },
    }
    text = json.dumps(config, indent=2)

    assert masked(text) == text


@given(documents())
def test_lines_stay_lines_and_it_is_json_as_before(text):
    shown = masked(text)

    assert len(shown.split("\n")) == len(text.split("\n"))
    assert len(parse(shown).members) == len(parse(text).members)
