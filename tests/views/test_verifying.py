"""A root that is as promised is said to be so; whatever is not is found, and named by what it breaks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff.root import Root
from orchestrd.views import verifying
from orchestrd.views.verifying import verify
from tests.acceptance.stage import AGENT, LEDGER, drop_plan
from tests.serving import Serving, a_repository, serving
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root in which a plan succeeded and another was refused; its daemon is stopped."""
    folder = tmp_path_factory.mktemp("lived-in")
    with serving(folder, {"FAKE_LEDGER": str(folder / LEDGER)}, AGENT) as here:
        here.start()
        drop_plan(here, "good", a_repository(folder / "project"), "[write a.txt b]")
        here.drop("bad.toml", "handoff = 2\n")
        settled(here, "good")
        settled(here, "bad")
        assert list(verify(here.root)) == []  # with the daemon at work
        here.stop()
        yield here.root.path


def settled(here: Serving, plan: str) -> None:
    here.result(plan)
    wait_until(lambda: not (here.root.active / plan).exists(), what=f"{plan} to be settled")


@pytest.fixture
def root(lived_in: Path, tmp_path: Path) -> Root:
    shutil.copytree(lived_in, tmp_path / "root")
    return Root(tmp_path / "root")


def test_a_root_that_was_lived_in_is_as_promised(root: Root) -> None:
    assert list(verify(root)) == []


def folder_of(root: Root, plan: str) -> Path:
    return next(root.archive.glob(f"*/{plan}"))


def plan_in_two_places(root: Root) -> None:
    shutil.copytree(folder_of(root, "good"), root.active / "good")


def damaged_journal(root: Root) -> None:
    journal = folder_of(root, "good") / "journal.jsonl"
    content = bytearray(journal.read_bytes())
    content[20] ^= 1
    journal.write_bytes(content)


def no_result(root: Root) -> None:
    (folder_of(root, "bad") / "result.toml").unlink()


def result_of_another(root: Root) -> None:
    shutil.copy(folder_of(root, "bad") / "result.toml", root.results / "good.toml")


def result_of_nobody(root: Root) -> None:
    shutil.copy(root.results / "good.toml", root.results / "nobody.toml")


def half_a_file(root: Root) -> None:
    (root.results / ".good.toml.tmp").write_text("half")
    os.utime(root.results / ".good.toml.tmp", (0, 0))


def unknown_id(root: Root) -> None:
    lines = root.ids_log.read_text().splitlines(keepends=True)
    root.ids_log.write_text("".join(line for line in lines if '"good"' not in line))


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (plan_in_two_places, verifying.ONE_PLACE),
        (unknown_id, verifying.ONE_PLACE),
        (damaged_journal, verifying.JOURNALS),
        (no_result, verifying.RESULT),
        (result_of_another, verifying.RESULT),
        (result_of_nobody, verifying.RESULT),
        (half_a_file, verifying.NO_TORN_FILE),
    ],
)
def test_what_is_not_as_promised_is_found(root: Root, spoil: Callable[[Root], None], invariant: str) -> None:
    spoil(root)

    assert invariant in {finding.invariant for finding in verify(root)}
