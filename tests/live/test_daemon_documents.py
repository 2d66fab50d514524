"""The loop closes with the real Claude Code: a plan, its work, the docs request, the answer, a commit on its branch."""

from __future__ import annotations

from pathlib import Path

from tests.live.real import MAY_WRITE, conversation, git, live, snapshot, write
from tests.waiting import wait_until

SCRIPT = conversation("", write("new.txt"), 'text = "I wrote new.txt."')
ANSWER = "<!-- file: docs/new.md -->\n# The new file\n\nIt is in `new.txt`.\n"


def test_what_was_done_is_documented_on_the_branch_that_it_was_done_on(
    claude_binary: Path, project: Path, tmp_path: Path
) -> None:
    before = snapshot(project)

    with live(tmp_path / "live", claude_binary, SCRIPT) as there:
        there.submit("a-file", project, "Write new.txt", permissions=MAY_WRITE, docs={"request": True})
        request = there.root.path / there.result("a-file")["docs"]["request"]
        assert f"`{request.name}` in `{there.root.replies}`" in request.read_text()
        there.here.reply(request.name, ANSWER)
        wait_until(lambda: not request.exists(), 15, f"the request to go; {there.here.said()}")
        result = there.result("a-file")

    changes, docs = result["changes"], result["docs"]
    branch = changes["branch"]
    assert git(project, "log", "--format=%H", f"main..{branch}").split() == [docs["commit"], changes["head"]]
    assert git(project, "show", f"{branch}:docs/new.md") == "# The new file\n\nIt is in `new.txt`."
    assert git(project, "show", f"{branch}:new.txt") == "made by the run"
    assert docs["files"] == ["docs/new.md"]
    assert (there.root.path / docs["reply"]).read_text() == ANSWER
    assert snapshot(project) == before
