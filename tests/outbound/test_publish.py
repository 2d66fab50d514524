from __future__ import annotations

import errno
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handoff import durable
from handoff.root import PlanId, Root
from orchestrd.outbound import publish
from orchestrd.record.journal import read_journal
from tests.outbound.telling import PATCH, PLAN, Telling, a_root, a_success, result_in


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return a_root(tmp_path)


def nothing(_checkout: Path) -> None:
    """Remove a checkout that was never there."""


def tree(root: Root) -> dict[str, bytes]:
    """Every file of a root, its own path taken out; of journals the events, for the last one's time is not fixed."""
    files = {str(path.relative_to(root.path)): path for path in root.path.rglob("*") if path.is_file()}
    return {
        name: events(path)
        if path.name == "journal.jsonl"
        else path.read_bytes().replace(bytes(root.path), b"ROOT")
        for name, path in files.items()
    }


def events(journal: Path) -> bytes:
    return " ".join(record["event"] for record in read_journal(journal)).encode()


def test_a_plan_that_succeeded_leaves_its_files_where_the_protocol_says(root: Root) -> None:
    a_success(root)

    published = publish.settle(root, PlanId("api"), nothing)

    files = {name for name in tree(root) if not name.startswith(".orchestrd/")}
    assert files == {
        "results/api.toml",
        "results/api.md",
        "requests/api.docs.md",
        *(
            f"archive/2026-11/api/{name}"
            for name in ("plan.toml", "accepted.json", "journal.jsonl", "changes.patch", "result.toml")
        ),
    }
    assert published.folder == root.archive / "2026-11" / "api"
    assert (root.results / "api.toml").read_bytes() == (published.folder / "result.toml").read_bytes()
    assert result_in(root.results / "api.toml")["status"] == "succeeded"
    assert events(published.folder / "journal.jsonl").endswith(b"settling settled")
    assert all(
        (root.path / path).is_file() for path in [result_in(root.results / "api.toml")["changes"]["patch"]]
    )


def test_a_json_plan_is_answered_in_json(root: Root) -> None:
    a_success(root, file_format="json")

    folder = publish.settle(root, PlanId("api"), nothing).folder

    assert result_in(root.results / "api.json")["verdict"] == "changed"
    assert (folder / "result.json").is_file()
    assert not (root.results / "api.toml").exists()


def test_metadata_comes_back_unchanged(root: Root) -> None:
    a_success(root)

    publish.settle(root, PlanId("api"), nothing)

    assert result_in(root.results / "api.toml")["metadata"] == tomllib.loads(PLAN)["metadata"]


@pytest.mark.parametrize("status, asked", [("succeeded", True), ("failed", False), ("cancelled", False)])
def test_documentation_is_asked_for_of_a_plan_that_succeeded_and_of_no_other(
    root: Root, status: str, asked: bool
) -> None:
    told = Telling(root).accepted().worktree().run().gathered().ended(status)

    publish.settle(root, told.id, nothing)

    assert (root.requests / "api.docs.md").exists() is asked
    assert ("docs" in result_in(root.results / "api.toml")) is asked


def test_documentation_is_not_asked_for_unless_wanted(root: Root) -> None:
    Telling(root).accepted(PLAN.replace("request = true", "")).worktree().run().gathered().ended()

    publish.settle(root, PlanId("api"), nothing)

    assert list(root.requests.iterdir()) == []


@pytest.mark.parametrize("left", ["", '{"handoff": 1, "tit', "null", '{"handoff": 1}'])
def test_a_plan_whose_accepted_form_was_torn_by_a_power_cut_settles_by_what_was_handed_in(
    root: Root, left: str
) -> None:
    told = Telling(root).accepted().ended("cancelled", reason="cancelled")
    (told.folder / "accepted.json").write_text(left)

    publish.settle(root, told.id, nothing)

    found = result_in(root.results / "api.toml")
    assert (found["status"], found["title"]) == ("cancelled", "Rate-limit the API")
    assert found["metadata"] == tomllib.loads(PLAN)["metadata"]


def test_a_file_that_was_never_read_settles(root: Root) -> None:
    told = Telling(root, bad_file="is writable by everybody").ended("rejected", reason="bad-file")
    (told.folder / "plan.toml").symlink_to("/etc/hostname")

    publish.settle(root, told.id, nothing)

    found = result_in(root.results / "api.toml")
    assert (found["status"], found["reason"]) == ("rejected", "bad-file")
    assert "writable by everybody" in found["errors"][0]["message"]
    assert (root.archive / "2026-11" / "api" / "plan.toml").is_symlink()


def test_the_checkout_goes_after_the_result_is_out_and_before_the_folder_moves(root: Root) -> None:
    a_success(root)
    seen: list[tuple[Path, bool, bool]] = []

    def remove(checkout: Path) -> None:
        seen.append(
            (checkout, (root.results / "api.toml").is_file(), root.plan_folder(PlanId("api")).is_dir())
        )

    publish.settle(root, PlanId("api"), remove)

    assert seen == [(Path("/checkouts/api"), True, True)]


def test_a_checkout_that_is_kept_is_not_removed(root: Root) -> None:
    Telling(root).accepted().worktree().run().gathered().ended("failed", reason="api")
    removed: list[Path] = []

    publish.settle(root, PlanId("api"), removed.append)

    assert removed == []
    assert result_in(root.results / "api.toml")["changes"]["workspace"] == "/checkouts/api"


def test_what_the_removal_raises_puts_the_rest_off(root: Root) -> None:
    a_success(root)

    def fail(_checkout: Path) -> None:
        raise OSError(errno.EBUSY, "busy")

    with pytest.raises(OSError, match="busy"):
        publish.settle(root, PlanId("api"), fail)
    still_active = root.plan_folder(PlanId("api")).is_dir()
    publish.settle(root, PlanId("api"), nothing)

    assert still_active
    assert (root.archive / "2026-11" / "api").is_dir()


def test_what_a_stranger_put_in_the_place_of_a_result_is_replaced(root: Root) -> None:
    a_success(root)
    (root.results / "api.toml").write_text("status = 'forged'")

    publish.settle(root, PlanId("api"), nothing)

    assert result_in(root.results / "api.toml")["status"] == "succeeded"


def test_settling_again_when_all_was_done_changes_nothing_and_brings_no_result_back(root: Root) -> None:
    a_success(root)
    first = publish.settle(root, PlanId("api"), nothing)
    (root.results / "api.toml").unlink()
    before = tree(root)

    again = publish.settle(root, PlanId("api"), nothing)

    assert again == first
    assert tree(root) == before


class Killed(BaseException):
    """Stands for kill -9: no handler for errors sees it, and nothing more is done to the disk."""


class Faulty(durable.Effects):
    """Effects that count themselves, and end at one of them."""

    def __init__(self, at: int, mode: str) -> None:
        self.at = at
        self.mode = mode
        self.count = 0
        self.fired = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in vars(durable.Effects) and callable(found):
            return lambda *args, **kwargs: self.step(found, args, kwargs)
        return found

    def step(self, effect: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.fired and self.mode != "error":
            raise Killed
        self.count += 1
        if self.count != self.at:
            return effect(*args, **kwargs)
        self.fired = True
        if self.mode == "error":
            raise OSError(errno.EIO, "the disk failed")
        if self.mode == "after":
            effect(*args, **kwargs)
        raise Killed


@pytest.fixture
def real_effects() -> Iterator[durable.Effects]:
    real = durable.effects
    yield real
    durable.effects = real


def how_many_effects(folder: Path) -> int:
    """Settle once with effects that only count."""
    folder.mkdir()
    root = a_root(folder)
    a_success(root)
    durable.effects = Faulty(at=0, mode="before")
    publish._months_on_disk.clear()
    publish.settle(root, PlanId("api"), nothing)
    assert isinstance(durable.effects, Faulty)
    return durable.effects.count


@pytest.mark.parametrize("mode", ["before", "after", "error"])
def test_cut_off_at_any_step_and_done_again_all_is_as_if_it_had_not_been(
    tmp_path: Path, real_effects: durable.Effects, mode: str
) -> None:
    steps = how_many_effects(tmp_path / "whole")
    whole = tree(Root(tmp_path / "whole" / "root"))
    durable.effects = real_effects
    assert steps > 20

    for at in range(1, steps + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        root = a_root(folder)
        a_success(root)
        publish._months_on_disk.clear()
        durable.effects = faulty = Faulty(at, mode)
        with suppress(Killed, OSError):
            publish.settle(root, PlanId("api"), nothing)
        durable.effects = real_effects
        publish._months_on_disk.clear()
        seen = (root.results / "api.toml").read_bytes() if (root.results / "api.toml").exists() else None

        publish.settle(root, PlanId("api"), nothing)

        assert faulty.fired, f"step {at} was never reached"
        found = tree(root)
        assert seen in {None, found["results/api.toml"]}, (
            f"at step {at} a result could be seen that was not whole"
        )
        assert found == whole, f"cut off at step {at}"


def test_the_request_and_the_page_are_the_same_after_a_cut(
    tmp_path: Path, real_effects: durable.Effects
) -> None:
    root = a_root(tmp_path)
    a_success(root)
    steps = 0
    texts = set()

    while root.plan_folder(PlanId("api")).exists():
        steps += 4
        durable.effects = Faulty(steps, "after")
        with suppress(Killed):
            publish.settle(root, PlanId("api"), nothing)
        durable.effects = real_effects
        texts |= {
            (path.name, path.read_bytes())
            for path in (*root.results.glob("api*"), *root.requests.glob("api*"))
        }

    assert sorted(name for name, _ in texts) == ["api.docs.md", "api.md", "api.toml"]


def test_settling_costs_few_syncs(root: Root, real_effects: durable.Effects) -> None:
    syncs: list[str] = []

    class Counting(durable.Effects):
        def fsync(self, fd: int) -> None:
            syncs.append(os.readlink(f"/proc/self/fd/{fd}"))
            super().fsync(fd)

        def sync_dir(self, path: str) -> None:
            syncs.append(f"{path}/")
            super().sync_dir(path)

    Telling(root, "first").accepted(PLAN.replace("request = true", "")).worktree().run().gathered().ended()
    Telling(root, "second").accepted(PLAN.replace("request = true", "")).worktree().run().gathered().ended()
    publish.settle(root, PlanId("first"), nothing)
    durable.effects = Counting()
    publish.settle(root, PlanId("second"), nothing)

    assert [name.removeprefix(f"{root.path}/") for name in syncs] == [
        "active/second/journal.jsonl",
        "active/second/.result.toml.tmp",
        "active/second/",
        "results/second.md",
        "results/.second.toml.tmp",
        "results/",
        "archive/2026-11/",
        "active/",
    ]


def test_what_a_kill_left_half_written_does_not_come_into_the_archive(root: Root) -> None:
    a_success(root)
    run = root.active / "api" / "runs" / "main.1"
    run.mkdir(parents=True)
    (run / ".launch.json.tmp").write_text("{")
    (run / "launch.json").write_text("{}")
    (root.active / "api" / ".accepted.json.tmp").write_text("{")

    published = publish.settle(root, PlanId("api"), nothing)

    assert [path.name for path in published.folder.rglob("*.tmp")] == []
    assert (published.folder / "runs" / "main.1" / "launch.json").exists()


def test_a_patch_is_left_as_it_is(root: Root) -> None:
    a_success(root)

    folder = publish.settle(root, PlanId("api"), nothing).folder

    assert (folder / "changes.patch").read_text() == PATCH


def test_a_checkout_that_was_never_known_to_be_whole_goes_whatever_the_plan_says(root: Root) -> None:
    told = Telling(root).accepted(PLAN.replace("[docs]", '[workspace]\nkeep = "always"\n[docs]'))
    told.tell("workspace-intended", mode="worktree", path="/checkouts/api", branch="b", base="b" * 40)
    told.ended("cancelled")
    removed: list[Path] = []

    publish.settle(root, PlanId("api"), removed.append)

    assert removed == [Path("/checkouts/api")]


def test_a_plan_whose_place_in_the_archive_is_another_ones_takes_nothing_of_it(root: Root) -> None:
    a_success(root)
    publish.settle(root, PlanId("api"), nothing)
    shutil.move(root.archive / "2026-11", root.archive / "2026-10")
    before = {name: content for name, content in tree(root).items() if not name.startswith("active/")}
    Telling(root).accepted().ended("failed")

    with pytest.raises(publish.PlaceTaken, match=r"move archive/2026-10/api and results/api\.\*"):
        publish.settle(root, PlanId("api"), nothing)

    assert before.items() <= tree(root).items()
    shutil.rmtree(root.archive / "2026-10")  # as it was told to do
    assert publish.settle(root, PlanId("api"), nothing).result.status == "failed"
