"""What a rename that the power cut in two left in both places."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handoff.formats import Format
from handoff.root import PlanId, Root, create_root
from orchestrd.inbound.taken import Taken
from orchestrd.inbound.twice import remove_old_names


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def taken(root: Root, **fields: object) -> Taken:
    one = Taken(PlanId("a"), "a.toml", Format.TOML, datetime.now(UTC), 1, **fields)  # type: ignore[arg-type]
    root.plan_folder(one.plan).mkdir()
    (root.plan_folder(one.plan) / "plan.toml").write_text("plan")
    return one


def test_a_plan_that_lies_in_the_inbox_still_is_there_no_more(root: Root) -> None:
    one = taken(root)
    os.link(root.active / "a" / "plan.toml", root.inbox / "a.toml")

    remove_old_names(root, [one])

    assert os.listdir(root.inbox) == []
    assert (root.active / "a" / "plan.toml").read_text() == "plan"


def test_another_file_of_that_name_stays_though_it_says_the_same(root: Root) -> None:
    one = taken(root)
    (root.inbox / "a.toml").write_text("plan")

    remove_old_names(root, [one])

    assert os.listdir(root.inbox) == ["a.toml"]


def test_the_copy_that_a_retry_was_made_of_goes(root: Root) -> None:
    one = taken(root, retry_of=PlanId("b"), order=7)
    os.link(root.active / "a" / "plan.toml", root.orders / "7-plan.toml")

    remove_old_names(root, [one])

    assert os.listdir(root.orders) == []


def test_an_order_that_lies_in_its_lane_still_is_there_no_more(root: Root) -> None:
    (root.orders / "7.x.toml").write_text("order")
    os.link(root.orders / "7.x.toml", root.control / "x.toml")
    (root.control / "y.toml").write_text("order")

    remove_old_names(root, [])

    assert os.listdir(root.control) == ["y.toml"]
    assert os.listdir(root.orders) == ["7.x.toml"]
