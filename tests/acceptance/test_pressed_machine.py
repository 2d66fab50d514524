"""While the machine is short of memory no run starts, those that are alive go on, and afterwards all start again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.stage import drop_plan, give, runs_now, said, shown_plans, starts, waits_for
from tests.serving import Serving
from tests.waiting import wait_until

GIB = 1 << 20
"""KiB, as /proc/meminfo counts."""


class Machine:
    """What the kernel says of the machine, as files that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.procfs = folder / "proc"
        (self.procfs / "pressure").mkdir(parents=True)
        self._write("loadavg", "0.50 0.40 0.30 1/100 1234\n")
        self._write("pressure/cpu", "some avg10=99.00 avg60=99.00 avg300=99.00 total=1\n")
        self.has()

    def has(self, available_gib: float = 8, *, waits_percent: float = 0) -> None:
        """From now on so much memory is available, and something waits for it in so much of the time."""
        self._write("meminfo", f"MemTotal: {24 * GIB} kB\nMemAvailable: {int(available_gib * GIB)} kB\n")
        self._write("pressure/memory", f"some avg10={waits_percent:.2f} avg60=0.00 avg300=0.00 total=1\n")

    def _write(self, name: str, text: str) -> None:
        # Whole or not at all, as the kernel's own are.
        temporary = self.procfs / ".tmp"
        temporary.write_text(text)
        temporary.rename(self.procfs / name)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def start(here: Serving, machine: Machine) -> None:
    here.start(
        LIMITS__MAX_PARALLEL="3",
        LANES__SCAN_SECONDS="0.5",
        PRESSURE__ENABLED="true",
        PRESSURE__PROCFS=str(machine.procfs),
        PRESSURE__ENTER_SECONDS="0",
        PRESSURE__LEAVE_SECONDS="0",
    )


def problems(here: Serving) -> dict[str, dict[str, str]]:
    return {one["word"]: one for one in here.status("daemon")["problems"]}


def test_no_run_starts_while_something_waits_for_memory_and_those_alive_go_on(
    here: Serving, machine: Machine, project: Path
) -> None:
    start(here, machine)
    drop_plan(here, "alive", project, "[write done.txt yes] [sleep 3]")
    runs_now(here, "alive")

    machine.has(waits_percent=60)
    wait_until(lambda: "pressure" in problems(here), 15, "the pressure to be seen")
    drop_plan(here, "kept-back", project)
    wait_until(lambda: waits_for(here, "kept-back") == "pressure", 15, "the plan to wait for it")

    told = problems(here)["pressure"]
    assert told["message"] == (
        "this machine is short of memory: something waited for it in 60 % of the last 10 s; no run is started"
    )
    assert "[pressure]" in told["remedy"]
    assert here.result("alive")["status"] == "succeeded"
    assert starts(here, "kept-back") == []

    machine.has()

    assert here.result("kept-back")["status"] == "succeeded"
    assert "pressure" not in problems(here)
    assert "pressure" not in shown_plans(here).get("kept-back", {}).values()


def test_a_daemon_that_starts_on_a_machine_with_little_memory_left_starts_nothing_until_there_is_more(
    here: Serving, machine: Machine, project: Path
) -> None:
    machine.has(available_gib=0.5)
    drop_plan(here, "first", project)
    drop_plan(here, "second", project)
    start(here, machine)
    wait_until(lambda: waits_for(here, "second") == "pressure", 15, "the plans to wait")

    assert "512 of 24576 MiB are available, 1024 MiB are to be" in problems(here)["pressure"]["message"]
    assert starts(here) == []

    machine.has(available_gib=4)

    assert {here.result(name)["status"] for name in ("first", "second")} == {"succeeded"}


def test_where_the_machine_is_dying_one_run_yields_and_goes_on_afterwards_as_the_same_attempt(
    here: Serving, machine: Machine, project: Path, tmp_path: Path
) -> None:
    start(here, machine)
    gate = tmp_path / "go-on"
    for name, priority in (("urgent", 80), ("patient", 20)):
        drop_plan(here, name, project, f"[again] [await {gate}] [write done.txt yes]", priority=priority)
        runs_now(here, name)

    machine.has(available_gib=0.1)
    wait_until(lambda: waits_for(here, "patient") == "pressure", 15, "one of the runs to yield")

    shown = shown_plans(here)
    assert shown["patient"]["state"] == "waiting"
    assert shown["patient"]["runs"] == []
    assert shown["urgent"]["state"] == "running"
    told = "no run is started, and one at a time is stopped"
    wait_until(lambda: problems(here)["pressure"]["message"].endswith(told), 10, "that to be told")

    # Why, with the figures, and who else runs, is said wherever somebody may look.
    why = (
        "Stopped to save the machine: this machine is short of memory: 102 of 24576 MiB are available, 1024 MiB are to"
        " be. Of 2 runs it had the lowest priority (20). The other: urgent (priority 80, for "
    )
    [ended] = [one for one in here.journal("patient") if one["event"] == "run-ended"]
    assert ended["summary"].startswith(why)
    assert why in here.said()
    assert why in problems(here)["yielded-patient.main"]["message"]
    page = said(here, "show", "patient")
    assert "waits for      pressure until " in page
    assert why in page
    assert why in said(here, "ps")

    machine.has()
    wait_until(lambda: set(problems(here)) == {"yielded-patient.main"}, 15, "the machine to be well again")
    gate.touch()
    # It would go on by itself half a minute later.
    give(here, "now", action="retry", plan="patient")

    for name, runs in (("urgent", 1), ("patient", 2)):
        result = here.result(name)
        assert (result["status"], result["steps"][0]["attempts"]) == ("succeeded", 1)
        assert len(starts(here, name)) == runs
    wait_until(lambda: not problems(here), 15, "nothing to be told any more")
    sessions = {
        record["session_id"] for record in here.journal("patient") if record["event"] == "run-intended"
    }
    assert len(sessions) == 1
    stopped = next(one for one in here.journal("patient") if one["event"] == "run-ended")
    assert stopped["reason"] == "cancelled"


def test_where_the_figures_cannot_be_read_plans_run(here: Serving, machine: Machine, project: Path) -> None:
    machine.has(waits_percent=60)
    (machine.procfs / "pressure" / "memory").unlink()
    (machine.procfs / "meminfo").unlink()
    start(here, machine)

    drop_plan(here, "runs", project)

    assert here.result("runs")["status"] == "succeeded"
