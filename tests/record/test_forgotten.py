"""What lies in the archive is known again, with its key, whatever became of the registers."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from handoff.effects import Effects, StrPath
from handoff.root import PlanId, Root
from orchestrd.outbound import publish
from orchestrd.record.forgotten import forgotten_folders, forgotten_orders, read_forgotten
from orchestrd.record.ids import IdLine, Ids, Orders
from tests.failing import fail
from tests.outbound.telling import PLAN, Telling, a_root

MANY = 5_000


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def settled(root: Root, plan: str, text: str = PLAN, **taken: Any) -> Path:
    Telling(root, plan, **taken).accepted(text.replace("request = true", "")).ended()
    return publish.settle(root, PlanId(plan), lambda _checkout: None).folder


def lines_found(root: Root) -> list[dict[str, object]]:
    found = [line.fields() for line in read_forgotten(forgotten_folders(root, Ids.load(root))).lines]
    return sorted(found, key=lambda line: str(line["id"]))


def test_a_settled_plan_is_known_by_its_journal_and_a_retry_holds_no_key(root: Root) -> None:
    settled(root, "api")
    settled(root, "api-2", retry_of="api", order=4)

    first, second = lines_found(root)

    assert first == {
        "id": "api",
        "source": "api.plan.toml",
        "key": "api-limit",
        "sha256": "a" * 64,
        "taken": "2026-11-24T02:00:01.000Z",
    }
    assert (second["id"], second["retry_of"], "key" in second) == ("api-2", "api", False)


def test_where_there_is_no_journal_the_result_tells_and_of_nothing_at_all_the_id_is_known(root: Root) -> None:
    (settled(root, "api") / "journal.jsonl").unlink()
    (root.archive / "2026-11" / "bare").mkdir()
    damaged = settled(root, "damaged", PLAN.replace("api-limit", "other")) / "journal.jsonl"
    damaged.write_bytes(damaged.read_bytes().replace(b'"title"', b'"titel"', 1))

    found = {str(line["id"]): line for line in lines_found(root)}

    assert found["bare"] == {"id": "bare"}
    assert (found["api"]["source"], found["api"]["key"]) == ("api.plan.toml", "api-limit")
    assert found["damaged"]["key"] == "other"
    assert found["damaged"]["taken"] == "2026-11-24T02:00:01.000Z"


def test_a_folder_that_the_disk_does_not_give_keeps_no_other_back(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(root, "api")
    settled(root, "b")
    fail(monkeypatch, "open", errno.EIO, "api/journal.jsonl")

    found = read_forgotten(forgotten_folders(root, Ids.load(root)))

    assert [line.plan for line in found.lines] == ["b"]
    assert list(found.unread) == ["api"]


def test_of_two_plans_with_one_key_the_first_has_it(root: Root) -> None:
    settled(root, "z-first", arrival=1)
    settled(root, "a-second", arrival=2)
    ids = Ids.load(root)

    ids.take_in(read_forgotten(forgotten_folders(root, ids)).lines)

    assert ids.of_key("api-limit") == "z-first"


def test_what_the_register_knows_is_not_looked_into_however_much_it_is(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = root.archive / "2026-11"
    month.mkdir()
    with root.ids_log.open("w") as register:
        # Folders with nothing in them: would they be looked into, something would be found to tell.
        for number in range(MANY):
            (month / f"plan-{number}").mkdir()
            register.write(json.dumps({"id": f"plan-{number}"}) + "\n")
    ids = Ids.load(root)
    looked_at: list[str] = []
    looks = Effects.stat

    def stat(self: Effects, path: StrPath, **how: Any) -> os.stat_result:
        looked_at.append(os.fspath(path))
        return looks(self, path, **how)

    monkeypatch.setattr(Effects, "stat", stat)

    assert forgotten_folders(root, ids) == []
    assert len(looked_at) < 10


def test_what_a_full_disk_refuses_is_known_all_the_same_and_written_with_the_next(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(root, "api")
    ids = Ids.load(root)
    lines = read_forgotten(forgotten_folders(root, ids)).lines
    with monkeypatch.context() as patch:
        fail(patch, "write", errno.ENOSPC)
        with pytest.raises(OSError):
            ids.take_in(lines)

    ids.append([])
    known = ids.has("api"), ids.of_key("api-limit")
    ids.append([IdLine(PlanId("next"), "next.toml", None, None, None)])

    assert known == (True, "api")
    assert [json.loads(line)["id"] for line in root.ids_log.read_text().splitlines()] == ["api", "next"]


def test_an_id_whose_folder_lies_there_is_not_given_though_no_register_knows_it(root: Root) -> None:
    ids = Ids.load(root)
    settled(root, "api")
    shutil.copytree(root.archive / "2026-11" / "api", root.archive / "2025-01" / "api-2")
    Telling(root, "held").accepted()
    (root.active / "cut").mkdir()

    given = [ids.allot(PlanId(name)) for name in ("api", "held", "cut", "new")]

    assert given == ["api-3", "held-2", "cut", "new"]


def test_orders_that_made_plans_are_known_by_these_but_those_in_hand(root: Root) -> None:
    for number in (4, 9):
        settled(root, f"api-{number}", retry_of="api", order=number)
    Telling(root, "api-12", retry_of="api", order=12).accepted()
    ids = Ids.load(root)
    ids.take_in(read_forgotten(forgotten_folders(root, ids)).lines)
    (root.orders / "9.again.toml").write_text("")
    orders = Orders.load(root)

    found = forgotten_orders(root, ids, orders)
    orders.append(found)

    assert [(line.order, line.plan, line.new_plan) for line in found] == [
        (4, "api", "api-4"),
        (12, "api", "api-12"),
    ]
    assert Orders.load(root).last == 12
    (root.orders / "9.again.toml").unlink()
    assert [line.order for line in forgotten_orders(root, ids, Orders.load(root))] == [9]
