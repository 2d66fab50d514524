"""The file operations: what they leave behind when all goes well, and when the disk fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff import durable, platform


class Recorded(durable.Effects):
    """Does everything, writes down what was done, and fails where it is told to."""

    def __init__(self, fail: Callable[[str, str], int | None] = lambda _what, _where: None) -> None:
        self.done: list[tuple[str, str]] = []
        self._fail = fail
        self._paths: dict[int, str] = {}

    def _note(self, what: str, where: str) -> None:
        number = self._fail(what, where)
        if number is not None:
            raise OSError(number, os.strerror(number), where)
        self.done.append((what, where))

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._note("open", path)
        fd = super().open(path, flags, mode)
        self._paths[fd] = path
        return fd

    def write(self, fd: int, content: bytes | memoryview) -> int:
        self._note("write", self._paths[fd])
        return super().write(fd, bytes(content)[:7])  # short writes are legal

    def fsync(self, fd: int) -> None:
        self._note("fsync", self._paths[fd])
        super().fsync(fd)

    def sync_dir(self, path: str) -> None:
        self._note("sync_dir", path)
        super().sync_dir(path)

    def sync_filesystem(self, path: str) -> None:
        self._note("sync_filesystem", path)
        super().sync_filesystem(path)

    def rename(self, src: str, dst: str) -> None:
        self._note("rename", dst)
        super().rename(src, dst)

    def rename_new(self, src: str, dst: str, *, ours: bool, within: int | None = None) -> None:
        self._note("rename", dst)
        super().rename_new(src, dst, ours=ours, within=within)

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self._note("unlink", path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        self._note("mkdir", path)
        super().mkdir(path, mode)


Use = Callable[[Recorded], None]


@pytest.fixture(name="use")
def _use(monkeypatch: pytest.MonkeyPatch) -> Use:
    def use(effects: Recorded) -> None:
        monkeypatch.setattr(durable, "effects", effects)

    return use


@pytest.fixture(params=[False, True], ids=["full", "portable"], autouse=True)
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "PLATFORM", platform.detect(portable=request.param))


def failing(what: str, number: int, times: int = 10**9, ending: str = "") -> Callable[[str, str], int | None]:
    left = [times]

    def fail(done: str, where: str) -> int | None:
        if done != what or not where.endswith(ending) or left[0] == 0:
            return None
        left[0] -= 1
        return number

    return fail


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_published_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    assert durable.publish_new(tmp_path / "r.toml", b"a = 1\n")

    assert (tmp_path / "r.toml").read_bytes() == b"a = 1\n"
    assert (tmp_path / "r.toml").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["r.toml"]


def test_publishing_syncs_the_file_before_its_name_and_the_name_before_it_returns(
    tmp_path: Path, use: Use
) -> None:
    effects = Recorded()
    use(effects)

    durable.publish_new(tmp_path / "r", b"some content")

    order = [what for what, _ in effects.done if what in {"fsync", "rename", "sync_dir"}]
    assert order == ["fsync", "rename", "sync_dir"]


def test_publishing_again_is_fine_with_the_same_bytes_and_refused_with_others(tmp_path: Path) -> None:
    durable.publish_new(tmp_path / "r", b"one")

    assert durable.publish_new(tmp_path / "r", b"one") is False
    with pytest.raises(FileExistsError):
        durable.publish_new(tmp_path / "r", b"two")

    assert (tmp_path / "r").read_bytes() == b"one"
    assert names(tmp_path) == ["r"]


def test_a_temporary_file_that_a_kill_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".r.tmp").write_bytes(b"ha")

    durable.publish_new(tmp_path / "r", b"whole")

    assert names(tmp_path) == ["r"]


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".r.tmp").symlink_to(tmp_path / "victim")

    durable.publish_new(tmp_path / "r", b"x")

    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("length", [250, 251, 255])
def test_the_longest_names_have_a_temporary_one_too(tmp_path: Path, length: int) -> None:
    name = "é" * (length // 2) + "x" * (length % 2)

    durable.publish_new(tmp_path / name, b"x")
    durable.publish_new(tmp_path / ("n" * length), b"y", alone=False)

    assert len(names(tmp_path)) == 2


def test_after_a_failed_sync_everything_is_written_anew(tmp_path: Path, use: Use) -> None:
    effects = Recorded(failing("fsync", errno.EIO, times=2))
    use(effects)

    durable.publish_new(tmp_path / "r", b"content")

    opened = [where for what, where in effects.done if what == "open"]
    assert len(opened) == 3
    assert (tmp_path / "r").read_bytes() == b"content"


def test_a_disk_that_keeps_failing_is_reported_and_nothing_is_seen(tmp_path: Path, use: Use) -> None:
    use(Recorded(failing("fsync", errno.EIO)))

    with pytest.raises(durable.DurabilityLost) as raised:
        durable.publish_new(tmp_path / "r", b"content")

    assert raised.value.errno == errno.EIO
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path: Path, use: Use) -> None:
    (tmp_path / "s").write_bytes(b"old")
    use(Recorded(failing("write", errno.ENOSPC)))

    with pytest.raises(OSError, match="No space"):
        durable.replace(tmp_path / "s", b"new")

    assert (tmp_path / "s").read_bytes() == b"old"
    assert names(tmp_path) == ["s"]


def test_status_is_replaced_without_a_sync(tmp_path: Path, use: Use) -> None:
    effects = Recorded()
    use(effects)

    durable.replace(tmp_path / "s", b"new", sync=False)

    assert not {"fsync", "sync_dir"} & {what for what, _ in effects.done}


def test_lines_are_appended_and_the_first_one_syncs_the_name(tmp_path: Path, use: Use) -> None:
    effects = Recorded()
    use(effects)

    durable.append_line(tmp_path / "j", b"1 a line longer than a write\n", sync=True)
    durable.append_line(tmp_path / "j", b"2\n", sync=True)

    assert (tmp_path / "j").read_bytes() == b"1 a line longer than a write\n2\n"
    assert [what for what, _ in effects.done].count("sync_dir") == 1


def test_a_line_that_did_not_fit_is_cut_off_again(tmp_path: Path, use: Use) -> None:
    (tmp_path / "j").write_bytes(b"1\n")
    writes = [None, errno.ENOSPC]
    use(Recorded(lambda what, _where: writes.pop(0) if what == "write" else None))

    with pytest.raises(OSError, match="No space"):
        durable.append_line(tmp_path / "j", b"2 longer than seven\n", sync=True)

    assert (tmp_path / "j").read_bytes() == b"1\n"


def test_a_line_whose_sync_failed_is_on_the_disk_in_a_new_file(tmp_path: Path, use: Use) -> None:
    (tmp_path / "j").write_bytes(b"1\n")
    before = (tmp_path / "j").stat().st_ino
    use(Recorded(failing("fsync", errno.EIO, times=1)))

    durable.append_line(tmp_path / "j", b"2\n", sync=True)

    assert (tmp_path / "j").read_bytes() == b"1\n2\n"
    assert (tmp_path / "j").stat().st_ino != before


def test_a_line_ends_in_a_newline(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="newline"):
        durable.append_line(tmp_path / "j", b"torn", sync=False)


@pytest.mark.parametrize("count", [3, durable.BATCH_FOR_SYNCFS + 1])
def test_many_files_are_synced_together_and_missing_ones_left_out(
    tmp_path: Path, count: int, use: Use
) -> None:
    for number in range(count):
        durable.append_line(tmp_path / str(number), b"x\n", sync=False)
    effects = Recorded()
    use(effects)

    durable.sync_files([*(tmp_path / str(number) for number in range(count)), tmp_path / "gone"])

    synced = [what for what, _ in effects.done if what != "open"]
    assert synced in (["sync_filesystem"], ["fsync"] * count)


def test_all_that_others_wrote_in_a_folder_is_synced_with_the_folders_own_name(
    tmp_path: Path, use: Use
) -> None:
    tree = tmp_path / "checkout"
    (tree / "src").mkdir(parents=True)
    for name in ("README.md", "src/a.py"):
        (tree / name).write_text("x")
    (tree / "link").symlink_to("/")
    (tree / "secret").write_text("x")
    (tree / "secret").chmod(0)
    effects = Recorded()
    use(effects)

    durable.sync_tree(tree)

    synced = {(what, os.path.relpath(where, tmp_path)) for what, where in effects.done if what != "open"}
    if durable.syncs_filesystems():
        assert synced == {("sync_filesystem", "checkout")}
    else:
        files = {("fsync", "checkout/README.md"), ("fsync", "checkout/src/a.py")}
        folders = {("sync_dir", "checkout/src"), ("sync_dir", "checkout"), ("sync_dir", ".")}
        assert synced - {("fsync", "checkout/secret")} == files | folders


def a_lane(tmp_path: Path, *files: str) -> tuple[Path, Path]:
    inbox, active = tmp_path / "inbox", tmp_path / "active"
    inbox.mkdir()
    active.mkdir()
    for name in files:
        (inbox / name).write_text(name)
    return inbox, active


def test_a_taken_file_lies_in_its_folder_beside_its_journal(tmp_path: Path) -> None:
    inbox, active = a_lane(tmp_path, "a.toml")

    durable.take(inbox / "a.toml", active / "a", "plan.toml", b"first\n")

    assert names(inbox) == []
    assert (active / "a" / "plan.toml").read_text() == "a.toml"
    assert (active / "a" / "journal.jsonl").read_bytes() == b"first\n"


def test_a_file_is_never_in_the_lane_and_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, active = a_lane(tmp_path, "a.toml")

    def refuse(*_args: object, **_named: object) -> None:
        raise AssertionError("a link makes a second name: a kill right after it would run the plan twice")

    monkeypatch.setattr(os, "link", refuse)
    durable.take(inbox / "a.toml", active / "a", "plan.toml", b"1\n")

    assert names(inbox) == []


@pytest.mark.parametrize("count", [2, durable.BATCH_FOR_SYNCFS])
def test_all_is_on_the_disk_before_a_file_is_renamed_and_both_directories_after(
    tmp_path: Path, count: int, use: Use
) -> None:
    inbox, active = a_lane(tmp_path, *(f"{number}.toml" for number in range(count)))
    effects = Recorded()
    use(effects)

    takes = [
        durable.Take(inbox / f"{n}.toml", active / str(n), "plan.toml", b"first\n") for n in range(count)
    ]
    assert durable.take_many(takes) == [None] * count

    renames = [at for at, (what, _) in enumerate(effects.done) if what == "rename"]
    before, after = effects.done[: renames[0]], effects.done[renames[-1] + 1 :]
    assert len(renames) == count
    if platform.PLATFORM.syncfs and count >= durable.BATCH_FOR_SYNCFS:
        assert before[-1] == ("sync_filesystem", str(active))
        assert after == [("sync_filesystem", str(active))]
    else:
        folders = {("sync_dir", str(active / str(n))) for n in range(count)}
        journals = {("fsync", str(active / str(n) / "journal.jsonl")) for n in range(count)}
        assert folders | journals <= set(before)
        assert before[-1] == ("sync_dir", str(active))
        assert folders | {("sync_dir", str(inbox))} == set(after)


def test_a_file_that_vanished_or_an_id_that_is_there_stops_no_other(tmp_path: Path) -> None:
    inbox, active = a_lane(tmp_path, "a.toml", "c.toml", "d.toml")
    (active / "c").mkdir()
    (active / "c" / "journal.jsonl").write_text("another's")

    failed = durable.take_many(
        [durable.Take(inbox / f"{name}.toml", active / name, "plan.toml", b"1\n") for name in "abcd"]
    )

    assert [type(error) for error in failed] == [type(None), FileNotFoundError, FileExistsError, type(None)]
    assert names(active) == ["a", "c", "d"]
    assert names(inbox) == ["c.toml"]
    assert (active / "c" / "journal.jsonl").read_text() == "another's"


@pytest.mark.parametrize("what", ["mkdir", "open", "write", "rename"])
def test_a_full_disk_while_taking_leaves_every_file_in_its_lane(tmp_path: Path, what: str, use: Use) -> None:
    inbox, active = a_lane(tmp_path, "a.toml", "b.toml")
    use(Recorded(failing(what, errno.ENOSPC)))

    failed = durable.take_many(
        [durable.Take(inbox / f"{name}.toml", active / name, "plan.toml", b"1\n") for name in "ab"]
    )

    assert [error.errno for error in failed if error] == [errno.ENOSPC] * 2
    assert names(inbox) == ["a.toml", "b.toml"]
    assert names(active) == []


def test_nothing_is_renamed_into_a_folder_whose_parent_was_not_synced(tmp_path: Path, use: Use) -> None:
    inbox, active = a_lane(tmp_path, "a.toml")
    use(Recorded(failing("sync_dir", errno.EIO, ending="active")))

    with pytest.raises(durable.DurabilityLost):
        durable.take(inbox / "a.toml", active / "a", "plan.toml", b"1\n")

    assert names(inbox) == ["a.toml"]
    assert names(active) == []


def test_a_failed_sync_of_the_file_system_is_made_good_file_by_file(tmp_path: Path, use: Use) -> None:
    count = durable.BATCH_FOR_SYNCFS
    inbox, active = a_lane(tmp_path, *(f"{n}.toml" for n in range(count)))
    effects = Recorded(failing("sync_filesystem", errno.EIO, times=1))
    use(effects)

    failed = durable.take_many(
        [durable.Take(inbox / f"{n}.toml", active / str(n), "plan.toml", b"1\n") for n in range(count)]
    )

    assert failed == [None] * count
    assert [what for what, _ in effects.done].count("fsync") >= count


def test_a_move_never_replaces_and_can_be_repeated(tmp_path: Path) -> None:
    for name in ("from/a", "to"):
        (tmp_path / name).mkdir(parents=True)

    durable.move_new(tmp_path / "from" / "a", tmp_path / "to" / "a")
    durable.move_new(tmp_path / "from" / "a", tmp_path / "to" / "a")

    assert names(tmp_path / "to") == ["a"]
    (tmp_path / "from" / "a").mkdir()
    with pytest.raises(FileExistsError):
        durable.move_new(tmp_path / "from" / "a", tmp_path / "to" / "a")
    with pytest.raises(FileNotFoundError):
        durable.move_new(tmp_path / "from" / "b", tmp_path / "to" / "b")


def test_a_tree_is_removed_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("x")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_text("x")
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")

    durable.remove_tree(tmp_path / "tree")
    durable.remove_tree(tmp_path / "tree")

    assert names(tmp_path) == ["outside"]
    assert names(tmp_path / "outside") == ["kept"]


def test_a_removed_file_is_gone_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")

    assert durable.remove(tmp_path / "f") is True
    assert durable.remove(tmp_path / "f") is False


def test_a_folder_may_be_there_already_but_a_file_may_not(tmp_path: Path) -> None:
    durable.make_folder(tmp_path / "d")
    durable.make_folder(tmp_path / "d")
    (tmp_path / "f").write_text("x")

    with pytest.raises(FileExistsError):
        durable.make_folder(tmp_path / "f")


def test_a_line_that_can_neither_be_synced_nor_written_anew_is_cut_off_again(
    tmp_path: Path, use: Use
) -> None:
    durable.append_line(tmp_path / "x", b"one\n", sync=True)
    use(Recorded(failing("fsync", errno.EIO)))

    with pytest.raises(durable.DurabilityLost):
        durable.append_line(tmp_path / "x", b"two\n", sync=True)

    assert (tmp_path / "x").read_bytes() == b"one\n"
    assert names(tmp_path) == ["x"]
