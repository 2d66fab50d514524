"""What a stream tells, from recorded ones and from made-up lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrd.runs.stream import StreamFacts, Tokens

RECORDED = Path(__file__).parent / "recorded"
NEWEST, OLDEST = "2.1.331", "2.1.59"


def recorded(name: str, version: str) -> StreamFacts:
    return facts_of((RECORDED / f"{name}.{version}.jsonl").read_bytes().splitlines())


def facts_of(lines: list[bytes]) -> StreamFacts:
    facts = StreamFacts()
    for line in lines:
        facts.feed(line)
    return facts


def a_result(**fields: Any) -> bytes:
    return json.dumps({"type": "result", "subtype": "success", "is_error": False, **fields}).encode()


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_a_success_tells_who_spoke_what_it_used_and_what_it_cost(version: str):
    facts = recorded("success", version)

    assert facts.session_id is not None
    assert facts.version == version
    assert facts.model is not None
    assert facts.api_key_source == "ANTHROPIC_API_KEY"
    assert facts.tools == {"Bash": 1}
    assert facts.last_words == facts.summary == "All done."
    assert facts.turns == 2
    assert facts.cost_usd > 0
    assert facts.tokens.output > 0
    assert facts.result_is_final


def test_a_resumed_process_counts_its_own_cost_and_not_what_the_session_cost_before():
    first, resumed = recorded("success", NEWEST), recorded("resumed", NEWEST)

    assert resumed.session_cost_usd == pytest.approx(first.cost_usd + resumed.cost_usd)
    assert resumed.cost_usd == pytest.approx(0.00034)
    assert resumed.tokens == Tokens(input=10, output=15)


def test_a_resumed_process_of_an_older_version_says_its_own_cost_anyway():
    resumed = recorded("resumed", OLDEST)

    assert resumed.cost_usd == resumed.session_cost_usd == pytest.approx(0.000425)


def test_what_a_stopped_process_did_not_tell_is_booked_with_the_next_of_its_session():
    stopped, resumed = recorded("sigterm", NEWEST), recorded("resumed", NEWEST)
    booked = stopped.cost_to_book(0.0)

    booked += resumed.cost_to_book(booked)

    assert stopped.cost_usd == 0.0
    assert booked == resumed.session_cost_usd


def test_nothing_is_booked_twice_where_all_was_told():
    first, resumed = recorded("success", NEWEST), recorded("resumed", NEWEST)

    assert resumed.cost_to_book(first.cost_usd) == pytest.approx(resumed.cost_usd)


def test_several_results_of_a_process_are_added_up_and_the_last_one_counts():
    def since(cost: float, tokens: int) -> dict[str, Any]:
        return {"m": {"inputTokens": tokens, "outputTokens": tokens, "costUSD": cost}}

    facts = facts_of(
        [
            a_result(
                result="one",
                num_turns=1,
                total_cost_usd=1.0,
                modelUsage=since(1.0, 10),
                model_usage_since_last_result=since(1.0, 10),
            ),
            a_result(
                result="two",
                num_turns=2,
                total_cost_usd=3.0,
                modelUsage=since(3.0, 30),
                model_usage_since_last_result=since(2.0, 20),
            ),
        ]
    )

    assert (facts.summary, facts.turns, facts.cost_usd) == ("two", 3, 3.0)
    assert facts.tokens == Tokens(input=30, output=30)


def test_the_tokens_of_sub_agents_are_counted_and_their_words_are_not_the_runs():
    facts = recorded("subagent", NEWEST)

    assert facts.tokens == Tokens(input=30, output=1115)
    assert facts.summary == "main"
    assert facts.tools["Agent"] == 1


def test_a_stopped_process_leaves_what_it_used_so_far_as_a_lower_bound():
    facts = recorded("sigterm", NEWEST)

    assert not facts.has_result
    assert facts.turns == 2
    assert facts.tokens.input == 20


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_a_denied_call_is_listed_with_its_input_and_why(version: str):
    facts = recorded("denied", version)

    (denied,) = facts.denied
    assert denied.tool == "Bash"
    assert json.loads(denied.input_json)["command"] == "touch x"
    assert "touch" in denied.why
    assert denied.as_fields().keys() == {"tool", "input_json", "why"}


def test_a_denied_call_is_known_before_the_run_has_ended():
    lines = (RECORDED / f"denied.{NEWEST}.jsonl").read_bytes().splitlines()

    facts = facts_of([line for line in lines if b'"type": "result"' not in line])

    assert [denied.tool for denied in facts.denied] == ["Bash"]


def test_a_usage_limit_names_its_end():
    facts = recorded("usage-limit", NEWEST)

    assert facts.rate_limit is not None
    assert (facts.rate_limit.status, facts.rate_limit.resets_at) == ("rejected", 4102444800.0)


def test_a_failed_api_is_told_apart_from_an_answer():
    facts = recorded("auth", NEWEST)

    assert facts.api_failure is not None
    assert (facts.api_failure.error, facts.api_failure.status) == ("authentication_failed", 401)
    assert facts.last_words == ""


def test_an_answer_after_a_failure_takes_it_back():
    failed = {
        "type": "assistant",
        "error": "rate_limit",
        "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "API Error"}]},
    }
    answer = {
        "type": "assistant",
        "message": {"id": "m", "model": "x", "content": [{"type": "text", "text": "Yes"}]},
    }

    facts = facts_of([json.dumps(failed).encode(), json.dumps(answer).encode()])

    assert facts.api_failure is None
    assert facts.last_words == "Yes"


def test_the_structured_output_is_kept():
    assert recorded("schema-given", NEWEST).structured_output == {"a": "b"}
    assert recorded("schema-given", OLDEST).structured_output == {"a": "b"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"3",
        b"null",
        b"\xff\xfe",
        b'{"type": "to come", "x": 1}',
        b'{"type": "assistant"}',
        b'{"type": "assistant", "message": {"content": [3, null, {"type": "tool_use"}], "usage": []}}',
        b'{"type": "user", "message": {"content": "text"}}',
        b'{"type": "user", "message": {"content": [{"type": "tool_result", "is_error": true}]}}',
        b'{"type": "system", "subtype": "init", "mcp_servers": {"a": 1}}',
        b'{"type": "rate_limit_event", "rate_limit_info": {"resetsAt": "soon"}}',
        b'{"type": "result"}',
        b'{"type": "result", "usage": null, "modelUsage": {"m": 3}, "permission_denials": [{}], "errors": "x"}',
        b'{"type": "result", "num_turns": "3", "total_cost_usd": null, "model_usage_since_last_result": []}',
        b"[" * 100_000,
    ],
)
def test_no_line_can_stop_the_reading(line: bytes):
    facts = facts_of([line])

    facts.feed(a_result(result="still read", num_turns=1))

    assert facts.summary == "still read"


def test_an_answer_that_comes_in_pieces_is_counted_once():
    def piece(block: dict[str, Any]) -> bytes:
        message = {"id": "m1", "model": "x", "content": [block], "usage": {"input_tokens": 7}}
        return json.dumps({"type": "assistant", "message": message}).encode()

    facts = facts_of([piece({"type": "text", "text": "a"}), piece({"type": "text", "text": "b"})])

    assert facts.turns == 1
    assert facts.tokens.input == 7


def test_a_server_that_did_not_start_is_named():
    init = {
        "type": "system",
        "subtype": "init",
        "mcp_servers": [{"name": "a", "status": "failed"}, {"name": "b", "status": "connected"}],
    }

    assert facts_of([json.dumps(init).encode()]).servers_not_connected == ("a",)
