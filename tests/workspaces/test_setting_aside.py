"""What checks leave in a checkout, set aside: whatever cuts that off, nothing is lost and nothing becomes work."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from orchestrd.workspaces import setting_aside
from orchestrd.workspaces.intent import Intent, make
from orchestrd.workspaces.setting_aside import set_aside
from tests.acceptance.stage import git
from tests.serving import a_repository


class Cut(BaseException):
    """As a kill is: nothing is tidied up."""


def a_checkout(folder: Path) -> Intent:
    project = a_repository(folder / "project")
    base = git(project, "rev-parse", "HEAD")
    path = folder / "checkouts" / "p"
    intent = Intent(
        mode="worktree",
        project=project,
        path=path,
        cwd=path,
        repository=project,
        branch="handoff/p",
        base=base,
    )
    make(intent, None)
    return intent


@pytest.mark.parametrize("step", range(1, 9))
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_cut_off_anywhere_and_done_again_the_checkout_is_clear_and_the_patch_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, is_after: bool
) -> None:
    there = a_checkout(tmp_path)
    (there.path / "junk.log").write_text("junk\n")
    (there.path / "README.md").write_text("changed by a check\n")
    patch = tmp_path / "left.patch"
    real, left = setting_aside.run_git, step

    def dying(*words: object, **more: object) -> bytes:
        nonlocal left
        left -= 1
        if left == 0 and not is_after:
            raise Cut
        told = real(*words, **more)  # type: ignore[arg-type]
        if left == 0:
            raise Cut
        return told

    with monkeypatch.context() as patched:
        for module in (setting_aside, setting_aside.difference, setting_aside.nested):
            patched.setattr(module, "run_git", dying)
        with suppress(Cut):
            set_aside(there, patch, None, None)

    assert left <= 0, "nothing was cut off"
    assert set_aside(there, patch, None, None)
    assert git(there.path, "status", "--porcelain") == ""
    told = patch.read_text()
    assert "+junk" in told
    assert "+changed by a check" in told
