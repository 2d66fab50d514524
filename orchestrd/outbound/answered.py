"""A docs request that is answered, or answered amiss: the result gains what came of it, or the request a problem.

The result is changed this one time (PROTOCOL 5): in the archive, and in `results/` as far as it still lies there.
All of it can be cut off anywhere and done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from handoff import durable, looking
from handoff.formats import Format, dump
from handoff.plan import Plan
from handoff.request import ReplyProblem
from handoff.result import DocsState, Result
from handoff.root import PlanId, Root
from orchestrd.outbound.page import page_of
from orchestrd.outbound.publish import format_of, plan_in, result_in
from orchestrd.outbound.requests import docs_facts, docs_request
from orchestrd.outbound.step_places import left_by_steps
from orchestrd.outbound.story import keeps_checkout
from orchestrd.record.account import Account, account_of, printable
from orchestrd.record.journal import Record


@dataclass(frozen=True, slots=True)
class SettledPlan:
    """A plan in the archive, as far as an answer to its request has to know it."""

    plan_id: PlanId
    folder: Path
    plan: Plan
    account: Account
    result: Result
    file_format: Format

    @property
    def request(self) -> str:
        """The name of its docs request, and of the answer."""
        return f"{self.plan_id}.docs.md"


class NotWhole(Exception):
    """What lies in a plan's folder does not suffice: why."""


def read_settled_plan(plan_id: PlanId, folder: Path, records: Sequence[Record]) -> SettledPlan:
    """Read what lies in the archive. Raises OSError, and NotWhole where a file is not what the daemon wrote."""
    account = account_of(records)
    file_format = format_of(account)
    path = folder / f"result.{file_format.value}"
    try:
        result = result_in(looking.read_file(path), file_format)
    except ValueError as error:
        raise NotWhole(f"{path}: it is no result: {error!s:.200}") from error
    plan = plan_in(folder, file_format)
    if plan is None:
        raise NotWhole(f"{folder}: accepted.json is gone, and the plan's file too")
    return SettledPlan(plan_id, folder, plan, account, result, file_format)


def complete_result(
    root: Root, of: SettledPlan, reply: str, commit: str | None, files: Sequence[str]
) -> None:
    """Add to the result what came of the docs request: the reply's name, the commit, the files.

    First in the archive; then the page and the result in `results/`, where nobody has consumed them.
    """
    month_and_id = of.folder.relative_to(root.path)
    docs = DocsState(
        request=f"requests/{of.request}",
        reply=f"{month_and_id}/replies/{printable(reply)}",
        commit=commit,
        files=tuple(files),
    )
    result = of.result.model_copy(update={"docs": docs})
    content = dump(result, of.file_format)
    name = f"result.{of.file_format.value}"
    durable.replace(of.folder / name, content)
    left = left_by_steps(of.account, keeps=keeps_checkout(of.account, of.plan))
    page = root.results / f"{of.plan_id}.md"
    if looking.is_there(page):
        durable.replace(page, page_of(result, of.plan, root.path, left))
    shown = root.result_path(of.plan_id, of.file_format)
    if looking.is_there(shown):
        durable.replace(shown, content)


def ask_again(root: Root, of: SettledPlan, reply: str, time: datetime, message: str) -> None:
    """Put the request out anew, with what was wrong with the answer."""
    problem = ReplyProblem(reply=printable(reply), time=time, message=printable(message))
    request = docs_request(docs_facts(root, of.result, of.plan, of.account, of.folder), problem)
    durable.replace(root.requests / of.request, request)
