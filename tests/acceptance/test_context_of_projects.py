"""What was done in a project is known to the next run on it, and to people, whose words stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

from handoff.context import read_context
from tests.acceptance.stage import drop_plan, git
from tests.serving import Serving, a_repository
from tests.waiting import wait_until


def run_folder(here: Serving, plan: str) -> Path:
    """The folder of a settled plan's only run."""
    folder = wait_until(lambda: next(here.root.archive.glob(f"*/{plan}"), None), 10, f"{plan} to be archived")
    assert folder is not None
    return folder / "runs" / "main.1"


def told(here: Serving, plan: str) -> str:
    """What a run was told on its standard input."""
    line = (run_folder(here, plan) / "input.jsonl").read_text()
    return str(json.loads(line)["message"]["content"])


def words(here: Serving, name: str = "project") -> str:
    """What a context says by now."""
    path = here.root.context / f"{name}.md"
    return read_context(path).words if path.exists() else ""


def await_words(here: Serving, *wanted: str, name: str = "project") -> str:
    """Wait until a context says all of that."""

    def said() -> str | None:
        text = words(here, name)
        return text if all(word in text for word in wanted) else None

    found = wait_until(said, 15, f"{wanted} in the context: {words(here, name)}; {here.said()}")
    assert found is not None
    return found


def test_a_run_is_told_what_plans_before_it_did_and_what_people_wrote(here: Serving, project: Path) -> None:
    here.start()
    drop_plan(here, "one", project, "One. [write a.txt a] [sleep 0.1]", title="Add the first file")
    here.result("one")
    await_words(here, "Add the first file", "- Not merged: branch `handoff/one` (1 commit)")
    path = here.root.context / "project.md"
    path.write_text(path.read_text().replace("## Notes\n", "## Notes\n\nUse tabs, never spaces.\n"))

    drop_plan(here, "two", project, "Two. [write b.txt b]")
    here.result("two")
    git(project, "merge", "-q", "handoff/one")
    drop_plan(here, "three", project, "Three.")
    here.result("three")

    assert told(here, "one") == "One. [write a.txt a] [sleep 0.1]"
    assert "Decisions:" in (run_folder(here, "one") / "system-prompt.md").read_text()
    second, third = told(here, "two"), told(here, "three")
    assert second.startswith("Two. [write b.txt b]\n\n---\n\n")
    assert "Use tabs, never spaces." in second
    assert "### " in second
    assert "Add the first file" in second
    assert "branch `handoff/one`" in second
    assert "is there to be used as data" in second
    assert "<!--" not in second
    assert "`handoff/two` (1 commit) of plan two" in third
    assert "`handoff/one` (1 commit) of plan one" not in third
    text = await_words(here, "Use tabs, never spaces.", "· Add the first file · one", "· two", "· three")
    assert text.index("· three") < text.index("· two") < text.index("· one")


def test_documents_are_owed_until_they_are_written(here: Serving, project: Path) -> None:
    here.start()
    docs = {"request": True, "write_to": ["docs/a.md"]}
    drop_plan(here, "one", project, "[write a.txt a]", docs=docs)
    here.result("one")
    await_words(here, "- Documentation is owed for plan one")

    (here.root.replies / ".a.tmp").write_text("# What a is for\n")
    (here.root.replies / ".a.tmp").rename(here.root.replies / "one.docs.md")

    assert "is owed" not in await_words(here, "- Documented in `docs/a.md`.")


def test_what_was_settled_and_not_told_when_a_daemon_died_is_told_by_the_next(
    here: Serving, project: Path
) -> None:
    here.start()
    drop_plan(here, "one", project)
    here.result("one")
    await_words(here, "· one")
    # It is told at most every few seconds: so these are, most likely, not yet.
    for number in range(3):
        drop_plan(here, f"late-{number}", project)
    for number in range(3):
        here.result(f"late-{number}")
    here.kill()

    here.start()

    text = await_words(here, "· late-0", "· late-1", "· late-2")
    assert text.count("· one") == 1


def test_a_daemon_that_is_told_to_stop_tells_first(here: Serving, project: Path) -> None:
    here.start()
    drop_plan(here, "one", project)
    here.result("one")
    await_words(here, "· one")
    drop_plan(here, "two", project)
    here.result("two")

    here.stop()

    assert "· two" in words(here)


def test_a_context_that_cannot_be_written_is_told_and_holds_up_nothing(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    here.root.context.joinpath("project.md").write_text(f'+++\nproject = "{project}\n+++\n')
    (here.root.context / "fifo.md").symlink_to(tmp_path / "nowhere")
    other = a_repository(tmp_path / "other")
    here.start(LIMITS__MAX_PARALLEL="2")
    drop_plan(here, "one", project)
    drop_plan(here, "two", other)

    assert here.result("one")["status"] == here.result("two")["status"] == "succeeded"
    await_words(here, "· two", name="other")
    await_words(here, "· one", name="project-2")


def test_switched_off_nothing_is_kept_and_nothing_told(here: Serving, project: Path) -> None:
    here.start(CONTEXT__KEEP="false", CONTEXT__HAND_OVER="false")
    for name in ("one", "two"):
        drop_plan(here, name, project, "Say hello.")
        here.result(name)

    assert told(here, "two") == "Say hello."
    assert not (run_folder(here, "two") / "system-prompt.md").exists()
    here.stop()
    assert list(here.root.context.iterdir()) == []

    here.start(CONTEXT__HAND_OVER="false")
    drop_plan(here, "three", project, "Say hello.")
    here.result("three")
    await_words(here, "· one", "· three")
    assert told(here, "three") == "Say hello."
    path = here.root.context / "project.md"
    path.write_text(path.read_text().replace("handoff = 1", "handoff = 1\nhand_over = false"))
    here.stop()

    here.start()
    drop_plan(here, "four", project, "Say hello.")
    here.result("four")
    assert told(here, "four") == "Say hello."
