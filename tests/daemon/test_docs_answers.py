"""An answer that was taken: cut off at any step and gone on with, it is dealt with once and whole."""

from __future__ import annotations

import errno
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handoff import durable
from handoff.effects import effects
from handoff.formats import Format, read_document
from handoff.request import DocsRequest
from handoff.root import PlanId, Root
from orchestrd.daemon.docs_answers import NotCommitted, deal_with, expire
from orchestrd.inbound.replies import taken_replies
from orchestrd.outbound import publish
from orchestrd.record.journal import read_journal
from orchestrd.views.verifying import verify
from orchestrd.workspaces import document_places, documenting
from orchestrd.workspaces.intent import WORKTREE, Intent
from tests.acceptance.stage import git
from tests.outbound.telling import PLAN, Telling, a_root
from tests.serving import a_repository

API = PlanId("api")
NAME = "api.docs.md"
BRANCH = "handoff/api"
ANSWER = b"<!-- file: docs/limits.md -->\n# Limits\n"
DEADLY = ("open", "write", "fsync", "sync_dir", "rename", "rename_new", "mkdir", "unlink")


class Cut(BaseException):
    """As a kill is: nothing is tidied up."""


@dataclass(frozen=True)
class Stage:
    """A root with one settled plan that asks for documentation, and its repository; always at the same place."""

    folder: Path

    @property
    def root(self) -> Root:
        return Root(self.folder / "live/root")

    @property
    def project(self) -> Path:
        return self.folder / "live/project"

    @property
    def plan_folder(self) -> Path:
        return self.root.archive / "2026-11" / "api"

    def set(self) -> None:
        """As it was when the plan was settled."""
        shutil.rmtree(self.folder / "live", ignore_errors=True)
        shutil.copytree(self.folder / "template", self.folder / "live")

    def take(self, content: bytes) -> None:
        """As if an answer had been taken out of its lane."""
        taken_replies(self.root).mkdir(exist_ok=True)
        (taken_replies(self.root) / NAME).write_bytes(content)

    def deal(self) -> None:
        deal_with(self.root, API, NAME, None)

    def result(self) -> dict[str, Any]:
        return tomllib.loads((self.plan_folder / "result.toml").read_text())

    def events(self, *words: str) -> list[dict[str, Any]]:
        return [one for one in read_journal(self.plan_folder / "journal.jsonl") if one["event"] in words]

    def request(self) -> DocsRequest:
        return read_document(DocsRequest, (self.root.requests / NAME).read_bytes(), Format.MARKDOWN)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    live = folder / "live"
    live.mkdir()
    project = a_repository(live / "project")
    base = git(project, "rev-parse", "HEAD")
    git(project, "branch", BRANCH)
    told = Telling(a_root(live)).accepted(PLAN.replace("/src/api", str(project)))
    place = live / "checkout"
    intent = Intent(WORKTREE, project, place, place, project, BRANCH, base, in_git=True)
    told.tell("workspace-intended", **intent.fields()).tell("workspace-made")
    told.run().gathered(base=base, head=base, branch=BRANCH).ended()
    publish.settle(told.root, told.id, lambda _checkout: None)
    told.root.ids_log.write_text(
        '{"id": "api", "source": "api.plan.toml", "taken": "2026-11-24T02:00:00Z"}\n'
    )
    live.rename(folder / "template")
    return folder


@pytest.fixture
def stage(template: Path) -> Stage:
    stage = Stage(template)
    stage.set()
    return stage


def deadly_steps(
    patch: pytest.MonkeyPatch, fault: Callable[[], BaseException] = Cut
) -> Callable[[int], None]:
    """Have the process die, or the disk refuse, before the given effect or git; what is returned sets which one."""
    left = 0

    def mortal(effect: Callable[..., Any]) -> Callable[..., Any]:
        def die_or_do(*words: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise fault()
            return effect(*words, **more)

        return die_or_do

    for word in DEADLY:
        patch.setattr(effects, word, mortal(getattr(durable.effects, word)))
    git_of_ours = mortal(documenting.run_git)
    for module in (documenting, document_places):
        patch.setattr(module, "run_git", git_of_ours)

    def set_step(step: int) -> None:
        nonlocal left
        left = step

    return set_step


def cuts(stage: Stage, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Cut at every step in turn, each time on a fresh stage, and go on; tell when that is done."""
    before = set(verify(stage.root, again_seconds=()))
    step = 0
    while True:
        step += 1
        stage.set()
        stage.take(content)
        with monkeypatch.context() as patch:
            set_step = deadly_steps(patch)
            set_step(step)
            was_cut = True
            with suppress(Cut):
                stage.deal()
                was_cut = False
        # What the next daemon goes on with is nothing that a person has to see to.
        assert set(verify(stage.root, again_seconds=())) == before
        stage.deal()
        assert set(verify(stage.root, again_seconds=())) == before
        if not was_cut:
            return
        yield step


def test_cut_off_at_any_step_and_gone_on_with_there_is_one_commit_and_a_whole_result(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    for steps in cuts(stage, ANSWER, monkeypatch):  # noqa: B007 - how many is asked afterwards
        docs = stage.result()["docs"]
        assert git(stage.project, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert git(stage.project, "rev-parse", BRANCH) == docs["commit"]
        assert (stage.root.path / docs["reply"]).read_bytes() == ANSWER
        assert os.listdir(stage.plan_folder / "replies") == [NAME]
        assert len(stage.events("reply-taken")) == 1
        assert not (stage.root.requests / NAME).exists()
        assert os.listdir(taken_replies(stage.root)) == []
        assert (stage.root.results / "api.toml").read_bytes() == (
            stage.plan_folder / "result.toml"
        ).read_bytes()

    assert steps > 40


def test_cut_off_at_any_step_a_refused_answer_is_kept_once_and_the_request_says_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    for steps in cuts(stage, b"no file", monkeypatch):  # noqa: B007 - how many is asked afterwards
        problem = stage.request().problem
        assert problem is not None
        assert (problem.reply, problem.message[:30]) == (NAME, "line 1: no line names a file (")
        assert os.listdir(stage.plan_folder / "replies") == [NAME]
        assert len(stage.events("reply-refused")) == 1
        assert os.listdir(taken_replies(stage.root)) == []

    assert steps > 12


def test_a_disk_that_is_full_at_any_step_puts_it_off_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for step in range(1, 60, 4):
        stage.set()
        stage.take(ANSWER)
        with monkeypatch.context() as patch:
            deadly_steps(patch, lambda: OSError(errno.ENOSPC, "No space left on device"))(step)
            try:
                stage.deal()
            except OSError:
                failed += 1
        stage.deal()

        assert git(stage.project, "rev-parse", BRANCH) == stage.result()["docs"]["commit"]
        assert git(stage.project, "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert os.listdir(stage.plan_folder / "replies") == [NAME]
        assert len(stage.events("reply-taken")) == 1
    assert failed > 8


def test_a_git_that_fails_is_told_in_its_own_words_and_tried_again(stage: Stage) -> None:
    lock = stage.project / ".git/refs/heads/handoff/api.lock"
    lock.touch()
    stage.take(ANSWER)

    for _ in range(3):
        with pytest.raises(NotCommitted, match=r"not committed yet: .*api\.lock.*File exists"):
            stage.deal()
    objects = git(stage.project, "count-objects")

    lock.unlink()
    stage.deal()
    assert git(stage.project, "rev-parse", BRANCH) == stage.result()["docs"]["commit"]
    # It may be tried for days: no try leaves anything behind.
    assert git(stage.project, "count-objects") == objects
    assert len(stage.events("docs-commit")) == 1


def test_dealt_with_twice_nothing_changes(stage: Stage) -> None:
    stage.take(ANSWER)
    stage.deal()
    before = (stage.result(), git(stage.project, "rev-parse", BRANCH), stage.events("reply-taken"))

    stage.deal()
    stage.take(ANSWER)
    stage.deal()

    assert (stage.result(), git(stage.project, "rev-parse", BRANCH), stage.events("reply-taken")) == before
    assert os.listdir(stage.plan_folder / "replies") == [NAME]


@pytest.mark.parametrize("tail, is_told", [(b'{"seq":', False), (b'{"seq":99,"ti', True), (b"\0\0\0", True)])
def test_a_line_that_was_cut_off_is_what_the_next_daemon_writes_again_and_nothing_else_is(
    stage: Stage, tail: bytes, is_told: bool
) -> None:
    before = set(verify(stage.root, again_seconds=()))
    stage.take(ANSWER)
    with (stage.plan_folder / "journal.jsonl").open("ab") as file:
        file.write(tail)

    found = set(verify(stage.root, again_seconds=())) - before

    assert [one.what for one in found] == [
        "what follows its last good line is no line of a journal"
    ] * is_told
    stage.deal()
    assert set(verify(stage.root, again_seconds=())) == before


def test_whoever_has_taken_the_result_away_does_not_get_it_again(stage: Stage) -> None:
    for name in ("api.toml", "api.md"):
        (stage.root.results / name).unlink()
    stage.take(ANSWER)

    stage.deal()

    assert list(stage.root.results.iterdir()) == []
    assert stage.result()["docs"]["files"] == ["docs/limits.md"]


def test_what_may_be_written_is_what_was_accepted_not_what_the_request_says(stage: Stage) -> None:
    request = stage.root.requests / NAME
    request.write_bytes(request.read_bytes().replace(b'"docs/**"', b'"**"'))
    stage.take(b"<!-- file: src/x.md -->\nX\n")

    stage.deal()

    problem = stage.request().problem
    assert problem is not None
    assert "src/x.md: may not be written (the plan allows docs/**)" in problem.message
    assert b'write_to = [\n    "docs/**",\n]' in request.read_bytes()


@pytest.mark.parametrize("kind", ["too large", "hard link", "mode"])
def test_a_file_that_may_not_be_read_is_moved_unread_and_the_request_says_why(
    stage: Stage, kind: str
) -> None:
    stage.take(ANSWER)
    path = taken_replies(stage.root) / NAME
    if kind == "too large":
        path.write_bytes(b"x" * (5 << 20))
    elif kind == "hard link":
        os.link(path, stage.folder / "live/other")
    else:
        path.chmod(0o666)

    stage.deal()

    problem = stage.request().problem
    assert problem is not None
    assert problem.message.startswith("the file ")
    assert (stage.plan_folder / "replies" / NAME).stat().st_size == (
        5 << 20 if kind == "too large" else len(ANSWER)
    )
    assert git(stage.project, "rev-parse", BRANCH) == git(stage.project, "rev-parse", "main")


def test_a_request_that_has_expired_is_taken_back_once(stage: Stage) -> None:
    for _ in range(2):
        expire(stage.root, API, stage.plan_folder, read_journal(stage.plan_folder / "journal.jsonl"))

    assert not (stage.root.requests / NAME).exists()
    assert len(stage.events("request-expired")) == 1
    stage.take(ANSWER)
    stage.deal()
    (refused,) = stage.events("reply-refused")
    assert refused["message"].startswith("the request expired, and was taken back at 20")
    assert os.listdir(stage.plan_folder / "replies") == [NAME]


def test_a_request_that_somebody_has_removed_is_answered_all_the_same_and_put_out_again_by_an_answer_amiss(
    stage: Stage,
) -> None:
    request = stage.root.requests / NAME
    request.unlink()
    stage.take(b"no file")
    stage.deal()
    assert stage.request().problem is not None

    request.unlink()
    stage.take(ANSWER)
    stage.deal()

    assert git(stage.project, "rev-parse", BRANCH) == stage.result()["docs"]["commit"]
    stage.take(b"<!-- file: docs/limits.md -->\n# Others\n")
    stage.deal()
    assert stage.events("reply-refused")[-1]["message"].startswith("the request was answered already")


def test_a_request_that_somebody_puts_back_after_it_was_answered_is_not_answered_twice(stage: Stage) -> None:
    request = stage.root.requests / NAME
    content = request.read_bytes()
    stage.take(ANSWER)
    stage.deal()
    before = stage.result()

    request.write_bytes(content)
    stage.take(b"<!-- file: docs/limits.md -->\n# Others\n")
    stage.deal()

    assert stage.events("reply-refused")[-1]["message"].startswith("the request was answered already")
    assert git(stage.project, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert stage.result() == before
    assert not request.exists()


def test_answers_of_one_name_never_take_each_others_place(stage: Stage) -> None:
    for number in range(12):
        stage.take(b"no file %d" % number)
        stage.deal()

    kept = {path.name: path.read_bytes() for path in (stage.plan_folder / "replies").iterdir()}
    assert len(kept) == 12
    assert kept[NAME] == b"no file 0"
    assert kept["api.12.docs.md"] == b"no file 11"
    problem = stage.request().problem
    assert problem is not None
    assert problem.reply == "api.12.docs.md"
    assert (datetime.now(UTC) - problem.time).total_seconds() < 60
