"""The office of answers: whose each is, and what lies in the way of taking it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from handoff.effects import effects
from handoff.root import PlanId, Root, create_root
from handoff.settling import look
from orchestrd.core.plan_life import State
from orchestrd.inbound.lanes import Lane, LaneFile
from orchestrd.inbound.replies import Replies, taken_replies
from orchestrd.record.journals import Journals
from tests.outbound.telling import Telling


@dataclass
class Office:
    """The office, with a daemon around it that knows one plan."""

    root: Root
    journals: Journals
    state: State | None = None
    taken: list[tuple[str, str]] = field(default_factory=list)
    alive: set[tuple[str, str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        hand_on = lambda *one: self.taken.append(one)  # noqa: E731
        self.replies = Replies(
            self.root, self.journals, self._in_hand, hand_on, lambda *run: run in self.alive
        )

    def _in_hand(self, plan: PlanId) -> Any:
        return self if plan == "api" and self.state is not None else None

    def take(self, name: str, content: str = "# X\n") -> str | None:
        (self.root.replies / name).write_text(content)
        return self.replies.take(self.file(name))

    def file(self, name: str) -> LaneFile:
        folder = os.open(self.root.replies, os.O_RDONLY)
        try:
            return LaneFile(Lane.REPLIES, name, look(folder, name))
        finally:
            os.close(folder)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    root = create_root(tmp_path / "root")
    return Office(root, Journals(root))


def archived(office: Office) -> Path:
    told = Telling(office.root).accepted().ended()
    folder = office.root.archive / "2026-11" / told.id
    folder.parent.mkdir()
    told.folder.rename(folder)
    return folder


def in_work(office: Office, state: State) -> Path:
    told = Telling(office.root).accepted()
    office.journals.begin(told.id, told.records)
    office.state = state
    return told.folder


def lies(office: Office, name: str) -> bool:
    return (office.root.replies / name).exists()


def test_what_comes_for_a_settled_plan_is_taken_and_handed_on(office: Office) -> None:
    archived(office)

    assert office.take("api.docs.md") is None
    assert office.take("api.docs.md") == "waits for one of the same name that is just being looked at"

    assert office.taken == [("api", "api.docs.md")]
    assert (taken_replies(office.root) / "api.docs.md").read_text() == "# X\n"
    assert lies(office, "api.docs.md")
    office.replies.take_up()
    assert office.taken == [("api", "api.docs.md")] * 2, (
        "what may have been left by another daemon is told of again"
    )


def test_what_comes_for_a_plan_that_is_being_settled_waits(office: Office) -> None:
    in_work(office, State.SETTLING)

    assert office.take("api.docs.md") == "waits for its plan, which is just being settled"
    assert lies(office, "api.docs.md")


def test_what_a_living_run_may_have_asked_for_is_left_to_its_runner(office: Office) -> None:
    folder = in_work(office, State.RUNNING)
    office.alive.add((PlanId("api"), "main", 1))

    assert office.take("api.main.1.3.approval.json", "{}") is None
    assert lies(office, "api.main.1.3.approval.json")

    office.alive.clear()
    assert office.take("api.main.1.3.approval.json", "{}") is None
    assert os.listdir(folder / "replies") == ["api.main.1.3.approval.json"]


def test_what_nobody_waits_for_goes_to_the_plan_in_work_and_takes_no_others_place(office: Office) -> None:
    folder = in_work(office, State.RUNNING)

    for number in range(3):
        assert office.take("api.docs.md", f"{number}\n") is None

    kept = {path.name: path.read_text() for path in (folder / "replies").iterdir()}
    assert kept == {"api.docs.md": "0\n", "api.2.docs.md": "1\n", "api.3.docs.md": "2\n"}
    events = [(one["event"], one["reply"]) for one in office.journals.read(PlanId("api"))[-3:]]
    assert events == [("reply-refused", name) for name in ("api.docs.md", "api.2.docs.md", "api.3.docs.md")]


@pytest.mark.parametrize(
    "name, why",
    [
        ("nobody.docs.md", "answers no request, and there is no plan nobody"),
        ("API.docs.md", "answers no request: an answer has the name of the request that it answers"),
        ("Notes on it.md", "answers no request: an answer has the name of the request that it answers"),
    ],
)
def test_what_answers_nothing_stays_where_it_lies(office: Office, name: str, why: str) -> None:
    assert office.take(name) == why
    assert lies(office, name)


def test_what_was_moved_by_a_disk_that_failed_then_is_gone_on_with(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(office)
    office.replies.take_up()
    assert office.take("api.first.docs.md") is None
    office.taken.clear()
    (taken_replies(office.root) / "api.first.docs.md").unlink()
    with monkeypatch.context() as patch:

        def failing(_folder: str) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(effects, "sync_dir", failing)
        with pytest.raises(OSError, match="Input/output"):
            office.take("api.docs.md")

    office.replies.take_up()
    office.replies.take_up()

    assert office.taken == [("api", "api.docs.md")]


def test_what_its_writer_has_taken_back_is_no_trouble(office: Office) -> None:
    archived(office)
    (office.root.replies / "api.docs.md").write_text("# X\n")
    file = office.file("api.docs.md")
    (office.root.replies / "api.docs.md").unlink()

    assert office.replies.take(file) is None


@pytest.mark.parametrize(
    "content, is_whole",
    [("<!-- file: docs/x.md -->\n# X\n", True), ("<!-- file: docs/x.md -->\n", False), ("# X", False)],
)
def test_an_answer_that_is_not_whole_yet_is_not_worth_taking(
    office: Office, content: str, is_whole: bool
) -> None:
    archived(office)
    (office.root.requests / "api.docs.md").touch()
    (office.root.replies / "api.docs.md").write_text(content)

    assert office.replies.is_worth_taking(office.file("api.docs.md")) is is_whole
