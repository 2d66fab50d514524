"""What arrives in a folder, told without threads and libraries."""

import select
from pathlib import Path

import pytest

from handoff.arrivals import Arrivals
from handoff.platform import PLATFORM

needs_inotify = pytest.mark.skipif(not PLATFORM.inotify, reason="nobody tells here")


@needs_inotify
def test_what_was_renamed_into_the_folder_is_told_by_name_and_what_was_written_there_is_heard(tmp_path: Path):
    arrivals = Arrivals(str(tmp_path))
    arrivals.repair()
    assert arrivals.ear is not None

    (tmp_path / ".new.part").write_text("x")
    (tmp_path / ".new.part").rename(tmp_path / "né w.toml")
    (tmp_path / "plain.toml").write_text("x")

    assert select.select([arrivals.ear], [], [], 5)[0]
    assert arrivals.take_renamed() == {"né w.toml"}
    assert arrivals.take_renamed() == set()
    arrivals.close()
    assert arrivals.ear is None


@needs_inotify
@pytest.mark.parametrize("is_looked_at_between", [True, False])
def test_a_folder_that_was_removed_and_made_again_is_watched_again(
    tmp_path: Path, is_looked_at_between: bool
):
    lane = tmp_path / "lane"
    lane.mkdir()
    arrivals = Arrivals(str(lane))
    arrivals.repair()
    lane.rmdir()
    if is_looked_at_between:
        arrivals.repair()
    lane.mkdir()
    arrivals.take_renamed()
    (tmp_path / "other").mkdir()
    arrivals.repair()

    (lane / ".a").write_text("x")
    (lane / ".a").rename(lane / "a.toml")

    assert arrivals.take_renamed() == {"a.toml"}
    arrivals.close()


def test_where_nobody_is_to_tell_one_has_to_look(tmp_path: Path):
    arrivals = Arrivals(str(tmp_path), polling=True)
    arrivals.repair()
    (tmp_path / ".a").write_text("x")
    (tmp_path / ".a").rename(tmp_path / "a.toml")

    assert arrivals.ear is None
    assert arrivals.take_renamed() == set()
