"""One channel's messages: what waits, what is under way, and when it is tried again.

Lives in the loop's thread; the channel itself is called in a thread of its own, one call at a time. So a channel that
hangs holds up nothing but its own messages, and many that come meanwhile are told as one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from loguru import logger

from orchestrd.outbound.channels import Channel, ChannelFailed
from orchestrd.outbound.news import News

FEW = 3
"""So many at once are told one by one; more of them as one summary."""
REST_SECONDS = 2.0
"""After something was told: what comes meanwhile is told together."""
PAUSES = (1.0, 4.0, 15.0, 60.0, 300.0, 1800.0)
"""Seconds before it is tried again. After one more failure it is given up, until the daemon starts anew."""
MOST_TRIES = len(PAUSES) + 1

Hand = Callable[[Callable[[], None]], None]
"""Has something done in another thread."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A channel by which nobody could be told."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Report:
    told: tuple[str, ...]
    tried: tuple[str, ...]
    error: ChannelFailed | None


class Courier:
    """Brings what there is to tell to one channel."""

    def __init__(self, channel: Channel, hand: Hand, ring: Callable[[], None]) -> None:
        self.name = channel.name
        self.failure: Failure | None = None
        """Why the last try failed; None: it did not."""
        self._channel = channel
        self._hand = hand
        self._ring = ring
        self._waiting: dict[str, News] = {}
        self._tries: dict[str, int] = {}
        self._is_busy = False
        self._is_closed = False
        self._not_before = float("-inf")
        self._reports: deque[_Report] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether something is being told just now."""
        return self._is_busy

    def add(self, news: News) -> None:
        """Have something told soon."""
        self._waiting.setdefault(news.id, news)

    def keep(self, prefix: str, present: Collection[str]) -> None:
        """What is no more there (a request that was answered meanwhile) is no news."""
        for one in [one for one in self._waiting if one.startswith(prefix) and one not in present]:
            self._drop(one)
        if not self._waiting and not self._is_busy:
            self.failure = None

    def waits(self, prefix: str) -> bool:
        """Whether something whose id begins so is still to be told."""
        return any(one.startswith(prefix) for one in self._waiting)

    def close(self) -> None:
        """Begin nothing more: the next daemon tells what waits."""
        self._is_closed = True

    def turn(self, boot: float) -> list[str]:
        """Hand over what is due; return the ids of what was told since the last turn."""
        told: list[str] = []
        while self._reports:
            told += self._settle(self._reports.popleft(), boot)
        if self._waiting and not self._is_busy and not self._is_closed and boot >= self._not_before:
            batch = tuple(self._waiting.values())
            self._is_busy = True
            self._hand(lambda: self._deliver(batch))
        return told

    def next_look(self, boot: float) -> float | None:
        """Seconds until there is something to do here; None: nothing unless somebody rings."""
        if self._reports:
            return 0.0
        return max(0.0, self._not_before - boot) if self._waiting and not self._is_busy else None

    def _deliver(self, batch: Sequence[News]) -> None:
        """In the channel's thread."""
        calls = [(one,) for one in batch] if len(batch) <= FEW else [tuple(batch)]
        told: list[str] = []
        error: ChannelFailed | None = None
        try:
            for call in calls:
                self._channel.tell(call)
                told += [one.id for one in call]
        except ChannelFailed as failed:
            error = failed
        except Exception as bug:  # noqa: BLE001 - the border of a thread: nobody else would hear of it
            error = ChannelFailed(
                f"{self.name}: {type(bug).__name__}", "`orchestrd notify-test` may say more"
            )
            logger.opt(exception=bug).debug("a channel failed")
        self._reports.append(_Report(tuple(told), tuple(one.id for one in batch), error))
        self._ring()

    def _settle(self, report: _Report, boot: float) -> tuple[str, ...]:
        self._is_busy = False
        for one in report.told:
            self._drop(one)
        if report.told:
            what = report.told[0].partition("/")[2] if len(report.told) == 1 else f"{len(report.told)} things"
            logger.info("{}: told of {}", self.name, what)
        left = [one for one in report.tried if one not in report.told]
        if report.error is None:
            self.failure = None
            self._not_before = boot + REST_SECONDS
        elif self._channel.is_wish:
            logger.info("{}", report.error.message)
            for one in left:
                self._drop(one)
        else:
            self._put_off(left, report.error, boot)
        return report.told

    def _put_off(self, left: Sequence[str], error: ChannelFailed, boot: float) -> None:
        still = [one for one in left if one in self._waiting]
        for one in still:
            self._tries[one] = self._tries.get(one, 0) + 1
        tries = max((self._tries[one] for one in still), default=1)
        given_up = [one for one in still if self._tries[one] >= MOST_TRIES]
        for one in given_up:
            self._drop(one)
        what = (
            f"{len(still)} things" if len(still) > 1 else next((one.partition("/")[2] for one in still), "it")
        )
        how = "given up" if given_up else f"tried {tries} of {MOST_TRIES} times"
        # In the remedy: as long as the message stays the same, it is the same trouble.
        self.failure = Failure(error.message, f"{error.remedy} ({what} not told yet, {how})")
        # The youngest counts: what has just come is not to wait for half an hour.
        least = min((self._tries[one] for one in self._waiting if one in self._tries), default=1)
        self._not_before = boot + PAUSES[min(least, len(PAUSES)) - 1]

    def _drop(self, news: str) -> None:
        self._waiting.pop(news, None)
        self._tries.pop(news, None)
