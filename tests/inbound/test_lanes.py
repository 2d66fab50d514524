"""The lanes: what is found, when, and how soon one is told; with watches and by polling alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff import platform
from handoff.root import Root, create_root
from orchestrd.inbound import watching
from orchestrd.inbound.lanes import Lane, LaneFile, LaneFindings, Lanes
from tests.waiting import wait_until

FULL = platform.detect(portable=False)
PORTABLE = platform.detect(portable=True)
NEEDS_EVENTS = pytest.mark.skipif(not FULL.inotify, reason="this system tells of no changes")


class Watched:
    """Lanes with their wakes counted, scanned as the loop does."""

    def __init__(self, root: Root, can: platform.Platform, **settings: float) -> None:
        self.root = root
        self.wakes = 0
        self.woken = threading.Event()
        self.lanes = Lanes(root, self._wake, platform=can, **settings)  # type: ignore[arg-type]
        self.lanes.start()

    def _wake(self) -> None:
        self.wakes += 1
        self.woken.set()

    def scan(self) -> LaneFindings:
        return self.lanes.scan(time.monotonic())

    def ready(self) -> list[str]:
        return [file.name for file in self.scan().ready]

    def first_ready(self, seconds: float = 10.0) -> LaneFile:
        return wait_until(lambda: self.scan().ready, seconds, "a file that is ready")[0]


Watch = Callable[..., Watched]


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture(name="watch")
def _watch(root: Root) -> Iterator[Watch]:
    made: list[Watched] = []

    def watch(can: platform.Platform = FULL, **settings: float) -> Watched:
        made.append(Watched(root, can, **settings))
        return made[-1]

    yield watch
    for one in made:
        one.lanes.stop()


@pytest.fixture(name="either", params=[FULL, PORTABLE], ids=["full", "portable"])
def _either(request: pytest.FixtureRequest, watch: Watch) -> Watched:
    return watch(request.param, patience_seconds=1.0, unproved_seconds=0.5)


def rename_in(folder: Path, name: str, content: str = "handoff = 1\n") -> None:
    temporary = folder / f".{name}.part"
    temporary.write_text(content)
    temporary.rename(folder / name)


@NEEDS_EVENTS
def test_a_rename_wakes_at_once_and_is_ready_at_once(watch: Watch, root: Root) -> None:
    watched = watch()
    watched.scan()

    rename_in(root.inbox, "a.toml")
    assert watched.woken.wait(5)

    (file,) = watched.scan().ready
    assert (file.lane, file.name, file.renamed, file.final) == (Lane.INBOX, "a.toml", True, True)


@NEEDS_EVENTS
def test_a_move_from_another_folder_counts_as_a_rename(watch: Watch, root: Root) -> None:
    watched = watch()
    (root.path / "elsewhere.toml").write_text("x")
    watched.scan()

    (root.path / "elsewhere.toml").rename(root.control / "order.toml")
    assert watched.woken.wait(5)

    (file,) = watched.scan().ready
    assert (file.lane, file.renamed) == (Lane.CONTROL, True)


@NEEDS_EVENTS
def test_takes_do_not_delay_the_news_of_the_next_plan(watch: Watch, root: Root) -> None:
    watched = watch()
    delays = []

    for number in range(20):
        watched.scan()
        watched.woken.clear()
        began = time.perf_counter()
        rename_in(root.inbox, f"{number}.toml")
        assert watched.woken.wait(5)
        delays.append(time.perf_counter() - began)
        watched.scan()
        (root.inbox / f"{number}.toml").rename(root.active / str(number))

    # watchdog would hold each back for 0.5 s behind the take before it.
    assert sorted(delays)[10] < 0.4


@NEEDS_EVENTS
def test_taking_files_and_writing_temporaries_wakes_nobody(root: Root) -> None:
    told: list[tuple[set[str], set[str]]] = []
    lanes = watching.Watching(
        {"inbox": root.inbox, "replies": root.replies},
        lambda: told.append((lanes.take_renamed("inbox"), lanes.take_renamed("replies"))),
    )
    lanes.repair()
    try:
        rename_in(root.inbox, "a.toml")
        wait_until(lambda: told, what="the plan's own wake")

        (root.inbox / "a.toml").rename(root.active / "a")
        (root.inbox / ".b.toml.tmp").write_text("x")
        rename_in(root.replies, "marker.md")  # comes after them
        wait_until(lambda: any("marker.md" in replies for _, replies in told), what="the marker's wake")

        assert told == [({"a.toml"}, set()), (set(), {"marker.md"})]
    finally:
        lanes.stop()


@NEEDS_EVENTS
def test_a_burst_wakes_once_until_it_is_looked_at(watch: Watch, root: Root) -> None:
    watched = watch()
    watched.scan()

    for number in range(200):
        rename_in(root.inbox, f"{number:03}.toml")
    wait_until(lambda: watched.wakes, what="a wake")

    assert watched.wakes == 1
    wait_until(lambda: len(watched.ready()) == 200, what="all of them")


def test_a_copied_file_is_ready_when_it_is_quiet(either: Watched, root: Root, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("x")
    subprocess.run(["cp", "-p", tmp_path / "mine.toml", root.inbox / "a.toml"], check=True)

    found = either.scan()
    file = either.first_ready()

    assert found.ready == []
    assert not file.renamed


def test_a_file_written_in_two_halves_is_ready_only_when_it_is_whole(either: Watched, root: Root) -> None:
    script = (
        "import sys; f = open(sys.argv[1], 'w'); f.write('first half, '); f.flush(); print(flush=True)\n"
        "sys.stdin.readline(); f.write('second half'); f.close(); print(flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    writer = subprocess.Popen([sys.executable, "-c", script, root.inbox / "a.toml"], stdin=pipe, stdout=pipe)
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdout.readline()

    if either.lanes._platform.lease:
        until = time.monotonic() + 1.0
        early = wait_until(
            lambda: [*either.ready(), *(["-"] if time.monotonic() > until else [])], what="a second"
        )
        assert early == ["-"]
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    writer.stdout.readline()
    file = either.first_ready()
    writer.communicate()

    assert file.seen.size == len("first half, second half")


def test_an_invalid_file_that_is_held_comes_back_as_final(either: Watched, root: Root) -> None:
    (root.inbox / "a.toml").write_text("half")
    first = either.first_ready()
    assert not first.final

    either.lanes.hold(first)
    held = either.scan()
    last = either.first_ready()

    assert held.ready == []
    assert last.final


def test_files_are_taken_by_time_then_name(either: Watched, root: Root) -> None:
    for name, at in [("b.toml", 5), ("c.toml", 3), ("a.toml", 5)]:
        (root.inbox / name).write_text("x")
        os.utime(root.inbox / name, (at, at))

    names = wait_until(lambda: len(ready := either.ready()) == 3 and ready, what="all three")

    assert names == ["c.toml", "a.toml", "b.toml"]


@NEEDS_EVENTS
def test_an_order_that_was_seen_to_come_overtakes_none_that_lay_there_before(
    watch: Watch, root: Root
) -> None:
    (root.control / "pause.toml").write_text("handoff = 1\n")
    os.utime(root.control / "pause.toml", (1, 1))
    lanes = watch()
    rename_in(root.control, "resume.toml")
    wait_until(lambda: lanes.wakes, 5, "the news of it")

    assert lanes.ready() == []
    assert wait_until(lanes.ready, 5, "orders that are ready") == ["pause.toml", "resume.toml"]


@NEEDS_EVENTS
def test_an_order_of_long_ago_that_comes_last_is_the_first_and_waits_for_none_of_a_later_time(
    watch: Watch, root: Root
) -> None:
    (root.control / "later.toml").write_text("handoff = 1\n")
    lanes = watch()
    (root.control / ".old").write_text("handoff = 1\n")
    os.utime(root.control / ".old", (1, 1))
    (root.control / ".old").rename(root.control / "old.toml")
    wait_until(lambda: lanes.wakes, 5, "the news of it")

    assert lanes.ready()[:1] == ["old.toml"]
    assert wait_until(lambda: len(ready := lanes.ready()) == 2 and ready) == ["old.toml", "later.toml"]


@NEEDS_EVENTS
def test_an_order_of_long_ago_that_changes_again_and_again_holds_up_others_until_patience_is_over(
    watch: Watch, root: Root
) -> None:
    lanes = watch(settle_seconds=0.5, patience_seconds=1.0).lanes
    old = root.control / "old.toml"
    old.write_text("handoff = 1\n")
    lanes.scan(100.0)
    rename_in(root.control, "resume.toml")

    def ready_at(now: float) -> list[str]:
        # Its time stays that of long ago, and it is another file each time.
        old.write_text(old.read_text() + "# more\n")
        os.utime(old, (1, 1))
        return [file.name for file in lanes.scan(now).ready]

    assert ready_at(100.4) == []
    assert ready_at(100.8) == []
    assert wait_until(lambda: ready_at(101.2), 5, "the other order") == ["resume.toml"]


def test_temporaries_are_never_listed_and_other_names_are_ignored_after_patience(
    either: Watched, root: Root
) -> None:
    (root.inbox / ".hidden.toml").write_text("x")
    (root.inbox / "a.toml.tmp").write_text("x")
    (root.inbox / "notes.txt").write_text("x")

    early = either.scan()
    late = wait_until(lambda: found if (found := either.scan()).ignored else None, what="the note")
    assert late

    assert early.ignored == []
    assert [file.shown for file, _ in late.ignored] == ["inbox/notes.txt"]
    assert late.ready == []


def test_polling_looks_again_soon_and_starts_no_thread(watch: Watch, root: Root) -> None:
    threads = threading.active_count()
    watched = watch(FULL, polling=True)

    found = watched.lanes.scan(100.0)

    assert threading.active_count() == threads
    assert found.next_look == 100.5


def test_an_idle_scan_is_followed_by_the_next_one_in_its_time(watch: Watch) -> None:
    assert watch(scan_seconds=7.0).lanes.scan(100.0).next_look == 107.0


def test_a_lane_that_is_missing_is_a_problem_until_it_is_made_again(either: Watched, root: Root) -> None:
    shutil.rmtree(root.inbox)

    (problem,) = either.scan().problems
    root.inbox.mkdir(mode=0o700)
    healed = either.scan()

    assert problem.word == "lane-unreadable"
    assert problem.remedy == f"mkdir -m 700 {root.inbox}"
    assert healed.problems == []


@NEEDS_EVENTS
@pytest.mark.parametrize("how", ["removed", "moved away"])
def test_a_lane_that_was_made_again_is_watched_again(watch: Watch, root: Root, how: str) -> None:
    watched = watch()
    watched.scan()
    if how == "removed":
        shutil.rmtree(root.inbox)
    else:
        root.inbox.rename(root.path / "old")
    watched.scan()
    root.inbox.mkdir(mode=0o700)
    wait_until(lambda: not watched.scan().problems, what="a lane without problems")
    watched.scan()
    watched.woken.clear()

    rename_in(root.inbox, "a.toml")

    assert watched.woken.wait(5)
    assert [file.renamed for file in watched.scan().ready] == [True]


@NEEDS_EVENTS
def test_a_watcher_that_died_is_replaced(watch: Watch, root: Root) -> None:
    watched = watch()
    inner = watched.lanes._watching
    assert inner is not None
    assert inner._observer is not None
    inner._observer.stop()
    inner._observer.join()
    watched.scan()
    watched.woken.clear()

    rename_in(root.inbox, "a.toml")

    assert watched.woken.wait(5)


@NEEDS_EVENTS
def test_without_watches_it_polls_says_so_and_misses_nothing(
    watch: Watch, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watching, "new_observer", refuse)
    watched = watch()
    rename_in(root.inbox, "a.toml")

    found = watched.lanes.scan(100.0)
    file = watched.first_ready()

    assert [problem.word for problem in found.problems] == ["lane-unwatched"]
    assert "max_user_watches" in found.problems[0].remedy
    assert found.next_look <= 100.5
    assert file.name == "a.toml"


@NEEDS_EVENTS
def test_what_was_renamed_is_known_no_longer_once_it_was_overwritten(watch: Watch, root: Root) -> None:
    watched = watch()
    rename_in(root.inbox, "a.toml")
    assert watched.first_ready().renamed

    (root.inbox / "a.toml").write_text("something else, by a slow writer")

    assert watched.scan().ready == []


def test_nothing_comes_back_after_the_last_file_was_taken(either: Watched, root: Root) -> None:
    rename_in(root.inbox, "a.toml")
    either.first_ready()

    (root.inbox / "a.toml").rename(root.active / "a")

    assert either.ready() == []


@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_lane_that_others_can_write_to_is_not_read(either: Watched, root: Root, bits: int) -> None:
    rename_in(root.inbox, "a.toml")
    root.inbox.chmod(0o700 | bits)

    found = either.scan()

    assert found.ready == []
    assert [problem.remedy for problem in found.problems] == [f"chmod go-w {root.inbox}"]


def test_a_link_in_the_place_of_a_lane_is_not_followed(either: Watched, root: Root, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "a.toml").write_text("x")
    root.inbox.rmdir()
    root.inbox.symlink_to(elsewhere)

    found = either.scan()

    assert [problem.word for problem in found.problems] == ["lane-unreadable"]
    assert found.ready == []


@NEEDS_EVENTS
def test_stopping_leaves_no_thread(watch: Watch) -> None:
    threads = threading.active_count()
    watched = watch()
    watched.scan()

    watched.lanes.stop()

    wait_until(lambda: threading.active_count() == threads, what="the threads' end")


def test_a_file_among_many_costs_no_more_than_it_does_alone(watch: Watch, root: Root) -> None:
    watched = watch(PORTABLE)
    count, calls = 2000, 0

    def note(_frame: object, event: str, _about: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    for number in range(count):
        (root.inbox / f"{number}.toml").write_text("x")

    sys.setprofile(note)
    try:
        watched.scan()
        watched.scan()
    finally:
        sys.setprofile(None)

    # Some dozens for each; whoever looked at all the others for each would need thousands.
    assert count < calls < 300 * count
