"""What became of a start while nobody looked: the table of the lock, `started.json` and `exit.json`.

Called by the daemon alone, which holds the root's lock: it tries the run's lock. Looking changes nothing.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handoff import durable, looking, platform
from handoff.effects import clock, effects, let_go
from orchestrd.runs import tree
from orchestrd.runs.kinds import ALL_LOGS, COMMAND, STDOUT, kind_in
from orchestrd.runs.prompting import INPUTS
from orchestrd.runs.remains import with_sampled_peak
from orchestrd.runs.start import LOCK, STARTED, take_lock

if TYPE_CHECKING:
    from orchestrd.runs.kinds import Kind

EXIT = "exit.json"
FORKED_SECONDS = 5.0
"""How long a fork of a killed runner may take to become what it is to be, on a machine that has other things to do."""
_LOOK_SECONDS = 0.005


class Found(Enum):
    """What a start was found as, and what follows."""

    NEVER_RAN = "never ran, provably: make the same start again"
    ALIVE = "alive: follow it"
    FINISHED = "finished: judge it"
    DIED = "died, or the power was cut: sweep its tree, then go on as `on_interrupt` says"
    FINISHING = "has written its end and not gone yet: wait 10 s, then warn"


def inspect(run_folder: Path) -> Found:
    """Find out what became of a start."""
    # The lock first: whoever lets it go has written its last word before.
    held = is_locked(run_folder)
    ended = looking.is_there(run_folder / EXIT)
    if held:
        return Found.FINISHING if ended else Found.ALIVE
    if ended:
        return Found.FINISHED
    return Found.DIED if looking.is_there(run_folder / STARTED) else Found.NEVER_RAN


def is_locked(run_folder: Path) -> bool:
    """Try a run's lock, and let it go at once."""
    if not looking.is_there(run_folder / LOCK):
        return False
    descriptor = take_lock(run_folder)
    if descriptor is None:
        return True
    let_go(descriptor)
    return False


def follow_pid(run_folder: Path) -> int | None:
    """The pid of a runner that is alive; None: it has not said, or what has that number now is somebody else."""
    started = read_started(run_folder)
    pid, ticks, boot = (started.get(name) for name in ("pid", "start_ticks", "boot_id"))
    if not isinstance(pid, int) or not isinstance(ticks, str) or not isinstance(boot, str):
        return None
    if not platform.same_boot(boot, platform.boot_id()) or platform.start_ticks(pid) != ticks:
        return None
    return pid


class StillThere(RuntimeError):
    """Something of a run whose runner died is alive and does not end: its session must not be gone on with."""


def sweep(run_folder: Path) -> tree.Ended:
    """End what a run left behind whose runner died, and prove that nothing is left; for a start found as DIED.

    Raises StillThere, to be tried again, where that cannot be proved.
    """
    # A fork of the runner that is not yet what it is to be has no mark by which it is found, but the runner's lock.
    give_up_at = clock.awake() + FORKED_SECONDS
    while is_locked(run_folder):
        if clock.awake() > give_up_at:
            raise StillThere(f"{run_folder}: its runner is gone, and somebody holds its lock")
        clock.sleep(_LOOK_SECONDS)
    launch = read_launch(run_folder)
    mark, session = launch.get("mark"), launch.get("session_id")
    if not isinstance(mark, str):
        # The power was cut before this file was on the disk: no process outlived that.
        return tree.Ended((), ())
    ended = tree.sweep(mark, session if isinstance(session, str) else None)
    if ended.left:
        raise StillThere(
            f"{run_folder}: these processes do not die: {', '.join(map(str, sorted(ended.left)))}"
        )
    return ended


def sync_logs(run_folder: Path) -> None:
    """Bring to the disk what a run said whose runner died before it could do that: results will name it."""
    durable.sync_files([run_folder / name for name in ALL_LOGS])
    durable.sync_names(str(run_folder))


def remove_unfinished(run_folder: Path) -> None:
    """Remove what was being written when a runner was killed, or the power cut: nobody writes here any more."""
    names = effects.list(run_folder)
    _remove_temporaries(run_folder, names)
    if INPUTS in names:
        _remove_temporaries(run_folder / INPUTS, effects.list(run_folder / INPUTS))


def _remove_temporaries(folder: Path, names: list[str]) -> None:
    for name in names:
        if name.startswith(".") and name.endswith(".tmp"):
            durable.remove(folder / name, sync=False)


def read_launch(run_folder: Path) -> dict[str, Any]:
    """Read `launch.json`; {} where a power cut took it."""
    return _read(run_folder / "launch.json")


def kind_of(run_folder: Path) -> Kind:
    """Tell what kind of run a start is of (`kinds`); where a power cut took its launch, by what it wrote."""
    launch = read_launch(run_folder)
    if launch:
        return kind_in(launch)
    return COMMAND if looking.is_there(run_folder / STDOUT) else kind_in({})


def read_started(run_folder: Path) -> dict[str, Any]:
    """Read `started.json`; {} where there is none."""
    return _read(run_folder / STARTED)


def read_exit(run_folder: Path) -> dict[str, Any]:
    """Read `exit.json`, its peak of memory by the daemon's samples too; {} where the run died with its runner."""
    return with_sampled_peak(run_folder, _read(run_folder / EXIT))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(looking.read_file(path))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
