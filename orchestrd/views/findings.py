"""What `orchestrd verify` can find: the promises by name, and one thing that is not as promised."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from handoff.looking import NotRegular
from handoff.root import PlanId

ONE_PLACE = "one-place"
ONE_START = "one-start"
RESULT = "result"
NO_TORN_FILE = "no-torn-file"
LOCKS = "locks"
JOURNALS = "journals"
STATUS = "status"
REQUESTS = "requests"

PROMISES = {
    ONE_PLACE: "every plan that was taken is in exactly one of active/ and archive/",
    ONE_START: "each start of a plan, and each plan with a key, happens once",
    RESULT: "a result is whole, and is that of its plan",
    NO_TORN_FILE: "no half-written file lies about",
    LOCKS: "no process of a run without its lock, no lock without its process",
    JOURNALS: "journals and registers verify, and agree with the folders",
    STATUS: "status/ shows what is",
    REQUESTS: "what is asked of a person is waited for",
}
"""What each word stands for, for a person."""

LOOK = (
    "nothing was changed; keep the file, look at it beside the daemon's log (`orchestrd logs`), and report it"
)
"""What to do about something that no user can have done."""

TWO_PLACES = (
    "if it is another plan, move the archived one and results/ID.* out of the root; if a copy, remove that"
)
TAKEN_IN = "start the daemon, or restart it if it is at work (runs go on): it takes in what the folders tell"
"""What to do about a register that was lost, or is older than the archive."""
READABLE = (
    "see what was put there, or why the disk does not give it; bring the file back from a backup if there is one, "
    "otherwise put that aside"
)
"""What to do about a file that cannot be read."""


def unreadable(error: OSError) -> str:
    """Say why a file cannot be looked at."""
    if isinstance(error, NotRegular):
        return f"it {error.strerror}"
    return f"it cannot be read: {error.strerror}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as promised."""

    invariant: str
    where: str
    """Relative to the root, where it lies in it."""
    what: str
    """The same words at every look, as long as it is the same thing."""
    remedy: str = LOOK
    plan: PlanId | None = None
    """The plan that it is about; None: the root, or something of no plan."""

    def fields(self) -> dict[str, str]:
        """For JSON."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


@dataclass(slots=True)
class Looked:
    """How much was looked at, for whoever is told that all is well."""

    inbox: int = 0
    active: int = 0
    archived: int = 0
    journals: int = 0
    events: int = 0
    results: int = 0
    runs: int = 0
    """Starts, each with its lock."""
    processes: int = 0
    """Processes of this root's runs that are alive."""
    ids: int = 0
    orders: int = 0

    def fields(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)
