"""Starting one run: its folder, its lock, its runner. From before the fork until the runner's end the lock is held.

What makes a start happen at most once: the lock is taken first; what was started before (`started.json`) is not
started again; and the folder's name is on the disk before anything runs in it. Otherwise a power cut could take the
folder, `started.json` in it, and the run would look as if it had never been. The files in it are not synced here: a
start that a power cut takes is either not started, and they are written again, or not started again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from handoff import durable, looking
from handoff.effects import clock, effects, let_go, programs
from orchestrd.runs import runner
from orchestrd.runs.kinds import CLAUDE
from orchestrd.runs.launch import Launch
from orchestrd.runs.orders import PORTABLE
from orchestrd.runs.scopes import offers_scopes, scope_prefix

if TYPE_CHECKING:
    from orchestrd.runs.kinds import Kind

STARTED = "started.json"
LOCK = "lock"
SCOPE_SECONDS = 30.0
"""How long systemd may take to make a scope; its own bus gives up after 25."""
_LOOK_SECONDS = 0.005
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class StartRefused(RuntimeError):
    """A start that cannot be made: it was made before, or somebody else is making it."""


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A runner that we started."""

    run_folder: Path
    pid: int
    process: subprocess.Popen[bytes]
    """To be waited for, by `RunWatch`."""
    kind: Kind = CLAUDE


def start_runner(
    run_folder: Path,
    launch: Launch,
    *,
    mark: str,
    scope: bool = False,
    attempt: int | None = None,
    round_number: int = 0,
) -> StartedRun:
    """Start Claude Code, or a command, as `launch` says, beside a runner of its own, in the plan's `runs/STEP.N`.

    `round_number` is how often a failed check has come back to the model before (PROTOCOL 9).
    `mark` names the run in the environment of all its processes; no other run on this machine may have it. With
    `scope` the run gets a transient systemd scope, where there is a user manager, and outlives the daemon's service.

    Raises StartRefused, OSError where the disk says no: then nothing runs.
    """
    _make_folder(run_folder)
    lock = take_lock(run_folder)
    if lock is None:
        raise StartRefused(f"{run_folder}: somebody holds its lock, so this start is being made; follow it.")
    try:
        if looking.is_there(run_folder / STARTED):
            raise StartRefused(f"{run_folder}: this start was made before; take the next number.")
        _write_files(run_folder, launch, _document(launch, mark, attempt, round_number))
        prefix = scope_prefix(f"orchestrd run: {run_folder.parent.parent.name}") if scope else []
        process = _spawn(run_folder, lock, launch, prefix)
        if prefix and not _has_begun(run_folder, process):
            # Told by the lock that we hold and by `started.json`: nothing of it has run. So it is the same start.
            logger.warning("{}: systemd-run made no scope for it; it is started without one", run_folder)
            offers_scopes.cache_clear()
            process = _spawn(run_folder, lock, launch, [])
    finally:
        # The runner has its own by now: a lock of this kind is held until the last of them is closed.
        let_go(lock)
    return StartedRun(run_folder, process.pid, process, launch.kind)


def take_lock(run_folder: Path) -> int | None:
    """Try to take a run's lock; None: it is held. Only the daemon may: to others a try would look like a run."""
    path = run_folder / LOCK
    descriptor = effects.open(path, _LOCK_FLAGS)
    try:
        effects.lock(descriptor)
        # A lock file that was removed and made anew lets two hold "the" lock (RELIABILITY, trap 3).
        if effects.fstat(descriptor).st_ino == effects.stat(path).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        let_go(descriptor)
        raise
    let_go(descriptor)
    return None


def _make_folder(run_folder: Path) -> None:
    runs = run_folder.parent
    if not looking.is_there(runs):
        durable.make_folder(runs)
    durable.make_folder(run_folder)


def _write_files(run_folder: Path, launch: Launch, document: bytes) -> None:
    told = {"input.jsonl": launch.stdin} if launch.kind == CLAUDE else {}
    files = {**launch.files, **told, "launch.json": document}
    for folder in {(run_folder / name).parent for name in launch.files} - {run_folder}:
        durable.make_folder(folder, sync=False)
    for name, content in files.items():
        durable.replace(run_folder / name, content, sync=False)


def _document(launch: Launch, mark: str, attempt: int | None, round_number: int) -> bytes:
    document: dict[str, Any] = {
        "kind": launch.kind,
        "attempt": attempt,
        "round": round_number,
        "session_id": launch.session_id,
        "mark": mark,
        "argv": list(launch.argv),
        "cwd": str(launch.cwd),
        "environment": sorted(launch.env),
        "secret_names": [*launch.secret_names, *launch.withheld],
        "withheld": sorted(launch.withheld) or None,
        "limits": asdict(launch.limits),
        "asking": asdict(launch.asking) if launch.asking is not None else None,
        "payer": str(launch.payer),
        "libraries": _libraries(),
    }
    # In one line: json indents in Python, ten times slower.
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


@cache
def _libraries() -> list[str]:
    """Where psutil and tomli_w lie: a runner does without site-packages, but not everywhere without these."""
    found = (find_spec(name) for name in ("psutil", "tomli_w"))
    places = (str(Path(one.origin).parent.parent) for one in found if one and one.origin)
    return list(dict.fromkeys(places))


def _has_begun(run_folder: Path, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the runner has begun; False: what was to become it is gone, and did not become it."""
    started = run_folder / STARTED
    give_up_at = clock.awake() + SCOPE_SECONDS
    while not looking.is_there(started):
        if process.poll() is not None:
            return looking.is_there(started)
        if clock.awake() > give_up_at:
            process.kill()
            process.wait()
            return looking.is_there(started)
        clock.sleep(_LOOK_SECONDS)
    return True


def _spawn(run_folder: Path, lock: int, launch: Launch, prefix: Sequence[str]) -> subprocess.Popen[bytes]:
    folder = os.path.abspath(run_folder)
    command = [*prefix, sys.executable, "-I", "-S", runner.__file__, folder, str(lock)]
    # The runner itself is not marked (it marks what it starts): what sweeps a run away must not find it.
    environment = {**launch.withheld, **launch.env}
    if PORTABLE in os.environ:
        environment[PORTABLE] = os.environ[PORTABLE]
    log = effects.open(run_folder / "runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    try:
        return programs.start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            pass_fds=(lock,),
            start_new_session=True,
        )
    finally:
        let_go(log)
