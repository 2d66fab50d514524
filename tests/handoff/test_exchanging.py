"""Writing into what people edit: whatever they save, and wherever we are cut off, nothing of theirs is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from handoff import durable, effects, exchanging, looking, platform
from handoff.exchanging import put_in, rescue
from handoff.foreign import StillWritten

OLD, NEW = b"what was read", b"what is to be there"


class Cut(BaseException):
    """The process is gone."""


class Watched(effects.Effects):
    """Does something before one of its steps; the steps are those that change a folder or a file."""

    def __init__(self, before: Callable[[str, int], None]) -> None:
        self.steps: list[str] = []
        self._before = before

    def _step(self, name: str) -> None:
        self.steps.append(name)
        self._before(name, len(self.steps))


def _watched(name: str):
    original = getattr(effects.Effects, name)

    def act(self, *args, **options):
        self._step(name)
        return original(self, *args, **options)

    return act


for _name in ("write", "fsync", "close", "rename", "rename_new", "exchange", "unlink", "sync_dir"):
    setattr(Watched, _name, _watched(_name))


@pytest.fixture(autouse=True, params=[False, True], ids=["full", "portable"])
def _each_way(request, monkeypatch) -> None:
    monkeypatch.setattr(platform, "PLATFORM", platform.detect(portable=request.param))


@pytest.fixture
def watch(monkeypatch):
    def use(before: Callable[[str, int], None]) -> Watched:
        watched = Watched(before)
        for module in (effects, durable, exchanging, looking):
            monkeypatch.setattr(module, "effects", watched)
        return watched

    yield use
    monkeypatch.undo()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "api.md"
    found.write_bytes(OLD)
    return found


def others(path: Path) -> list[str]:
    return sorted(name for name in os.listdir(path.parent) if name != path.name)


def save(path: Path, content: bytes) -> None:
    """As an editor does that writes beside and renames."""
    (path.parent / "editor").write_bytes(content)
    os.rename(path.parent / "editor", path)


def test_a_file_is_written_whole_and_nothing_lies_beside_it(path: Path) -> None:
    assert put_in(path, NEW, OLD)

    assert (path.read_bytes(), others(path)) == (NEW, [])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    assert put_in(tmp_path / "new.md", NEW, None)
    assert not put_in(tmp_path / "new.md", OLD, None)

    assert (tmp_path / "new.md").read_bytes() == NEW


def test_what_somebody_saved_before_stays(path: Path) -> None:
    save(path, b"theirs")

    assert not put_in(path, NEW, OLD)

    assert (path.read_bytes(), others(path)) == (b"theirs", [])


def test_a_file_that_somebody_removed_is_not_brought_back(path: Path) -> None:
    path.unlink()

    assert not put_in(path, NEW, OLD)

    assert (path.exists(), others(path)) == (False, [])


def test_what_somebody_saves_at_any_step_is_not_lost(path: Path, watch) -> None:
    """An editor saves before the step; it never reads what is there."""
    count = 1
    while True:
        path.write_bytes(OLD)

        def at(_name: str, number: int, count: int = count) -> None:
            if number == count:
                save(path, b"theirs")

        watched = watch(at)
        done = put_in(path, NEW, OLD)
        if len(watched.steps) < count:
            break
        theirs_first = path.read_bytes() == b"theirs"
        assert theirs_first or done is False or "exchange" in watched.steps[:count]
        assert b"theirs" in {path.read_bytes(), *((path.parent / name).read_bytes() for name in others(path))}
        assert all(name.endswith(".saved") for name in others(path))
        for name in others(path):
            (path.parent / name).unlink()
        count += 1
    assert count > 6


def test_a_cut_at_any_step_loses_nothing_and_leaves_nothing(path: Path, watch) -> None:
    count = 1
    while True:
        path.write_bytes(OLD)

        def cut(_name: str, number: int, count: int = count) -> None:
            if number >= count:
                raise Cut

        watched = watch(cut)
        try:
            put_in(path, NEW, OLD)
        except Cut:
            pass
        else:
            break
        watch(lambda _name, _number: None)

        assert rescue(path.parent) == []

        assert path.read_bytes() in (OLD, NEW), watched.steps
        assert others(path) == [], watched.steps
        assert put_in(path, NEW, path.read_bytes())
        assert others(path) == []
        count += 1
    assert count > 6


def test_a_save_and_a_cut_at_any_two_steps_lose_nothing(path: Path, watch) -> None:
    for saved in range(1, 12):
        for cut in range(saved, 16):
            path.write_bytes(OLD)

            def act(_name: str, number: int, saved: int = saved, cut: int = cut) -> None:
                if number == saved:
                    save(path, b"theirs")
                if number >= cut:
                    raise Cut

            watched = watch(act)
            with suppress(Cut):
                put_in(path, NEW, OLD)
            watch(lambda _name, _number: None)
            rescue(path.parent)

            held = [path.read_bytes(), *((path.parent / name).read_bytes() for name in others(path))]
            assert len(watched.steps) < saved or b"theirs" in held, (watched.steps, saved, cut)
            assert not [name for name in others(path) if name.endswith((".exchange", ".out"))]
            for name in others(path):
                (path.parent / name).unlink()


def test_a_file_that_somebody_is_writing_waits(path: Path) -> None:
    if not platform.PLATFORM.lease:
        pytest.skip("nothing proves that here")
    with path.open("ab") as theirs:
        with pytest.raises(StillWritten):
            exchanging.read_still(path)
        assert not put_in(path, NEW, OLD)
        theirs.write(b", and more")

    assert (path.read_bytes(), others(path)) == (OLD + b", and more", [])


def test_a_link_that_somebody_put_there_is_neither_followed_nor_taken_away(path: Path) -> None:
    outside = path.parent / "outside"
    outside.write_bytes(OLD)
    path.unlink()
    path.symlink_to(outside)

    assert not put_in(path, NEW, OLD)

    assert path.is_symlink()
    assert outside.read_bytes() == OLD
    assert others(path) == ["outside"]


def test_what_is_saved_while_the_portable_way_is_between_two_names_stays(path: Path, monkeypatch) -> None:
    original = platform.rename_new

    def rename_new(src, dst, **options) -> None:
        if os.fspath(dst) == os.fspath(path):
            save(path, b"theirs")
        original(src, dst, **options)

    monkeypatch.setattr(platform, "PLATFORM", platform.detect(portable=True))
    monkeypatch.setattr(platform, "rename_new", rename_new)

    assert not put_in(path, NEW, OLD)

    assert (path.read_bytes(), others(path)) == (b"theirs", [])


def test_a_cut_of_the_portable_way_between_two_names_is_mended(path: Path, monkeypatch) -> None:
    def cut(src, dst, **_options) -> None:
        raise Cut(src, dst)

    monkeypatch.setattr(platform, "PLATFORM", platform.detect(portable=True))
    original = platform.rename_new
    monkeypatch.setattr(
        platform,
        "rename_new",
        lambda src, dst, **how: (cut if dst == str(path) else original)(src, dst, **how),
    )
    with pytest.raises(Cut):
        put_in(path, NEW, OLD)
    monkeypatch.setattr(platform, "rename_new", original)
    assert not path.exists()

    assert rescue(path.parent) == []

    assert (path.read_bytes(), others(path)) == (OLD, [])
