"""The lanes: who may serve them, what lies there, and who may have exchanged it."""

from __future__ import annotations

from tests.faults.seeded.bug import Edit, a_bug

BUGS = (
    a_bug(
        "lock-by-name",
        "only a file that can be removed is locked: where it was, two daemons serve one root",
        "orchestrd/daemon/root_lock.py",
        "        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)\n",
        "        return True\n",
        Edit("orchestrd/daemon/root_lock.py", "        self._folder_fd = self._take_folder()\n", ""),
        caught_by="T12",
        breaks="I1 | I2 | I5 | I8 | -: daemons serve",
    ),
    a_bug(
        "events-only",
        "the lanes are looked at when the kernel tells of something, and never else",
        "orchestrd/inbound/lanes.py",
        "(min(POLL_SECONDS, self._scan_seconds) if polls else self._scan_seconds)\n",
        "(min(POLL_SECONDS, self._scan_seconds) if polls else 3600.0)\n",
        caught_by="T13 lanes",
        breaks="I8 | -: it does not tell of lane-unreadable",
    ),
    a_bug(
        "overflow-ignored",
        "lanes that were empty are not looked at until an event tells of something: what an overflow swallowed stays",
        "orchestrd/inbound/lanes.py",
        "        return found\n\n    def hold",
        "        if not polls and not any(effects.list(folder) for folder in self._folders.values()):\n"
        '            found.next_look = float("inf")\n'
        "        return found\n\n    def hold",
        caught_by="T13 stalled",
        breaks="I1",
    ),
    a_bug(
        "renames-replace",
        "a rename that must never replace replaces: a plan is lost to one of the same name",
        "handoff/syscalls.py",
        "os.fsencode(dst), RENAME_NOREPLACE)",
        "os.fsencode(dst), 0)",
        caught_by="tests/handoff/test_client.py::test_nothing_in_the_inbox_is_overwritten",
    ),
    a_bug(
        "follows-links",
        "a file that was exchanged for a link is read where the link leads",
        "handoff/foreign.py",
        "_OPEN_FOREIGN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | ",
        "_OPEN_FOREIGN = os.O_RDONLY | os.O_NONBLOCK | ",
        caught_by="T11",
        breaks="I6",
    ),
    a_bug(
        "waits-for-a-fifo",
        "opening a file that was exchanged for a FIFO waits for a writer, and with it everything",
        "handoff/foreign.py",
        "_OPEN_FOREIGN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | ",
        "_OPEN_FOREIGN = os.O_RDONLY | os.O_NOFOLLOW | ",
        caught_by="T11",
        breaks="I8",
    ),
    a_bug(
        "links-not-counted",
        "a file with a second name is read, which somebody else may change or may not have wanted to show",
        "handoff/settling.py",
        "        if seen.nlink > 1:\n",
        "        if seen.nlink > 9:\n",
        Edit("handoff/foreign.py", "        if before.nlink > 1:\n", "        if before.nlink > 9:\n"),
        caught_by="T10",
        breaks="-: a hard link to a file outside was read",
    ),
    a_bug(
        "anybodys-files",
        "a file is taken whoever owns it and whoever may write to it",
        "handoff/foreign.py",
        "    if seen.uid not in owners:\n",
        "    if seen.uid < 0:\n",
        Edit("handoff/foreign.py", "    if seen.mode & stat.S_IWOTH:\n", "    if seen.mode < 0:\n"),
        caught_by="T10",
        breaks="-: writable by everybody was read | -: of another user was read",
    ),
    a_bug(
        "half-written",
        "a file is taken while its writer is still at it",
        "handoff/settling.py",
        "        if watched.renamed:\n            return _READY\n        quiet",
        "        return _READY\n        quiet",
        Edit(
            "handoff/foreign.py",
            "        if prove and effects.nobody_writes(fd, platform.PLATFORM) is False:\n",
            "        if prove and not name:\n",
        ),
        caught_by="tests/acceptance/test_handing_in.py",
    ),
)
