from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handoff.platform import PLATFORM, detect
from handoff.status import UsageStatus
from orchestrd.observe.sampler import Sampler
from orchestrd.observe.usage import TreeUsage
from tests.observe.trees import Process, a_process
from tests.waiting import wait_until

PORTABLE = detect(portable=True)
MEBIBYTE = 1 << 20


@pytest.fixture(params=[detect(), PORTABLE], ids=["linux", "portable"])
def sampler(request: pytest.FixtureRequest) -> Sampler[str]:
    return Sampler(request.param)


@pytest.fixture
def root() -> Iterator[Process]:
    with a_process() as process:
        yield process


def take(sampler: Sampler[str], process: Process) -> TreeUsage:
    return sampler.sample({"api": process.pid}, time.monotonic())["api"]


def test_a_tree_is_found_down_to_its_last_process(sampler: Sampler[str], root: Process):
    root.tell("child = spawn()")
    root.tell("tell(child, 'child = spawn()')")
    root.tell("tell(child, \"tell(child, 'pass')\")")

    assert take(sampler, root).processes == 3


def test_the_root_is_no_part_of_what_a_run_uses(sampler: Sampler[str]):
    with a_process(is_root=True) as runner:
        take(sampler, runner)
        runner.tell("block = bytearray(os.urandom(1)) * (40 << 20); burn(0.2)")

        alone = take(sampler, runner)
        runner.tell("child = spawn(); tell(child, 'pass')")
        with_agent = take(sampler, runner)

    assert (alone.processes, alone.threads, alone.memory_bytes, alone.cpu_seconds) == (0, 0, 0, 0.0)
    assert (with_agent.processes, with_agent.threads) == (1, 1)
    assert 0 < with_agent.memory_bytes < 30 * MEBIBYTE


@pytest.mark.skipif(not PLATFORM.proc, reason="the portable way sees only what is there when it looks")
def test_what_ended_below_the_root_is_counted_and_the_root_is_not():
    sampler: Sampler[str] = Sampler()
    with a_process(is_root=True) as runner:
        runner.tell("burn(0.3)")
        take(sampler, runner)

        runner.tell("child = spawn(); tell(child, 'burn(0.3)'); child.stdin.close(); child.wait()")

        assert 0.28 <= take(sampler, runner).cpu_seconds < 0.5


@pytest.mark.skipif(not PLATFORM.proc, reason="psutil's tree is by parents, whichever thread they had")
def test_a_child_of_another_thread_is_found(root: Process):
    root.tell("work = lambda: (globals().update(child=spawn()), threading.Event().wait())")
    root.tell("thread = threading.Thread(target=work, daemon=True)")
    root.tell("thread.start()")
    root.tell("[None for _ in iter(lambda: 'child' in globals(), True)]; tell(child, 'pass')")

    usage = take(Sampler(), root)

    assert usage.processes == 2
    assert usage.threads == 3


def test_cpu_time_is_counted_and_shown_in_per_cent_of_one_core(sampler: Sampler[str], root: Process):
    root.tell("child = spawn()")
    first = sampler.sample({"api": root.pid}, 100.0)["api"]
    root.tell("tell(child, 'burn(0.3)')")

    second = sampler.sample({"api": root.pid}, 101.0)["api"]

    assert first.cpu_percent is None
    assert 0.28 <= second.cpu_seconds - first.cpu_seconds < 0.6
    assert second.cpu_percent == pytest.approx(100 * (second.cpu_seconds - first.cpu_seconds))


def test_the_cpu_time_of_a_child_that_has_ended_is_kept(sampler: Sampler[str], root: Process):
    root.tell("child = spawn()")
    root.tell("tell(child, 'burn(0.3)')")
    before = take(sampler, root)

    root.tell("child.stdin.close(); child.wait()")
    after = take(sampler, root)

    assert after.processes == 1
    assert 0 <= after.cpu_seconds - before.cpu_seconds < 0.2


@pytest.mark.skipif(not PLATFORM.proc, reason="the portable way sees only what is there when it looks")
def test_a_child_that_came_and_went_between_two_samples_is_counted(root: Process):
    sampler: Sampler[str] = Sampler()
    before = take(sampler, root)

    root.tell("child = spawn(); tell(child, 'burn(0.3)'); child.stdin.close(); child.wait()")
    after = take(sampler, root)

    assert after.cpu_seconds - before.cpu_seconds >= 0.28


def test_a_zombie_is_no_process_and_loses_nothing(sampler: Sampler[str], root: Process):
    root.tell("child = spawn()")
    root.tell("tell(child, 'burn(0.2)')")
    before = take(sampler, root)

    root.tell("child.stdin.close(); child.stdout.read()")
    wait_until(lambda: take(sampler, root).processes == 1, what="the child to be a zombie")

    assert take(sampler, root).cpu_seconds >= before.cpu_seconds


def test_memory_is_that_of_all_processes(sampler: Sampler[str], root: Process):
    root.tell("child = spawn()")
    root.tell("tell(child, 'pass')")
    before = take(sampler, root).memory_bytes

    root.tell("tell(child, 'block = bytearray(os.urandom(1)) * (40 << 20)')")

    assert 35 * MEBIBYTE < take(sampler, root).memory_bytes - before < 60 * MEBIBYTE


def test_what_was_written_to_the_disk_is_counted(tmp_path: Path, root: Process):
    sampler: Sampler[str] = Sampler(PLATFORM if PLATFORM.proc else PORTABLE)
    before = take(sampler, root).written_bytes
    if before is None:
        pytest.skip("this system does not tell")

    file = tmp_path / "block"
    root.tell(
        f"file = open({str(file)!r}, 'wb', 0); file.write(os.urandom(1 << 20)); os.fsync(file.fileno())"
    )
    if os.stat(file).st_blocks == 0 or _in_memory(tmp_path):
        pytest.skip("the temporary folder is on no disk")

    assert (take(sampler, root).written_bytes or 0) - before >= MEBIBYTE


def test_proportional_memory_is_measured_rarely_and_then_kept(root: Process):
    sampler: Sampler[str] = Sampler(pss_every=3)
    root.tell("child = spawn()")
    root.tell("tell(child, 'pass')")

    seen = [take(sampler, root).pss_bytes for _ in range(6)]

    if not PLATFORM.proc:
        assert seen == [None] * 6
        return
    known = [share for share in seen if share is not None]
    assert known
    assert 0 < known[-1] < take(sampler, root).memory_bytes
    assert seen[-1] is not None


def test_many_runs_do_not_have_their_rare_measurement_in_the_same_sample():
    if not PLATFORM.proc:
        pytest.skip("there is none")
    sampler: Sampler[str] = Sampler(pss_every=3)
    with ExitStack() as stack:
        roots = {name: stack.enter_context(a_process()).pid for name in ("a", "b", "c")}

        first = sampler.sample(roots, time.monotonic())

        assert sum(usage.pss_bytes is not None for usage in first.values()) == 1


def test_a_run_that_has_ended_is_left_out(sampler: Sampler[str], root: Process):
    other = Process()
    other.tell("pass")
    pids = {"api": root.pid, "other": other.pid}
    assert set(sampler.sample(pids, 1.0)) == {"api", "other"}

    other.end()

    assert set(sampler.sample(pids, 2.0)) == {"api"}


def test_a_run_that_is_named_anew_begins_anew(sampler: Sampler[str], root: Process):
    take(sampler, root)
    sampler.sample({}, time.monotonic())

    assert take(sampler, root).cpu_percent is None


def test_a_run_is_not_mixed_up_with_an_earlier_one_of_its_name(sampler: Sampler[str], root: Process):
    root.tell("burn(0.3)")
    take(sampler, root)
    with a_process() as other:
        usage = take(sampler, other)

        assert usage.cpu_seconds < 0.3
        assert usage.cpu_percent is None


def test_two_trees_are_not_mixed(sampler: Sampler[str], root: Process):
    with a_process() as other:
        other.tell("child = spawn()")
        other.tell("tell(child, 'pass')")

        usages = sampler.sample({"api": root.pid, "other": other.pid}, 1.0)

        assert (usages["api"].processes, usages["other"].processes) == (1, 2)


def test_the_two_ways_agree(root: Process):
    if not PLATFORM.proc:
        pytest.skip("there is only one here")
    root.tell("child = spawn()")
    root.tell("tell(child, 'burn(0.1)')")

    one, other = take(Sampler(), root), take(Sampler(PORTABLE), root)

    assert (one.processes, one.threads) == (other.processes, other.threads)
    assert one.memory_bytes == pytest.approx(other.memory_bytes, rel=0.05)
    assert one.cpu_seconds == pytest.approx(other.cpu_seconds, abs=0.05)


def test_a_status_can_be_made_of_it(sampler: Sampler[str], root: Process):
    take(sampler, root)
    sampler.machine(time.monotonic() - 1)
    run = {**take(sampler, root).fields(), "plan": "api", "step": "main"}

    status = UsageStatus.model_validate(
        {
            "time": "2026-11-24T02:00:00Z",
            "daemon": sampler.daemon(time.monotonic()).fields(),
            "machine": sampler.machine(time.monotonic()).fields(),
            "runs": (run,),
        }
    )

    assert status.runs[0].processes == 1
    assert status.machine is not None
    assert status.machine.cores == os.cpu_count()


def _in_memory(folder: Path) -> bool:
    import psutil

    places = [p for p in psutil.disk_partitions(all=True) if folder.is_relative_to(p.mountpoint)]
    return max(places, key=lambda place: len(place.mountpoint)).fstype in {"tmpfs", "ramfs"}
