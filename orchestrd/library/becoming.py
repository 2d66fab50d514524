"""Whether a tree of values is a plan, and if not why: every error at once, with its path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from handoff.document_error import path_parts
from handoff.fields import IN_DOCUMENT, Problem
from handoff.plain_errors import explain
from handoff.plan import Plan
from handoff.wholesome import DEEPEST, MOST_VALUES, holds_too_much, is_wholesome


def plan_of_tree(tree: Mapping[str, Any]) -> Plan | list[Problem]:
    """Make a plan of values as a document holds them; or tell everything that is wrong with them."""
    if holds_too_much(tree):
        return [Problem((), "it holds too many values", f"{MOST_VALUES:,} at most")]
    if not is_wholesome(tree):
        return [
            Problem((), "it holds text or numbers that no document may hold", f"{DEEPEST} levels at most")
        ]
    found: Plan | None = None
    told: list[Problem] = []
    try:
        found = Plan.model_validate(tree, context=IN_DOCUMENT)
    except ValidationError as error:
        told = [
            Problem(path_parts(one.path), one.message, one.hint or "") for one in explain(Plan, error, {})
        ]
    told += Plan.problems_between(tree)
    return told if told or found is None else found


def problems_of_tree(tree: Mapping[str, Any]) -> list[Problem]:
    """Everything for which a tree is no plan."""
    found = plan_of_tree(tree)
    return found if isinstance(found, list) else []
