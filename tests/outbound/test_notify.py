"""Each request is told once, by each channel: whatever fails, hangs, is killed in between, or comes in crowds."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handoff.formats import Format, dump
from handoff.result import Reason, Result, Status
from handoff.root import Root, create_root
from orchestrd.outbound.channels import ChannelFailed
from orchestrd.outbound.courier import MOST_TRIES, PAUSES, REST_SECONDS, Courier
from orchestrd.outbound.news import News
from orchestrd.outbound.notified import NAME, Notified
from orchestrd.outbound.notify import Notifier
from tests.requesting import a_docs_request, a_question, an_approval, ask
from tests.waiting import wait_until

ALL = ("approval", "question", "docs")


class Told:
    """A channel that keeps what it is told, and fails as often as it is to."""

    def __init__(self, name: str = "told", fails: int = 0, *, is_wish: bool = False) -> None:
        self.name = name
        self.fails = fails
        self.is_wish = is_wish
        self.calls: list[tuple[str, ...]] = []
        self.where = name

    def tell(self, news: Sequence[News]) -> None:
        if self.fails:
            self.fails -= 1
            raise ChannelFailed(f"{self.name}: HTTP 500", "mend it")
        self.calls.append(tuple(one.name for one in news))

    @property
    def names(self) -> list[str]:
        return sorted(name for call in self.calls for name in call)


class Day:
    """A notifier whose time is told to it, and whose threads do what they do at once."""

    def __init__(self, root: Root, *channels: Told, on=ALL) -> None:
        self.wall = datetime.now(UTC).timestamp()
        self.boot = 1000.0
        couriers = [Courier(channel, lambda job: job(), lambda: None) for channel in channels]
        notified = Notified.load(root)
        self.notifier = Notifier(root, on, couriers, notified, lambda job: job(), lambda: None)

    def turns(self, count: int = 3, seconds: float = 0.0) -> None:
        """Let so many turns of the loop happen, `seconds` apart."""
        for _ in range(count):
            self.notifier.turn(self.wall, self.boot)
            self.wall += seconds
            self.boot += seconds

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds
        self.turns()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def test_each_request_is_told_once_by_each_channel_and_by_no_later_daemon_again(root):
    first, second = Told("first"), Told("second")
    name = ask(root.requests, an_approval())
    day = Day(root, first, second)
    day.turns()
    ask(root.requests, an_approval(reason="it is written anew, with a problem perhaps"))
    day.passes(10)

    later = (Told("first"), Told("second"), Told("new"))
    Day(root, *later).turns()

    assert first.calls == second.calls == [(name,)]
    assert [one.calls for one in later] == [[], [], [(name,)]]


def test_what_was_asked_while_no_daemon_was_there_is_told_when_one_is(root):
    channel = Told()
    Day(root, channel).turns()
    name = ask(root.requests, a_question())

    Day(root, channel).turns()

    assert channel.calls == [(name,)]


def test_only_that_is_told_of_which_somebody_wants_to_hear(root):
    channel = Told()
    ask(root.requests, an_approval())
    name = ask(root.requests, a_docs_request())
    (root.requests / ".half.docs.md.tmp").write_text("")
    (root.requests / "notes.txt").write_text("")

    Day(root, channel, on=("docs", "failed")).turns()

    assert channel.calls == [(name,)]


def test_what_cannot_be_read_is_told_all_the_same(root):
    (root.requests / "a.main.1.1.approval.toml").write_text("= broken")
    channel = Told()

    Day(root, channel).turns()

    assert channel.names == ["a.main.1.1.approval.toml"]


def test_a_request_that_comes_at_the_same_tick_of_the_disks_clock_is_seen(root):
    channel = Told()
    day = Day(root, channel)
    first = ask(root.requests, an_approval(), 1)
    day.turns()
    before = os.stat(root.requests)
    second = ask(root.requests, an_approval(), 2)
    os.utime(root.requests, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert day.notifier.next_look(day.boot) <= 2
    day.passes(REST_SECONDS)

    assert channel.names == [first, second]


def test_nothing_is_looked_at_while_nothing_changes(root):
    ask(root.requests, an_approval())
    day = Day(root, Told())
    day.turns()
    day.passes(10)
    day.passes(10)

    assert day.notifier.next_look(day.boot) is None


def test_a_channel_that_fails_is_tried_again_later_and_said_to_fail_meanwhile(root):
    broken, well = Told("broken", fails=2), Told("well")
    name = ask(root.requests, an_approval())
    day = Day(root, broken, well)
    day.turns()

    assert well.calls == [(name,)]
    (failure,) = day.notifier.failures
    assert failure.message == "broken: HTTP 500"
    assert failure.remedy == f"mend it ({name} not told yet, tried 1 of {MOST_TRIES} times)"
    day.passes(PAUSES[0] / 2)
    assert broken.fails == 1
    day.passes(PAUSES[0])
    assert "tried 2 of" in day.notifier.failures[0].remedy
    day.passes(PAUSES[1])
    day.turns()
    assert broken.calls == [(name,)]
    assert day.notifier.failures == []


def test_it_is_given_up_in_the_end_and_what_comes_then_is_told_soon(root):
    channel = Told(fails=MOST_TRIES)
    ask(root.requests, an_approval(), 1)
    day = Day(root, channel)
    day.turns()
    for pause in PAUSES:
        day.passes(pause + 1)
    assert channel.fails == 0
    assert "given up" in day.notifier.failures[0].remedy
    day.passes(100_000)
    assert channel.calls == []

    second = ask(root.requests, an_approval(), 2)
    day.turns()

    assert channel.calls == [(second,)]
    assert day.notifier.failures == []
    later = Told()
    Day(root, later).turns()
    assert later.names == ["fix-login.main.1.1.approval.toml"]


def test_what_nobody_asked_for_may_fail_without_a_word(root):
    channel = Told(fails=1, is_wish=True)
    ask(root.requests, an_approval())
    day = Day(root, channel)
    day.turns()
    day.passes(1000)

    assert day.notifier.failures == []
    assert channel.calls == []


def test_a_request_that_is_answered_before_it_was_told_is_told_no_more_and_its_failure_is_over(root):
    channel = Told(fails=1)
    name = ask(root.requests, an_approval())
    day = Day(root, channel)
    day.turns()
    (root.requests / name).unlink()
    day.passes(PAUSES[0])
    day.passes(1000)

    assert channel.calls == []
    assert day.notifier.failures == []


def test_a_hundred_at_once_are_told_as_one(root):
    channel = Told()
    for number in range(1, 101):
        ask(root.requests, an_approval(), number)

    Day(root, channel).turns()

    (call,) = channel.calls
    assert len(call) == 100


def test_what_comes_just_after_something_was_told_is_told_together(root):
    channel = Told()
    day = Day(root, channel)
    ask(root.requests, an_approval(), 1)
    day.turns()
    for number in range(2, 12):
        ask(root.requests, an_approval(), number)
        day.turns(seconds=0.01)
    day.passes(REST_SECONDS)

    assert [len(call) for call in channel.calls] == [1, 10]


def test_what_is_remembered_goes_with_the_requests(root):
    names = [ask(root.requests, an_approval(), number) for number in range(1, 6)]
    day = Day(root, Told())
    day.turns()
    for name in names[1:]:
        (root.requests / name).unlink()
    day.passes(2)
    day.turns()

    told = json.loads((root.private / NAME).read_text())["told"]

    assert list(told) == [f"requests/{names[0]}"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"told": {"requests/x": 3}}', b"\xff", b"[" * 100_000])
def test_a_register_that_is_damaged_counts_as_none(root, content):
    (root.private / NAME).write_bytes(content)
    name = ask(root.requests, an_approval())
    channel = Told()

    Day(root, channel).turns()

    assert channel.calls == [(name,)]


def test_a_register_that_cannot_be_written_is_said_and_nothing_is_told_twice_for_that(root):
    day = Day(root)
    (root.private / NAME).mkdir()
    ask(root.requests, an_approval())
    channel = Told()
    couriers = [Courier(channel, lambda job: job(), lambda: None)]
    day.notifier = Notifier(root, ALL, couriers, Notified(root), lambda job: job(), lambda: None)
    day.turns()

    (failure,) = day.notifier.failures
    assert NAME in failure.message
    assert day.notifier.next_look(day.boot) >= 1
    (root.private / NAME).rmdir()
    day.passes(10)
    assert day.notifier.failures == []
    assert len(channel.calls) == 1
    assert (root.private / NAME).is_file()


def test_a_channel_that_hangs_holds_up_neither_the_loop_nor_another_channel(root):
    gate, rung = threading.Event(), threading.Event()

    class Hangs(Told):
        def tell(self, news: Sequence[News]) -> None:
            gate.wait(30)
            super().tell(news)

    def apart(job) -> None:
        threads.append(threading.Thread(target=job))
        threads[-1].start()

    threads: list[threading.Thread] = []
    hangs, well = Hangs("hangs"), Told("well")
    couriers = [Courier(channel, apart, rung.set) for channel in (hangs, well)]
    notifier = Notifier(root, ALL, couriers, Notified(root), apart, rung.set)
    name = ask(root.requests, an_approval())

    def turn_until(channel: Told) -> None:
        def told() -> bool:
            notifier.turn(datetime.now(UTC).timestamp(), 0.0)
            return bool(channel.calls)

        wait_until(told, 10)

    turn_until(well)
    assert (hangs.calls, notifier.failures) == ([], [])
    gate.set()
    turn_until(hangs)
    assert hangs.calls == well.calls == [(name,)]
    for thread in threads:
        thread.join()


# -- results ------------------------------------------------------------------------------------------------------


def a_result(root: Root, plan: str, status: Status, *, published: float | None = None) -> Result:
    now = datetime.now(UTC)
    failed = status is Status.FAILED
    result = Result(
        plan=plan,
        source=f"{plan}.toml",
        title=f"Do {plan}",
        status=status,
        reason=Reason.TIMEOUT if failed else None,
        accepted=now,
        settled=now,
    )
    path = root.results / f"{plan}.toml"
    path.write_bytes(dump(result, Format.TOML))
    if published is not None:
        os.utime(path, (published, published))
    return result


def test_how_plans_ended_is_told_where_that_is_wanted(root):
    channel = Told()
    day = Day(root, channel, on=("failed",))
    day.turns()
    day.notifier.published(a_result(root, "good", Status.SUCCEEDED))
    day.notifier.published(a_result(root, "bad", Status.FAILED))
    day.turns()

    assert channel.calls == [("bad",)]


def test_a_result_that_a_killed_daemon_had_not_told_is_told_by_the_next_one_once(root):
    a_result(root, "long-ago", Status.FAILED, published=datetime.now(UTC).timestamp() - 3600)
    first, second, third = Told(), Told(), Told()
    day = Day(root, first, on=("failed",))
    day.turns()
    day.notifier.published(a_result(root, "told", Status.FAILED))
    day.turns()
    a_result(root, "not-told", Status.FAILED)

    Day(root, second, on=("failed",)).turns()
    Day(root, third, on=("failed",)).turns()

    assert first.calls == [("told",)]
    assert second.calls == [("not-told",)]
    assert third.calls == []
