"""What a plan is called that names a workflow and has no title of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrd.library.template import BRACES
from orchestrd.library.workflow import Workflow

_WIDTH = 80


def title_of(workflow: Workflow, params: Mapping[str, Any]) -> str | None:
    """`Feature: ` and the beginning of what is wanted, which is the first text that the workflow demands.

    None: its title has placeholders, and is filled when the plan is made of it.
    """
    if BRACES in workflow.title:
        return None
    for name, param in workflow.params.items():
        value = params.get(name)
        if param.required and isinstance(value, str) and value.strip():
            return f"{workflow.title}: {_one_line(value)}"
    return workflow.title


def _one_line(text: str) -> str:
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
