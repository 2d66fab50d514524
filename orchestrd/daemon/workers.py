"""The few threads in which what blocks is done: git, and the settling of results. They know nothing of plans."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from handoff.effects import clock

Job = Callable[[], None]


class Workers:
    """Threads that carry out jobs in the order in which they came. They do not keep the process from ending."""

    def __init__(self, count: int, on_crash: Callable[[BaseException], None]) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._on_crash = on_crash
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Have a job done soon. It reports by itself; what it raises goes to `on_crash`."""
        self._jobs.put(job)

    def finish(self, seconds: float) -> bool:
        """Let the jobs that are under way come to their end, at most so long; True when all did."""
        for _ in self._threads:
            self._jobs.put(None)
        deadline = clock.awake() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - clock.awake()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - the border of a thread: it must live on
                self._on_crash(error)
