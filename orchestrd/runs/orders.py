"""What a runner is told: its orders in `launch.json`, and later, perhaps, to stop. Standard library only."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps into enums, at 5 ms
import os
import sys

from handoff import looking
from handoff.effects import clock
from orchestrd.runs.kinds import kind_in
from orchestrd.runs.light_json import parse
from orchestrd.runs.relay import NO_SPACE, RETRY_SECONDS
from orchestrd.runs.tree import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from orchestrd.runs.kinds import Kind

    T = TypeVar("T")

PORTABLE = "ORCHESTRD_PORTABLE"
_OUR_WHYS = ("stopped", "interrupted")
_ATTEMPTS = 3


class Orders:
    """`launch.json`, less what is there for readers only."""

    __slots__ = ("argv", "asking", "cwd", "environment", "folder", "kind", "limits", "mark", "secrets")

    def __init__(self, folder: str, launch: dict[str, Any], environ: dict[str, str]) -> None:
        self.folder = folder
        self.kind: Kind = kind_in(launch)
        self.argv: list[str] = launch["argv"]
        self.cwd: str = launch["cwd"]
        self.mark: str = launch["mark"]
        self.limits: dict[str, Any] = launch["limits"]
        """As `Clocks` takes them."""
        self.asking: dict[str, Any] | None = launch.get("asking")
        """Where and how a person is asked (`launch.Asking`); None: nobody is."""
        self.secrets = {name: environ[name] for name in launch["secret_names"] if name in environ}
        withheld = (PORTABLE, *launch.get("withheld", ()))
        self.environment = {name: value for name, value in environ.items() if name not in withheld}
        self.environment[MARK] = self.mark


def read_orders(folder: str) -> Orders:
    """Read the orders of the start whose folder this is; the values of variables come by our own environment."""
    launch = parse(looking.read_file(os.path.join(folder, "launch.json")))
    # Behind the standard library: only where there is no /proc is something of it needed (psutil).
    sys.path += launch.get("libraries", ())
    return Orders(folder, launch, dict(os.environ))


def wish_to_stop(folder: str) -> tuple[str, str | None]:
    """Say why we were told to stop: (why, message) for `exit.json`.

    A SIGTERM without `stop.json` is not the daemon's: the machine goes down, or somebody did it by hand.
    """
    try:
        why = str(parse(looking.read_file(os.path.join(folder, "stop.json"))).get("why") or "stopped")
    except (OSError, ValueError, AttributeError):
        return "interrupted", None
    return (why, None) if why in _OUR_WHYS else ("stopped", why)


class StopSignal:
    """SIGTERM as something to look at, and SIGCHLD as something that ends a wait."""

    def __init__(self) -> None:
        self.is_raised = False
        self.ear, clapper = os.pipe()
        """Becomes readable with either."""
        os.set_blocking(self.ear, False)
        os.set_blocking(clapper, False)
        _signal.set_wakeup_fd(clapper, warn_on_full_buffer=False)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        _signal.signal(_signal.SIGTERM, self._raise)
        _signal.signal(_signal.SIGCHLD, lambda _number, _frame: None)
        for number in (_signal.SIGHUP, _signal.SIGINT, _signal.SIGPIPE):
            _signal.signal(number, _signal.SIG_IGN)

    def hush(self) -> None:
        """Be silent until the next one."""
        try:
            os.read(self.ear, 512)
        except BlockingIOError:
            return

    def _raise(self, _number: int, _frame: object) -> None:
        self.is_raised = True


def patiently(step: Callable[[], T]) -> T:
    """Do something to the disk: for as long as it is full, again; of any other failure, a few times."""
    failures = 0
    while True:
        try:
            return step()
        except OSError as error:
            failures += error.errno not in NO_SPACE
            if failures >= _ATTEMPTS:
                raise
        clock.sleep(RETRY_SECONDS)
