from __future__ import annotations

import os
import time

import pytest

from handoff.platform import PLATFORM, detect
from orchestrd.observe.machine import Daemon, Machine
from tests.waiting import wait_until

WAYS = pytest.mark.parametrize("platform", [detect(), detect(portable=True)], ids=["linux", "portable"])


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@WAYS
def test_the_machine_is_as_the_system_says(platform):
    machine = Machine(platform)

    usage = machine.usage(1.0)

    assert usage.cores == os.cpu_count()
    assert 0 < usage.memory_available_bytes < usage.memory_total_bytes
    assert usage.memory_total_bytes == pytest.approx(
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), rel=0.05
    )
    assert usage.cpu_percent is None


@WAYS
def test_a_core_that_works_is_seen(platform):
    machine = Machine(platform)
    began = time.monotonic()
    machine.usage(began)

    burn(0.3)
    usage = machine.usage(time.monotonic())

    passed = time.monotonic() - began
    assert usage.cpu_percent is not None
    assert 0.5 * 100 * 0.3 / passed < usage.cpu_percent <= 100.5 * usage.cores + 5


@pytest.mark.skipif(not PLATFORM.psi, reason="this system has no PSI")
def test_pressure_is_told_where_there_is_any_way_to_know():
    pressure = dict(Machine().usage(1.0).pressure)

    assert pressure.keys() <= {"cpu", "memory", "io"}
    assert all(0 <= value <= 100 for value in pressure.values())


def test_without_psi_nothing_is_said_of_pressure():
    assert Machine(detect(portable=True)).usage(1.0).pressure == ()


@WAYS
def test_the_daemon_measures_itself(platform):
    daemon = Daemon(platform)
    before = daemon.usage(1.0)

    burn(0.1)
    usage = daemon.usage(2.0)

    assert before.cpu_percent is None
    assert 9 < usage.cpu_percent < 19  # 0.1 s within 1 s, and whatever else this process did meanwhile
    assert usage.memory_bytes > 1 << 20
    assert usage.threads >= 1


@WAYS
def test_a_descriptor_that_stays_open_is_seen(platform):
    daemon = Daemon(platform)
    before = daemon.usage(1.0).open_files
    assert before is not None
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    try:
        assert daemon.usage(2.0).open_files == before + 3
    finally:
        for fd in opened:
            os.close(fd)
    wait_until(lambda: daemon.usage(3.0).open_files == before, what="the descriptors to be closed")
