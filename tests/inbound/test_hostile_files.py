"""What nobody means well with: each is refused or ignored, nothing blocks, and a good plan beside it is found."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff import platform
from handoff.root import Root, create_root
from orchestrd.inbound.lanes import LaneFindings, Lanes
from tests.waiting import wait_until

NAME = "x.toml"
PATIENCE_SECONDS = 0.6
Make = Callable[[Path], object]


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture(name="lanes", params=[False, True], ids=["full", "portable"])
def _lanes(request: pytest.FixtureRequest, root: Root) -> Iterator[Lanes]:
    made = Lanes(
        root,
        lambda: None,
        settle_seconds=0.05,
        patience_seconds=PATIENCE_SECONDS,
        unproved_seconds=0.1,
        platform=platform.detect(portable=request.param),
    )
    made.start()
    yield made
    made.stop()


def scanned(lanes: Lanes) -> LaneFindings:
    began = time.monotonic()
    found = lanes.scan(began)
    assert time.monotonic() - began < 5.0, "a scan was blocked"
    return found


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: a reader would never end
    except PermissionError:
        pytest.skip("making a device is not permitted here")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}" if len(str(path)) > 100 else str(path))
        finally:
            os.close(here)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_to_a_good_plan(path: Path) -> None:
    target = path.parent.parent / "target.toml"
    target.write_text("handoff = 1\n")
    path.symlink_to(target)


IGNORED: dict[str, Make] = {
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": _link_to_itself,
    "a link to /etc/passwd": lambda path: path.symlink_to("/etc/passwd"),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to a folder": lambda path: path.symlink_to("/"),
    "a link to a good plan": _link_to_a_good_plan,
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a full folder": lambda path: (path / "a.toml").mkdir(parents=True),
    "a socket": _socket,
    "a device": _device,
    "an empty file": Path.touch,
}


def _with_mode(mode: int) -> Make:
    def make(path: Path) -> None:
        path.write_text("handoff = 1\n")
        path.chmod(mode)

    return make


def _sized(size: int) -> Make:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def _of_another(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.write_text("handoff = 1\n")
    os.chown(path, 65534, 65534)


def _linked_twice(path: Path) -> None:
    other = path.parent.parent / "kept"
    other.write_text("handoff = 1\n")
    os.link(other, path)


BAD: dict[str, Make] = {
    "2 MiB": _sized(2 << 20),
    "one byte too many": _sized((1 << 20) + 1),
    "a terabyte of nothing": _sized(1 << 40),
    "mode 000": _with_mode(0),
    "write only": _with_mode(0o200),
    "writable by everybody": _with_mode(0o666),
    "setuid and writable by everybody": _with_mode(0o4777),
    "of another user": _of_another,
    "a second hard link": _linked_twice,
}


def _dated(at: float) -> Make:
    def make(path: Path) -> None:
        path.write_text("x")
        os.utime(path, (at, at))

    return make


READY_ANYWAY: dict[str, Make] = {
    "setuid": _with_mode(0o4700),
    "writable by its group": _with_mode(0o660),
    "read only": _with_mode(0o400),
    "NUL bytes": lambda path: path.write_bytes(b"\0" * 100),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x80"),
    "of the largest size": _sized(1 << 20),
    "dated in the future": _dated(4e9),
    "dated before 1970": _dated(-1000),
}


@pytest.mark.parametrize("what", IGNORED)
def test_what_is_no_plan_is_ignored_and_left_where_it_lies(lanes: Lanes, root: Root, what: str) -> None:
    IGNORED[what](root.inbox / NAME)

    found = wait_until(lambda: now if (now := scanned(lanes)).ignored else None, 5, "its being ignored")
    assert found

    ((file, why),) = found.ignored
    assert file.name == NAME
    assert why
    assert (found.ready, found.bad, found.problems) == ([], [], [])
    assert os.path.lexists(root.inbox / NAME)


@pytest.mark.parametrize("what", BAD)
def test_what_may_not_be_read_is_bad(lanes: Lanes, root: Root, what: str) -> None:
    BAD[what](root.inbox / NAME)

    found = wait_until(lambda: now if (now := scanned(lanes)).bad else None, 5, "its being bad")
    assert found

    ((file, why),) = found.bad
    assert file.name == NAME
    assert why
    assert found.ready == []


@pytest.mark.parametrize("what", READY_ANYWAY)
def test_what_is_only_odd_is_for_the_reader_to_judge(lanes: Lanes, root: Root, what: str) -> None:
    READY_ANYWAY[what](root.inbox / NAME)

    assert wait_until(lambda: scanned(lanes).ready, 5, "its being ready")[0].name == NAME


@pytest.mark.parametrize(
    ("name", "display"),
    [
        (b"new\nline.toml", "new\\nline.toml"),
        (b"\xff\xfe.toml", "\\xff\\xfe.toml"),
        (b"-rf.toml", "-rf.toml"),
        (b"x" * 250 + b".toml", "x" * 250 + ".toml"),
        (b"\x1b[2J.md", "\\x1b[2J.md"),
        (b"* ; rm $HOME.json", "* ; rm $HOME.json"),
        ("\u202emd.toml".encode(), "\\u202emd.toml"),
    ],
)
def test_a_name_may_hold_any_byte(lanes: Lanes, root: Root, name: bytes, display: str) -> None:
    path = os.path.join(os.fsencode(root.inbox), name)
    with open(path, "wb") as file:
        file.write(b"handoff = 1\n")

    (found,) = wait_until(lambda: scanned(lanes).ready, 5, "the file")

    assert os.fsencode(found.name) == name
    assert found.shown == f"inbox/{display}"


def test_a_good_plan_is_found_among_all_of_them(lanes: Lanes, root: Root) -> None:
    for number, make in enumerate([*IGNORED.values(), *BAD.values()]):
        try:
            make(root.inbox / f"{number}.toml")
        except (FileExistsError, pytest.skip.Exception):
            continue
    (root.inbox / "good.toml").write_text("handoff = 1\n")

    def good() -> bool:
        return "good.toml" in [file.name for file in scanned(lanes).ready]

    assert wait_until(good, 5, "the good plan")


def test_thousands_of_them_hardly_delay_a_good_plan(lanes: Lanes, root: Root) -> None:
    for number in range(3_000):
        (root.inbox / f"{number}.toml").symlink_to("/dev/zero")
    lanes.scan(time.monotonic())
    (root.inbox / ".good").write_text("handoff = 1\n")
    (root.inbox / ".good").rename(root.inbox / "good.toml")

    scans = 0

    def good() -> bool:
        nonlocal scans
        scans += 1
        return bool(lanes.scan(time.monotonic()).ready)

    wait_until(good, 30, "the good plan")
    assert scans <= 2 or not lanes._platform.inotify  # renamed into place: nothing is waited for
