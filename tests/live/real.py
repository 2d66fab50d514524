"""A real daemon, the real Claude Code and a scripted model, wired together, and plans for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from orchestrd.rehearsal import Rehearsal, Request, Script, parse_script
from tests.serving import Serving, serving
from tests.waiting import wait_until

MAY_WRITE = {"mode": "acceptEdits"}
MAY_ALL = {"mode": "acceptEdits", "allow": ["Bash"]}
RESULT_SECONDS = 45.0


class Live:
    """One root, one daemon, one model."""

    def __init__(self, here: Serving, model: Rehearsal) -> None:
        self.here = here
        self.model = model
        self.root = here.root

    def submit(self, name: str, project: Path, prompt: str, **fields: Any) -> str:
        """Hand a plan in as TOML; return its id."""
        self.here.drop(f"{name}.toml", a_plan(project, prompt, **fields))
        return name

    def result(self, plan: str, seconds: float = RESULT_SECONDS) -> dict[str, Any]:
        """Wait for a plan's result and for its folder to lie in the archive."""
        found = self.here.result(plan, seconds)
        wait_until(lambda: not self.root.plan_folder(plan).exists(), 5, f"{plan} to lie in the archive")  # type: ignore[arg-type]
        return found

    def asked(self, prompt: str) -> list[Request]:
        """What the model was asked in the conversations that began with a prompt that holds these words."""
        return [request for request in self.model.messages if prompt in request.prompt]

    def await_request(self, prompt: str, count: int = 1, seconds: float = 20) -> None:
        """Wait until the model has been asked so many times."""
        wait_until(
            lambda: len(self.asked(prompt)) >= count,
            seconds,
            f"request {count} of {prompt!r}; {self.here.said()}",
        )

    def runner(self, plan: str, number: int = 1) -> psutil.Process:
        """The runner of a start."""
        started = self.here.plan_folder(plan) / "runs" / f"main.{number}" / "started.json"
        return psutil.Process(json.loads(started.read_text())["pid"])

    def events(self, plan: str, number: int = 1) -> list[dict[str, Any]]:
        """What Claude Code said in a start."""
        log = self.here.plan_folder(plan) / "runs" / f"main.{number}" / "events.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def await_nothing_left(self, seconds: float = 5) -> None:
        """Wait until no process of any run is alive; fail and name them otherwise."""
        wait_until(lambda: not self.here.processes(), seconds, f"the end of {_named(self.here.processes())}")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `orchestrd WORDS` as the user of this root."""
        return subprocess.run(
            [sys.executable, "-m", "orchestrd", "--root", str(self.root.path), *words],
            env=self.here.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@contextmanager
def live(
    folder: Path,
    claude: Path,
    script: str | Script = "",
    *,
    credential: str | None = "key",
    **settings: str,
) -> Iterator[Live]:
    """Serve a root in `folder` with Claude Code talking to a model that follows `script`.

    `credential` is "key", "token" or None. Nothing of a run may be alive at the end.
    """
    folder.mkdir(exist_ok=True)
    with Rehearsal(parse_script(script) if isinstance(script, str) else script) as model:
        environ = model.environment(token=credential == "token")
        if credential is None:
            environ = {name: value for name, value in environ.items() if name != "ANTHROPIC_API_KEY"}
        with serving(folder, environ, claude) as here:
            here.start(**settings)
            wired = Live(here, model)
            yield wired
            wired.await_nothing_left()
            assert here.stop() == 0, here.said()


def await_kept_turn(here: Serving, plan: str) -> None:
    """Wait until Claude Code has put down the turn of a tool: it does so a moment *after* it asks for the next one."""
    started = [record for record in here.journal(plan) if record["event"] == "run-intended"]
    await_transcript(here.home, started[-1]["session_id"], b'"tool_result"')


def await_transcript(home: Path, session: str, holds: bytes) -> None:
    """Wait until what Claude Code keeps of a session, to resume it by, holds these words."""
    folder = home / ".claude" / "projects"
    wait_until(
        lambda: any(holds in kept.read_bytes() for kept in folder.rglob(f"{session}.jsonl")),
        20,
        f"{holds!r} in the transcript of {session}",
    )


def a_plan(project: Path, prompt: str, **fields: Any) -> str:
    """A plan as TOML."""
    return tomli_w.dumps(
        {"handoff": 1, "project": str(project), "prompt": prompt, "model": "sonnet", **fields}
    )


def conversation(match: str, *turns: str, repeat_last: bool = False) -> str:
    """One conversation of a script, a TOML text for each turn."""
    told = "".join(f"[[conversations.turns]]\n{turn}\n" for turn in turns)
    return f"[[conversations]]\nmatch = '{match}'\nrepeat_last = {str(repeat_last).lower()}\n{told}"


def write(name: str, content: str = "made by the run\\n") -> str:
    """A turn's call that writes a file in the checkout."""
    return (
        f'tools = [{{ name = "Write", input = {{ file_path = "{{cwd}}/{name}", content = "{content}" }} }}]'
    )


def bash(command: str) -> str:
    """A turn's call of the shell."""
    return f'tools = [{{ name = "Bash", input = {{ command = {json.dumps(command)} }} }}]'


def snapshot(project: Path) -> Mapping[str, object]:
    """All of a user's own checkout that a run must leave as it was."""
    tree = {
        str(file.relative_to(project)): file.read_bytes()
        for file in sorted(project.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(project).parts
    }
    return {
        "files": tree,
        "head": (project / ".git/HEAD").read_text(),
        "main": git(project, "rev-parse", "main"),
        "index": git(project, "ls-files", "--stage"),
        "status": git(project, "status", "--porcelain", "--ignored"),
        "config": (project / ".git/config").read_text(),
        "stash": git(project, "stash", "list"),
    }


def git(folder: Path, *words: str) -> str:
    """Run git and return what it prints."""
    return subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def _named(pids: list[int]) -> list[str]:
    named = []
    for pid in pids:
        try:
            named.append(f"{pid} {' '.join(psutil.Process(pid).cmdline())[:200]}")
        except psutil.Error:
            continue
    return named
