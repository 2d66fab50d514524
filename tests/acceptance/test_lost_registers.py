"""The registers in `archive/` are lost, or older than the archive: the folders count, and the registers are mended."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrd.views.verifying import verify
from tests.acceptance.stage import drop_plan, give, orders, runs_now
from tests.serving import Serving
from tests.waiting import wait_until


def settled(here: Serving, plan: str) -> bytes:
    here.result(plan)
    wait_until(lambda: not (here.root.active / plan).exists(), 15, f"{plan} to be settled; {here.said()}")
    return (here.root.results / f"{plan}.toml").read_bytes()


def lost(register: Path) -> None:
    register.unlink()


def empty(register: Path) -> None:
    register.write_bytes(b"")


def torn(register: Path) -> None:
    register.write_bytes(register.read_bytes()[:40])


def older(register: Path) -> None:
    register.write_bytes(register.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize("spoil", [lost, empty, torn, older])
def test_an_id_and_a_key_that_lie_in_the_archive_are_not_given_again(
    here: Serving, project: Path, spoil: Callable[[Path], None]
) -> None:
    here.start()
    drop_plan(here, "first", project, "[write b.txt b]")
    settled(here, "first")
    drop_plan(here, "y", project, "[write a.txt a]", key="once")
    before = settled(here, "y")
    give(here, "again", action="retry", plan="y")
    retried = settled(here, "y-2")
    known = [json.loads(line) for line in here.root.ids_log.read_text().splitlines()]
    here.stop()
    spoil(here.root.ids_log)
    assert all("start the daemon" in one.remedy for one in verify(here.root, again_seconds=()))

    here.start()
    taken_in = [json.loads(line) for line in here.root.ids_log.read_text().splitlines()]
    drop_plan(here, "y", project, "[write c.txt c]")
    drop_plan(here, "z", project, "[write d.txt d]", key="once")
    settled(here, "y-3")
    settled(here, "z")

    assert taken_in == known
    assert here.result("y-3")["source"] == "y.toml"
    assert here.result("z")["duplicate_of"] == "y"
    assert (here.root.results / "y.toml").read_bytes() == before
    assert (here.root.results / "y-2.toml").read_bytes() == retried
    assert list(verify(here.root)) == []
    assert "archive/ids.jsonl did not know" in here.said()
    assert here.status("daemon").get("problems", []) == []


@pytest.mark.parametrize("spoil", [lost, empty, torn])
def test_an_order_does_not_take_for_its_own_what_one_before_it_had_made(
    here: Serving, project: Path, spoil: Callable[[Path], None]
) -> None:
    here.start()
    drop_plan(here, "y", project, "[write a.txt a]")
    settled(here, "y")
    assert give(here, "first", action="retry", plan="y")["new_plan"] == "y-2"
    settled(here, "y-2")
    here.stop()
    spoil(here.root.orders_log)

    here.start()
    made = give(here, "second", action="retry", plan="y")

    assert made["new_plan"] == "y-3"
    assert settled(here, "y-3")
    assert len({line["order"] for line in orders(here)}) == len(orders(here))


def test_a_plan_whose_place_another_one_has_waits_and_says_what_to_do(here: Serving, project: Path) -> None:
    here.start()
    drop_plan(here, "old", project, "[write a.txt a]")
    settled(here, "old")
    drop_plan(here, "y", project, "[block]")
    run = runs_now(here, "y")
    place = next(here.root.archive.glob("*/old"))
    backup = place.with_name("y")
    shutil.copytree(place, backup)  # brought back from a backup, say
    (here.root.results / "y.toml").write_bytes(b"# what became of that one\n")
    os.kill(run.pid, signal.SIGKILL)
    give(here, "enough", action="cancel", plan="y")

    told = wait_until(
        lambda: [one for one in here.status("daemon").get("problems", []) if one["word"] == "plan-y"],
        30,
        f"the trouble to be told; {here.said()}",
    )

    assert f"move {backup.relative_to(here.root.path)} and results/y.* out of the root" in told[0]["message"]
    assert (here.root.results / "y.toml").read_bytes() == b"# what became of that one\n"
    shutil.rmtree(backup)
    (here.root.results / "y.toml").unlink()
    assert here.result("y")["source"] == "y.toml"
    wait_until(lambda: not here.status("daemon").get("problems"), 15, "the trouble to be over")
