"""Documents committed on a plan's branch: nobody's checkout is touched, nothing of anybody is lost."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from handoff.docs_reply import DocumentToWrite
from orchestrd.workspaces import documenting
from orchestrd.workspaces.documenting import PlanBranch, is_on_branch, make_commit, move_branch
from orchestrd.workspaces.error import DocumentsRefused
from orchestrd.workspaces.intent import WORKTREE, Intent, make, remove
from tests.acceptance.stage import git
from tests.faults.fingerprints import fingerprint
from tests.serving import a_repository

LIMITS = [DocumentToWrite("docs/limits.md", "# Limits\n")]
BRANCH = "handoff/api"
AS_ANN = ("-c", "user.name=Ann", "-c", "user.email=ann@localhost")


@pytest.fixture
def at(tmp_path: Path) -> PlanBranch:
    """A plan that has worked in a folder of a repository, committed, and whose checkout is removed."""
    project = a_repository(tmp_path / "project")
    (project / "api").mkdir()
    (project / "api/code.py").write_text("1\n")
    commit_all(project, "The API")
    intent = Intent(
        mode=WORKTREE,
        project=project / "api",
        path=tmp_path / "checkouts/api",
        cwd=tmp_path / "checkouts/api/api",
        repository=project,
        branch=BRANCH,
        base=git(project, "rev-parse", "HEAD"),
    )
    make(intent, None)
    (intent.cwd / "code.py").write_text("2\n")
    commit_all(intent.path, "The work")
    at = PlanBranch(intent, BRANCH, git(project, "rev-parse", BRANCH))
    remove(intent, None)
    return at


def commit_all(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, *AS_ANN, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def keep_checkout(at: PlanBranch) -> None:
    """As if it had been kept when the plan ended."""
    git(project_of(at), "worktree", "add", "-q", str(at.intent.path), BRANCH)


def document(at: PlanBranch, documents: list[DocumentToWrite] = LIMITS) -> documenting.DocsCommit:
    made = make_commit(at, documents, "Document: the API\n", None)
    move_branch(at, made, None)
    return made


def project_of(at: PlanBranch) -> Path:
    assert at.intent.repository is not None
    return at.intent.repository


def on_branch(at: PlanBranch, path: str, branch: str = BRANCH) -> str:
    return git(project_of(at), "show", f"{branch}:{path}")


def test_documents_are_committed_on_the_branch_and_nothing_else_is_touched(at: PlanBranch) -> None:
    project = project_of(at)
    (project / "README.md").write_text("being edited\n")
    (project / ".git/hooks/reference-transaction").write_text("#!/bin/sh\nexit 1\n")
    (project / ".git/hooks/reference-transaction").chmod(0o755)
    before = fingerprint(project)

    made = document(at, [*LIMITS, DocumentToWrite("code.py", "3\n")])

    assert fingerprint(project) == before
    assert git(project, "rev-parse", BRANCH) == made.commit
    assert git(project, "rev-parse", f"{BRANCH}~1") == at.head
    assert git(project, "diff", "--name-only", f"{BRANCH}~1", BRANCH).split() == [
        "api/code.py",
        "api/docs/limits.md",
    ]
    assert on_branch(at, "api/docs/limits.md") == "# Limits"
    assert git(project, "log", "-1", "--format=%s", BRANCH) == "Document: the API"
    assert made.note is None


def test_a_branch_that_is_merged_already_gains_the_commit(at: PlanBranch) -> None:
    git(project_of(at), "merge", "-q", "--ff-only", BRANCH)

    made = document(at)

    assert git(project_of(at), "rev-parse", BRANCH) == made.commit
    assert git(project_of(at), "rev-parse", "main") == at.head
    assert made.note == f"its work was merged already: merge {BRANCH} once more, for the documentation"


def test_a_branch_that_was_deleted_is_made_again_where_it_was(at: PlanBranch) -> None:
    git(project_of(at), "branch", "-D", BRANCH)

    made = document(at)

    assert git(project_of(at), "rev-parse", f"{BRANCH}~1") == at.head
    assert made.note is not None
    assert made.note.startswith(f"the branch {BRANCH} was deleted; it is made again at ")


def test_a_branch_that_is_gone_with_its_commit_is_refused(at: PlanBranch) -> None:
    git(project_of(at), "branch", "-D", BRANCH)

    with pytest.raises(DocumentsRefused, match="was deleted, and the repository does not have its commit"):
        document(replace(at, head="1" * 40))


def test_of_a_plan_that_left_no_branch_the_name_is_not_taken_from_somebody_else(at: PlanBranch) -> None:
    gone = replace(at, is_gone=True)

    made = document(gone)

    assert made.branch == f"{BRANCH}-2"
    assert git(project_of(at), "rev-parse", BRANCH) == at.head
    assert git(project_of(at), "rev-parse", f"{BRANCH}-2~1") == at.head


def test_commits_that_the_user_has_added_stay_below(at: PlanBranch) -> None:
    project = project_of(at)
    git(project, "switch", "-q", BRANCH)
    (project / "more").write_text("more\n")
    added = commit_all(project, "More")
    git(project, "switch", "-q", "main")

    document(at)

    assert git(project, "rev-parse", f"{BRANCH}~1") == added


def test_what_others_have_changed_since_is_replaced_only_by_who_knows_of_it(at: PlanBranch) -> None:
    project = project_of(at)
    git(project, "switch", "-q", BRANCH)
    (project / "api/docs").mkdir()
    (project / "api/docs/limits.md").write_text("by hand\n")
    added = commit_all(project, "By hand")
    git(project, "switch", "-q", "main")

    with pytest.raises(
        DocumentsRefused, match=r"changed on the branch handoff/api since .*: docs/limits\.md"
    ) as caught:
        document(at)

    assert on_branch(at, "api/docs/limits.md") == "by hand"
    assert caught.value.known == {"tip": added}
    document(replace(at, seen=caught.value.known["tip"]))
    assert on_branch(at, "api/docs/limits.md") == "# Limits"


def test_a_branch_that_the_user_has_checked_out_is_left_alone(at: PlanBranch) -> None:
    git(project_of(at), "switch", "-q", BRANCH)
    before = fingerprint(project_of(at), [BRANCH])

    with pytest.raises(DocumentsRefused, match=r"is checked out in .*switch --detach"):
        document(at)

    assert fingerprint(project_of(at)) == before
    assert git(project_of(at), "rev-parse", BRANCH) == at.head
    git(project_of(at), "switch", "-q", "--detach")
    document(at)


def test_a_branch_that_is_just_being_rebased_is_left_alone(at: PlanBranch) -> None:
    project = project_of(at)
    (project / "api/code.py").write_text("in the way\n")
    commit_all(project, "In the way")
    git(project, "switch", "-q", BRANCH)
    with suppress(AssertionError):
        git(project, *AS_ANN, "rebase", "-q", "main")

    with pytest.raises(DocumentsRefused, match="or end its rebase"):
        document(at)


def test_the_plans_checkout_that_was_kept_is_brought_along(at: PlanBranch) -> None:
    keep_checkout(at)
    (at.intent.path / "notes").write_text("of mine\n")

    document(at)

    assert (at.intent.cwd / "docs/limits.md").read_text() == "# Limits\n"
    assert git(at.intent.path, "status", "--porcelain") == "?? notes"


def test_what_is_in_no_commit_in_the_kept_checkout_is_not_written_over(at: PlanBranch) -> None:
    keep_checkout(at)
    (at.intent.cwd / "docs").mkdir()
    (at.intent.cwd / "docs/limits.md").write_text("a draft\n")

    with pytest.raises(DocumentsRefused, match=r"in the way of documents: api/docs/limits\.md"):
        document(at)

    assert (at.intent.cwd / "docs/limits.md").read_text() == "a draft\n"
    assert git(project_of(at), "rev-parse", BRANCH) == at.head


@pytest.mark.parametrize(
    "link, problem",
    [
        ("docs", "docs/limits.md: api/docs is a symbolic link on the branch"),
        ("docs/limits.md", "docs/limits.md: is a symbolic link on the branch"),
    ],
)
def test_no_document_is_written_through_a_link(at: PlanBranch, link: str, problem: str) -> None:
    project = project_of(at)
    git(project, "switch", "-q", BRANCH)
    (project / "api" / link).parent.mkdir(exist_ok=True)
    (project / "api" / link).symlink_to("/etc")
    head = commit_all(project, "A link")
    git(project, "switch", "-q", "main")

    with pytest.raises(DocumentsRefused, match=problem):
        document(replace(at, head=head))

    assert git(project, "rev-parse", BRANCH) == head


def test_what_a_filter_encrypts_is_not_committed_as_it_is(at: PlanBranch) -> None:
    project = project_of(at)
    git(project, "switch", "-q", BRANCH)
    (project / ".gitattributes").write_text("secret/** filter=crypt\n*.md text\n")
    head = commit_all(project, "A filter")
    git(project, "switch", "-q", "main")
    secret = [*LIMITS, DocumentToWrite("secret/a.md", "# A\n")]
    moved = replace(at, head=head, intent=replace(at.intent, cwd=at.intent.path))

    git(project, "config", "filter.crypt.clean", "false")
    with pytest.raises(DocumentsRefused, match=r"not run here: secret/a\.md \(crypt\)"):
        document(moved, secret)
    git(project, "config", "--unset", "filter.crypt.clean")
    document(moved, secret)

    assert on_branch(moved, "secret/a.md") == "# A"


def test_many_documents_with_long_names_are_no_trouble(at: PlanBranch) -> None:
    folders = [f"docs/{number:03}{'x' * 120}/{'y' * 120}" for number in range(100)]
    documents = [DocumentToWrite(f"{folder}/{'z' * 200}.md", "x\n") for folder in folders]

    document(at, documents)

    listed = git(project_of(at), "ls-tree", "-r", "--name-only", BRANCH, "api/docs").splitlines()
    assert listed == [f"api/{document.path}" for document in documents]


def test_neither_a_folder_nor_a_file_in_the_way_is_replaced(at: PlanBranch) -> None:
    documents = [DocumentToWrite("code.py/x.md", "x\n"), DocumentToWrite("docs", "x\n")]
    document(at)

    with pytest.raises(DocumentsRefused) as caught:
        document(at, documents)

    assert caught.value.problem.split("; ") == [
        "code.py/x.md: api/code.py is a file on the branch, and no folder that is written into",
        "docs: is a folder on the branch, and no file that is replaced",
    ]


def test_documents_that_stand_there_already_make_no_commit(at: PlanBranch) -> None:
    document(at)
    head = git(project_of(at), "rev-parse", BRANCH)

    made = document(replace(at, head=head))

    assert made.commit is None
    assert git(project_of(at), "rev-parse", BRANCH) == head


def test_a_project_that_is_gone_is_refused(at: PlanBranch) -> None:
    os.rename(project_of(at), project_of(at).with_name("elsewhere"))

    with pytest.raises(DocumentsRefused, match=r"the repository is gone\. Bring it back, then answer again"):
        document(at)


class Cut(BaseException):
    """As a kill is: nothing is tidied up."""


class Mortal:
    """Calls git, and dies before or after one of its calls."""

    def __init__(self, *, is_after: bool) -> None:
        self.left = 0
        self.is_after = is_after
        self.real = documenting.run_git

    def __call__(self, *words: object, **more: object) -> bytes:
        self.left -= 1
        if self.left == 0 and not self.is_after:
            raise Cut
        told = self.real(*words, **more)  # type: ignore[arg-type]
        if self.left == 0:
            raise Cut
        return told


class Daemon:
    """Does as the daemon does: what it has made is written down before the branch is moved."""

    def __init__(self, at: PlanBranch) -> None:
        self.at = at
        self.made: documenting.DocsCommit | None = None

    def go_on(self) -> None:
        made = self.made
        if made is not None and is_on_branch(self.at, made.branch, made.commit or "", None):
            return
        self.made = make_commit(self.at, LIMITS, "Document: the API\n", None)
        move_branch(self.at, self.made, None)


@pytest.mark.parametrize("is_kept", [False, True], ids=["branch alone", "with its checkout"])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_cut_off_at_any_git_and_done_again_there_is_one_commit(
    at: PlanBranch, monkeypatch: pytest.MonkeyPatch, is_kept: bool, is_after: bool
) -> None:
    if is_kept:
        keep_checkout(at)
    mortal, daemon, cuts = Mortal(is_after=is_after), Daemon(at), 0
    for module in (documenting, documenting.document_places, documenting.forward):
        monkeypatch.setattr(module, "run_git", mortal)

    while mortal.left <= 0:
        cuts += 1
        mortal.left = cuts
        with suppress(Cut):
            daemon.go_on()

    assert cuts > 8
    assert git(project_of(at), "rev-list", "--count", f"{at.head}..{BRANCH}") == "1"
    assert on_branch(at, "api/docs/limits.md") == "# Limits"
    if is_kept:
        assert git(at.intent.path, "status", "--porcelain") == ""
