"""A world for faults: a root, its daemon, projects, fake agents with their ledger; and what was handed in.

The daemon is a process of its own, of one of two kinds: the real command (`start`), or, for sweeps of thousands of
rounds, a fork of this process in which the daemon's code is loaded already (`fork`): it calls what `orchestrd serve`
calls, and costs 0.25 s less.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handoff.root import Root
from orchestrd.config import root_name
from tests.acceptance.stage import AGENT, LEDGER, as_toml
from tests.faults import oracle
from tests.faults.campaign import PromiseBroken, Violation
from tests.faults.fingerprints import fingerprint
from tests.faults.oracle import Evidence
from tests.serving import MARK, Serving, a_repository, serving

QUIET_SECONDS = 30.0
"""I8."""
SECRET = "sk-canary-7f3a9c51e2d84b06"
TELLING = "[tell ANTHROPIC_API_KEY]"
"""The agent says its secret, on every way and in two pieces; nobody may write it down (I9)."""


@dataclass(slots=True)
class World:
    """One root and all that belongs to it."""

    here: Serving
    projects: tuple[Path, ...]
    """Git repositories."""
    plain: Path
    """A folder without git: plans for it run in place."""
    handed_in: dict[str, str] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)
    """The names of the files of the orders that were given."""
    untold: set[str] = field(default_factory=set)
    """Those of which nothing was seen to come yet."""
    outside: dict[str, str] = field(default_factory=dict)
    tells_secret: bool = False
    """An agent was told to say it: then it is looked for in projects and commits, too."""
    consumed: set[str] = field(default_factory=set)
    """The results that were taken away once they had been read, by their files' names."""
    forked: int | None = None
    children: list[int] = field(default_factory=list)
    """Every daemon that was forked: also those of a round that failed before it had waited for them."""

    @property
    def root(self) -> Root:
        """The root."""
        return self.here.root

    @property
    def folder(self) -> Path:
        """All of the world lies in it."""
        return self.here.folder

    @property
    def pid(self) -> int | None:
        """The daemon's, while it is alive."""
        if self.forked is not None:
            return self.forked
        daemon = self.here.daemon
        return daemon.pid if daemon is not None and daemon.poll() is None else None

    # -- what a user does -----------------------------------------------------------------------------------------

    def submit(
        self, name: str, prompt: str = "Say hello.", project: Path | None = None, **fields: Any
    ) -> str:
        """Hand a plan in, by rename; no two are alike in content. Returns its file's name."""
        self.here.drop(f"{name}.toml", self.text_of(name, prompt, project, **fields))
        return f"{name}.toml"

    def text_of(
        self, name: str, prompt: str = "Say hello.", project: Path | None = None, **fields: Any
    ) -> str:
        """Tell the text of a plan that is going to be handed in as `NAME.toml`, by whoever asks."""
        plan = {"handoff": 1, "project": str(project or self.projects[0]), "title": name, **fields}
        if "steps" not in fields:
            plan["prompt"] = f"{name}: {prompt}"
        text = as_toml(plan)
        self.tells_secret = self.tells_secret or TELLING in text
        self.handed_in[f"{name}.toml"] = hashlib.sha256(text.encode()).hexdigest()
        return text

    def order(self, name: str, **fields: Any) -> None:
        """Give an order, by rename; no two have one name."""
        self.ordered.append(f"{name}.toml")
        self.untold.add(f"{name}.toml")
        self.here.order(f"{name}.toml", as_toml(fields))

    # -- the daemon -----------------------------------------------------------------------------------------------

    def start(self, **settings: str) -> None:
        """Start the real command, and wait until it is up."""
        self.here.start(**settings)

    def launch(self, **settings: str) -> None:
        """Start the real command, and wait for nothing."""
        self.here._launch({f"ORCHESTRD_{name}": value for name, value in settings.items()})

    def fork(self, prepare: Callable[[], None] = lambda: None, **settings: str) -> int:
        """Fork a daemon and return its pid. `prepare` is called in it first: it puts faults into the seam."""
        environ = {**self.here.environ, **{f"ORCHESTRD_{name}": value for name, value in settings.items()}}
        self.forked = os.fork()
        if self.forked == 0:
            _become_daemon(self.here, environ, prepare)
        self.children.append(self.forked)
        return self.forked

    def await_end(self, seconds: float = 20.0) -> int | None:
        """Wait until the forked daemon has ended; its wait status (-9: SIGKILL), or None where it goes on."""
        assert self.forked is not None
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.forked, os.WNOHANG)
            if pid:
                self.forked = None
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)

    def kill(self) -> None:
        """SIGKILL to the daemon, whichever it is."""
        if self.forked is not None:
            os.kill(self.forked, signal.SIGKILL)
            self.await_end()
        else:
            self.here.kill()

    def stop(self) -> int | None:
        """SIGTERM to the daemon, whichever it is; its exit code."""
        if self.forked is not None:
            os.kill(self.forked, signal.SIGTERM)
            return self.await_end()
        return self.here.stop()

    # -- what came of it ------------------------------------------------------------------------------------------

    def is_quiet(self) -> bool:
        """Whether everything that was handed in is settled, every order told of, and nothing under way."""
        if not self._nothing_lies_there():
            return False
        if self.untold:
            self.untold -= oracle.orders_told(self.root)
            # Looked at once more: what an order makes is there before it is told of.
            return not self.untold and self._nothing_lies_there()
        return True

    def _nothing_lies_there(self) -> bool:
        root = self.root
        lanes = (root.inbox, root.control, root.active, root.orders)
        return not any(name for lane in lanes for name in os.listdir(lane) if not name.startswith("."))

    def await_quiet(self, seconds: float = QUIET_SECONDS) -> list[Violation]:
        """Wait until it is quiet; I8 where it is not in time."""
        deadline = time.monotonic() + seconds
        while not self.is_quiet():
            if time.monotonic() > deadline:
                left = {
                    lane.name: sorted(os.listdir(lane))[:5] for lane in (self.root.inbox, self.root.active)
                }
                left["orders"] = sorted(self.untold - oracle.orders_told(self.root))[:5]
                return [
                    Violation(
                        "I8", str(self.folder), f"not quiet after {seconds:g} s: {left}; {self.here.said()}"
                    )
                ]
            time.sleep(0.005)
        return []

    def evidence(self, *, settled: bool = True) -> Evidence:
        """What the oracle has to know."""
        return Evidence(
            root=self.root,
            ledger=self.folder / LEDGER,
            handed_in=self.handed_in,
            ordered=tuple(self.ordered),
            mark=f"{MARK}={self.here.mark}",
            daemon=self.pid,
            settled=settled,
            outside=self.outside,
            secret=SECRET.encode(),
            consumed=frozenset(self.consumed),
            places=(
                self.here.log,
                self.here.home,
                *((self.plain, *self.projects) if self.tells_secret else ()),
            ),
            repositories=self.projects if self.tells_secret else (),
            checkouts=self.here.home / "state" / "orchestrd" / "checkouts" / root_name(self.root.path),
        )

    def judge(self, *, settled: bool = True) -> list[Violation]:
        """Ask the oracle."""
        return oracle.judge(self.evidence(settled=settled))

    def recover_once_more(self) -> list[Violation]:
        """I10: stop the daemon, serve and stop once more, and tell what that changed."""
        self.stop()
        before = oracle.contents(self.root)
        self.fork()
        self.await_up()
        self.stop()
        return list(oracle.differences(before, oracle.contents(self.root)))

    def await_up(self, seconds: float = 20.0) -> None:
        """Wait until the forked daemon shows itself in `status/`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.here.status("daemon")["pid"] == self.forked:
                    return
            except (OSError, ValueError, KeyError):
                pass
            if time.monotonic() > deadline:
                what = f"no daemon is up after {seconds:g} s; it said: {self.here.said()}"
                raise PromiseBroken(Violation("I8", str(self.folder), what))
            time.sleep(0.002)


@contextmanager
def a_world(
    folder: Path, *, claude: Path = AGENT, projects: int = 1, environ: Mapping[str, str] = {}
) -> Iterator[World]:
    """Make a world in `folder` (made if missing); at the end nothing of it is alive."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {"FAKE_LEDGER": str(folder / LEDGER), "ANTHROPIC_API_KEY": SECRET, "GIT_CONFIG_GLOBAL": "/dev/null"}
    with serving(folder, {**own, **environ}, claude) as here:
        world = World(
            here, tuple(a_repository(folder / f"project{n}") for n in range(projects)), folder / "plain"
        )
        world.plain.mkdir()
        neighbour = folder / "neighbour"
        neighbour.mkdir()
        (neighbour / "keep.txt").write_text("nobody touches this\n")
        untouched = (neighbour, *world.projects)
        world.outside = {str(place): fingerprint(place) for place in untouched}
        try:
            yield world
        finally:
            for pid in world.children:
                _end(pid)


def _end(child: int) -> None:
    with suppress(ChildProcessError):  # it was waited for
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _become_daemon(here: Serving, environ: Mapping[str, str], prepare: Callable[[], None]) -> None:
    """Be the daemon: in the child, from which nothing returns."""
    code = 70
    try:
        log = os.open(here.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in ((0, null), (1, log), (2, log)):
            os.dup2(descriptor, number)
        # A daemon has what it opens itself, and nothing of the tests that this is a fork of.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(here.folder)
        from orchestrd.config import load_config
        from orchestrd.daemon.loop import serve
        from orchestrd.log import start_logging

        prepare()
        config = load_config(here.root.path)
        import sys

        start_logging(config, terminal=sys.__stderr__)
        code = serve(config)
    except BaseException:  # noqa: BLE001 - told on its stderr, as Python would
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
