"""Requests as the daemon and its runners write them, for tests that answer or tell them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from handoff import durable
from handoff.formats import Format, dump
from handoff.request import Approval, AskedQuestion, DocsRequest, Option, Question, Request


def asked_now(**more: Any) -> dict[str, Any]:
    """When it was asked, to the second."""
    return {"created": datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=90), **more}


def an_approval(plan: str = "fix-login", **more: Any) -> Approval:
    fields = {
        "plan": plan,
        "step": "main",
        "tool": "Bash",
        "description": "Remove what was built",
        "input_json": json.dumps({"command": "rm -rf build"}),
        "reason": "It is not among what is allowed",
        "rule": "Bash(rm *)",
    }
    return Approval.model_validate(asked_now(**fields | more))


def a_question(plan: str = "fix-login", **more: Any) -> Question:
    colour = AskedQuestion(
        id="colour",
        text="Which colour?",
        options=(Option(label="Red", description="as the logo"), Option(label="Blue")),
    )
    return Question.model_validate(asked_now(**{"plan": plan, "step": "main", "questions": (colour,)} | more))


def a_docs_request(plan: str = "fix-login", **more: Any) -> DocsRequest:
    fields = {
        "plan": plan,
        "project": "/src/api",
        "branch": f"handoff/{plan}",
        "write_to": ("docs/**",),
        "about": "Operators need to know",
        "text": "# Please document\n\nSomething was done.",
    }
    return DocsRequest.model_validate(asked_now(**fields | more))


def ask(requests: Path, request: Request, number: int = 1, *, ending: str = "toml") -> str:
    """Write a request into its lane as its writer does; return its name. It replaces one of that name."""
    if isinstance(request, DocsRequest):
        name, language = f"{request.plan}.docs.md", Format.MARKDOWN
    else:
        kind = "approval" if isinstance(request, Approval) else "question"
        step = getattr(request, "step", "main")
        name, language = f"{request.plan}.{step}.1.{number}.{kind}.{ending}", Format(ending)
    durable.replace(os.fspath(requests / name), dump(request, language), sync=False)
    return name
