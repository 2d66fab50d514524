"""`requests/ID.docs.md`: asks for documentation of what a plan has done (PROTOCOL 6.1).

Good enough that a writer who has nothing but this file can document the change, and knows how to answer. Text that
came from a model, a plan or a repository stands in blocks that it cannot leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handoff.document_paths import example_paths, single_path
from handoff.formats import Format, dump
from handoff.plan import Plan
from handoff.request import NOTHING_TO_DOCUMENT, ChangedFile, DocsRequest, ReplyProblem
from handoff.result import Changes, Result
from handoff.root import Root
from orchestrd.outbound.difference import Excerpt, excerpt_of
from orchestrd.outbound.markdown import block, code, shortened, words
from orchestrd.outbound.present import HEADING, present_section
from orchestrd.outbound.story import PATCH, has_checkout
from orchestrd.outbound.words import counted
from orchestrd.record.account import Account, printable
from orchestrd.record.present_documents import PresentDocuments, kept

MOST_PROMPT = 20_000
MOST_SUMMARY = 20_000
MOST_FILES_SHOWN = 200

_STATUS = {
    "A": "added",
    "M": "changed",
    "D": "deleted",
    "R": "renamed",
    "C": "copied",
    "T": "changed in kind",
}


@dataclass(frozen=True, slots=True)
class DocsFacts:
    """What a docs request is made of."""

    result: Result
    plan: Plan
    project: str
    """Absolute."""
    files: Sequence[Mapping[str, str]]
    """`path` and a `status` letter each."""
    excerpt: Excerpt
    patch: str | None
    """Where the whole difference lies, absolute."""
    replies: str
    """Where the answer goes, absolute."""
    present: PresentDocuments | None
    """What stands in the files that may be written."""
    is_in_place: bool
    """It worked in the project itself, so documents are written there too."""

    @property
    def changes(self) -> Changes:
        """What changed; nothing known where there is no git."""
        return self.result.changes or Changes()


def docs_facts(root: Root, result: Result, plan: Plan, account: Account, folder: Path) -> DocsFacts:
    """Gather what the request says; what is kept of it is read from `folder`, where it lies now."""
    patch = result.changes.patch if result.changes else None
    return DocsFacts(
        result=result,
        plan=plan,
        project=account.checked.get("project") or plan.project,
        files=account.gathered.get("files") or (),
        excerpt=excerpt_of(folder / PATCH),
        patch=str(root.path / patch) if patch else None,
        replies=str(root.replies),
        present=kept(folder),
        is_in_place=not has_checkout(account),
    )


def docs_request(facts: DocsFacts, problem: ReplyProblem | None = None) -> bytes:
    """Write the request: TOML front matter, then words. `problem`: why the last answer did not fit."""
    sections = [
        _opening(facts),
        *_amiss(problem),
        _asked(facts),
        _done(facts),
        *_files(facts),
        _answer(facts),
        *_present(facts),
        *_difference(facts),
    ]
    return dump(_document(facts, "\n".join(sections).strip(), problem), Format.MARKDOWN)


def _document(facts: DocsFacts, text: str, problem: ReplyProblem | None) -> DocsRequest:
    changes = facts.changes
    return DocsRequest(
        plan=facts.result.plan,
        # Not the present: made again after a cut, the request has the same bytes.
        created=facts.result.settled,
        expires=facts.plan.docs.expires,
        problem=problem,
        project=printable(facts.project),
        branch=None if facts.is_in_place else changes.branch,
        base=changes.base,
        head=changes.head,
        commits=changes.commits,
        insertions=changes.insertions,
        deletions=changes.deletions,
        write_to=facts.plan.docs.write_to,
        about=facts.plan.docs.about,
        files=tuple(ChangedFile(path=printable(one["path"]), status=one["status"]) for one in facts.files),
        text=text,
    )


def _opening(facts: DocsFacts) -> str:
    title = words(facts.result.title or facts.result.plan)
    text = (
        f"# Please document: {title}\n\n"
        f"A plan was carried out by Claude Code in the project {code(facts.project)}. All that is needed to document "
        "it stands here: what was asked for, what was done, the files, how to answer, and the difference.\n"
    )
    if facts.plan.docs.about:
        text += f"\nWhat the documentation is for:\n\n{block(facts.plan.docs.about, 'text')}"
    allowed = ", ".join(code(rule) for rule in facts.plan.docs.write_to)
    return f"{text}\nWhere it may be written, inside the project: {allowed}\n"


def _asked(facts: DocsFacts) -> str:
    return f"## What was asked for\n\n{block(shortened(facts.plan.prompt or '', MOST_PROMPT), 'text')}"


def _done(facts: DocsFacts) -> str:
    said = facts.result.summary
    if not said:
        return "## What was done\n\nClaude Code left no final words; see the difference.\n"
    return (
        "## What was done\n\nIn Claude Code's own words, which are a claim; the difference is what is there:\n\n"
        f"{block(shortened(said, MOST_SUMMARY), 'text')}"
    )


def _files(facts: DocsFacts) -> Iterator[str]:
    changes = facts.changes
    if facts.result.changes is None:
        yield "## What changed\n\nThe project is in no git repository, so nothing could be compared.\n"
        return
    facts_line = [
        counted(changes.files_changed or len(facts.files), "file"),
        f"{counted(changes.insertions or 0, 'line')} added",
        f"{counted(changes.deletions or 0, 'line')} removed",
    ]
    if changes.commits is not None:
        facts_line.append(counted(changes.commits, "commit"))
    lines = [f"## What changed\n\n{', '.join(facts_line)}.\n"]
    if changes.branch:
        span = f" ({changes.base[:12]}..{changes.head[:12]})" if changes.base and changes.head else ""
        lines.append(f"\nOn the branch {code(changes.branch)}{span}.\n")
    if facts.files:
        lines.append("\n")
    lines += [
        f"- {_STATUS.get(one['status'][:1], one['status'])}: {code(printable(one['path']))}\n"
        for one in facts.files[:MOST_FILES_SHOWN]
    ]
    if len(facts.files) > MOST_FILES_SHOWN:
        lines.append(f"- and {len(facts.files) - MOST_FILES_SHOWN} more (see `files` at the top)\n")
    yield "".join(lines)


def _amiss(problem: ReplyProblem | None) -> Iterator[str]:
    if problem is not None:
        yield (
            "## The last answer was not taken\n\n"
            f"It is kept as {code(problem.reply)} among the plan's replies. What was wrong:\n\n"
            f"{block(problem.message, 'text')}\nNothing of it was written. Mend that, and answer again as told below.\n"
        )


def _answer(facts: DocsFacts) -> str:
    """Tell how to answer, and what becomes of it."""
    name = f"{facts.result.plan}.docs.md"
    write_to = facts.plan.docs.write_to
    alone = single_path(write_to)
    if alone is not None:
        form = f"The file's whole content is the document; it is written to {code(alone)}.\n"
    else:
        first, *second = example_paths(write_to) or ["PATH"]
        example = f"<!-- file: {first} -->\n# A title\n\nText …\n"
        example += "".join(f"\n<!-- file: {path} -->\n…" for path in second)
        form = (
            "Each document stands under a line of its own that names its file, and nothing before the first such "
            f"line:\n\n{block(example, 'markdown')}\n"
            "A path outside what may be written is refused.\n"
        )
    return (
        f"## How to answer\n\n"
        f"Write Markdown to a file with exactly the name {code(name)} in {code(facts.replies)}. The safe way: write it "
        f"to {code('.' + name)} in the same folder, then rename it.\n\n"
        f"{form}A file that is there is replaced, so give it whole{_seen(facts)}.\n\n{_becomes(facts)}\n"
        "If there is nothing to document, answer with just this line:\n\n"
        f"{block(NOTHING_TO_DOCUMENT, 'markdown')}"
    )


def _seen(facts: DocsFacts) -> str:
    return f" (below: {HEADING})" if facts.present is not None and facts.present.files else ""


def _becomes(facts: DocsFacts) -> str:
    branch = facts.changes.branch
    if facts.is_in_place:
        done = "orchestrd writes the documents into the project, adds their names to the plan's result"
    else:
        where = f"the branch {code(branch)}" if branch else "a branch of its own"
        done = f"orchestrd commits the documents on {where}, adds the commit to the plan's result"
    return (
        f"Then {done}, and removes this request. If the answer does not fit, nothing is written and this request says "
        "why (`problem` at the top): answer again.\n"
    )


def _present(facts: DocsFacts) -> Iterator[str]:
    commit = None if facts.is_in_place else facts.changes.branch or facts.changes.head
    yield from present_section(facts.present, facts.project, commit)


def _difference(facts: DocsFacts) -> Iterator[str]:
    excerpt = facts.excerpt
    if not excerpt.parts:
        return
    where = f" The whole lies in {code(facts.patch)}." if facts.patch else ""
    if excerpt.is_whole:
        note = ""
    elif excerpt.parts_shown == excerpt.parts:
        note = f"It is long: of each file only the beginning is shown.{where}\n\n"
    else:
        note = f"It is long: the beginnings of {excerpt.parts_shown} of {excerpt.parts} files are shown.{where}\n\n"
    yield f"## The difference\n\n{note}{block(excerpt.text, 'diff')}"
