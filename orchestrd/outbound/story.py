"""From a plan's journal to its result (PROTOCOL 5): a pure fold.

It looks at no disk: what a result says is what was written down while it happened. Where a file lies is where it
will finally lie, in the archive.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from handoff.plan import Plan
from handoff.result import Reason, Result
from handoff.root import PlanId
from handoff.wholesome import DEEPEST, is_wholesome
from orchestrd.outbound.step_places import left_by_steps, unmerged_sentence
from orchestrd.record.account import Account, StepAccount, account_of, printable

PATCH = "changes.patch"

NO_EXIT = -1
"""Shown of a check that did not come to an end of its own: its runner died, or it was stopped."""

CANCELLED_MEANWHILE = "The plan was cancelled while it ran."
"""Ends what such a check has said: how a signal ended it then tells nothing of what it would have come to."""

DEEPEST_OUTPUT = 24
"""Levels: deeper tables would get names that are too long for TOML."""

_FRACTIONS = ("cost_usd", "wall_seconds", "cpu_seconds")
_CHANGES = ("branch", "base", "head", "commits", "files_changed", "insertions", "deletions")


def result_of(plan_id: PlanId, records: Iterable[Mapping[str, Any]], plan: Plan | None) -> Result:
    """Make the result of a plan whose journal holds the record `settling`.

    `plan` is None where its file could not be read as one. Raises ValueError where the journal does not tell how it
    ended.
    """
    account = account_of(records)
    if account.settled is None:
        raise ValueError(f"the journal of plan {plan_id} does not say how it ended (no record `settling`)")
    folder = folder_of(plan_id, account.settled)
    checked = account.checked
    found: dict[str, Any] = {
        "handoff": 1,
        "plan": plan_id,
        "source": printable(account.taken["source"]),
        "title": checked.get("title") or (plan.title if plan else None) or plan_id,
        "sha256": checked.get("sha256") or account.taken.get("sha256"),
        "key": checked.get("key") or (plan.key if plan else None),
        "retry_of": account.taken.get("retry_of"),
        "duplicate_of": checked.get("duplicate_of"),
        "status": account.status,
        "verdict": account.verdict,
        "reason": account.reason,
        "summary": summary_of(account),
        "payer": last_of(account, "payer"),
        "accepted": time_at(account.accepted),
        "started": time_at(account.started),
        "settled": time_at(account.settled),
        "usage": usage_of(account.usage),
        "changes": changes_of(account, plan, folder),
        "steps": [step_of(step, account, folder) for step in shown_steps(account)],
        "checks": [check_of(check) for check in account.checks],
        "errors": errors_of(account),
        "docs": {"request": f"requests/{plan_id}.docs.md"} if asks_for_docs(account, plan) else None,
        "metadata": plan.metadata if plan else None,
    }
    return Result.model_validate(with_values(found))


def folder_of(plan_id: PlanId, settled: str) -> str:
    """Where the plan finally lies, relative to the root: by the month (UTC) in which it was settled."""
    return f"archive/{datetime.fromisoformat(settled).astimezone(UTC):%Y-%m}/{plan_id}"


def summary_of(account: Account) -> str | None:
    """Of a plan that did not succeed what was wrong and what to do; then the final text of the step that it ended by.

    That is the one that failed, else the last; where several steps ended well and the plan did not, none of them tells
    why. Between the two: on which branches work is that the plan's does not have.
    """
    message = account.settling.get("message")
    ran = [step for step in account.steps.values() if step.ran]
    step = _failed_step(account, ran)
    if step is None and ran and not (len(ran) > 1 and message and account.status == "failed"):
        step = ran[-1]
    said = step.end.get("summary") if step is not None else None
    apart = unmerged_sentence(left_by_steps(account), message or "")
    return "\n\n".join(part for part in (message, apart, said, *_nested(account)) if part) or None


def _nested(account: Account) -> list[str]:
    """Tell of repositories that runs made in their checkouts: whoever takes the branch does not get what is in them."""
    # In the plan's own checkout it is found once more at the end.
    apart = [step for step in account.steps.values() if step.place.get("own")]
    found = [
        (account.gathered, account.workspace.get("path")),
        *((step.gathered, step.place.get("path")) for step in apart),
    ]
    return [
        f"{path} is a git repository of its own, made by the run. What is in it is in no commit of the project: it lies"
        f" only in the checkout {place}, which is kept. Take it from there:"
        f" `git clone {shlex.quote(str(PurePosixPath(place, path)))}`."
        for gathered, place in found
        for path in gathered.get("nested") or ()
        if place
    ]


def _failed_step(account: Account, ran: Sequence[StepAccount]) -> StepAccount | None:
    """The step by which the plan failed: the first that did so for the plan's own reason. None: no step failed it."""
    if account.status != "failed" or account.reason is None:
        return None
    failed = [
        step
        for step in ran
        if step.end.get("status") == "failed" and step.end.get("reason") == account.reason
    ]
    return min(failed, key=lambda step: int(step.end["seq"]), default=None)


def asks_for_docs(account: Account, plan: Plan | None) -> bool:
    """Whether a request for documentation is made: of a plan that succeeded, of no other."""
    return account.status == "succeeded" and plan is not None and plan.docs.request


def keeps_checkout(account: Account, plan: Plan | None) -> bool:
    """Whether the plan's checkout stays: as its `keep` says; one with uncommitted work always does."""
    if account.gathered.get("uncommitted"):
        return True
    if not account.workspace_made and not account.has_run:
        # It may be half made, by a daemon that was killed, and nobody worked in it.
        return False
    keep = plan.workspace.keep if plan else "on-failure"
    return keep == "always" or (keep == "on-failure" and account.status != "succeeded")


def has_checkout(account: Account) -> bool:
    """Whether a checkout was, or may have been, made: in place there is none."""
    return account.workspace.get("mode") == "worktree"


def loses_branch(account: Account, plan: Plan | None) -> bool:
    """Whether the plan's branch goes with its checkout: one that holds nothing does."""
    if not has_checkout(account) or keeps_checkout(account, plan):
        return False
    gathered, own = account.gathered, account.workspace
    if not gathered:
        # Of a run that could not be looked at nobody knows what is on its branch; what never ran put nothing there.
        return not account.has_run
    return gathered.get("commits") == 0 and gathered.get("branch") in (None, own.get("branch"))


def changes_of(account: Account, plan: Plan | None, folder: str) -> dict[str, Any] | None:
    """The block `changes`; None where nothing was made in a git repository."""
    gathered = account.gathered
    found = {name: gathered.get(name) for name in _CHANGES}
    if has_checkout(account):
        # Known before anything is gathered: a run that was never started has left its branch and checkout.
        found["branch"] = found["branch"] or account.workspace.get("branch")
        found["base"] = found["base"] or account.workspace.get("base")
    if not account.workspace_made or all(value is None for value in found.values()):
        return None
    if loses_branch(account, plan):
        found["branch"] = None
    found["patch"] = f"{folder}/{PATCH}" if gathered.get("patch") else None
    if has_checkout(account) and keeps_checkout(account, plan):
        found["workspace"] = account.workspace.get("path")
    return with_values(found)


def shown_steps(account: Account) -> list[StepAccount]:
    """All steps of a plan of which anything ran, in the order of definition."""
    return list(account.steps.values()) if account.has_run else []


def check_of(check: Mapping[str, Any]) -> dict[str, Any]:
    """One run of a check."""
    exit_code = None if _was_cancelled(check) else check.get("exit_code")
    return with_values(
        {
            "command": check.get("command"),
            "round": check["round"],
            # Of one that a signal ended, or that never began, as a shell tells it.
            "exit": exit_code if exit_code is not None else NO_EXIT,
            "seconds": check.get("wall_seconds"),
            "output_tail": _tail(check),
        }
    )


def _tail(check: Mapping[str, Any]) -> str | None:
    """What a check printed last; where there is more to say of its end (why it did not start, say), that too."""
    note = CANCELLED_MEANWHILE if _was_cancelled(check) else check.get("note")
    said = check.get("output_tail")
    if note:
        said = f"{said.rstrip()}\n[{note}]" if said else f"[{note}]"
    return said or None


def _was_cancelled(check: Mapping[str, Any]) -> bool:
    return check.get("reason") == Reason.CANCELLED.value


def step_of(step: StepAccount, account: Account, folder: str) -> dict[str, Any]:
    """One step: the facts of its last start, the sums of all."""
    end = step.end
    run = f"{folder}/runs/{step.step}.{step.number}"
    if not step.ran:
        return {"id": step.step, "status": "skipped"}
    # A start whose end nobody could judge any more ended as the plan did.
    status = end.get("status") or ("cancelled" if account.status == "cancelled" else "failed")
    return with_values(
        {
            "id": step.step,
            "status": status,
            "verdict": step.verdict
            if step.gathered
            else account.verdict
            if len(account.steps) == 1
            else None,
            "reason": None if status == "succeeded" else end.get("reason") or account.reason,
            "model": end.get("model"),
            "session_id": end.get("session_id") or step.session_id,
            "summary": end.get("summary"),
            "attempts": step.attempts,
            "first_output_seconds": end.get("first_output_seconds"),
            "output": output_of(end.get("output")),
            "denied": [known(denied, "tool", "input_json", "why") for denied in step.denied],
            "usage": usage_of(step.usage),
            "log": f"{run}/{PurePosixPath(end['log']).name}" if end.get("log") else None,
        }
    )


def output_of(output: object) -> dict[str, Any] | None:
    """The structured output, if it is a table that any reader can take in; its exact JSON lies in `runs/`."""
    if isinstance(output, dict) and is_wholesome(output, DEEPEST - DEEPEST_OUTPUT):
        return output
    return None


def usage_of(usage: Mapping[str, float]) -> dict[str, float] | None:
    """What was used, without the false precision of sums; None where nothing ran."""
    finite = {name: value for name, value in usage.items() if math.isfinite(value)}
    found = {name: round(value, 6) if name in _FRACTIONS else int(value) for name, value in finite.items()}
    return found or None


def errors_of(account: Account) -> list[dict[str, Any]]:
    """Everything that was wrong with a plan that was rejected."""
    if account.status != "rejected":
        return []
    errors = [known(error, "path", "line", "message", "hint") for error in account.checked.get("errors", ())]
    why = account.taken.get("bad_file")
    if not errors and why:
        errors = [
            {"path": "", "message": f"the file {why}", "hint": "write the plan as a plain file of your own"}
        ]
    return errors


def last_of(account: Account, name: str) -> Any:
    """A fact of the last start that knows it."""
    known = [step.end[name] for step in account.steps.values() if step.end.get(name) is not None]
    return known[-1] if known else None


def time_at(text: str | None) -> datetime | None:
    """Read a time of the journal."""
    return datetime.fromisoformat(text).astimezone(UTC) if text is not None else None


def known(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the fields that a result has, where they have a value (an empty text is one)."""
    return {name: fields[name] for name in names if fields.get(name) is not None}


def with_values(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value; an empty list or table says nothing either."""
    return {name: value for name, value in fields.items() if value is not None and value not in ([], {})}
