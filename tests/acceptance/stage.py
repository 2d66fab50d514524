"""What the acceptance tests stand on: a project, plans for it in every language, and what agents wrote into the ledger."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tests.serving import Serving

AGENT = Path(__file__).parent / "agent.py"
LEDGER = "ledger.txt"


@dataclass(frozen=True)
class Entry:
    """A line of the ledger."""

    word: str
    plan: str
    start: str
    pid: int
    time: float


def entries(here: Serving, word: str | None = None, plan: str | None = None) -> list[Entry]:
    """Read what agents wrote into the ledger, in order."""
    path = here.folder / LEDGER
    lines = path.read_text().splitlines() if path.exists() else []
    found = []
    for line in lines:
        what, run, pid, time = line.split()
        _, name, start = run.rsplit("/", 2) if "/" in run else ("", "-", "-")
        found.append(Entry(what, name, start, int(pid), float(time)))
    return [one for one in found if word in {None, one.word} and plan in {None, one.plan}]


def starts(here: Serving, plan: str | None = None) -> list[Entry]:
    """Every start of the agent."""
    return entries(here, "start", plan)


def a_plan_for(project: Path, prompt: str = "Say hello.", **fields: Any) -> dict[str, Any]:
    """A valid plan."""
    return {"handoff": 1, "project": str(project), "prompt": prompt, **fields}


def as_toml(plan: dict[str, Any]) -> str:
    """The plan in TOML."""
    return tomli_w.dumps(plan)


def as_json(plan: dict[str, Any]) -> str:
    """The plan in JSON."""
    return json.dumps(plan, indent=2)


def as_markdown(plan: dict[str, Any]) -> str:
    """The plan in Markdown with TOML front matter; the prompt is the body."""
    front = tomli_w.dumps({name: value for name, value in plan.items() if name != "prompt"})
    return f"+++\n{front}+++\n{plan['prompt']}\n"


WRITTEN = {"toml": as_toml, "json": as_json, "md": as_markdown}


def drop_plan(here: Serving, name: str, project: Path, prompt: str = "Say hello.", **fields: Any) -> None:
    """Hand a TOML plan in, the right way."""
    here.drop(f"{name}.toml", as_toml(a_plan_for(project, prompt, **fields)))


def git(folder: Path, *words: str) -> str:
    """Call git as a user would; what it said."""
    ended = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode("utf-8", "replace")
    return ended.stdout.decode().strip()
