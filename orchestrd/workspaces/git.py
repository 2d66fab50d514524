"""The one way in which git is called.

No hook, file watcher, signature or clean-up of the repository starts with it, nobody is asked anything, and nothing
of the daemon's own environment points it elsewhere. Knows nothing of plans and checkouts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from handoff import looking
from handoff.effects import clock, effects, let_go, programs

TIMEOUT_SECONDS = 600.0
"""Of one git: a checkout of a large repository over a slow filter takes minutes; one that hangs ends."""

ALWAYS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgsign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.addEmbeddedRepo=false",
    # What is committed for a plan is on the disk before its checkout goes: git's own default leaves loose objects
    # to the system's leisure. The index too: a torn one would keep the next git from gathering what is there. Older
    # gits do not know these and pass over them.
    "core.fsync=added,reference",
    "core.fsyncMethod=batch",
)

KEPT = frozenset(
    (
        "GIT_ASKPASS",
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_NAME",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
    )
)
"""Of what begins with GIT_, this alone is passed on: who the user is, where the configuration lies, how a partial
clone fetches what it lacks. Never GIT_DIR and its like, which a daemon started from a hook would inherit."""

_LOCK_PAUSE_SECONDS = 0.05
# Of a file that it could make and not fill git tells no reason: a disk is full, or fails.
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|Out of diskspace|unable to write file ")
_NO_WRITE = re.compile(r"(?:unable to|cannot|could not|failed to) (?:write|create)|write error|short write")
_NEXT_TO_NOTHING = 1 << 20


class GitMissing(Exception):
    """There is no git on this machine."""


class GitHeld(OSError):
    """A git of an earlier daemon may still be writing: ask again later. A state of the machine, no plan's fault."""


class GitNoSpace(OSError):
    """A git had no room on a disk: ask again later. A state of the machine, no plan's fault."""


class GitFailed(Exception):
    """A git ended with an exit code that was not expected, or was ended for taking too long."""

    def __init__(self, message: str, stderr: str = "", code: int | None = None, stdout: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.stderr = stderr
        self.code = code
        """None: it took too long."""
        self.stdout = stdout

    def last_line(self) -> str:
        """What git said, in a line."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        return (fatal or lines or [self.message])[-1]


class GitLock:
    """The lock that every git of this daemon inherits.

    A git outlives a killed daemon. Until the last of them is done, the next daemon starts no git of its own, for it
    would touch what they may be writing; all else goes on.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._fileno: int | None = None
        self._guard = threading.Lock()

    @property
    def fileno(self) -> int | None:
        """The descriptor that holds the lock; None: not taken yet."""
        return self._fileno

    def take(self, seconds: float = 30.0) -> None:
        """Take the lock, waiting for a git that an earlier daemon left behind. Taken already: nothing happens.

        Raises:
            TimeoutError: it was held all the time.

        """
        with self._guard:
            if self._fileno is None:
                self._fileno = self._locked(clock.awake() + seconds)

    def try_take(self) -> bool:
        """Take the lock if nobody holds it; True: it is ours, now or since before. Waits for no git; repeatable.

        While it is not, every git of ours waits for it (`run_git`).
        """
        # Another thread may be waiting for it in `take`.
        if not self._guard.acquire(blocking=False):
            return False
        try:
            if self._fileno is None:
                self._fileno = self._locked(clock.awake())
        except TimeoutError:
            return False
        finally:
            self._guard.release()
        return True

    def release(self) -> None:
        """Give it up, as far as no git holds it."""
        with self._guard:
            if self._fileno is not None:
                let_go(self._fileno)
                self._fileno = None

    def _locked(self, deadline: float) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = effects.open(self._path, flags, 0o600)
        while True:
            try:
                effects.lock(descriptor)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                    let_go(descriptor)
                    raise
            else:
                return descriptor
            if clock.awake() >= deadline:
                let_go(descriptor)
                raise TimeoutError(
                    f"{self._path} is held by a git that an earlier daemon started. "
                    "Wait for it, or end it, then try again."
                )
            clock.sleep(_LOCK_PAUSE_SECONDS)


def run_git(
    args: Sequence[str],
    cwd: str | os.PathLike[str],
    *,
    lock: GitLock | None,
    extra: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    stdout: int | None = None,
    codes: Sequence[int] = (0,),
    timeout: float = TIMEOUT_SECONDS,
) -> bytes:
    """Run git in `cwd` and return what it wrote, unless that went to the descriptor `stdout`.

    `extra` is added to its environment; `codes` are the exit codes that are no failure. A lock that is not taken yet
    is taken first.

    Raises:
        GitMissing: there is none.
        GitNoSpace: the disk is full.
        GitFailed: any other end.

    """
    settings = [word for setting in ALWAYS for word in ("-c", setting)]
    descriptor = _held(lock) if lock is not None else None
    try:
        child = programs.start(
            ["git", *settings, *args],
            cwd=os.fspath(cwd),
            env=git_environment(os.environ, extra or {}),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            pass_fds=() if descriptor is None else (descriptor,),
            # Ctrl-C in the daemon's terminal is not meant for it; and its filters end with it.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if not looking.is_folder(cwd):
            raise GitFailed(f"{cwd}: no such folder", str(error)) from error
        raise GitMissing("there is no git on PATH") from error
    try:
        out, err = child.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        _end(child)
        raise GitFailed(f"git {_verb(args)} took longer than {timeout:.0f} s and was ended") from error
    except BaseException:
        _end(child)
        raise
    if child.returncode not in codes:
        said = err.decode("utf-8", "replace")
        if _lacked_space(said, [cwd, *args]):
            failed = GitFailed("", said)
            raise GitNoSpace(errno.ENOSPC, f"git {_verb(args)}: {failed.last_line()}", os.fspath(cwd))
        raise GitFailed(
            f"git {_verb(args)} ended with {child.returncode}", said, child.returncode, out or b""
        )
    return out or b""


def _lacked_space(said: str, places: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether a git failed because a disk is full. Often it tells the reason, sometimes only that it cannot write."""
    if _NO_SPACE.search(said):
        return True
    return bool(_NO_WRITE.search(said)) and any(_is_full(place) for place in places)


def _is_full(place: str | os.PathLike[str]) -> bool:
    folder = os.fspath(place)
    if not os.path.isabs(folder):
        return False
    while not looking.is_folder(folder):
        folder = os.path.dirname(folder)
    there = effects.statvfs(folder)
    return there.f_bavail * there.f_frsize < _NEXT_TO_NOTHING or bool(there.f_files and not there.f_favail)


def _held(lock: GitLock) -> int | None:
    if lock.fileno is None and not lock.try_take():
        raise GitHeld("a git that an earlier daemon started is still at work; ours waits for it")
    return lock.fileno


def git_environment(environ: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Build the environment of a git from the daemon's own."""
    clean = {name: text for name, text in environ.items() if not name.startswith("GIT_") or name in KEPT}
    return {**clean, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **extra}


def _verb(args: Sequence[str]) -> str:
    """What git was to do, without the settings before it."""
    return next(
        (word for place, word in enumerate(args) if "-c" not in args[max(0, place - 1) : place + 1]), ""
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        programs.kill_group(child.pid, signal.SIGKILL)
    child.communicate()
