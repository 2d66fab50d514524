"""Numbered steps: every call of the seam in a daemon or a runner is a step, at which it can be made to fail.

A step is named by what is done to what, and which time that is: `("rename", "active/a/.x.tmp → active/a/x", 1)`.
Counting by name and not through all calls keeps a step the same from one run to the next, whatever threads and timers
do in between. `install` puts wrappers on the seam's classes in the process that calls it; each fault that fires leaves
a line in a log outside the root. Standard library only: the runner loads this, too.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from handoff.effects import Effects, Programs

WRITING = frozenset(
    "allocate chmod exchange fsync mkdir rename rename_new rmdir sync_dir sync_filesystem truncate unlink write".split()  # noqa: SIM905
)
"""Steps that change what is on the disk, or bring it there; an `open` that may make a file is one, too."""
READING = frozenset(
    ("close", "fstat", "list", "lock", "may", "nobody_writes", "open", "read", "stat", "statvfs")
)
PROCESSES = frozenset(("become", "fork", "kill", "kill_by_descriptor", "kill_group", "run", "start", "wait"))


class Kind(StrEnum):
    """What happens at a step."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    ONCE = "error once"
    EVER = "error for ever"
    """From here on every step of this operation fails, whatever it is done to, until the faults are over."""
    HALF = "half, then no space"
    """Half of the content is written; the next write of it fails."""
    SHORT = "short write"
    """One write takes less than it was given, as a write may."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A step of a process."""

    operation: str
    what: str
    time: int = 1
    """The first, the second, … time that this is done to this."""

    @property
    def writes(self) -> bool:
        """Whether it changes what is on the disk."""
        return self.operation in WRITING or (self.operation == "open" and self.what.endswith(" (new)"))

    def __str__(self) -> str:
        """In words."""
        return f"{self.operation} {self.what}" + (f", time {self.time}" if self.time > 1 else "")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to happen where."""

    step: Step
    kind: Kind
    number: int = errno.EIO
    """The error, where it is one."""
    runner: bool = False
    """A step of the runner, not of the daemon."""

    def __str__(self) -> str:
        """In words."""
        error = f" ({errno.errorcode[self.number]})" if self.kind in (Kind.ONCE, Kind.EVER) else ""
        return f"{'runner' if self.runner else 'daemon'}: {self.kind}{error} at: {self.step}"


class Steps:
    """The steps of this process, counted; what of it fails."""

    def __init__(self, folder: str, fault: Fault | None, fired: str, armed: str, record: str | None) -> None:
        self._folder = folder
        self._fault = fault
        self._fired = fired
        self._armed = armed
        self._record = record
        self._seen: Counter[tuple[str, str]] = Counter()
        self._guard = threading.Lock()
        self._struck = False
        self._half = ""

    def act(self, operation: str, original: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Do a step, or what is to happen instead."""
        what = self._name(operation, args, options)
        with self._guard:
            self._seen[operation, what] += 1
            step = Step(operation, what, self._seen[operation, what])
            strikes = self._strikes(step)
        if self._record is not None:
            _append(self._record, f"{json.dumps(asdict(step))}\n")
        if not strikes:
            return original(*args, **options)
        assert self._fault is not None
        kind = self._fault.kind
        if kind is Kind.CRASH_BEFORE:
            self._crash(step)
        elif kind is Kind.CRASH_AFTER:
            try:
                return original(*args, **options)
            finally:
                self._crash(step)
        elif kind in (Kind.ONCE, Kind.EVER):
            self._note(step)
            if operation == "close":
                original(*args)  # as the system does: whatever it says, the descriptor is gone
            raise OSError(self._fault.number, os.strerror(self._fault.number))
        elif kind is Kind.HALF and what == self._half:
            self._half = ""
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._note(step)
        self._half = what if kind is Kind.HALF else ""
        descriptor, content = args
        return original(descriptor, memoryview(content)[: max(1, len(content) // 2)])

    def _strikes(self, step: Step) -> bool:
        fault = self._fault
        if fault is None or not os.path.exists(self._armed):
            return False
        if self._half:
            return step.operation == "write" and step.what == self._half
        if self._struck:
            return (
                fault.kind is Kind.EVER
                and step.operation == fault.step.operation
                and step.writes == fault.step.writes
            )
        # Once means once: a second runner has the same fault in it, and does not meet it.
        once = fault.kind is Kind.EVER or not os.path.exists(self._fired)
        self._struck = once and step == fault.step
        return self._struck

    def _crash(self, step: Step) -> None:
        self._note(step)
        os.kill(os.getpid(), signal.SIGKILL)

    def _note(self, step: Step) -> None:
        _append(self._fired, f"{self._fault and self._fault.kind}: {step}\n")

    def _name(self, operation: str, args: tuple[Any, ...], options: dict[str, Any]) -> str:
        if operation in ("start", "run"):
            return _in_a_word(args[0])
        if operation in PROCESSES:
            return (
                " ".join(str(arg) for arg in args[1:] if isinstance(arg, int))
                if operation.startswith("kill")
                else ""
            )
        words = [self._place(args[0])]
        if options.get("dir_fd") is not None:
            words[0] = f"{self._place(options['dir_fd'])}/{args[0]}"
        if operation in ("rename", "rename_new"):
            words += ["→", self._place(args[1])]
        if operation == "open" and args[1] & (os.O_CREAT | os.O_TRUNC):
            words.append("(new)")
        return " ".join(words)

    def _place(self, where: Any) -> str:
        if isinstance(where, int):
            try:
                path = os.readlink(f"/proc/self/fd/{where}")
            except OSError:
                path = "?"
        else:
            path = os.fspath(where)
        if path.startswith(self._folder):
            path = path[len(self._folder) :].strip("/") or "."
        return _CHANGING.sub("*", path)


_CHANGING = re.compile(
    r"\b\d{4}-\d\d\b|pipe:\[\d+\]|socket:\[\d+\]|anon_inode:.*|tmp[a-z0-9_]{8}|[0-9a-f]{12,}"
)
"""What of a name is another each time."""


def install(folder: str, fault: Fault | None, *, fired: str, armed: str, record: str | None = None) -> None:
    """Count the steps of this process from here on; faults happen while the file `armed` is there."""
    steps = Steps(folder, fault, fired, armed, record)
    for of, operations in ((Effects, WRITING | READING), (Programs, PROCESSES)):
        for operation in operations:
            setattr(of, operation, _counted(steps, operation, getattr(of, operation)))


def script(folder: str, fault: Fault | None, *, fired: str, armed: str, record: str | None = None) -> str:
    """The text of a script that is a runner whose steps are counted."""
    told = {"folder": folder, "fired": fired, "armed": armed, "record": record}
    given = None if fault is None else asdict(fault) | {"kind": fault.kind.value, "step": asdict(fault.step)}
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return _SCRIPT.format(here=here, told=told, fault=given)


def as_runner(told: dict[str, Any], fault: dict[str, Any] | None) -> None:
    """Be that runner; never returns."""
    given = None
    if fault is not None:
        given = Fault(Step(**fault["step"]), Kind(fault["kind"]), fault["number"], fault["runner"])
    install(told["folder"], given, fired=told["fired"], armed=told["armed"], record=told["record"])
    from orchestrd.runs.supervision import supervise

    code = supervise(sys.argv[1], int(sys.argv[2]))
    sys.stderr.flush()
    os._exit(code)


def recorded(path: str) -> list[Step]:
    """The steps that a recording tells of, in their order."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [Step(**json.loads(line)) for line in file]


_SCRIPT = """\
import sys
sys.path.append({here!r})
from tests.faults import steps
steps.as_runner({told!r}, {fault!r})
"""


def _counted(steps: Steps, operation: str, original: Any) -> Any:
    def act(self: Any, *args: Any, **options: Any) -> Any:
        return steps.act(operation, original.__get__(self), args, options)

    return act


def _in_a_word(command: Any) -> str:
    words = [os.path.basename(command[0])]
    if words == ["git"]:
        rest = iter(command[1:])
        for word in rest:
            if word == "-c":
                next(rest)
            else:
                words += [word, *[other for other in rest if not other.startswith(("/", "-"))][:1]]
                break
    elif len(command) > 4:
        words = ["runner", "/".join(command[-2].split("/")[-3::2])]
    return _CHANGING.sub("*", " ".join(words))


def _append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)
