"""Telling people, as part of the daemon: the threads in which it is done, and what is wrong with it as a trouble."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loguru import logger

from handoff.effects import clock
from handoff.root import Root
from orchestrd.config import Config
from orchestrd.core.events import Moment
from orchestrd.daemon.troubles import Trouble, Troubles
from orchestrd.daemon.workers import Workers
from orchestrd.outbound.bounded import end_all
from orchestrd.outbound.channels import channels_of
from orchestrd.outbound.courier import Courier, Failure
from orchestrd.outbound.notified import Notified
from orchestrd.outbound.notify import Notifier
from orchestrd.outbound.publish import Published

WORD = "notify-failed"


class Notifying:
    """Lives in the loop's thread. Where no channel is configured it does nothing at all."""

    def __init__(
        self,
        root: Root,
        config: Config,
        environ: Mapping[str, str],
        troubles: Troubles,
        ring: Callable[[], None],
    ) -> None:
        self._troubles = troubles
        self._ring = ring
        self._shown: list[Failure] = []
        self._workers: list[Workers] = []
        channels = channels_of(root, config.notify, environ, config.secrets.names)
        couriers = [Courier(channel, self._worker().submit, ring) for channel in channels]
        self._notifier = Notifier(
            root,
            config.notify.on,
            couriers,
            _notified(root) if channels else Notified(root),
            self._worker().submit if channels else _nobody,
            ring,
        )

    def published(self, published: Published) -> None:
        """A plan has ended."""
        self._notifier.published(published.result)

    def turn(self, at: Moment) -> None:
        """Look whether there is something to tell, and have it told."""
        self._notifier.turn(at.wall, at.boot)
        failures = self._notifier.failures
        if failures != self._shown:
            self._shown = failures
            self._troubles.settle(WORD, [Trouble(WORD, one.message, one.remedy) for one in failures])

    def next_look(self, at: Moment) -> float | None:
        """Seconds until there is something to do here; None: nothing unless somebody rings."""
        return self._notifier.next_look(at.boot)

    def finish(self, seconds: float, now: Callable[[], Moment]) -> None:
        """Let what is being told come to its end, at most so long, and be remembered."""
        self._notifier.close()
        deadline = clock.awake() + seconds
        while self._notifier.is_busy and clock.awake() < deadline:
            clock.sleep(0.02)
            self.turn(now())
        end_all()
        for workers in self._workers:
            workers.finish(0)

    def _worker(self) -> Workers:
        self._workers.append(Workers(1, self._crashed))
        return self._workers[-1]

    def _crashed(self, error: BaseException) -> None:
        logger.error("telling somebody failed: {!r}", error)
        self._ring()


def _notified(root: Root) -> Notified:
    try:
        return Notified.load(root)
    except OSError as error:
        logger.warning("{}: {}; what waits is told once more", error.filename, error.strerror)
        return Notified(root)


def _nobody(_job: Callable[[], None]) -> None:
    """There is nobody to tell, so there is nothing to do."""
