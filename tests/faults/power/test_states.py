"""The replay itself: which states it takes for possible after a cut, and which not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest

from handoff import durable
from handoff.effects import Effects
from tests.faults.campaign import Violation
from tests.faults.power.campaign import Share, broken_by
from tests.faults.power.disk import Disk, Recording, Tree
from tests.faults.power.reading import read_recording, site_of
from tests.faults.power.recorder import Recorder, take_out
from tests.faults.power.states import cuts_at, cuts_without, some_cuts, told, with_the_sync
from tests.faults.power.story import snapshot

Recorded = Callable[[Callable[[Path], object]], Recording]


@pytest.fixture(name="recorded")
def _recorded(tmp_path: Path) -> Iterator[Recorded]:
    def record(act: Callable[[Path], object]) -> Recording:
        top = tmp_path / "top"
        top.mkdir()
        for name in ("inbox", "active"):
            (top / name).mkdir()
        (top / "inbox" / "a.toml").write_text("plan")
        recorder = Recorder(str(tmp_path / "log"))
        recorder.mark("base", tree=snapshot(top))
        recorder.install()
        act(top)
        return read_recording(tmp_path / "log", top)

    yield record
    take_out()


def after(recording: Recording, step: int = -1) -> list[Tree]:
    """Every state that a cut after a step, the last one, may leave."""
    disk = Disk(recording)
    at = step % len(recording.steps)
    return [disk.tree(cut) for cut in cuts_at(disk, at, random.Random(0))]


def files(tree: Tree) -> dict[str, bytes]:
    return {path: content for path, (_, content) in tree.items() if content is not None}


def take(top: Path) -> None:
    durable.take(top / "inbox" / "a.toml", top / "active" / "a", "plan.toml", b"taken\n")


def test_what_was_published_is_there_and_whole_in_every_state(recorded: Recorded) -> None:
    recording = recorded(lambda top: durable.publish_new(top / "a", b"x" * 100))

    assert {files(tree)["a"] for tree in after(recording)} == {b"x" * 100}


def test_what_was_not_synced_is_missing_empty_half_zeroes_or_whole(recorded: Recorded) -> None:
    recording = recorded(lambda top: durable.replace(top / "a", b"x" * 100, sync=False))

    found = {files(tree).get("a") for tree in after(recording)}

    assert found == {None, b"", b"x" * 50, bytes(100), b"x" * 100}


def test_before_a_cut_file_is_whole_its_name_is_not_there(recorded: Recorded) -> None:
    recording = recorded(lambda top: durable.publish_new(top / "a", b"x" * 100))

    for step in range(len(recording.steps)):
        for tree in after(recording, step):
            assert files(tree).get("a") in (None, b"x" * 100)


def test_a_rename_between_folders_may_be_split_until_both_are_synced(recorded: Recorded) -> None:
    recording = recorded(lambda top: os_rename(top / "inbox" / "a.toml", top / "active" / "a.toml"))

    found = {frozenset(files(tree)) for tree in after(recording)}

    both = frozenset({"inbox/a.toml", "active/a.toml"})
    assert found == {both, frozenset({"inbox/a.toml"}), frozenset({"active/a.toml"})}


def test_a_file_that_is_found_twice_is_one_file(recorded: Recorded) -> None:
    recording = recorded(lambda top: os_rename(top / "inbox" / "a.toml", top / "active" / "a.toml"))

    both = next(found for found in map(files, after(recording)) if len(found) == 2)

    assert both["inbox/a.toml"] is both["active/a.toml"]


def test_a_folder_that_is_renamed_is_always_in_one_place(recorded: Recorded) -> None:
    def move(top: Path) -> None:
        durable.effects.mkdir(str(top / "inbox" / "other"))
        os_rename(top / "inbox" / "other", top / "active" / "other")

    found = {frozenset(path for path in tree if "other" in path) for tree in after(recorded(move))}

    assert found == {frozenset(), frozenset({"inbox/other"}), frozenset({"active/other"})}


def os_rename(src: Path, dst: Path) -> None:
    durable.effects.rename(str(src), str(dst))


def test_a_line_may_be_torn_but_not_those_before_it(recorded: Recorded) -> None:
    def append(top: Path) -> None:
        durable.append_line(top / "log", b"first\n", sync=True)
        durable.append_line(top / "log", b"second\n", sync=False)

    found = {files(tree)["log"] for tree in after(recorded(append))}

    assert found == {b"first\n", b"first\nsec", b"first\n" + bytes(7), b"first\nsecond\n"}


def test_a_state_is_told_by_the_paths_that_it_is_about_and_found_by_them(recorded: Recorded) -> None:
    def append(top: Path) -> None:
        durable.append_line(top / "log", b"first\n", sync=True)
        durable.append_line(top / "log", b"second\n", sync=False)
        durable.replace(top / "other", b"x", sync=False)

    recording = recorded(append)

    disk, last = Disk(recording), len(recording.steps) - 1

    found = list(some_cuts(recording, 1000, random.Random(0), "content of log: half"))
    at_the_end = [told(disk, cut) for cut in cuts_at(disk, last, random.Random(0))]

    assert {files(disk.tree(cut))["log"] for disk, cut in found} == {b"fir", b"first\nsec"}
    assert f"after step {last}; lost the names .other.tmp, other" in at_the_end


def test_a_plan_that_was_taken_is_in_one_place_in_every_state(recorded: Recorded) -> None:
    recording = recorded(take)

    places = {frozenset(path for path in files(tree) if path.endswith(".toml")) for tree in after(recording)}

    assert places == {frozenset({"active/a/plan.toml"})}


def test_without_its_folders_sync_a_plan_that_was_taken_is_in_the_inbox_again(recorded: Recorded) -> None:
    recording = recorded(take)
    site = next(site for site in recording.sites() if site.startswith("names in inbox"))

    found = [set(files(disk.tree(cut))) for disk, cut in cuts_without(recording, site, 20)]

    assert any({"inbox/a.toml", "active/a/plan.toml"} <= paths for paths in found)


def test_a_sync_of_the_file_system_says_nothing_of_another(recorded: Recorded) -> None:
    def write(top: Path) -> None:
        for folder in ("inbox", "active"):
            durable.replace(top / folder / "b", b"x", sync=False)
        durable.effects.sync_filesystem(str(top / "active"))

    found = [files(tree) for tree in after(recorded(write))]

    assert all(one["active/b"] == b"x" for one in found)
    assert any("inbox/b" not in one for one in found)


def test_what_others_did_between_two_looks_is_lost_together(tmp_path: Path, recorded: Recorded) -> None:
    def work(top: Path) -> None:
        recorder = Recorder(str(tmp_path / "log"), [str(top / "active")])
        for name in ("one", "two"):
            (top / "active" / name).write_text("x")
        recorder.look()

    found = {frozenset(os.path.basename(path) for path in files(tree)) for tree in after(recorded(work))}

    assert found == {frozenset({"a.toml"}), frozenset({"a.toml", "one", "two"})}


def test_with_the_sync_in_place_the_same_cut_takes_what_it_could_have_taken_all_the_same(
    recorded: Recorded,
) -> None:
    def write(top: Path) -> None:
        durable.replace(top / "active" / "a", b"x" * 100)
        durable.replace(top / "inbox" / "b", b"y", sync=False)

    recording = recorded(write)
    site = next(site for site in recording.sites() if site.startswith("content of active/.a.tmp"))
    pairs = [
        (files(disk.tree(cut)), files(other.tree(same)))
        for disk, cut in cuts_without(recording, site, 100)
        for other, same in [with_the_sync(recording, cut)]
    ]

    assert any(without.get("active/a") == b"" for without, _ in pairs)
    assert all(with_it.get("active/a") in (None, b"x" * 100) for _, with_it in pairs)
    assert all(without.get("inbox/b") == with_it.get("inbox/b") for without, with_it in pairs)


def test_a_sync_has_one_name_in_all_recordings() -> None:
    by = [("/x/orchestrd/workspaces/worktree.py", "remove", 1)]
    places = [f"home/state/orchestrd/checkouts/{root}" for root in ("2596dff80cbd", "4d65d273d527")]

    assert {site_of("dir", place, by) for place in places} == {
        "names in home/state/orchestrd/checkouts: worktree.remove"
    }
    assert {site_of("dir", f"{place}/a", by) for place in places} == {
        "names in home/state/orchestrd/checkouts/ID: worktree.remove"
    }


@pytest.mark.parametrize("of", [2, 8, 40])
def test_each_sync_is_one_shares_to_leave_out(of: int) -> None:
    shares = [Share(number, of, 0, 0) for number in range(of)]

    for number in range(100):
        assert sum(share.has(f"names in active: durable.take < {number}") for share in shares) == 1


def test_what_breaks_with_the_sync_in_place_is_not_noticed_by_leaving_it_out() -> None:
    left = Violation("I5", "pid 7", "it was left over")

    assert broken_by([left]) - broken_by([replace(left, where="pid 8", what="another")]) == set()
    assert broken_by([left, Violation("I1", "a", "gone")]) - broken_by([left]) == {("I1", "a")}


def test_the_recorder_takes_what_the_effects_take() -> None:
    for name in ("open", "write", "truncate", "fsync", "sync_dir", "sync_filesystem", "rename", "rename_new"):
        assert signature(getattr(Recorder, name)) == signature(getattr(Effects, name)), name
