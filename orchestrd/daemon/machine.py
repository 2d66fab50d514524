"""What the machine must offer before any plan starts: a safe root, Claude Code, space on disks, descriptors, memory.

Each thing that is missing is a trouble, with a word and a remedy; while it lasts plans wait and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from handoff.effects import effects
from handoff.looking import is_folder
from handoff.reserve import Reserve
from handoff.root import Root, RootError, open_root
from orchestrd.config import Config, checkouts_folder
from orchestrd.core.events import ConditionChanged, Event, Moment
from orchestrd.core.pressure import DYING, PRESSURE
from orchestrd.daemon.clock_watch import ClockWatch
from orchestrd.daemon.descriptors import DESCRIPTORS, Descriptors
from orchestrd.daemon.pressing import Pressing
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.runs.caps import fault_of_caps
from orchestrd.runs.claude import ClaudeCommand, ClaudeMissing, find_claude
from orchestrd.workspaces.git import GitLock

CLAUDE, SPACE, ROOT, GIT = "claude", "space", "root", "git"
LEAST_INODES = 1000
NEXT_TO_NOTHING = 1 << 16
"""Bytes with which no run can end."""


class Machine:
    """Looks at the machine again and again, and tells the engine what has changed."""

    def __init__(
        self,
        root: Root,
        config: Config,
        environ: Mapping[str, str],
        git_lock: GitLock,
        reserve: Reserve,
        troubles: Troubles,
    ) -> None:
        self.claude: ClaudeCommand | None = None
        """The Claude Code binary that is there now."""
        self._root = root
        self._checkouts = checkouts_folder(root.path)
        self._config = config
        self._environ = environ
        self._git_lock = git_lock
        self._reserve = reserve
        self._troubles = troubles
        self._clock = ClockWatch(troubles)
        self._descriptors = Descriptors()
        self._too_few_files: Trouble | None = None
        self._pressing = Pressing(config.pressure, environ)
        self._told: dict[str, Trouble | None] = {}

    @property
    def may_take(self) -> bool:
        """Whether plans may be taken: there is space to carry them, and nobody else may write to the root."""
        return SPACE not in self._troubles and ROOT not in self._troubles

    def look(self, at: Moment, runs: int = 0) -> list[Event]:
        """See whether all is there, while `runs` are alive. Called at each look into the lanes."""
        self._clock.look(at)
        self._settle(ROOT, self._look_at_root())
        self._settle(GIT, self._look_for_git())
        self._too_few_files = self._descriptors.look()
        self._settle(DESCRIPTORS, self._too_few_files)
        claude, space = self._look_for_claude(), self._look_for_space()
        self._settle(CLAUDE, claude)
        self._settle(SPACE, space)
        return [*self._tell(at, CLAUDE, claude), *self._tell(at, SPACE, space), *self.feel(at, runs)]

    def feel(self, at: Moment, runs: int) -> list[Event]:
        """See how hard the machine is pressed, while `runs` are alive. Called at every turn; reads once a second."""
        self._pressing.look(at, runs)
        trouble = self._pressing.trouble
        self._settle(PRESSURE, trouble)
        words = self._pressing.pressure.words if self._pressing.pressure.is_dying else None
        dying = Trouble(DYING, words, "") if words is not None else None
        # No run is started for either reason, and again only when both are over.
        return [*self._tell(at, PRESSURE, self._too_few_files or trouble), *self._tell(at, DYING, dying)]

    def next_look(self, at: Moment) -> float | None:
        """Seconds until `feel` has to be called though nothing else happens; None: not for its own sake."""
        return self._pressing.next_look(at)

    def _tell(self, at: Moment, word: str, trouble: Trouble | None) -> list[Event]:
        """Tell the engine of a condition, if that is news; of a dying machine each new figure is."""
        holds, before = trouble is not None, self._told.get(word)
        is_known = trouble == before if word == DYING else holds == (before is not None)
        if is_known:
            return []
        self._told[word] = trouble
        return [ConditionChanged(at, word, holds=holds, message=trouble.message if trouble else "")]

    def _settle(self, word: str, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._troubles.raise_(trouble)
        else:
            self._troubles.clear(word)

    def _look_for_space(self) -> Trouble | None:
        """Both on the root's disk and on that of the checkouts, which may be another."""
        place = self._root.path
        try:
            short = look_for_space(place)
            self._keep_reserve(short)
            place = self._checkouts
            return short or look_for_space(_existing(place))
        except OSError as error:
            # A disk that does not even say that takes no plan; the next look asks it again.
            return Trouble(
                SPACE, f"{place}: how much is free is not told: {error.strerror}", "look at that disk"
            )

    def _keep_reserve(self, short: Trouble | None) -> None:
        # What cannot be set aside now is set aside at the next look; what cannot be looked at is no lack of space.
        with suppress(OSError):
            if short is None:
                self._reserve.keep()
            elif _has_next_to_nothing(self._root.path):
                self._reserve.give_some()

    def _look_for_claude(self) -> Trouble | None:
        try:
            self.claude = find_claude(self._config.claude.command, self._environ)
        except ClaudeMissing as error:
            self.claude = None
            return Trouble(CLAUDE, error.message, error.remedy)
        return self._look_for_caps(self.claude)

    def _look_for_caps(self, claude: ClaudeCommand) -> Trouble | None:
        """A cap of the day that runs could not be held to is no cap: then none is started."""
        budget = self._config.budget
        if budget.per_day_usd is None and budget.per_project_usd is None:
            return None
        fault = fault_of_caps(claude, self._config.claude.args)
        return Trouble(CLAUDE, f"[budget] cannot be kept: {fault.message}", fault.remedy) if fault else None

    def _look_for_git(self) -> Trouble | None:
        """A git that a killed daemon left behind is not to be disturbed: ours wait for it, and nothing else does."""
        try:
            if self._git_lock.try_take():
                return None
        except OSError as error:
            return Trouble(GIT, f"{self._root.git_lock}: {error.strerror}", "repair or remove that file")
        message = f"{self._root.git_lock}: a git that an earlier daemon started is still at work"
        return Trouble(GIT, message, "nothing, it will end; plans that need git wait for it")

    def _look_at_root(self) -> Trouble | None:
        """Whoever may write to the root runs code as us: looked at at every scan, not only at the start."""
        try:
            open_root(self._root.path, allow_network=self._config.lanes.polling)
        except RootError as error:
            return Trouble(ROOT, f"{error.where}: {error.what}; no plan is taken", error.remedy)
        return None


def look_for_space(place: Path) -> Trouble | None:
    """Demand max(64 MiB, min(2 %, 1 GiB)) free, and 1,000 inodes where the file system counts them."""
    there = effects.statvfs(place)
    free = there.f_bavail * there.f_frsize
    wanted = least_free_bytes(there.f_blocks * there.f_frsize)
    if free < wanted:
        message = (
            f"{place}: {free >> 20} MiB are free on its disk; {wanted >> 20} MiB are needed to take plans"
        )
        return Trouble(SPACE, message, "free some space: `orchestrd clean --dry-run` shows what can go")
    if there.f_files and there.f_favail < LEAST_INODES:
        message = (
            f"{place}: {there.f_favail} inodes are free on its disk; {LEAST_INODES} are needed to take plans"
        )
        return Trouble(SPACE, message, "remove files: `orchestrd clean --dry-run` shows what can go")
    return None


def least_free_bytes(disk_bytes: int) -> int:
    """What must be free on a disk of that size."""
    return max(64 << 20, min(disk_bytes // 50, 1 << 30))


def _has_next_to_nothing(place: Path) -> bool:
    there = effects.statvfs(place)
    return there.f_bavail * there.f_frsize < NEXT_TO_NOTHING or bool(there.f_files and not there.f_favail)


def _existing(folder: Path) -> Path:
    """Find the nearest folder that is there: on its disk the rest is going to be made."""
    return next((place for place in (folder, *folder.parents) if is_folder(place)), Path("/"))
