"""Whatever stands in a stream, the daemon's loop goes on and the plan has a result that every reader can read."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.formats import Format, dump
from handoff.result import Result
from handoff.root import create_root
from orchestrd.outbound.story import result_of
from orchestrd.record.journal import read_journal
from orchestrd.runs.closing import ended_fields
from orchestrd.runs.fields import a_float
from orchestrd.runs.stream import StreamFacts
from orchestrd.runs.verdict import judge
from tests.outbound.telling import Telling

HUGE = int("9" * 400)
NUMBERS = [HUGE, -HUGE, 1e308, -1e308, math.nan, math.inf, -math.inf, 0, -1, 2**63, 0.5, True]

anything = st.recursive(
    st.sampled_from([*NUMBERS, None, "text", "\ud800", "\x00", ""]) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def an_object(**known: st.SearchStrategy[Any] | str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the fields that are looked at: a text as it is, the others as told, or now and then anything."""
    return st.fixed_dictionaries(
        {
            name: st.just(one) if isinstance(one, str) else st.one_of(one, one, one, anything)
            for name, one in known.items()
        }
    )


numbers = st.sampled_from(NUMBERS)
texts = st.sampled_from(["text", "\ud800", "\x00", ""])
usage = an_object(input_tokens=numbers, output_tokens=numbers, cache_read_input_tokens=numbers)
models = st.fixed_dictionaries({"m": an_object(costUSD=numbers, inputTokens=numbers, outputTokens=numbers)})
blocks = st.lists(
    an_object(type="text", text=texts)
    | an_object(type="tool_use", id="t", name=texts, input=anything)
    | an_object(type="tool_result", tool_use_id="t", is_error=st.booleans(), content=texts),
    max_size=2,
)
events = st.one_of(
    an_object(
        type="system",
        subtype="init",
        session_id=texts,
        model=texts,
        mcp_servers=st.lists(anything, max_size=1),
    ),
    an_object(type="system", subtype="permission_denied", tool_use_id="t", tool_name=texts, message=texts),
    an_object(type="assistant", message=an_object(id="m", content=blocks, usage=usage)),
    an_object(type="user", message=an_object(content=blocks)),
    an_object(type="rate_limit_event", rate_limit_info=an_object(resetsAt=numbers, status="rejected")),
    an_object(
        type="result",
        subtype="success",
        is_error=st.booleans(),
        api_error_status=st.just(429) | numbers,
        result=texts,
        errors=st.lists(texts, max_size=1),
        total_cost_usd=numbers,
        num_turns=numbers,
        usage=usage,
        modelUsage=models,
        structured_output=anything,
        permission_denials=st.lists(an_object(tool_name=texts, tool_input=anything), max_size=1),
    ),
    an_object(type="result", model_usage_since_last_result=models, total_cost_usd=numbers),
)
lines = st.lists(events.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=12), max_size=4)


def result_after(root_folder: Path, stream: list[bytes]) -> Result:
    """The result of a plan whose one run said that."""
    facts = StreamFacts()
    for line in stream:
        facts.feed(line)
    outcome = judge(facts, {"why": "ended", "exit_code": 0})
    ended = ended_fields(facts, {}, outcome, payer="api-key", booked_usd=0.0)
    root = create_root(root_folder)
    told = Telling(root).accepted().worktree().run(**ended).ended(ended["status"])
    return result_of(told.id, read_journal(told.folder / "journal.jsonl"), None)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(stream=lines)
def test_no_line_raises_and_every_stream_comes_to_a_result(
    tmp_path_factory: pytest.TempPathFactory, stream: list[bytes]
):
    result = result_after(tmp_path_factory.mktemp("any") / "root", stream)

    tomllib.loads(dump(result, Format.TOML).decode())
    json.loads(dump(result, Format.JSON), parse_constant=lambda name: pytest.fail(f"{name} in a result"))


@settings(max_examples=150)
@given(stream=lines)
def test_costs_and_counts_are_finite_whatever_was_written(stream: list[bytes]):
    facts = StreamFacts()

    for line in stream:
        facts.feed(line)

    assert math.isfinite(facts.cost_usd)
    assert facts.session_cost_usd is None or math.isfinite(facts.session_cost_usd)
    assert facts.rate_limit is None or facts.rate_limit.resets_at is None or facts.rate_limit.resets_at >= 0
    assert 0 <= facts.turns < 2**63


@pytest.mark.parametrize("number", [str(HUGE), "1e999", "-1", "-Infinity", "NaN", "true", '"7"', "null"])
def test_a_number_that_is_none_is_not_there(number: str):
    limit = f'{{"type": "rate_limit_event", "rate_limit_info": {{"resetsAt": {number}}}}}'
    result = f'{{"type": "result", "total_cost_usd": {number}, "num_turns": {number},'
    result += f' "model_usage_since_last_result": {{"m": {{"costUSD": {number}, "inputTokens": {number}}}}}}}'
    facts = StreamFacts()

    for line in (limit, result):
        facts.feed(line.encode())

    assert facts.rate_limit is not None
    assert facts.rate_limit.resets_at is None
    assert facts.session_cost_usd is None
    assert (facts.cost_usd, facts.turns, facts.tokens.input, facts.broken_lines) == (0.0, 0, 0, 0)


def test_a_line_that_can_be_read_and_not_be_written_again_is_counted_and_passed_over(
    monkeypatch: pytest.MonkeyPatch,
):
    def too_deep(*_value: object, **_how: object) -> str:
        raise RecursionError

    facts = StreamFacts()
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", too_deep)
        facts.feed(b'{"type": "result", "result": "Done.", "permission_denials": [{"tool_input": [[[]]]}]}')
    facts.feed(b'{"type": "result", "result": "' + b"[" * 100_000)

    assert facts.broken_lines == 2
    assert facts.summary == "Done."


@pytest.mark.parametrize(
    "value, number", [(HUGE, None), (math.nan, None), (math.inf, None), (True, None), ("1", None), (3, 3.0)]
)
def test_a_float_is_finite_or_none(value: object, number: float | None):
    assert a_float(value) == number
