"""Claude Code's stream in words."""

from __future__ import annotations

import json

from orchestrd.views.telling import Teller


def told(*events: dict) -> list[str]:
    teller = Teller()
    return [line.rstrip() for event in events for line in teller.tell(json.dumps(event).encode())]


def test_what_claude_said_and_did_reads_as_lines():
    init = {
        "type": "system",
        "subtype": "init",
        "model": "sonnet",
        "claude_code_version": "2.1.330",
        "mcp_servers": [],
    }
    content = [
        {"type": "text", "text": "I look first.\nThen I act."},
        {"type": "tool_use", "name": "Bash", "input": {"command": "git status", "description": "x"}},
    ]
    said = {"type": "assistant", "message": {"content": content}, "timestamp": "2026-11-24T02:00:00Z"}
    answer = {"type": "tool_result", "content": "clean\nnothing to do\n", "is_error": False}
    back = {"type": "user", "message": {"content": [answer]}, "timestamp": "2026-11-24T02:00:07Z"}
    end = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 2, "total_cost_usd": 0.0123,
           "duration_ms": 9000}  # fmt: skip

    assert told(init, said, back, end) == [
        "── Claude Code 2.1.330 · sonnet",
        "  0.0 s I look first.",
        "        Then I act.",
        "  0.0 s → Bash git status",
        "  7.0 s   ← clean  (+1 line)",
        "── success · 2 turns · $0.0123 so far · 9.0 s",
    ]


def test_troubles_are_told():
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 2, "retry_delay_ms": 570,
             "error_status": 529}  # fmt: skip
    limit = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 4102444800}}
    failed = {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "content": "no such file", "is_error": True}]},
    }
    end = {"type": "result", "subtype": "success", "terminal_reason": "api_error", "is_error": True}

    lines = told(retry, limit, failed, end)

    assert "the API said 529; trying again in 0.6 s (1 of 2)" in lines[0]
    assert "the usage limit is reached, until 2100-01-01" in lines[1] or "until 2099-12-31" in lines[1]
    assert "✗ no such file" in lines[2]
    assert "api_error (an error)" in lines[3]


def test_that_a_person_is_asked_is_told():
    request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "npm run x"}}
    other = {"type": "control_request", "request": {"subtype": "hook_callback"}}

    lines = told({"type": "control_request", "request": request}, other, {"type": "control_request"})

    assert lines == ["        ? asks a person: Bash npm run x"]


def test_nothing_from_a_run_can_drive_the_terminal():
    said = {"type": "assistant", "message": {"content": [{"type": "text", "text": "a\x1b[2Jb\u202ec"}]}}

    assert told(said) == ["        a\\x1b[2Jb\\x202ec"]


def test_unknown_events_and_torn_lines_say_nothing():
    teller = Teller()

    for line in (
        b'{"type": "to come"}',
        b"{",
        b"[1]",
        b'{"type": "assistant"}',
        b'{"type": "user", "message": {}}',
    ):
        assert list(teller.tell(line)) == []
