"""What wakes the loop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from orchestrd.daemon.bell import Bell


@pytest.fixture
def bell() -> Iterator[Bell]:
    made = Bell()
    yield made
    made.close()


def seconds_waited(bell: Bell, most: float, descriptors: tuple[int, ...] = ()) -> float:
    before = time.monotonic()
    bell.wait(most, descriptors)
    return time.monotonic() - before


def test_a_ring_from_another_thread_ends_the_waiting(bell: Bell) -> None:
    ringing = threading.Timer(0.05, bell.ring)
    ringing.start()

    assert seconds_waited(bell, 20) < 10
    ringing.join()


def test_rings_that_nobody_heard_are_one(bell: Bell) -> None:
    for _ in range(100_000):
        bell.ring()

    assert seconds_waited(bell, 20) < 10
    assert seconds_waited(bell, 0.05) >= 0.04


def test_a_readable_descriptor_ends_the_waiting(bell: Bell) -> None:
    ear, mouth = os.pipe()
    os.write(mouth, b"!")

    assert seconds_waited(bell, 20, (ear,)) < 10

    os.close(ear)
    os.close(mouth)


def test_a_descriptor_that_was_closed_and_opened_again_is_another_one(bell: Bell) -> None:
    first, first_mouth = os.pipe()
    bell.wait(0, (first,))
    os.close(first)
    os.close(first_mouth)
    second, mouth = os.pipe()
    os.write(mouth, b"!")

    assert seconds_waited(bell, 20, (second,)) < 10

    os.close(second)
    os.close(mouth)


def test_a_signal_ends_the_waiting(bell: Bell) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    bell.ring_on_signals()
    try:
        os.kill(os.getpid(), signal.SIGUSR1)

        assert seconds_waited(bell, 20) < 10
        assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)
