"""The story that is recorded: plans of every kind from the lane to the archive, orders, a retry, a burst.

A real daemon, real runners, a fake agent. The writer uses `handoff.client`, whose calls promise that what they handed
in survives a cut: each is marked when it has returned.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from handoff import client, durable, taking
from handoff.effects import programs
from handoff.root import create_root
from orchestrd.runs import start
from tests.acceptance.stage import as_json, as_toml
from tests.faults.power.disk import Recording
from tests.faults.power.reading import read_recording
from tests.faults.power.recorder import Recorder, take_out
from tests.faults.world import World

LOG = "effects.log"
GATE = "gate"
RUNNER = "recording_runner.py"
REPOSITORY = Path(__file__).parents[3]
BATCH = 3
"""Plans from which on a burst is taken with two syncs of the whole file system."""
KEPT_APART = frozenset({LOG, "ledger.txt", "daemon.log", RUNNER, GATE, "neighbour"})
"""Of the world's folder, what is no part of the disk."""
WAIT_SECONDS = 30.0
QUICKLY = {
    "LANES__PATIENCE_SECONDS": "0.1",
    "LANES__SETTLE_SECONDS": "0.02",
    "LANES__SCAN_SECONDS": "0.1",
    # What is known of projects is kept by a thread of its own, whenever it comes to it: cut off in tests/context.
    "CONTEXT__KEEP": "false",
}
"""What waits for writers waits little: after a cut there are none."""

RUNNER_TEXT = """\
import os
import sys

sys.path.append({repository!r})
from tests.faults.power.recorder import Recorder

recorder = Recorder({log!r}, {areas!r}, look_first=True)
recorder.install()
from orchestrd.runs.supervision import supervise

code = supervise(sys.argv[1], int(sys.argv[2]))
recorder.look()
sys.stderr.flush()
os._exit(code)
"""


def record(world: World, tell: Callable[[Story], None] | None = None) -> Recording:
    """Let the story happen in a world, and read what was written down of it."""
    story = Story(world)
    story.begin()
    try:
        (tell or whole_story)(story)
    finally:
        story.end()
    return read_recording(story.log, world.folder)


class Story:
    """What a writer does while everything is written down."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = world.folder / LOG
        state = world.folder / "home" / "state" / "orchestrd"
        self.areas = [str(world.projects[0]), str(world.plain), str(state / "checkouts")]
        self.recorder = Recorder(str(self.log), self.areas)

    def begin(self) -> None:
        """From here on effects are written down, in this process and in those that it starts."""
        shutil.rmtree(self.world.root.path)
        self.recorder.mark("base", tree=snapshot(self.world.folder))
        runner = self.world.folder / RUNNER
        runner.write_text(RUNNER_TEXT.format(repository=str(REPOSITORY), log=str(self.log), areas=self.areas))
        self.recorder.install()
        create_root(self.world.root.path)
        self.recorder.mark("created")

    def end(self) -> None:
        """No more of it."""
        take_out()
        if self.world.forked is not None:
            self.world.kill()

    # -- what happens ---------------------------------------------------------------------------------------------

    def submit(
        self, name: str, prompt: str = "Say hello.", project: Path | None = None, **fields: Any
    ) -> None:
        """Hand a plan in, as `handoff.client` does, in TOML or (`name.json`) in JSON."""
        plan = {
            "handoff": 1,
            "project": str(project or self.world.projects[0]),
            "prompt": f"{name}: {prompt}",
            **fields,
        }
        text = as_json(plan) if name.endswith(".json") else as_toml(plan)
        client.submit(self.world.root, text, name)
        self.recorder.mark("promised", name=name, sha256=hashlib.sha256(text.encode()).hexdigest())

    def order(self, action: str, plan: str | None = None) -> None:
        """Give an order."""
        key = f"{action}-{plan or 'all'}"
        client.order(self.world.root, action, plan, key=key)
        self.recorder.mark("ordered", key=key, action=action, plan=plan)

    def serve(self) -> None:
        """Have a daemon that writes down what it does."""
        self.world.here.environ["FAKE_LEDGER"] = str(self.log)
        self.world.fork(self._listen_to_daemon, **QUICKLY)
        self.world.await_up()

    def stop(self) -> None:
        """End it."""
        self.world.stop()

    def await_settled(self) -> None:
        """Until everything that was handed in lies in the archive."""
        problems = self.world.await_quiet(WAIT_SECONDS)
        assert not problems, problems

    def await_that(self, condition: Callable[[], bool], what: str) -> None:
        """Until something is so."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what}; the daemon said: {self.world.here.said()}"
            time.sleep(0.002)

    def await_start(self, plan: str) -> None:
        """Until the agent works on a plan."""
        self.await_that(lambda: f"/{plan}/main.1 ".encode() in self.log.read_bytes(), f"a start of {plan}")

    def _listen_to_daemon(self) -> None:
        """Called in the daemon's process before anything else."""
        recorder = Recorder(str(self.log), self.areas)
        recorder.install()
        durable.BATCH_FOR_SYNCFS = taking.BATCH_FOR_SYNCFS = BATCH
        start.runner = types.SimpleNamespace(__file__=str(self.world.folder / RUNNER))

        class Watched(subprocess.Popen):
            def communicate(self, *args: Any, **options: Any) -> Any:
                said = super().communicate(*args, **options)
                recorder.look()
                return said

        def begin(command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
            return (Watched if command[0] == "git" else subprocess.Popen)(list(command), **how)

        programs.start = begin


def whole_story(story: Story) -> None:
    """Everything that the daemon does with files, once."""
    for number in range(BATCH):
        story.submit(f"bad{number}.toml", nonsense=number)
    story.submit("plain.json", "[write b.txt done]", story.world.plain)
    # Taken before the burst is, whose sync of the whole file system takes everything along.
    story.order("cancel", "nobody")
    story.serve()
    story.await_settled()
    story.submit("fix.toml", "[write notes.txt done]", key="once", docs={"request": True})
    story.await_settled()
    story.order("retry", "fix")
    story.await_that((story.world.root.results / "fix-2.toml").exists, "a result of fix-2")
    story.await_settled()
    story.submit("again.toml", "[write notes.txt twice]", key="once")
    story.await_settled()
    story.order("pause")
    story.await_that((story.world.root.private / "paused").exists, "a pause")
    story.submit("long.toml", f"[await {story.world.folder / GATE}]")
    story.await_that((story.world.root.active / "long").exists, "long to be taken")
    story.order("resume")
    story.await_start("long")
    story.order("cancel", "long")
    story.await_settled()
    story.stop()


def snapshot(top: Path) -> dict[str, list[Any]]:
    """All that lies in a world: path → mode and content."""
    found: dict[str, list[Any]] = {}
    for folder, folders, names in os.walk(top):
        is_top = Path(folder) == top
        folders[:] = [name for name in folders if not (is_top and name in KEPT_APART)]
        for name in (*folders, *names):
            path = Path(folder, name)
            if is_top and name in KEPT_APART:
                continue
            content = None if name in folders else path.read_bytes().decode("latin-1")
            found[str(path.relative_to(top))] = [path.stat().st_mode & 0o7777, content]
    return found
