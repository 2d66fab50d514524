"""A stand on which real runners run a fake Claude Code, or commands; afterwards nothing of them may be left."""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff import platform
from handoff.plan import Limits
from handoff.result import Payer
from orchestrd.runs import tree
from orchestrd.runs.command_end import CommandEnd, judge_command
from orchestrd.runs.command_launch import compose_command
from orchestrd.runs.kinds import STDOUT
from orchestrd.runs.launch import Asking, Launch, RunLimits, RunSettings, user_message
from orchestrd.runs.start import StartedRun, start_runner
from orchestrd.runs.watch import RunWatch
from tests.waiting import wait_until

FAKE_AGENT = Path(__file__).parent.parent / "fake_agent.py"
FAKE = (sys.executable, "-I", "-S", str(FAKE_AGENT))


@dataclass(frozen=True)
class Ended:
    """A run that is over, as its files tell."""

    folder: Path
    exit: dict[str, Any]
    lines: list[bytes]
    stderr: bytes

    def texts(self) -> list[str]:
        """What the agent said."""
        events = [json.loads(line) for line in self.lines]
        return [part["text"] for event in events for part in event.get("message", {}).get("content", ())]

    @property
    def stdout(self) -> bytes:
        """What a command said."""
        return (self.folder / STDOUT).read_bytes()

    def judged(self) -> CommandEnd:
        """What became of a command."""
        return judge_command(
            self.folder, self.exit, json.loads((self.folder / "launch.json").read_bytes())["argv"]
        )


class Stand:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan_folder = folder / "active" / "plan"
        self.plan_folder.mkdir(parents=True)
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        self.ledger = folder / "ledger"
        self.mark = f"stand-{uuid.uuid4()}"
        self._started: list[StartedRun] = []

    def run_folder(self, number: int = 1) -> Path:
        return self.plan_folder / "runs" / f"main.{number}"

    def launch(
        self,
        prompt: str = "Go.",
        *,
        argv: tuple[str, ...] = FAKE,
        cwd: Path | None = None,
        secrets: dict[str, str] | None = None,
        timeout: float = 60,
        silence: float = 60,
        first_event: float = 60,
        memory: int | None = None,
        asking: Asking | None = None,
    ) -> Launch:
        env = {"PATH": os.environ["PATH"], "FAKE_LEDGER": str(self.ledger), **(secrets or {})}
        return Launch(
            argv=argv,
            cwd=cwd or self.checkout,
            env=env,
            secret_names=tuple(secrets or ()),
            stdin=user_message(prompt),
            files={},
            limits=RunLimits(timeout, silence, first_event, memory),
            session_id=str(uuid.uuid4()),
            payer=Payer.NOBODY,
            asking=asking,
        )

    def start(
        self, prompt: str = "Go.", *, number: int = 1, mark: str | None = None, **launch: Any
    ) -> StartedRun:
        started = start_runner(self.run_folder(number), self.launch(prompt, **launch), mark=mark or self.mark)
        self._started.append(started)
        return started

    def command(
        self,
        *argv: str,
        cwd: Path | None = None,
        environ: dict[str, str] | None = None,
        settings: RunSettings | None = None,
        **limits: Any,
    ) -> Launch:
        return compose_command(
            argv,
            checkout=cwd or self.checkout,
            environ={"PATH": os.environ["PATH"], **(environ or {})},
            settings=settings or RunSettings(timeout_seconds=60),
            limits=Limits(**limits),
        )

    def start_command(self, *argv: str, number: int = 1, **launch: Any) -> StartedRun:
        started = start_runner(self.run_folder(number), self.command(*argv, **launch), mark=self.mark)
        self._started.append(started)
        return started

    def run_command(self, *argv: str, number: int = 1, **launch: Any) -> Ended:
        return self.end_of(RunWatch.of(self.start_command(*argv, number=number, **launch)))

    def run(self, prompt: str = "Go.", *, number: int = 1, **launch: Any) -> Ended:
        return self.end_of(RunWatch.of(self.start(prompt, number=number, **launch)))

    def end_of(self, watch: RunWatch, seconds: float = 30) -> Ended:
        wait_until(watch.is_over, seconds, "the end of the run")
        folder = watch.run_folder
        stderr = folder / "stderr.log"
        return Ended(
            folder,
            json.loads((folder / "exit.json").read_bytes()),
            watch.read_new_lines(),
            stderr.read_bytes() if stderr.exists() else b"",
        )

    def noted(self) -> list[str]:
        """The words of the ledger: `start`, `detached`, `child`."""
        return (
            [line.split()[0] for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []
        )

    def wait_for(self, word: str) -> None:
        wait_until(lambda: word in self.noted(), what=f"{word} in the ledger")

    def alive(self) -> list[int]:
        """Processes of its runs, the runners not among them."""
        return platform.processes_with_mark(f"{tree.MARK}={self.mark}")

    def close(self) -> None:
        """End what a failed test left."""
        for started in self._started:
            if started.process.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
            started.process.wait()
        tree.sweep(self.mark)
