"""What one process of Claude Code cost, in dollars and tokens, out of its result events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrd.runs.fields import a_float, a_number, an_object, objects_in

_MOST_USD = 1e9
"""A greater amount is a mistake of whoever wrote it, and not booked."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of this process, sub-agents included where Claude Code counts them."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )


class Bill:
    """Cost and tokens of a process, out of its results.

    The newest versions count per session: resumed, `total_cost_usd` and `modelUsage` begin with what was before
    (2.1.331), and `model_usage_since_last_result` is what this process added. 2.1.59 has none of it and counts
    per process.
    """

    def __init__(self) -> None:
        self.total_usd: float | None = None
        self._added_usd: float | None = None
        self._added = Tokens()
        self._counted: Tokens | None = None
        self._used = Tokens()

    @property
    def cost_usd(self) -> float:
        """US dollars of this process."""
        return self._added_usd if self._added_usd is not None else self.total_usd or 0.0

    @property
    def tokens(self) -> Tokens:
        """Tokens of this process."""
        if self._added_usd is not None:
            return self._added
        return self._counted if self._counted is not None else self._used

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in a result event."""
        total = dollars(event.get("total_cost_usd"))
        self.total_usd = total if total is not None else self.total_usd
        self._used += tokens_of_usage(an_object(event.get("usage")))
        models = an_object(event.get("modelUsage"))
        self._counted = _tokens_of_models(models) if models else self._counted
        since = event.get("model_usage_since_last_result")
        if isinstance(since, dict):
            self._added_usd = (self._added_usd or 0.0) + sum(
                dollars(used.get("costUSD")) or 0.0 for used in objects_in(since)
            )
            self._added += _tokens_of_models(since)


def _tokens_of_models(models: Mapping[str, Any]) -> Tokens:
    names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return sum(
        (Tokens(*(a_number(used.get(name)) or 0 for name in names)) for used in objects_in(models)), Tokens()
    )


def tokens_of_usage(usage: Mapping[str, Any]) -> Tokens:
    """Read the API's own form of a usage."""
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return Tokens(*(a_number(usage.get(name)) or 0 for name in names))


def dollars(value: object) -> float | None:
    """Read an amount of US dollars; None where it is none."""
    amount = a_float(value)
    return amount if amount is not None and 0 <= amount <= _MOST_USD else None
