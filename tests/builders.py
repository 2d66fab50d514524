"""A builder a document: what a test does not care about is filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from handoff.formats import Format, dump
from handoff.order import Order
from handoff.plan import Plan
from handoff.result import Result

SETTLED = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def a_plan(**fields: Any) -> Plan:
    """A valid plan; of the kinds of work it has a prompt unless `fields` name another."""
    work = {} if fields.keys() & {"prompt", "steps", "workflow"} else {"prompt": "Say hello."}
    return Plan.model_validate({"handoff": 1, "project": "~/src/api", **work, **fields})


def a_plan_text(format: Format = Format.TOML, **fields: Any) -> bytes:  # noqa: A002 - the protocol's word
    """A valid plan's file."""
    return dump(a_plan(**fields), format)


def a_result(**fields: Any) -> Result:
    """A result of a plan that succeeded."""
    some = {"plan": "hello", "source": "hello.toml", "status": "succeeded", "settled": SETTLED}
    return Result.model_validate({**some, **fields})


def an_order(**fields: Any) -> Order:
    """An order to pause."""
    return Order.model_validate({"action": "pause", **fields})
