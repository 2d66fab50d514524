"""The writer's side: what is handed in is whole, durable and never lost under another."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from handoff import client, durable
from handoff.root import PlanId, Root, create_root

RESULT = """handoff = 1
plan = "{plan}"
source = "{plan}.toml"
title = "A title"
sha256 = "{sha}"
status = "succeeded"
verdict = "unverified"
accepted = 2026-11-24T02:00:00Z
settled = 2026-11-24T02:00:01Z
"""


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def settle(root: Root, plan: str, *, consumed: bool = False) -> None:
    """Do what the daemon does at the end of a plan."""
    content = RESULT.format(plan=plan, sha="0" * 64).encode()
    archived = root.archive / "2026-11" / plan
    archived.mkdir(parents=True)
    durable.publish_new(archived / "result.toml", content)
    if not consumed:
        durable.publish_new(root.results / f"{plan}.toml", content)
    durable.append_line(
        root.ids_log, json.dumps({"id": plan}, separators=(",", ":")).encode() + b"\n", sync=True
    )


def test_a_plan_is_handed_in_whole_and_alone(root: Root) -> None:
    plan = client.submit(root, "handoff = 1\n", "Add Login.plan.toml")

    assert plan == "add-login"
    assert [path.name for path in root.inbox.iterdir()] == ["Add Login.plan.toml"]
    assert (root.inbox / "Add Login.plan.toml").read_text() == "handoff = 1\n"


def test_a_root_may_be_named_by_its_path(root: Root) -> None:
    assert client.submit(str(root.path), b"x", "a.md") == "a"


def test_nothing_in_the_inbox_is_overwritten(root: Root) -> None:
    client.submit(root, "one", "a.toml")

    with pytest.raises(client.NameTaken, match=r"inbox/a\.toml"):
        client.submit(root, "two", "a.toml")

    assert (root.inbox / "a.toml").read_text() == "one"
    assert len(os.listdir(root.inbox)) == 1


def test_a_writer_that_was_cut_off_may_repeat(root: Root) -> None:
    client.submit(root, "one", "a.toml")

    assert client.submit(root, "one", "a.toml") == "a"


def test_a_unique_name_gives_an_id_of_its_own(root: Root) -> None:
    ids = {client.submit(root, "x", "add-login.plan.md", unique=True) for _ in range(5)}

    assert len(ids) == 5
    assert all(plan.startswith("add-login-") for plan in ids)
    assert {f"{plan}.plan.md" for plan in ids} == set(os.listdir(root.inbox))


def test_a_unique_name_stays_unique_however_long_it_was(root: Root) -> None:
    one = client.submit(root, "x", "n" * 200 + ".toml", unique=True)
    two = client.submit(root, "x", "n" * 200 + ".toml", unique=True)

    assert one != two


def test_an_id_that_was_had_gets_a_number(root: Root) -> None:
    settle(root, "a")
    (root.active / "a-2").mkdir()

    assert client.submit(root, "x", "a.toml") == "a-3"


@pytest.mark.parametrize(
    "name", ["a.txt", ".a.toml", "a/b.toml", "a.toml.tmp", "toml", "x\0.md", "n" * 251 + ".toml"]
)
def test_a_name_that_no_plan_may_have_is_refused(root: Root, name: str) -> None:
    with pytest.raises(client.ClientError):
        client.submit(root, "x", name)

    assert os.listdir(root.inbox) == []


def test_many_writers_of_one_name_lose_nothing_and_tear_nothing(root: Root) -> None:
    contents = [str(number) * 5000 for number in range(8)]
    won: list[str] = []

    def write(content: str) -> None:
        try:
            client.submit(root, content, "same.toml")
        except client.NameTaken:
            return
        won.append(content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(root.inbox / "same.toml").read_text()] == won
    assert os.listdir(root.inbox) == ["same.toml"]


def test_waiting_ends_with_the_result(root: Root) -> None:
    plan = client.submit(root, "x", "a.toml")

    def carry_out() -> None:
        settle(root, plan)
        (root.inbox / "a.toml").unlink()

    daemon = threading.Timer(0.2, carry_out)
    daemon.start()

    result = client.wait(root, plan, timeout=10)
    daemon.join()

    assert (result.plan, result.status) == ("a", "succeeded")


def test_a_result_that_was_consumed_is_found_in_the_archive(root: Root) -> None:
    settle(root, "a", consumed=True)

    assert client.wait(root, "a", timeout=1).plan == "a"


def test_waiting_for_nothing_ever_heard_of_is_an_error_at_once(root: Root) -> None:
    client.submit(root, "x", "other.toml")

    with pytest.raises(client.UnknownPlan):
        client.wait(root, "a", timeout=60)


@pytest.mark.parametrize("plan", ["../../etc/passwd", "", "A"])
def test_what_is_no_id_leads_nowhere(root: Root, plan: str) -> None:
    with pytest.raises(client.UnknownPlan):
        client.wait(root, plan, timeout=60)


def test_waiting_has_an_end(root: Root) -> None:
    plan = client.submit(root, "x", "a.toml")

    with pytest.raises(TimeoutError):
        client.wait(root, plan, timeout=0.1)


def test_there_is_no_result_before_there_is_one(root: Root) -> None:
    assert client.read_result(root, "a") is None


def test_a_plan_in_work_is_known(root: Root) -> None:
    (root.active / "a").mkdir()

    assert client.is_known(root, PlanId("a"))
    assert not client.is_known(root, PlanId("b"))


def test_an_order_is_a_file_of_its_own(root: Root) -> None:
    names = {client.order(root, "cancel", plan="a", why="too late", key="k") for _ in range(3)}

    assert set(os.listdir(root.control)) == names
    content = json.loads((root.control / names.pop()).read_text())
    assert content == {"handoff": 1, "action": "cancel", "plan": "a", "why": "too late", "key": "k"}


@pytest.mark.parametrize(("action", "plan"), [("stop", None), ("cancel", None), ("pause", "a")])
def test_an_order_that_makes_no_sense_is_refused(root: Root, action: str, plan: str | None) -> None:
    with pytest.raises(client.ClientError):
        client.order(root, action, plan=plan)

    assert os.listdir(root.control) == []


def test_a_reply_has_its_requests_name(root: Root) -> None:
    (root.requests / "a.docs.md").write_text("?")
    (root.requests / "a.main.1.1.approval.toml").write_text("?")

    client.reply(root, "a.docs.md", "# documented\n")
    answered = client.reply(root, "a.main.1.1.approval.toml", {"decision": "allow"})

    assert (root.replies / "a.docs.md").read_text() == "# documented\n"
    assert answered == "a.main.1.1.approval.json"
    assert json.loads((root.replies / answered).read_text()) == {"decision": "allow"}
    with pytest.raises(client.NameTaken):
        client.reply(root, "a.docs.md", "something else")


@pytest.mark.parametrize("request_name", ["b.docs.md", "../inbox/a.toml"])
def test_there_is_no_reply_without_a_request(root: Root, request_name: str) -> None:
    (root.inbox / "a.toml").write_text("x")

    with pytest.raises(client.ClientError):
        client.reply(root, request_name, "x")
