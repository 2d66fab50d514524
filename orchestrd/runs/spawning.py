"""Starting Claude Code, or a command: a session of its own, pipes, and a plain word where it cannot be started.

By fork and exec, which a single-threaded process may do: `subprocess` costs 25 ms of imports, `posix_spawn` knows no
working directory. Standard library only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps into enums, at 5 ms
import errno
import os

from handoff.effects import effects, programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Never

_UNTOUCHED = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGPIPE, _signal.SIGTERM)
"""What a runner ignores or catches and its child must not: what is ignored stays so in every child."""


class BadLaunch(Exception):
    """The program could not be started at all; the text says why."""


class Agent:
    """A process that was started; the descriptors are our ends of its pipes."""

    __slots__ = ("pid", "stderr", "stdin", "stdout")

    def __init__(self, pid: int, stdin: int | None, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.stdin = stdin
        """None: it was given nothing to read."""
        self.stdout = stdout
        self.stderr = stderr


def spawn(argv: Sequence[str], cwd: str, env: Mapping[str, str], *, is_fed: bool) -> Agent:
    """Start `argv` in `cwd`; return when it runs. Not fed, its standard input is empty. Raises BadLaunch."""
    their_in, our_in = _input(is_fed=is_fed)
    our_out, their_out = os.pipe()
    our_err, their_err = os.pipe()
    report, tell = os.pipe()
    pid = programs.fork()
    if pid == 0:
        _become(argv, cwd, env, (their_in, their_out, their_err), tell)
    for descriptor in (their_in, their_out, their_err, tell):
        os.close(descriptor)
    # Its end is closed by the exec itself: nothing to read means that it runs.
    failure = os.read(report, 4096)
    os.close(report)
    if failure:
        programs.wait(pid)
        for ours in (our_in, our_out, our_err):
            if ours is not None:
                os.close(ours)
        raise BadLaunch(failure.decode("utf-8", "replace"))
    return Agent(pid, our_in, our_out, our_err)


def _input(*, is_fed: bool) -> tuple[int, int | None]:
    """What it reads, and our end of it."""
    return os.pipe() if is_fed else (effects.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), None)


def _become(
    argv: Sequence[str], cwd: str, env: Mapping[str, str], streams: Sequence[int], tell: int
) -> Never:
    """Turn into the other program. The child's side: it never returns."""
    said = "The program could not be started"
    try:
        os.setsid()
        for number in _UNTOUCHED:
            _signal.signal(number, _signal.SIG_DFL)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        said = f"The working directory {cwd} cannot be entered"
        os.chdir(cwd)
        said = f"{argv[0]} cannot be started"
        programs.become(argv, env)
    except OSError as error:
        what = "no program the system knows" if error.errno == errno.ENOEXEC else error.strerror
        said = f"{said}: {what}."
    finally:
        os.write(tell, said.encode("utf-8", "replace")[:4000])
        os._exit(127)
