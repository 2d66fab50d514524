"""An answer to a docs request, from the moment it was taken: refused with why, or written, committed, and told.

Runs in a worker's thread, one at a time for a plan. The order is the promise: what is decided stands in the plan's
journal before it is done, the answer is kept before the result names it, the request goes when the result is
complete, and last of all the file by which a next daemon would find that something is left to do. So each step can
be cut off and done again, and there is never a second commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loguru import logger

from handoff import durable, looking
from handoff.docs_reply import DocumentToWrite, read_docs_reply_file
from handoff.document_error import DocumentError
from handoff.effects import clock, effects
from handoff.foreign import BadFile, StillWritten, read_taken, shown
from handoff.formats import Format
from handoff.root import PlanId, Root
from orchestrd.inbound.replies import is_open_docs_request, taken_replies
from orchestrd.outbound.answered import NotWhole, SettledPlan, ask_again, complete_result, read_settled_plan
from orchestrd.outbound.publish import plan_in
from orchestrd.record import journal
from orchestrd.record.archived import archived_folder
from orchestrd.record.journal import Record
from orchestrd.record.replies import DOCS, EXPIRED, FOLDER, REFUSED, TAKEN, answers_docs, free_name
from orchestrd.workspaces import documenting
from orchestrd.workspaces.documenting import PlanBranch
from orchestrd.workspaces.documents_in_place import write_in_place
from orchestrd.workspaces.error import DocumentsRefused
from orchestrd.workspaces.git import GitFailed, GitLock
from orchestrd.workspaces.intent import DIRECTORY, Intent

COMMIT = "docs-commit"
"""In the journal: a commit is made, and its branch is to be moved to it."""
LONGEST_SUBJECT = 72

Tell = Callable[[PlanId], object]


class NotCommitted(Exception):
    """Git did not do it; it may the next time."""


@dataclass(slots=True)
class _InHand:
    """A taken answer, and the settled plan that it is for."""

    root: Root
    plan: PlanId
    name: str
    folder: Path
    records: list[Record] = field(default_factory=list)
    content: bytes | None = None
    """None: it is not read."""
    mark: str = ""
    """By which it is known again in the journal."""

    @property
    def path(self) -> Path:
        return taken_replies(self.root) / self.name

    def note(self, event: str, **fields: Any) -> Record:
        """Write an event down for good."""
        path = self.folder / durable.JOURNAL
        self.records.append(journal.append(path, self.records[-1]["seq"] + 1, event, sync=True, **fields))
        return self.records[-1]

    def last(self, event: str, **fields: Any) -> Record | None:
        """The last such event of the journal."""
        alike = (
            record
            for record in reversed(self.records)
            if record["event"] == event and all(record.get(name) == value for name, value in fields.items())
        )
        return next(alike, None)


@dataclass(frozen=True, slots=True)
class _Written:
    """What came of an answer that fits."""

    files: tuple[str, ...] = ()
    commit: str | None = None
    branch: str | None = None
    note: str | None = None

    def fields(self) -> dict[str, Any]:
        known = {"commit": self.commit, "branch": self.branch, "note": self.note}
        return {"files": list(self.files), **{name: text for name, text in known.items() if text is not None}}


def deal_with(
    root: Root, plan: PlanId, name: str, lock: GitLock | None, tell: Tell = lambda _plan: None
) -> None:
    """Deal with what was taken under that name. Can be repeated after any interruption, also when all was done.

    `tell` is told of the plan if its docs request is answered, while a next daemon would still find that and tell it.

    Raises what is no fault of the answer: OSError (a full disk, a git of an earlier daemon), NotCommitted, GitMissing,
    JournalDamaged, NotWhole.
    """
    path = taken_replies(root) / name
    if not looking.is_there(path):
        return
    folder = archived_folder(root, plan)
    if folder is None:
        # It was removed meanwhile, by hand: the answer lies in the lane again, where it is shown.
        durable.move_new(path, root.replies / name)
        return
    records = journal.open_for_append(folder / durable.JOURNAL)
    one = _InHand(root, plan, name, folder, records)
    problem = _read(one)
    taken = one.last(TAKEN, sha256=one.mark, request=f"{plan}{DOCS}")
    if taken is not None:
        _finish(one, read_settled_plan(plan, folder, one.records), taken, tell)
        return
    closed = _why_closed(one)
    if closed is not None:
        if one.name == f"{plan}{DOCS}":
            durable.remove(root.requests / one.name)  # somebody may have put it back, out of a backup
        _refuse(one, closed)
        return
    of = read_settled_plan(plan, folder, one.records)
    if _is_late(one, of):
        expire(root, plan, folder, one.records)
        _refuse(one, f"it came after the request had expired ({of.plan.docs.expires})")
        return
    if problem is not None:
        _refuse(one, problem, of)
        return
    try:
        written = _write(one, of, lock)
    except DocumentsRefused as error:
        _refuse(one, error.problem, of, **error.known)
        return
    kept = free_name(folder, name, one.records)
    taken = one.note(TAKEN, reply=kept, request=of.request, sha256=one.mark, **written.fields())
    _finish(one, of, taken, tell)


def expire(root: Root, plan: PlanId, folder: Path, records: list[Record]) -> None:
    """Take back a docs request whose time is over, unless it was answered. Can be repeated."""
    request = f"{plan}{DOCS}"
    if not any(record["event"] == EXPIRED or answers_docs(record) for record in records):
        path = folder / durable.JOURNAL
        records.append(journal.append(path, records[-1]["seq"] + 1, EXPIRED, sync=True, request=request))
        logger.info("{}: {} has expired", plan, request)
    durable.remove(root.requests / request)


def _read(one: _InHand) -> str | None:
    """Read an answer; return why it may not be opened."""
    seen = effects.stat(one.path, follow=False)
    one.mark = f"unread:{seen.st_size}:{seen.st_mtime_ns}"
    try:
        one.content = read_taken(taken_replies(one.root), one.name)
    except BadFile as error:
        return f"the file {error.why}"
    except StillWritten:
        if seen.st_nlink > 1:
            return "the file has a second hard link"
        raise OSError(0, "somebody is still writing this answer", str(one.path)) from None
    one.mark = hashlib.sha256(one.content).hexdigest()
    return None


def _why_closed(one: _InHand) -> str | None:
    """Why no answer of that name is waited for; None: it is. The journal tells, whatever lies in the lane."""
    request = f"{one.plan}{DOCS}"
    if one.name != request:
        if is_open_docs_request(one.root, request):
            return (
                f"no request of that name is open; requests/{request} is, and an answer has exactly that name"
            )
        return "no request of that name is open"
    if (taken := one.last(TAKEN, request=request)) is not None:
        return f"the request was answered already, by {taken['reply']}"
    if (expired := one.last(EXPIRED)) is not None:
        return f"the request expired, and was taken back at {expired['time']}"
    if is_open_docs_request(one.root, request) or _is_owed(one):
        return None
    return "no request of that name is open"


def _is_owed(one: _InHand) -> bool:
    """Whether the plan did ask: then somebody has removed the request, which is nobody's to remove, and answers it."""
    try:
        return read_settled_plan(one.plan, one.folder, one.records).result.docs is not None
    except NotWhole:
        return False


def _is_late(one: _InHand, of: SettledPlan) -> bool:
    expires = of.plan.docs.expires
    if expires is None or clock.wall() < expires.timestamp():
        return False
    # One that was written in time, while no daemon was there, is in time.
    return effects.stat(one.path, follow=False).st_mtime > expires.timestamp()


def _refuse(one: _InHand, message: str, of: SettledPlan | None = None, **known: Any) -> None:
    """Keep an answer that is not taken among the plan's; `of`: its request is open, and says why."""
    noted = one.last(REFUSED, mark=one.mark)
    if noted is None or looking.is_there(one.folder / FOLDER / noted["reply"]):
        kept = free_name(one.folder, one.name, one.records)
        noted = one.note(REFUSED, reply=kept, mark=one.mark, message=message, **known)
    if of is not None:
        ask_again(one.root, of, noted["reply"], journal.time_of(noted), noted["message"])
    durable.make_folder(one.folder / FOLDER)
    durable.move_new(one.path, one.folder / FOLDER / noted["reply"])
    logger.info("{}: the answer {} is refused: {}", one.plan, shown(one.name), noted["message"])


def _write(one: _InHand, of: SettledPlan, lock: GitLock | None) -> _Written:
    """Write what an answer says to where it belongs. Raises DocumentsRefused with everything that is wrong."""
    try:
        documents = read_docs_reply_file(one.content or b"", of.plan.docs.write_to)
    except DocumentError as error:
        raise DocumentsRefused("\n".join(str(problem) for problem in error.errors)) from error
    if not documents:
        return _Written(note="there was nothing to document")
    files = tuple(document.path for document in documents)
    intent = _intent_of(of)
    if intent.mode == DIRECTORY:
        seen = _told(one, "files") or {}
        write_in_place(intent.project, documents, of.result.settled.timestamp(), seen, one.root.path)
        return _Written(files)
    changes = of.result.changes
    branch = changes.branch if changes is not None and changes.branch is not None else None
    head = changes.head if changes is not None else None
    at = PlanBranch(
        intent,
        branch or intent.branch or f"handoff/{one.plan}",
        head or intent.base,
        is_gone=branch is None,
        seen=_told(one, "tip"),
    )
    return _commit(one, of, at, documents, lock)


def _told(one: _InHand, what: str) -> Any:
    """How things stood when an answer was refused for what others had changed: of that its writer was told."""
    return next(
        (told[what] for told in reversed(one.records) if told["event"] == REFUSED and what in told), None
    )


def _intent_of(of: SettledPlan) -> Intent:
    try:
        return Intent.from_fields(of.account.workspace)
    except KeyError:
        project = Path(of.account.checked.get("project") or of.plan.project)
        return Intent(DIRECTORY, project, project, project)


def _commit(
    one: _InHand, of: SettledPlan, at: PlanBranch, documents: Sequence[DocumentToWrite], lock: GitLock | None
) -> _Written:
    files = tuple(document.path for document in documents)
    noted = one.last(COMMIT, sha256=one.mark)
    try:
        if noted is not None and documenting.is_on_branch(at, noted["branch"], noted["commit"], lock):
            return _Written(files, noted["commit"], noted["branch"], noted.get("note"))
        earlier = noted["commit"] if noted is not None else None
        made = documenting.make_commit(at, documents, _message(of, files), lock, earlier)
        if made.commit is None:
            return _Written(files, branch=made.branch, note="the branch has just these documents already")
        if made.commit != earlier:
            told = {"note": made.note} if made.note else {}
            one.note(
                COMMIT, sha256=one.mark, commit=made.commit, branch=made.branch, parent=made.parent, **told
            )
        documenting.move_branch(at, made, lock)
    except GitFailed as error:
        where = at.intent.repository or at.intent.project
        raise NotCommitted(f"{where}: the documentation is not committed yet: {error.last_line()}") from error
    return _Written(files, made.commit, made.branch, made.note)


def _message(of: SettledPlan, files: Sequence[str]) -> str:
    title = " ".join((of.result.title or of.plan_id).split())
    subject = f"Document: {title}"
    if len(subject) > LONGEST_SUBJECT:
        subject = subject[: LONGEST_SUBJECT - 1].rstrip() + "…"
    listed = "\n".join(f"- {path}" for path in files)
    return f"{subject}\n\nThe answer to requests/{of.request}, for the plan {of.plan_id}:\n\n{listed}\n"


def _finish(one: _InHand, of: SettledPlan, taken: Mapping[str, Any], tell: Tell) -> None:
    """Keep the answer, complete the result, take the request back; all of it as the journal says."""
    kept = one.folder / FOLDER / taken["reply"]
    durable.make_folder(kept.parent)
    # What was read is kept, whoever may still have the file itself open.
    durable.publish_new(kept, one.content or b"")
    complete_result(one.root, of, taken["reply"], taken.get("commit"), taken["files"])
    durable.remove(one.root.requests / of.request)
    tell(one.plan)
    durable.remove(one.path)
    on = f" on {taken['branch']} ({taken['commit'][:12]})" if taken.get("commit") else ""
    told = f" ({taken['note']})" if taken.get("note") else ""
    logger.info("{}: documentation{}: {}{}", one.plan, on, ", ".join(taken["files"]) or "none", told)


def expires_at(root: Root, plan: PlanId) -> float | None:
    """When a plan's open docs request expires, in wall seconds; None: never, or there is none."""
    folder = archived_folder(root, plan)
    if folder is None or not looking.is_there(root.requests / f"{plan}{DOCS}"):
        return None
    # As the plan was accepted; what the request's file says is not asked.
    accepted = plan_in(folder, Format.TOML)
    expires = accepted.docs.expires if accepted is not None else None
    return expires.timestamp() if expires is not None else None
