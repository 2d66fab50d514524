"""What is read of a machine's pressure: from files as the kernel writes them, from odd ones, from none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from handoff.platform import PLATFORM, detect
from orchestrd.core.pressure import MemoryReading, Reading
from orchestrd.observe.pressure import PressureReader, cgroups_of, has_limit

CORES = os.cpu_count() or 1
MIB = 1 << 20


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def psi(some: float, full: float) -> str:
    rest = "avg60=1.00 avg300=2.00 total=3\n"
    return f"some avg10={some:.2f} {rest}full avg10={full:.2f} {rest}"


def a_proc(folder: Path) -> Path:
    return write(
        folder / "proc",
        pressure__memory=psi(12.5, 3.25),
        pressure__cpu=psi(69.72, 0),
        meminfo="MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:    1000000 kB\nBuffers: 1 kB\n",
        loadavg=f"{4 * CORES}.00 3.43 1.57 8/122 19126\n",
    )


def test_all_that_linux_says_is_read(tmp_path: Path) -> None:
    reading = PressureReader(a_proc(tmp_path)).read()

    machine = MemoryReading("this machine", 12.5, 3.25, 1_000_000 * 1024, 24_000_000 * 1024)
    assert reading == Reading((machine,), 69.72, 4.0)


def test_files_that_are_not_there_or_make_no_sense_are_no_error(tmp_path: Path) -> None:
    nothing = Reading((MemoryReading("this machine"),))

    assert PressureReader(tmp_path / "none").read() == nothing
    odd = write(
        tmp_path / "odd",
        pressure__memory="some avg10=much\n\0\nfull",
        pressure__cpu="",
        meminfo="MemTotal:\nMemAvailable: x kB",
        loadavg="nan inf",
    )
    (odd / "pressure" / "cpu").unlink()
    (odd / "pressure" / "cpu").mkdir()
    assert PressureReader(odd).read() == nothing


@pytest.mark.skipif(not PLATFORM.proc, reason="this system has no /proc")
def test_this_machine_says_something() -> None:
    reading = PressureReader().read()

    assert reading.load_per_core is not None
    assert reading.memory[0].available_bytes
    assert (reading.cpu_some is not None) == PLATFORM.psi


def test_the_portable_way_knows_memory_and_load() -> None:
    reading = PressureReader(platform=detect(portable=True), cgroups=(Path("/sys/fs/cgroup"),)).read()

    [memory] = reading.memory
    assert memory.total_bytes is not None
    assert 0 < (memory.available_bytes or 0) < memory.total_bytes
    assert (memory.some, memory.full, reading.cpu_some) == (None, None, None)
    assert reading.load_per_core is not None


def test_a_cgroup_full_of_what_it_can_give_up_is_short_of_nothing(tmp_path: Path) -> None:
    group = write(
        tmp_path / "group",
        memory_max=f"{512 * MIB}\n",
        memory_current=f"{510 * MIB}\n",
        memory_stat=f"anon {100 * MIB}\nfile {400 * MIB}\ninactive_file {250 * MIB}\nactive_file {100 * MIB}\n"
        f"slab_reclaimable {8 * MIB}\n",
        memory_pressure=psi(1.5, 0.5),
    )

    reading = PressureReader(a_proc(tmp_path), (group,)).read()

    assert reading.memory[1] == MemoryReading(f"the cgroup {group}", 1.5, 0.5, 360 * MIB, 512 * MIB)


def test_a_cgroup_without_a_limit_says_nothing_and_one_that_is_slowed_down_has_one(tmp_path: Path) -> None:
    free = write(tmp_path / "free", memory_max="max\n", memory_high="max\n", memory_current="5\n")
    high = write(tmp_path / "high", memory_max="max\n", memory_high=f"{MIB}\n", memory_current="4096\n")
    bare = write(tmp_path / "bare", memory_max=f"{MIB}\n")

    reading = PressureReader(a_proc(tmp_path), (free, high, bare, tmp_path / "none")).read()

    assert [one.where for one in reading.memory[1:]] == [f"the cgroup {high}", f"the cgroup {bare}"]
    assert [one.available_bytes for one in reading.memory[1:]] == [MIB - 4096, None]
    assert [has_limit(one) for one in (free, high, bare, tmp_path / "none")] == [False, True, True, False]


def test_the_cgroups_of_a_process_are_named_from_the_innermost_outwards(tmp_path: Path) -> None:
    process = tmp_path / "cgroup"
    here = Path("/sys/fs/cgroup")

    def of(text: str) -> tuple[Path, ...]:
        process.write_text(text)
        return cgroups_of(process)

    assert of("4:memory:/old\n0::/user.slice/app.slice/x.service\n") == (
        here / "user.slice/app.slice/x.service",
        here / "user.slice/app.slice",
        here / "user.slice",
        here,
    )
    assert of("0::/\n") == (here,), "of a container that has its own view this is the one with the limit"
    assert of("0::/../other\n") == ()
    assert of("4:memory:/old\n") == ()
    assert cgroups_of(tmp_path / "none") == ()


@pytest.mark.skipif(not PLATFORM.proc, reason="this system has no /proc")
def test_a_reading_costs_next_to_nothing() -> None:
    reader = PressureReader(cgroups=cgroups_of())
    reader.read()
    began = time.thread_time()

    for _ in range(200):
        reader.read()

    assert (time.thread_time() - began) / 200 < 0.001, "once a second this is a thousandth of a core at most"
