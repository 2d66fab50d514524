"""Prompts: what a person can start with. Each is a text in `texts/`, with what the person gave put in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from mcp.server import MCPServer
from pydantic import Field

TEXTS = Path(__file__).parent / "texts"


def add_to(server: MCPServer[Any]) -> None:
    """Register the prompts."""
    for prompt, title in (
        (plan_a_feature, "Plan a feature"),
        (fix_a_bug, "Fix a bug"),
        (document_what_was_done, "Document what was done"),
        (review_what_waits, "Review what waits"),
    ):
        server.prompt(title=title, description=prompt.__doc__)(prompt)


def plan_a_feature(
    project: Annotated[str, Field(description="The project: its directory, or its name from list_projects.")],
    wish: Annotated[str, Field(description="What is wanted, in a sentence or more.")],
) -> str:
    """Work a feature out with the person, and hand it to Claude Code as a plan."""
    return _filled("plan_a_feature", project=project, wish=wish)


def fix_a_bug(
    project: Annotated[str, Field(description="The project: its directory, or its name from list_projects.")],
    symptom: Annotated[str, Field(description="What goes wrong, and how one sees it.")],
) -> str:
    """Have a bug found, shown by a test, and mended."""
    return _filled("fix_a_bug", project=project, symptom=symptom)


def document_what_was_done(
    plan: Annotated[str, Field(description="A plan's id; left out: whatever is owed.")] = "",
) -> str:
    """Write the documentation that plans have asked for, and have it committed on their branches."""
    return _filled("document_what_was_done", plan=plan or "(none named: take what list_requests shows)")


def review_what_waits() -> str:
    """Go through everything that waits: open requests, plans that failed, branches that nobody merged."""
    return _filled("review_what_waits")


def _filled(name: str, **given: str) -> str:
    text = (TEXTS / f"{name}.md").read_text("utf-8")
    for word, value in given.items():
        text = text.replace(f"<<{word}>>", value.strip())
    return text
