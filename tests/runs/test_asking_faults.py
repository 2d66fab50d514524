"""A runner that asks is cut off, or refused by the disk, at each of its steps: no answer is lost, or given twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from handoff.effects import Effects
from handoff.root import Root, create_root
from orchestrd.runs.asking.desk import Desk
from orchestrd.runs.asking.following import withdraw
from orchestrd.runs.asking.ledger import granted_rules, read_asked
from orchestrd.secrets import Redactor

NAME = "p.main.1.1.approval.toml"
RULES = [{"toolName": "Bash", "ruleContent": "make *"}]
ASKS = {
    "subtype": "can_use_tool",
    "tool_name": "Bash",
    "input": {"command": "make x"},
    "permission_suggestions": [{"type": "addRules", "behavior": "allow", "rules": RULES}],
}
BAD, GOOD = b'decision = "perhaps"\n', b'decision = "allow"\nscope = "plan"\n'
CHANGING = (
    "write",
    "rename",
    "rename_new",
    "unlink",
    "fsync",
    "sync_dir",
    "mkdir",
    "open",
    "truncate",
    "close",
)


class Cut(BaseException):
    """The runner is killed here."""


class World:
    """A runner's desk, without a process around it."""

    def __init__(self, folder: Path) -> None:
        self.root: Root = create_root(folder / "root")
        self.run = self.root.active / "p" / "runs" / "main.1"
        self.run.mkdir(parents=True)
        self.told: list[dict[str, Any]] = []
        orders = {
            "root": str(self.root.path),
            "plan": "p",
            "step": "main",
            "number": 1,
            "format": "toml",
            "settle_seconds": 0.0,
            "unproved_seconds": 0.0,
            "patience_seconds": 0.0,
            "polling": True,
        }
        self.desk = Desk(orders, str(self.run), "/work", Redactor({}), self._tell)
        self.now = 0.0

    def _tell(self, line: bytes) -> None:
        self.told.append(json.loads(line))

    def play(self) -> None:
        """Ask; be answered in a way that does not fit, then in one that does."""
        self.hear_and_show()
        self.play_on()

    def hear_and_show(self) -> None:
        """Ask."""
        self.desk.hear(json.dumps({"type": "control_request", "request_id": "r", "request": ASKS}).encode())
        self._until((self.root.requests / NAME).exists)

    def turn(self) -> None:
        """Let a second pass."""
        self.now += 1.0
        self.desk.turn(self.now)

    def play_on(self) -> None:
        """Be answered in both ways."""
        self._until((self.root.requests / NAME).exists)
        self.reply(BAD)
        self._until(lambda: any(one["event"] == "refused" for one in read_asked(self.run)))
        self._until(lambda: b"problem" in (self.root.requests / NAME).read_bytes())
        self.reply(GOOD)
        self._until(lambda: not self.desk.is_asking)

    def reply(self, content: bytes) -> None:
        (self.root.replies / NAME).write_bytes(content)

    def replies(self) -> list[bytes]:
        """What was answered, wherever it lies."""
        kept = self.root.active / "p" / "replies"
        folders = [self.root.replies, *([kept] if kept.exists() else [])]
        return sorted(path.read_bytes() for folder in folders for path in folder.iterdir())

    def _until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(20):
            if is_so():
                return
            self.turn()
        raise AssertionError("it does not get on")


@contextmanager
def struck(at: int, strike: Callable[[Callable[[], Any]], Any]) -> Iterator[list[int]]:
    """Let the step of that number go another way; the list counts the steps."""
    count = [0]
    with pytest.MonkeyPatch.context() as patch:
        for operation in CHANGING:
            patch.setattr(
                Effects, operation, _counted(getattr(Effects, operation), operation, count, at, strike)
            )
        yield count


def _counted(
    original: Callable[..., Any],
    operation: str,
    count: list[int],
    at: int,
    strike: Callable[[Callable[[], Any]], Any],
) -> Callable[..., Any]:
    def act(self: Effects, *args: Any, **options: Any) -> Any:
        if operation == "open" and not args[1] & os.O_CREAT:
            return original(self, *args, **options)
        count[0] += 1
        if count[0] == at:
            if operation == "close":
                original(self, *args)  # as the system does: whatever it says, the descriptor is gone
                return strike(lambda: None)
            return strike(lambda: original(self, *args, **options))
        return original(self, *args, **options)

    return act


def cut_before(_step: Callable[[], Any]) -> Any:
    raise Cut


def cut_after(step: Callable[[], Any]) -> Any:
    with suppress(OSError):
        step()
    raise Cut


def refuse(number: int) -> Callable[[Callable[[], Any]], Any]:
    def strike(_step: Callable[[], Any]) -> Any:
        raise OSError(number, os.strerror(number))

    return strike


def steps_of(folder: Path) -> int:
    world = World(folder)
    with struck(0, cut_before) as count:
        world.play()
    return count[0]


@pytest.mark.parametrize("strike", [cut_before, cut_after])
def test_cut_off_anywhere_what_was_answered_is_written_down_and_nothing_stays_that_nobody_waits_for(
    tmp_path: Path, strike: Callable[[Callable[[], Any]], Any]
) -> None:
    for step in range(1, steps_of(tmp_path / "whole") + 1):
        world = World(tmp_path / str(step))
        with pytest.raises(Cut), struck(step, strike):
            world.play()

        events = [one["event"] for one in read_asked(world.run)]
        if world.told:
            assert events[-1] == "answered", step
            assert world.told[0]["response"]["response"]["behavior"] == "allow"
        assert granted_rules(world.run.parent) == (("Bash(make *)",) if "answered" in events else ()), step
        assert len(world.told) <= 1
        given = [BAD, GOOD] if "refused" in events else [BAD]
        assert [one for one in world.replies() if one in given] == world.replies(), step
        assert len(world.replies()) <= 2, step
        withdraw(world.root, "p", "main", 1)
        assert list(world.root.requests.iterdir()) == [], step


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_refused_by_the_disk_anywhere_it_goes_on_when_that_is_over(tmp_path: Path, number: int) -> None:
    for step in range(1, steps_of(tmp_path / "whole") + 1):
        world = World(tmp_path / str(step))

        with struck(step, refuse(number)):
            world.play()

        events = [one["event"] for one in read_asked(world.run)]
        assert events == ["asked", "refused", "answered"], step
        assert [one["response"]["response"]["behavior"] for one in world.told] == ["allow"], step
        assert world.replies() == sorted([BAD, GOOD]), step
        assert list(world.root.requests.iterdir()) == [], step


def test_a_lane_that_is_gone_for_long_is_waited_for_and_what_is_asked_is_shown_in_the_new_one(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.hear_and_show()
    shutil.rmtree(world.root.requests)
    for _ in range(30):
        world.turn()
    assert world.desk.is_asking

    world.root.requests.mkdir(mode=0o700)
    world.play_on()

    assert [one["event"] for one in read_asked(world.run)] == ["asked", "refused", "answered"]
    assert [one["response"]["response"]["behavior"] for one in world.told] == ["allow"]


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_what_lay_there_before_it_was_asked_is_no_answer(tmp_path: Path, ending: str) -> None:
    world = World(tmp_path)
    early = f"{NAME.rpartition('.')[0]}.{ending}"
    content = GOOD if ending == "toml" else b'{"decision": "allow"}'
    (world.root.replies / early).write_bytes(content)
    world.hear_and_show()
    for _ in range(5):
        world.turn()

    assert world.desk.is_asking
    assert world.told == []
    assert list(world.root.replies.iterdir()) == []
    assert (world.root.active / "p" / "replies" / early).read_bytes() == content
    assert b"was there before this was asked" in (world.root.requests / NAME).read_bytes()
    world.reply(GOOD)
    for _ in range(5):
        world.turn()
    assert [one["response"]["response"]["behavior"] for one in world.told] == ["allow"]
    assert [one["event"] for one in read_asked(world.run)] == ["asked", "refused", "answered"]
