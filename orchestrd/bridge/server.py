"""The server: which tools, resources and prompts there are, and what a model is told of them at the start."""

from __future__ import annotations

import os
import threading
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

from orchestrd.bridge import (
    answering,
    condition,
    diffs,
    listing,
    ordering,
    planning,
    projects,
    prompts,
    requests,
    resources,
    results,
    spending,
    standing,
    workflows,
)
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.toolbox import Tool, add_tool

NAME = "orchestrd"
LEAVE_SECONDS = 3.0
"""So long the calls at work have once the client is gone."""


def _text(name: str) -> str:
    return (Path(__file__).parent / "texts" / name).read_text("utf-8").strip()


TOOLS = (
    Tool(
        planning.submit_plan,
        "Hand a plan in",
        reads_only=False,
        starts_work=True,
        explained=_text("plan_reference.md"),
    ),
    Tool(planning.check_plan, "Check a plan"),
    Tool(listing.list_plans, "List plans"),
    Tool(standing.plan_status, "Where a plan stands"),
    Tool(results.get_result, "What became of a plan"),
    Tool(diffs.get_diff, "What a plan changed"),
    Tool(requests.list_requests, "What waits for an answer"),
    Tool(requests.get_request, "Read a request"),
    Tool(answering.answer_request, "Answer a request", reads_only=False, destroys=True, starts_work=True),
    Tool(ordering.cancel_plan, "Cancel a plan", reads_only=False, destroys=True),
    Tool(ordering.retry_plan, "Run a plan again", reads_only=False, starts_work=True),
    Tool(workflows.list_workflows, "List workflows"),
    Tool(projects.list_projects, "List projects"),
    Tool(projects.project_context, "What is known of a project"),
    Tool(condition.daemon_status, "Whether the daemon is there"),
    Tool(spending.usage_report, "What was spent"),
)


def make_server(desk: Desk) -> MCPServer[Any]:
    """Make the server of a root. It opens nothing yet: a root that is missing is told by the first call."""
    server = resources.Serving(
        desk,
        name=NAME,
        title="orchestrd: plans for Claude Code",
        description="Hands plans to a daemon that has Claude Code carry them out, and shows what became of them.",
        instructions=_text("instructions.md"),
        version=version("orchestrd"),
        log_level="WARNING",
    )
    for tool in TOOLS:
        add_tool(server, desk, tool)
    resources.add_to(server, desk)
    prompts.add_to(server)
    return server


def serve(desk: Desk) -> None:
    """Serve over stdin and stdout until stdin ends. Nothing else may be written on stdout; logs go to stderr."""
    server = make_server(desk)
    threading.Thread(target=_load_ahead, daemon=True).start()
    server.run("stdio")
    _leave()


def _load_ahead() -> None:
    """Load what the first check of a plan needs, so that it is as quick as any other."""
    for room in ("orchestrd.config", "orchestrd.inbound.intake", "orchestrd.runs.library"):
        import_module(room)


def _leave() -> None:
    """Let calls that are at work end; one that hangs on a disk must not keep the process for ever."""
    until = time.monotonic() + LEAVE_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                os._exit(0)
