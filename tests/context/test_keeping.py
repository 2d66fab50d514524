"""A context on the disk: kept of results, with what git says, whatever people do to the file meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff import durable, effects, exchanging, looking
from handoff.context import ContextProblem, list_contexts, read_context
from handoff.result import Result
from handoff.root import Root, create_root
from orchestrd.context import keeping
from orchestrd.context.asking import Asking
from orchestrd.context.keeping import BeingWritten, Keeping, Update
from orchestrd.context.register import Register
from orchestrd.context.state import Seen
from tests.builders import SETTLED, a_result
from tests.repositories import Repository, a_repository, isolate_git

NOTHING = Seen(frozenset(), frozenset(), frozenset())


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    isolate_git(monkeypatch, tmp_path)
    return a_repository(tmp_path / "api")


def a_keeping(root: Root, most_bytes: int = 16384, look: keeping.Look = lambda _p, _o: NOTHING) -> Keeping:
    """As a daemon that has just been started has it."""
    register = Register(root)
    register.load()
    return Keeping(root, register, look, most_bytes)


def with_git(root: Root) -> Keeping:
    return a_keeping(root, look=Asking(root, None, 0).look)


def ran(plan: str, minutes: int = 0, **fields: Any) -> Result:
    settled = SETTLED + timedelta(minutes=minutes)
    return a_result(plan=plan, started=SETTLED, settled=settled, **fields)


def changed(branch: str, **fields: Any) -> dict[str, Any]:
    return {"branch": branch, "base": "b" * 40, "head": "a" * 40, "commits": 1} | fields


def keep(keeping_: Keeping, project: Path | str, *results: Result) -> list[Path]:
    return keeping_.keep(Update(str(project), results), datetime.now(UTC))


def words(root: Root, name: str = "api") -> str:
    return read_context(root.context / f"{name}.md").words


def test_a_context_begins_with_the_first_plan_and_grows(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one", summary="First."))
    keep(a_keeping(root), "/src/api", ran("two", 1, summary="Second."))

    text = words(root)
    assert text.index("· two") < text.index("· one")
    assert text.startswith("# api\n\n## Notes\n\n## State\n\n## Done\n\n### 2026-11-24 · two")
    assert (root.context / "api.md").stat().st_mode & 0o777 == 0o600
    assert os.listdir(root.context) == ["api.md"]


def test_two_projects_of_one_name_have_contexts_of_their_own(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    keep(a_keeping(root), "/other/api", ran("two"))
    keep(a_keeping(root), "/src/api", ran("three", 1))

    assert [(one.name, one.project) for one in list_contexts(root)] == [
        ("api-2", "/other/api"),
        ("api", "/src/api"),
    ]
    assert "three" in words(root)


def test_what_never_ran_begins_no_context(root: Root) -> None:
    keep(a_keeping(root), "/src/api", a_result(plan="one", status="expired"))

    assert os.listdir(root.context) == []


def test_nothing_new_changes_nothing(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    before = (root.context / "api.md").stat()

    keep(a_keeping(root), "/src/api", ran("one"))
    keep(a_keeping(root), "/src/api")

    after = (root.context / "api.md").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_somebody_wrote_changed_or_removed_stays_so(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"), ran("two", 1))
    path = root.context / "api.md"
    text = path.read_text().replace("## Notes\n", "## Notes\n\nUse tabs.\n")
    first, last = text.index("<!-- kept done/two"), text.index("<!-- kept done/one")
    path.write_text((text[:first] + text[last:]).replace("· one", "· one, the first"))

    keep(a_keeping(root), "/src/api", ran("three", 2), ran("two", 1), ran("one"))

    text = words(root)
    assert "Use tabs." in text
    assert "· one, the first" in text
    assert "· two" not in text
    assert "· three" in text


def test_a_file_that_was_removed_is_begun_anew_without_what_was_done_and_with_what_is_open(
    root: Root,
) -> None:
    failed = ran("one", status="failed", reason="timeout")
    now = a_keeping(root)
    now.keep(Update("/src/api", (failed,)), SETTLED)
    (root.context / "api.md").unlink()

    now.keep(Update("/src/api", (ran("two", 1), failed)), SETTLED)

    assert "- Plan one, one, failed (timeout)" in words(root)
    assert "### 2026-11-24 · one" not in words(root)
    assert "### 2026-11-24 · two" in words(root)


def test_a_file_that_was_renamed_is_still_the_context_of_its_project(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    (root.context / "api.md").rename(root.context / "the-api.md")

    keep(a_keeping(root), "/src/api", ran("two", 1))
    keep(a_keeping(root), "/other/api", ran("three", 2))

    assert "two" in words(root, "the-api")
    assert "one" in words(root, "the-api")
    assert "three" in words(root, "api")


def test_a_context_that_somebody_began_is_gone_on_with(root: Root) -> None:
    (root.context / "mine.md").write_text('+++\nproject = "/src/api"\n+++\nMy words.\n')

    keep(a_keeping(root), "/src/api", ran("one"))

    assert words(root, "mine").startswith("My words.\n\n## Done\n\n### 2026-11-24 · one")


def test_the_oldest_goes_where_there_is_no_room(root: Root) -> None:
    for number in range(9):
        keep(a_keeping(root, 900), "/src/api", ran(f"plan-{number}", number, summary="word " * 30))

    text = words(root)
    assert "plan-8" in text
    assert "plan-0" not in text
    assert "older plans are not told of here" in text
    assert len((root.context / "api.md").read_bytes()) < 900 + 500


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "latin-1", "large", "foreign", "broken"])
def test_a_file_that_is_no_context_is_left_alone_and_told(root: Root, tmp_path: Path, what: str) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    path = root.context / "api.md"
    before = path.read_bytes()
    path.unlink()
    outside = tmp_path / "outside.md"
    outside.write_bytes(before)
    match what:
        case "link":
            path.symlink_to(outside)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "latin-1":
            path.write_bytes(before + "é".encode("latin-1"))
        case "large":
            path.write_bytes(before + b"x" * (1 << 20))
        case "foreign":
            path.write_bytes(before.replace(b"/src/api", b"/src/other"))
        case "broken":
            path.write_bytes(before.replace(b"+++", b"++"))
    left = outside.read_bytes(), path.lstat()

    with pytest.raises(ContextProblem, match=r"context/api\.md .* To do: "):
        keep(a_keeping(root), "/src/api", ran("two", 1))

    assert (outside.read_bytes(), path.lstat()) == left
    assert os.listdir(root.context) == ["api.md"]


def test_who_writes_into_it_is_waited_for(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    with (root.context / "api.md").open("a") as file:
        if effects.platform.PLATFORM.lease:
            with pytest.raises(BeingWritten):
                keep(a_keeping(root), "/src/api", ran("two", 1))
        file.write("\nmine\n")

    keep(a_keeping(root), "/src/api", ran("two", 1))

    assert "mine" in words(root)
    assert "two" in words(root)


def test_a_branch_is_told_of_until_it_is_merged_whoever_merges_it(root: Root, repository: Repository) -> None:
    repository.commit("base")
    repository.git("checkout", "-q", "-b", "handoff/one")
    repository.commit("work")
    repository.git("checkout", "-q", "-b", "handoff/one-more")
    repository.commit("more")
    repository.git("checkout", "-q", "main")
    results = [ran("one", changes=changed("handoff/one")), ran("two", 1, changes=changed("handoff/one-more"))]
    keep(with_git(root), repository.path, *results)
    both = words(root)
    repository.git("merge", "-q", "handoff/one")

    keep(with_git(root), repository.path)
    one = words(root)
    repository.git("branch", "-D", "handoff/one-more")
    keep(with_git(root), repository.path)

    assert both.count("- Not merged:") == 2
    assert one.count("- Not merged:") == 1
    assert "`handoff/one-more`" in one
    assert "- Not merged:" not in words(root)


def test_a_branch_that_the_main_branch_has_is_merged_whatever_is_checked_out(
    root: Root, repository: Repository
) -> None:
    repository.commit("base")
    repository.git("checkout", "-q", "-b", "handoff/one")
    repository.commit("work")
    repository.git("checkout", "-q", "-b", "elsewhere", "main")
    keep(with_git(root), repository.path, ran("one", changes=changed("handoff/one")))
    before = words(root)

    repository.git("branch", "-f", "main", "handoff/one")
    keep(with_git(root), repository.path)

    assert "- Not merged:" in before
    assert "- Not merged:" not in words(root)


def test_documents_are_owed_as_long_as_the_request_lies_there(root: Root) -> None:
    request = root.requests / "one.docs.md"
    request.write_text("")
    docs = {"request": "requests/one.docs.md"}
    keep(with_git(root), "/src/api", ran("one", docs=docs))
    owed = words(root)
    request.unlink()

    answered = ran("one", docs=docs | {"reply": "archive/x/replies/one.docs.md", "files": ["docs/a.md"]})
    keep(with_git(root), "/src/api", answered)

    assert "- Documentation is owed for plan one" in owed
    assert "owed" not in words(root)
    assert "Documented in `docs/a.md`" in words(root)


def test_where_git_cannot_say_what_was_open_stays_so(root: Root, tmp_path: Path) -> None:
    keep(with_git(root), tmp_path / "gone", ran("one", changes=changed("handoff/one")))
    keep(with_git(root), tmp_path / "gone")

    assert "- Not merged: branch `handoff/one`" in words(root, "gone")


def test_a_preview_says_what_would_be_written_and_writes_nothing(root: Root) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    before = (root.context / "api.md").read_bytes()

    text = a_keeping(root).preview(Update("/src/api", (ran("two", 1),)), SETTLED)

    assert text is not None
    assert text.index("· two") < text.index("· one")
    assert (root.context / "api.md").read_bytes() == before
    path = root.context / "api.md"
    path.write_text(path.read_text().replace("handoff = 1", "handoff = 1\nhand_over = false"))
    assert a_keeping(root).preview(Update("/src/api", ()), SETTLED) is None


class Cut(BaseException):
    """The process is gone."""


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Let the process be gone from the Nth step on that changes the disk."""

    def cut(number: int) -> list[str]:
        steps: list[str] = []

        class Cutting(effects.Effects):
            pass

        def wrapped(name: str) -> Callable[..., Any]:
            original = getattr(effects.Effects, name)

            def act(self: effects.Effects, *args: Any, **options: Any) -> Any:
                steps.append(name)
                if len(steps) >= number:
                    raise Cut
                return original(self, *args, **options)

            return act

        for name in ("write", "fsync", "rename", "rename_new", "exchange", "unlink", "sync_dir", "mkdir"):
            setattr(Cutting, name, wrapped(name))
        cutting = Cutting()
        for module in (effects, durable, exchanging, looking):
            monkeypatch.setattr(module, "effects", cutting)
        return steps

    return cut


@pytest.mark.parametrize("had", [0, 1])
def test_a_cut_at_any_step_and_another_try_tell_each_plan_once(root: Root, cut_at, had: int) -> None:
    number = 1
    while True:
        for path in (*root.context.iterdir(), *(root.private / "context").glob("*")):
            path.unlink()
        cut_at(10**9)
        if had:
            keep(a_keeping(root), "/src/api", ran("one"))
            path = root.context / "api.md"
            path.write_text(path.read_text().replace("## Notes\n", "## Notes\n\nUse tabs.\n"))
        steps = cut_at(number)
        with suppress(Cut):
            keep(a_keeping(root), "/src/api", ran("two", 1))
        cut_at(10**9)

        assert keep(a_keeping(root), "/src/api", ran("two", 1)) == []

        assert words(root).count("### 2026-11-24 · two") == 1, steps
        assert words(root).count("### 2026-11-24 · one") == had, steps
        assert ("Use tabs." in words(root)) == bool(had), steps
        assert os.listdir(root.context) == ["api.md"], steps
        if len(steps) < number:
            break
        number += 1
    assert number > 10


def test_what_somebody_saves_between_reading_and_writing_is_merged(root: Root, monkeypatch) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    path = root.context / "api.md"
    saves = iter(["first", "second", "third"])
    original = keeping.put_in

    def put_in(where: Path, content: bytes, expected: bytes | None) -> bool:
        word = next(saves, None)
        if word is not None:
            path.write_text(path.read_text().replace("## State", f"{word}\n\n## State"))
        return original(where, content, expected)

    monkeypatch.setattr(keeping, "put_in", put_in)

    keep(a_keeping(root), "/src/api", ran("two", 1))

    text = words(root)
    assert [word for word in ("first", "second", "third", "· two", "· one") if word not in text] == []


def test_where_somebody_saves_again_and_again_it_is_put_off(root: Root, monkeypatch) -> None:
    keep(a_keeping(root), "/src/api", ran("one"))
    monkeypatch.setattr(keeping, "put_in", lambda *_args: False)

    with pytest.raises(BeingWritten):
        keep(a_keeping(root), "/src/api", ran("two", 1))
