"""What cannot be a plan: told all at once, and in nobody's way."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from handoff.root import plan_id_of
from tests.acceptance.stage import (
    PORTABLE,
    a_plan_for,
    as_json,
    as_markdown,
    as_toml,
    drop_plan,
    give,
    starts,
)
from tests.serving import Serving
from tests.waiting import wait_until

FIVE_MISTAKES = {
    "handoff": 1,
    "project": "/no/such/folder",
    "prompt": "Do it.",
    "priority": 900,
    "titel": "Misspelt",
    "limits": {"timeout": "soon"},
    "workspace": {"mode": "cloud"},
}
WRONG_PATHS = {"project", "priority", "titel", "limits.timeout", "workspace.mode"}
GRAPH = [
    {"id": "one", "prompt": "Do.", "needs": ["two"]},
    {"id": "two", "prompt": "Do.", "needs": ["one"]},
    {"id": "three", "prompt": "Do.", "needs": ["thre"]},
    {"id": "four", "prompt": "Do.", "output_schema": {"$ref": "#/nowhere"}},
    {"id": "five", "prompt": "Do.", "agent": "reviewr"},
    {"id": "six", "run": ["true"], "model": "opus"},
    {"id": "seven", "prompt": "Do.", "expands": True, "output_schema": {"type": "object"}},
]
GRAPH_PATHS = {"steps[0].needs", "steps[2].needs[0]", "steps[3].output_schema", "steps[5].model",
               "steps[6].output_schema"}  # fmt: skip


def test_every_mistake_of_a_plan_is_told_at_once_with_path_hint_and_line_and_the_daemon_goes_on(
    here: Serving, project: Path
) -> None:
    here.start(LANES__PATIENCE_SECONDS="1")
    written = {
        "toml": as_toml(FIVE_MISTAKES),
        "json": as_json(FIVE_MISTAKES),
        "md": as_markdown(FIVE_MISTAKES),
    }

    for ending, text in written.items():
        here.drop(f"wrong-{ending}.{ending}", text)
    for ending, as_text in (("toml", as_toml), ("json", as_json)):
        here.drop(
            f"graph-{ending}.{ending}",
            as_text({"handoff": 1, "project": str(project), "steps": GRAPH}),
        )
    here.drop(
        "flow.toml",
        as_toml({"handoff": 1, "project": str(project), "workflow": "feature", "params": {"a": 1}}),
    )

    for ending, text in written.items():
        result = here.result(f"wrong-{ending}")
        assert (result["status"], result["reason"]) == ("rejected", "invalid")
        errors = {error["path"]: error for error in result["errors"]}
        assert set(errors) == WRONG_PATHS
        assert len(result["errors"]) == 5
        lines = text.splitlines()
        for path, error in errors.items():
            assert error["message"]
            assert error["hint"]
            assert path.rpartition(".")[2] in lines[error["line"] - 1]
        assert "title" in errors["titel"]["hint"]
    for ending in ("toml", "json"):
        graph = {error["path"]: error for error in here.result(f"graph-{ending}")["errors"]}
        assert set(graph) >= GRAPH_PATHS
        assert all(error["hint"] and error["line"] for error in graph.values())
    flow = {error["path"]: error for error in here.result("flow")["errors"]}
    assert set(flow) == {"params.description", "params.a"}
    assert all(error["hint"] and error["line"] for error in flow.values())
    drop_plan(here, "good", project)
    assert here.result("good")["status"] == "succeeded"
    assert [one.plan for one in starts(here)] == ["good"]


def test_hostile_files_are_refused_or_left_alone_and_hold_nobody_up(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(as_toml(a_plan_for(project)))
    inbox = here.root.inbox
    good = as_toml(a_plan_for(project)).encode()
    here.start(LANES__PATIENCE_SECONDS="1")

    for name, content in _refused_contents(good).items():
        here.drop(name, content)
    (inbox / "unreadable.toml").write_bytes(good)
    (inbox / "unreadable.toml").chmod(0)
    here.drop("writable.toml", good)
    (inbox / "writable.toml").chmod(0o666)
    os.link(outside, inbox / "linked.toml")
    with (inbox / "sparse.toml").open("wb") as sparse:
        sparse.truncate(1 << 40)
    _make_ignored(inbox, outside)
    os.utime(inbox / "from-the-future.txt", (4e9, 4e9))
    drop_plan(here, "good", project)

    assert here.result("good", 8 if PORTABLE else 5)["status"] == "succeeded"
    for name in (*_refused_contents(good), *BAD_FILES):
        result = here.result(plan_id_of(name))
        assert result["status"] == "rejected", name
        assert result["reason"] in {"invalid", "bad-file"}, name
        assert result["errors"][0]["message"]
    for name in ("big.toml", *BAD_FILES):
        assert here.result(plan_id_of(name))["reason"] == "bad-file", name
        assert "sha256" not in here.result(plan_id_of(name))
    ignored = wait_until(
        lambda: ((found := _ignored(here)) >= {f"inbox/{name}" for name in IGNORED}) and found,
        10,
        f"all that is ignored to be shown: {sorted({f'inbox/{name}' for name in IGNORED} - _ignored(here))}",
    )
    assert not any("hidden" in name or "temporary" in name for name in ignored)
    assert outside.read_text() == good.decode()
    unread = give(here, "again", action="retry", plan="sparse")
    assert unread["outcome"] == "nothing"
    assert "hand it in anew" in unread["message"]
    assert give(here, "once-more", action="retry", plan="nul")["new_plan"] == "nul-2"
    assert here.result("nul-2")["status"] == "rejected"
    assert (inbox / ".hidden.toml").exists()
    drop_plan(here, "good-too", project)
    assert here.result("good-too", 8 if PORTABLE else 5)["status"] == "succeeded"
    assert here.said().count("Traceback") == 0


BAD_FILES = ("unreadable.toml", "writable.toml", "linked.toml", "sparse.toml")
IGNORED = ("link.toml", "dangling.toml", "loop.toml", "to-device.toml", "fifo.toml", "socket.toml", "folder.toml",
           "notes.txt", "no-ending", "from-the-future.txt", "empty.toml")  # fmt: skip


def _refused_contents(good: bytes) -> dict[str, bytes]:
    return {
        "big.toml": good + b"# " + b"x" * (2 << 20),
        "nul.toml": good + b"\0",
        "latin.toml": good + b'title = "caf\xe9"\n',
        "utf16.toml": good.decode().encode("utf-16"),
        "deep.json": b"[" * 200_000,
        "deep-toml.toml": b"a = " + b"[" * 100_000,
        "number.json": b'{"handoff": ' + b"9" * 100_000 + b"}",
        "twice.toml": good + b"handoff = 1\n",
        "twice-json.json": b'{"handoff": 1, "handoff": 1}',
        "nan.json": b'{"handoff": 1, "priority": NaN}',
        "bomb.md": b"---\na: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nhandoff: *c\n---\nhello\n",
        "tag.md": b"---\nhandoff: !!python/object/apply:os.system ['id']\n---\nhello\n",
        "no-front.md": b"Just words.\n",
        "list.json": b"[]",
        "null.json": b"null",
        "only-space.toml": b"  \n\n",
        "version.toml": good.replace(b"handoff = 1", b"handoff = 99"),
        "-rf.toml": b"not = [",
        "red\n\x1b[31m.toml": b"not = [",
        "\udcff\udcfe.toml": b"not = [",
        "y" * 240 + ".toml": b"not = [",
    }


def _make_ignored(inbox: Path, outside: Path) -> None:
    (inbox / "link.toml").symlink_to(outside)
    (inbox / "dangling.toml").symlink_to("/no/such/file")
    (inbox / "loop.toml").symlink_to("loop.toml")
    (inbox / "to-device.toml").symlink_to("/dev/zero")
    os.mkfifo(inbox / "fifo.toml")
    with socket.socket(socket.AF_UNIX) as listening:
        folder = os.open(inbox, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{folder}/socket.toml")
        os.close(folder)
    (inbox / "folder.toml").mkdir()
    (inbox / "notes.txt").write_text("not for you")
    (inbox / "no-ending").write_text("not for you")
    (inbox / "from-the-future.txt").write_text("not for you")
    (inbox / "empty.toml").touch()
    (inbox / ".hidden.toml").write_text("not yet")
    (inbox / "temporary.toml.tmp").write_text("not yet")


def _ignored(here: Serving) -> set[str]:
    return {one["file"] for one in here.status("daemon").get("ignored", [])}


def test_a_lane_that_was_removed_is_a_problem_with_a_remedy_and_works_again_when_it_is_back(
    here: Serving, project: Path
) -> None:
    here.start(LANES__SCAN_SECONDS="1")
    here.root.inbox.rmdir()

    problems = wait_until(lambda: here.status("daemon").get("problems"), 10, "the problem to be shown")
    assert any(str(here.root.inbox) in one["message"] and one["remedy"] for one in problems)
    here.root.inbox.mkdir(mode=0o700)
    drop_plan(here, "after", project)

    assert here.result("after")["status"] == "succeeded"
    wait_until(lambda: not here.status("daemon").get("problems"), 5, "the problem to be over")
    here.root.inbox.chmod(0o777)
    wait_until(lambda: here.status("daemon").get("problems"), 10, "the open lane to be shown")
    here.root.inbox.chmod(0o700)
    drop_plan(here, "at-last", project)
    assert here.result("at-last")["status"] == "succeeded"
