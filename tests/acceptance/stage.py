"""What the acceptance tests stand on: plans in every language, orders, and what agents wrote into the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tests.serving import Serving
from tests.waiting import wait_until

AGENT = Path(__file__).parent / "agent.py"
LEDGER = "ledger.txt"
PORTABLE = os.environ.get("ORCHESTRD_PORTABLE") == "1"
"""Without a proof that a writer is done everything that is handed in takes 2 s longer."""


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


def orders(here: Serving) -> list[dict[str, Any]]:
    """What came of the orders so far."""
    path = here.root.orders_log
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def give(here: Serving, name: str, **fields: Any) -> dict[str, Any]:
    """Give an order and wait for what comes of it."""
    here.order(f"{name}.toml", as_toml(fields))
    return wait_until(
        lambda: next((line for line in orders(here) if line["file"].endswith(f"{name}.toml")), None),
        15,
        f"an outcome of the order {name}; the daemon said: {here.said()}",
    )


def shown_plans(here: Serving) -> dict[str, dict[str, Any]]:
    """The plans in `status/plans`, by id."""
    return {plan["id"]: plan for plan in here.status("plans")["plans"]}


def waits_for(here: Serving, plan: str) -> str | None:
    """What `status/plans` says that a plan waits for."""
    return shown_plans(here).get(plan, {}).get("waiting_for")


def runs_now(here: Serving, plan: str) -> Entry:
    """Wait until the agent works on a plan."""
    return wait_until(
        lambda: next(iter(starts(here, plan)[-1:]), None), 15, f"a run of {plan}; {here.said()}"
    )


def said(here: Serving, *words: str) -> str:
    """What `orchestrd` prints when it is called so."""
    argv = [sys.executable, "-m", "orchestrd", "--root", str(here.root.path), *words]
    return subprocess.run(argv, env=here.environ, capture_output=True, text=True, check=True).stdout


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
