from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handoff.root import PlanId, Root
from orchestrd.record.ids import IdLine, Ids, OrderLine, Orders
from tests.failing import fail

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "archive").mkdir()
    return Root(tmp_path)


def line(plan: str, key: str | None = None) -> IdLine:
    return IdLine(PlanId(plan), f"{plan}.plan.toml", key, "0" * 64, NOW)


def test_ids_and_keys_are_known_after_a_new_start(root: Root) -> None:
    Ids.load(root).append([line("a", key="k"), line("b"), line("c", key="k")])

    ids = Ids.load(root)

    assert ids.has("a")
    assert not ids.has("d")
    assert ids.of_key("k") == "a"
    assert ids.of_key("other") is None
    assert len(ids) == 3


def test_a_line_says_what_the_protocol_names_and_leaves_out_what_has_no_value(root: Root) -> None:
    Ids.load(root).append([line("a", key="k"), IdLine(PlanId("b-2"), "b.md", None, None, NOW, PlanId("b"))])

    first, second = (json.loads(text) for text in root.ids_log.read_text().splitlines())

    assert first == {
        "id": "a",
        "source": "a.plan.toml",
        "key": "k",
        "sha256": "0" * 64,
        "taken": "2026-11-24T02:00:00.000Z",
    }
    assert second == {"id": "b-2", "source": "b.md", "taken": "2026-11-24T02:00:00.000Z", "retry_of": "b"}


def test_an_id_that_was_had_gets_a_number(root: Root) -> None:
    ids = Ids.load(root)

    given = [ids.allot(PlanId("a")) for _ in range(4)]
    ids.give_back(PlanId("a-2"))
    ids.give_back(PlanId("a-4"))

    assert given == ["a", "a-2", "a-3", "a-4"]
    assert ids.next_free(PlanId("a")) == "a-2"
    assert [ids.allot(PlanId("a")) for _ in range(2)] == ["a-2", "a-4"]
    assert ids.next_free(PlanId("b")) == "b"


def test_an_id_that_looks_numbered_already_is_passed_over(root: Root) -> None:
    ids = Ids.load(root)
    ids.append([line("a"), line("a-2")])

    assert ids.next_free(PlanId("a")) == "a-3"
    assert ids.next_free(PlanId("a-2")) == "a-2-2"


def test_arrivals_grow_over_starts(root: Root) -> None:
    ids = Ids.load(root)
    ids.append([line("a"), line("b")])

    again = Ids.load(root)
    third = again.next_arrival()
    again.arrived(9)

    assert third == 3
    assert again.next_arrival() == 10


@pytest.mark.parametrize("tail", [b'{"id":"c', b"\0\0\0", b"x"])
def test_a_torn_last_line_is_skipped_and_never_joined(root: Root, tail: bytes) -> None:
    Ids.load(root).append([line("a")])
    with root.ids_log.open("ab") as file:
        file.write(tail)

    ids = Ids.load(root)
    ids.append([line("b")])

    assert ids.problems == []
    assert not ids.has("c")
    assert [json.loads(text)["id"] for text in root.ids_log.read_text().splitlines()] == ["a", "b"]


def test_a_damaged_line_is_named_and_costs_no_other(root: Root) -> None:
    Ids.load(root).append([line("a"), line("b"), line("c")])
    root.ids_log.write_bytes(root.ids_log.read_bytes().replace(b'{"id":"b"', b"{xid"))

    ids = Ids.load(root)

    assert (ids.has("a"), ids.has("b"), ids.has("c")) == (True, False, True)
    assert ids.problems == [f"{root.ids_log}, line 2: no line of this register; it is passed over"]


def test_names_that_are_no_utf8_can_be_registered(root: Root) -> None:
    Ids.load(root).append([IdLine(PlanId("caf"), "caf\udce9.toml", None, None, NOW)])

    assert Ids.load(root).has("caf")


def test_orders_are_known_by_number_and_key(root: Root) -> None:
    done = OrderLine(1, NOW, "o.toml", "done", action="retry", key="k", plan="a", new_plan=PlanId("a-2"))
    Orders.load(root).append([done, OrderLine(3, NOW, "p.toml", "refused", message="no such action")])

    orders = Orders.load(root)

    assert (orders.has(1), orders.has(2), orders.last) == (True, False, 3)
    assert orders.of_key("k") == 1
    assert json.loads(root.orders_log.read_text().splitlines()[1]) == {
        "order": 3,
        "time": "2026-11-24T02:00:00.000Z",
        "file": "p.toml",
        "outcome": "refused",
        "message": "no such action",
    }


def test_a_line_that_a_failing_disk_has_torn_joins_no_other(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = Ids.load(root)
    ids.append([line("a")])
    with monkeypatch.context() as patch:
        fail(patch, "write", errno.EIO)
        with pytest.raises(OSError):
            ids.append([line("b")])
    root.ids_log.open("ab").write(b'{"id":"b"')  # what could not be cut off either

    ids.append([line("b")])

    assert [json.loads(one)["id"] for one in root.ids_log.read_bytes().splitlines()] == ["a", "b"]
