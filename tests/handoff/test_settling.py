"""Is a writer done, by what was seen; and opening what others wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import platform, settling
from handoff.settling import BadFile, Settling, StillWritten, Verdict, look, nobody_writes_in, read_settled

PROVED = lambda: True  # noqa: E731 - three fixed answers to one question
WRITTEN = lambda: False  # noqa: E731
UNKNOWN = lambda: None  # noqa: E731


@pytest.fixture(name="lane")
def _lane(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield tmp_path, fd
    os.close(fd)


@pytest.fixture(name="patient")
def _patient() -> Settling:
    return Settling(0.25, 10.0)


def test_what_was_renamed_into_place_is_ready_at_once(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")

    judged = patient.consider("a.toml", look(fd, "a.toml"), 0.0, renamed=True, proof=UNKNOWN)

    assert judged.verdict is Verdict.READY
    assert patient.patience_over("a.toml", 0.0)


def test_a_quiet_file_that_nobody_writes_is_ready_after_the_settle_time(
    lane: tuple[Path, int], patient: Settling
) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    seen = look(fd, "a.toml")

    first = patient.consider("a.toml", seen, 100.0, renamed=False, proof=PROVED)
    second = patient.consider("a.toml", seen, 100.25, renamed=False, proof=PROVED)

    assert (first.verdict, first.look_again_at) == (Verdict.WAIT, 100.25)
    assert second.verdict is Verdict.READY


def test_without_a_proof_it_takes_two_quiet_seconds(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    seen = look(fd, "a.toml")

    verdicts = [
        patient.consider("a.toml", seen, at, renamed=False, proof=UNKNOWN).verdict
        for at in (0.0, 0.25, 1.9, 2.0)
    ]

    assert verdicts == [Verdict.WAIT, Verdict.WAIT, Verdict.WAIT, Verdict.READY]


def test_a_file_that_is_open_for_writing_is_never_ready(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    seen = look(fd, "a.toml")

    verdicts = {
        patient.consider("a.toml", seen, float(at), renamed=False, proof=WRITTEN).verdict for at in range(100)
    }

    assert verdicts == {Verdict.WAIT}


def test_every_change_starts_the_quiet_time_anew(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    patient.consider("a.toml", look(fd, "a.toml"), 0.0, renamed=True, proof=PROVED)
    (folder / "a.toml").write_text("more of it")

    judged = patient.consider("a.toml", look(fd, "a.toml"), 5.0, renamed=False, proof=PROVED)

    assert judged.verdict is Verdict.WAIT
    assert not patient.is_renamed("a.toml")


def test_an_invalid_file_is_left_alone_until_it_changes_or_patience_is_over(
    lane: tuple[Path, int], patient: Settling
) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("half")

    def judge(now: float) -> Verdict:
        return patient.consider("a.toml", look(fd, "a.toml"), now, renamed=False, proof=PROVED).verdict

    assert [judge(0.0), judge(1.0)] == [Verdict.WAIT, Verdict.READY]
    assert not patient.patience_over("a.toml", 1.0)
    patient.hold("a.toml")
    assert [judge(2.0), judge(9.9)] == [Verdict.WAIT, Verdict.WAIT]
    assert judge(10.0) is Verdict.READY
    assert patient.patience_over("a.toml", 10.0)

    (folder / "a.toml").write_text("half and whole")
    assert [judge(11.0), judge(11.3)] == [Verdict.WAIT, Verdict.READY]
    assert not patient.patience_over("a.toml", 11.3)


@pytest.mark.parametrize("renamed", [True, False])
def test_an_empty_file_is_never_ready(lane: tuple[Path, int], patient: Settling, *, renamed: bool) -> None:
    folder, fd = lane
    (folder / "a.toml").touch()
    seen = look(fd, "a.toml")

    verdicts = [
        patient.consider("a.toml", seen, at, renamed=renamed, proof=PROVED).verdict for at in (0.0, 9.0, 10.0)
    ]

    assert verdicts == [Verdict.WAIT, Verdict.WAIT, Verdict.IGNORE]


def test_a_second_link_is_borne_with_until_patience_is_over(
    lane: tuple[Path, int], patient: Settling
) -> None:
    folder, fd = lane
    (folder / "t").write_text("x")
    os.link(folder / "t", folder / "a.toml")
    linked = look(fd, "a.toml")

    early = patient.consider("a.toml", linked, 0.0, renamed=False, proof=PROVED)
    late = patient.consider("a.toml", linked, 10.0, renamed=False, proof=PROVED)
    (folder / "t").unlink()
    alone = look(fd, "a.toml")
    patient.consider("a.toml", alone, 11.0, renamed=False, proof=PROVED)
    settled = patient.consider("a.toml", alone, 11.5, renamed=False, proof=PROVED)

    assert [early.verdict, late.verdict, settled.verdict] == [Verdict.WAIT, Verdict.BAD, Verdict.READY]
    assert "second hard link" in late.why


def test_another_name_is_ignored_after_patience(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "notes.txt").write_text("x")
    seen = look(fd, "notes.txt")

    early = patient.consider("notes.txt", seen, 0.0, renamed=True, proof=PROVED)
    late = patient.consider("notes.txt", seen, 10.0, renamed=False, proof=PROVED)

    assert (early.verdict, late.verdict) == (Verdict.WAIT, Verdict.IGNORE)
    assert ".toml" in late.why


@pytest.mark.parametrize(
    ("mode", "why"),
    [(0o000, "nobody read"), (0o666, "writable by everybody"), (0o244, "owner read")],
)
def test_a_mode_that_forbids_it_is_bad_at_once(
    lane: tuple[Path, int], patient: Settling, mode: int, why: str
) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    (folder / "a.toml").chmod(mode)

    judged = patient.consider("a.toml", look(fd, "a.toml"), 0.0, renamed=False, proof=PROVED)

    assert judged.verdict is Verdict.BAD
    assert why in judged.why
    with pytest.raises(BadFile, match=why):
        read_settled(fd, "a.toml")


def test_a_file_of_another_user_is_bad(lane: tuple[Path, int], patient: Settling) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    os.chown(folder / "a.toml", 65534, 65534)

    judged = patient.consider("a.toml", look(fd, "a.toml"), 0.0, renamed=True, proof=PROVED)

    assert judged.verdict is Verdict.BAD
    assert "belongs to user 65534" in judged.why


def test_what_is_gone_is_forgotten(lane: tuple[Path, int], patient: Settling) -> None:
    folder, fd = lane
    (folder / "a.toml").write_text("x")
    patient.consider("a.toml", look(fd, "a.toml"), 0.0, renamed=True, proof=PROVED)

    patient.keep_only(set())

    assert not patient.is_renamed("a.toml")


def test_a_whole_file_is_read(lane: tuple[Path, int]) -> None:
    folder, fd = lane
    (folder / "a.toml").write_bytes(b"x" * 1000)

    assert read_settled(fd, "a.toml", 1000) == b"x" * 1000
    with pytest.raises(BadFile, match="too large"):
        read_settled(fd, "a.toml", 999)
    with pytest.raises(FileNotFoundError):
        read_settled(fd, "b.toml")


def test_a_file_that_another_process_writes_is_not_read(lane: tuple[Path, int]) -> None:
    if not platform.detect(portable=False).lease or not platform.PLATFORM.lease:
        pytest.skip("nothing proves it here")
    folder, fd = lane
    hold = "import sys; f = open(sys.argv[1], 'w'); f.write('half'); f.flush(); print(flush=True); sys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", hold, folder / "a.toml"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()

    with pytest.raises(StillWritten):
        read_settled(fd, "a.toml")
    proved_while_open = nobody_writes_in(fd, "a.toml", platform.PLATFORM)
    unproved = read_settled(fd, "a.toml", prove=False)
    writer.communicate()

    assert unproved == b"half"
    assert proved_while_open is False
    assert read_settled(fd, "a.toml") == b"half"


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_is_no_regular_file_is_not_opened(lane: tuple[Path, int], kind: str) -> None:
    folder, fd = lane
    (folder / "victim").write_text("secret")
    makers = {
        "symlink": lambda path: path.symlink_to(folder / "victim"),
        "fifo": os.mkfifo,
        "directory": Path.mkdir,
    }
    makers[kind](folder / "a.toml")

    with pytest.raises(BadFile, match="only regular files"):
        read_settled(fd, "a.toml")


def test_a_file_that_is_exchanged_all_the_time_is_never_read_as_another(lane: tuple[Path, int]) -> None:
    folder, fd = lane
    (folder / "good").write_bytes(b"good")
    (folder / "secret").write_bytes(b"secret")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            (folder / ".link").symlink_to(folder / "secret")
            os.replace(folder / ".link", folder / "a.toml")
            (folder / ".file").write_bytes(b"good")
            os.replace(folder / ".file", folder / "a.toml")
            os.mkfifo(folder / ".fifo")
            os.replace(folder / ".fifo", folder / "a.toml")

    (folder / "a.toml").write_bytes(b"good")
    thread = threading.Thread(target=exchange)
    thread.start()
    contents: set[bytes] = set()
    refused = 0
    for _ in range(3000):
        try:
            contents.add(read_settled(fd, "a.toml"))
        except (BadFile, StillWritten, FileNotFoundError):
            refused += 1
    stop.set()
    thread.join()

    assert contents <= {b"good"}
    assert refused > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain ä.toml", "plain ä.toml"),
        ("new\nline", "new\\nline"),
        (os.fsdecode(b"\xff.md"), "\\xff.md"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("right\u202eto left", "right\\u202eto left"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_a_name_is_fit_to_be_shown(name: str, text: str) -> None:
    assert settling.shown(name) == text
