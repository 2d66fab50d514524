"""Contexts beside the loop: what is looked up, how often, and what a run is told when something is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff.context import read_context
from handoff.result import Result
from handoff.root import Root, create_root
from orchestrd.context import asking
from orchestrd.context.catching_up import MOST_PLANS, all_is_told, settled_since, told_until
from orchestrd.daemon import contexts as daemon_contexts
from orchestrd.daemon.contexts import Contexts
from orchestrd.daemon.troubles import Troubles
from orchestrd.outbound.publish import settle
from orchestrd.settings import Context
from orchestrd.workspaces.git import GitLock
from tests.builders import SETTLED, a_result
from tests.outbound.telling import Telling
from tests.waiting import wait_until


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@contextmanager
def contexts(root: Root, **settings: Any) -> Iterator[Contexts]:
    made = Contexts(root, Context(**settings), GitLock(root.git_lock), redacted, Troubles())
    made.start()
    try:
        yield made
    finally:
        made.finish(10)


def redacted(content: bytes) -> bytes:
    return content.replace(b"hunter2", b"[secret:PASSWORD]")


def ran(plan: str, minutes: int = 0, **fields: Any) -> Result:
    return a_result(plan=plan, started=SETTLED, settled=SETTLED + timedelta(minutes=minutes), **fields)


def archived(root: Root, *plans: str) -> None:
    """Settle plans of `/src/api` of which no context tells."""
    for plan in plans:
        Telling(root, plan).accepted().run().ended()
        settle(root, plan, lambda _path: None)  # type: ignore[arg-type]


def words(root: Root) -> str:
    path = root.context / "api.md"
    return read_context(path).words if path.exists() else ""


def test_plans_that_come_thick_and_fast_are_written_together(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not even a machine that stands still for a while makes two writes of it.
    monkeypatch.setattr(daemon_contexts, "PAUSE_SECONDS", 600.0)
    with contexts(root) as kept:
        written: list[int] = []
        original = kept._keeping.keep

        def keep(update: Any, now: Any) -> Any:
            written.append(len(update.results))
            return original(update, now)

        monkeypatch.setattr(kept._keeping, "keep", keep)
        kept.note("/src/api", ran("first"))
        wait_until(lambda: "· first" in words(root), 10, "the first to be told")
        for number in range(60):
            kept.note("/src/api", ran(f"plan-{number}", number))

        told = kept.told_to(Path("/src/api"))
        assert "· plan-59" in told
        assert "· plan-59" not in words(root)

    assert "· plan-59" in words(root)
    assert written == [1, 60]


def test_what_is_told_to_a_run_holds_no_secret(root: Root) -> None:
    with contexts(root) as kept:
        kept.note("/src/api", ran("one", summary="The password is hunter2."))

        assert "The password is [secret:PASSWORD]." in kept.told_to(Path("/src/api"))


def test_whatever_is_wrong_with_a_context_the_run_starts_without_it(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contexts(root) as kept:
        monkeypatch.setattr(kept._keeping, "preview", lambda *_args: 1 / 0)

        assert kept.told_to(Path("/src/api")) == ""


def test_without_keeping_runs_are_told_what_people_wrote(root: Root) -> None:
    (root.context / "mine.md").write_text('+++\nproject = "/src/api"\n+++\nUse tabs.\n')

    with contexts(root, keep=False) as kept:
        kept.note("/src/api", ran("one"))
        assert kept.told_to(Path("/src/api")) == "Use tabs."
        assert kept.told_to(Path("/src/other")) == ""
    with contexts(root, keep=False, hand_over=False) as kept:
        assert kept.told_to(Path("/src/api")) == ""
    assert [path.name for path in root.context.iterdir()] == ["mine.md"]


def test_a_daemon_that_starts_tells_what_was_settled_and_not_told(root: Root) -> None:
    archived(root, "one", "two")
    with contexts(root):
        wait_until(lambda: "· one" in words(root) and "· two" in words(root), 10, "both to be told")
    assert told_until(root) is not None
    before = (root.context / "api.md").stat().st_mtime_ns

    archived(root, "three")
    with contexts(root):
        wait_until(lambda: "· three" in words(root), 10, "the third to be told")

    assert words(root).count("· one") == 1
    assert (root.context / "api.md").stat().st_mtime_ns != before


def test_what_was_told_long_ago_is_not_looked_at(root: Root) -> None:
    archived(root, "one")
    all_is_told(root)
    told = told_until(root)
    assert told is not None

    assert [one.result.plan for one in settled_since(root, told)] == ["one"]
    assert settled_since(root, told + 3600) == []
    assert len(settled_since(root, None)) == 1 <= MOST_PLANS


def test_many_looks_at_one_project_ask_git_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def unmerged(project: str, branches: frozenset[str], _lock: object) -> frozenset[str]:
        calls.append(project)
        return branches

    monkeypatch.setattr(asking, "unmerged_branches", unmerged)
    changes = {"branch": "handoff/x", "base": "b" * 40, "head": "a" * 40, "commits": 1}
    threads = []
    with contexts(root) as kept:
        kept.note("/src/api", ran("one", changes=changes))
        kept.told_to(Path("/src/api"))
        for _ in range(20):
            threads.append(threading.Thread(target=kept.told_to, args=(Path("/src/api"),)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    assert 1 <= len(calls) <= 2
