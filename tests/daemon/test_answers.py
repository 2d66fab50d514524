"""Answers as errands: one at a time, no plan waits for another's trouble, and requests go when their time is over."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from handoff.effects import effects
from handoff.root import PlanId, Root
from orchestrd.core.events import Moment
from orchestrd.daemon import answers
from orchestrd.daemon.answers import Answers
from orchestrd.daemon.errands import Errands
from orchestrd.outbound import publish
from orchestrd.record.journal import read_journal
from tests.outbound.telling import PLAN, Telling, a_root

NOW = datetime(2026, 12, 1, tzinfo=UTC)


class Desk:
    """Errands that are done when the test says so; what fails is put off."""

    def __init__(self) -> None:
        self.given: list[tuple[PlanId, Callable[[], object]]] = []
        self.put_off: list[PlanId] = []

    def run(self, plan: PlanId, errand: Callable[[], object]) -> None:
        self.given.append((plan, errand))

    def work(self) -> list[PlanId]:
        """Do what was given; tell whose it was."""
        given, self.given = self.given, []
        for plan, errand in given:
            try:
                errand()
            except OSError:
                self.put_off.append(plan)
        return [plan for plan, _ in given]


class Clockwork:
    """The time that the test says."""

    def __init__(self) -> None:
        self.wall = NOW.timestamp()

    def now(self) -> Moment:
        return Moment(self.wall, self.wall)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def settled(root: Root, expires: datetime | None = None) -> Path:
    text = f"[docs]\nexpires = {expires:%Y-%m-%dT%H:%M:%SZ}" if expires else "[docs]"
    told = Telling(root).accepted(PLAN.replace("[docs]", text)).worktree().run().gathered().ended()
    return publish.settle(root, told.id, lambda _checkout: None).folder


def turns(there: Answers, desk: Desk, clock: Clockwork) -> list[PlanId]:
    """Turn until nothing is left to be done."""
    done = []
    while True:
        there.turn(clock.now())
        worked = desk.work()
        if not worked:
            return done
        done += worked


def test_one_is_dealt_with_at_a_time_and_trouble_of_one_keeps_no_other_waiting(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, clock, done = Desk(), Clockwork(), []

    def deal(_root: Root, plan: PlanId, *_more: object) -> None:
        if plan == "ill":
            raise OSError(errno.EIO, "Input/output error")
        done.append(plan)

    monkeypatch.setattr(answers, "deal_with", deal)
    there = Answers(root, cast("answers.GitLock", None), cast(Errands, desk), clock.now)
    for plan in ("ill", "ill", "well", "fine"):
        there.deal_with(PlanId(plan), "a name")

    there.turn(clock.now())
    assert len(desk.given) == 1
    there.turn(clock.now())
    assert len(desk.given) == 1
    assert turns(there, desk, clock) == ["ill", "well", "fine"]

    assert done == ["well", "fine"]
    assert desk.put_off == ["ill"], "what comes for it later waits until that is over"
    assert there.next_look(clock.now()) is None


def test_a_request_goes_when_its_time_is_over_also_one_of_a_daemon_before(root: Root) -> None:
    folder = settled(root, NOW + timedelta(hours=1))
    desk, clock = Desk(), Clockwork()
    there = Answers(root, cast("answers.GitLock", None), cast(Errands, desk), clock.now)

    there.begin()
    turns(there, desk, clock)
    assert there.next_look(clock.now()) == pytest.approx(3600)
    assert (root.requests / "api.docs.md").exists()
    clock.wall += 3601
    turns(there, desk, clock)

    assert not (root.requests / "api.docs.md").exists()
    assert read_journal(folder / "journal.jsonl")[-1]["event"] == "request-expired"


def test_a_request_whose_answer_lies_there_waits_for_that_but_not_for_ever(root: Root) -> None:
    settled(root, NOW + timedelta(hours=1))
    (root.replies / "api.docs.md").write_text("")
    desk, clock = Desk(), Clockwork()
    there = Answers(root, cast("answers.GitLock", None), cast(Errands, desk), clock.now)
    there.settled(PlanId("api"))
    turns(there, desk, clock)

    clock.wall += 3601
    turns(there, desk, clock)
    assert (root.requests / "api.docs.md").exists()
    clock.wall += answers.GRACE_SECONDS
    turns(there, desk, clock)

    assert not (root.requests / "api.docs.md").exists()


def test_a_request_without_an_end_stays(root: Root) -> None:
    settled(root)
    desk, clock = Desk(), Clockwork()
    there = Answers(root, cast("answers.GitLock", None), cast(Errands, desk), clock.now)

    there.begin()
    turns(there, desk, clock)
    clock.wall += 1e9
    turns(there, desk, clock)

    assert (root.requests / "api.docs.md").exists()
    assert there.next_look(clock.now()) is None


def test_a_disk_that_does_not_say_is_asked_again_beside_the_loop(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(root, NOW + timedelta(hours=1))
    desk, clock = Desk(), Clockwork()
    there = Answers(root, cast("answers.GitLock", None), cast(Errands, desk), clock.now)
    with monkeypatch.context() as patch:

        def failing(*_words: object, **_more: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(effects, "stat", failing)
        there.settled(PlanId("api"))

    turns(there, desk, clock)

    assert there.next_look(clock.now()) == pytest.approx(3600)
