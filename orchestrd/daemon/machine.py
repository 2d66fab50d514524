"""What the machine must offer before any plan starts: a safe root, Claude Code, space on the disk.

Each thing that is missing is a trouble, with a word and a remedy; while it lasts plans wait and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from handoff.effects import effects
from handoff.root import RESERVE_BYTES, Root, RootError, give_reserve, keep_reserve, open_root
from orchestrd.config import Config
from orchestrd.core.events import ConditionChanged, Event, Moment
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.runs.claude import ClaudeCommand, ClaudeMissing, find_claude
from orchestrd.workspaces.git import GitLock

CLAUDE, SPACE, ROOT, GIT = "claude", "space", "root", "git"
LEAST_INODES = 1000


class Machine:
    """Looks at the machine again and again, and tells the engine what has changed."""

    def __init__(
        self, root: Root, config: Config, environ: Mapping[str, str], git_lock: GitLock, troubles: Troubles
    ) -> None:
        self.claude: ClaudeCommand | None = None
        """The Claude Code binary that is there now."""
        self._root = root
        self._config = config
        self._environ = environ
        self._git_lock = git_lock
        self._troubles = troubles
        self._told: dict[str, bool] = {}

    @property
    def may_take(self) -> bool:
        """Whether plans may be taken: there is space to carry them, and nobody else may write to the root."""
        return SPACE not in self._troubles and ROOT not in self._troubles

    def look(self, at: Moment) -> list[Event]:
        """See whether all is there."""
        self._settle(ROOT, self._look_at_root())
        self._settle(GIT, self._look_for_git())
        events = []
        space = look_for_space(self._root)
        self._see_to_reserve(space)
        for word, trouble in ((CLAUDE, self._look_for_claude()), (SPACE, space)):
            self._settle(word, trouble)
            missing = trouble is not None
            if self._told.get(word, False) != missing:
                events.append(ConditionChanged(at, word, holds=missing))
                self._told[word] = missing
        return list(events)

    def _settle(self, word: str, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._troubles.raise_(trouble)
        else:
            self._troubles.clear(word)

    def _see_to_reserve(self, space: Trouble | None) -> None:
        """With nothing left at all, the reserve is what the status and the results are written with."""
        with suppress(OSError):
            if space is None:
                keep_reserve(self._root)
            elif free_bytes(self._root) < RESERVE_BYTES:
                give_reserve(self._root)

    def _look_for_claude(self) -> Trouble | None:
        try:
            self.claude = find_claude(self._config.claude.command, self._environ)
        except ClaudeMissing as error:
            self.claude = None
            return Trouble(CLAUDE, error.message, error.remedy)
        return None

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


def look_for_space(root: Root) -> Trouble | None:
    """Demand max(64 MiB, min(2 %, 1 GiB)) free, and 1,000 inodes where the file system counts them."""
    there = effects.statvfs(root.path)
    free = free_bytes(root)
    wanted = least_free_bytes(there.f_blocks * there.f_frsize)
    if free < wanted:
        message = (
            f"{root.path}: {free >> 20} MiB are free on its disk; {wanted >> 20} MiB are needed to take plans"
        )
        return Trouble(SPACE, message, "free some space: `orchestrd clean --dry-run` shows what can go")
    if there.f_files and there.f_favail < LEAST_INODES:
        message = f"{root.path}: {there.f_favail} inodes are free on its disk; {LEAST_INODES} are needed to take plans"
        return Trouble(SPACE, message, "remove files: `orchestrd clean --dry-run` shows what can go")
    return None


def free_bytes(root: Root) -> int:
    """What is free on the root's disk for us."""
    there = effects.statvfs(root.path)
    return there.f_bavail * there.f_frsize


def least_free_bytes(disk_bytes: int) -> int:
    """What must be free on a disk of that size."""
    return max(64 << 20, min(disk_bytes // 50, 1 << 30))
