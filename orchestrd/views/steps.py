"""The steps and checks of a plan in work: which are over, which run, and what the others wait for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrd.core.facts import MAIN
from orchestrd.outbound.words import counted
from orchestrd.record.account import CHECK, Account, StepAccount, account_of
from orchestrd.views.looking import plan_folder
from orchestrd.views.words import one_line, plain, read_lines, until

if TYPE_CHECKING:
    from handoff.root import PlanId, Root

Records = Sequence[Mapping[str, Any]]

WORDS_WIDTH = 60
_OVER = ("succeeded", "failed", "cancelled")
_TELLING = ("run-intended", "run-ended", "run-again", "step-gathered")


def is_check(step: str) -> bool:
    """Whether runs of this name are those of a check, and not of a step."""
    return re.fullmatch(rf"{CHECK}\d+", step) is not None


def step_name(step: object) -> str:
    """Write what a step is called for people, or which check it is; '' for the step of a plan of one prompt."""
    name = plain(step)
    if is_check(name):
        return f"check {name.removeprefix(CHECK)}"
    return "" if name == MAIN else name


def steps_in_work(root: Root, plan: PlanId, work: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each step of a plan, by its name, with where it stands; nothing of a plan of one prompt.

    `work` is what `status/plans` tells of it: only there stands what its runs say.
    """
    folder = plan_folder(root, plan)
    records = read_lines(folder / "journal.jsonl") if folder else []
    account = account_of(records)
    if len(account.steps) < 2:
        return []
    runs = {str(run.get("step")): run for run in work.get("runs") or ()}
    needs = _needs(records)
    return [
        (step.step, _standing(step, runs.get(step.step), account, records, needs))
        for step in account.steps.values()
    ]


def checks_in_work(root: Root, plan: PlanId) -> Iterator[str]:
    """Tell how far the checks of a plan are, in a line each round; nothing where it has none."""
    folder = plan_folder(root, plan)
    account = account_of(read_lines(folder / "journal.jsonl") if folder else [])
    count = account.checked.get("checks") or 0
    if not count:
        return
    rounds = sorted({check["round"] for check in account.checks})
    if not rounds:
        yield f"{counted(count, 'check')}, run when the steps are over"
    for number in rounds:
        of_round = [check for check in account.checks if check["round"] == number]
        failed = sum(check.get("status") != "succeeded" for check in of_round)
        said = "all passed" if not failed else f"{failed} failed"
        yield f"round {number}: {len(of_round)} of {count} were run, {said}"


def _needs(records: Records) -> dict[str, list[str]]:
    """Whom each step needs, those that others have returned among them."""
    told = [
        step
        for record in records
        for step in record.get("steps" if record.get("event") == "accepted" else "further_steps") or ()
    ]
    return {step["step"]: list(step.get("needs", ())) for step in told}


def _standing(
    step: StepAccount,
    run: Mapping[str, Any] | None,
    account: Account,
    records: Records,
    needs: Mapping[str, Sequence[str]],
) -> str:
    last = next(
        (r for r in reversed(records) if r.get("step") == step.step and r.get("event") in _TELLING), None
    )
    if run is not None:
        return _running(run)
    match last["event"] if last else None:
        case "run-again":
            return _waiting(last or {}, step)
        case "run-intended":
            return "is being started"
        case None:
            missing = [one for one in needs.get(step.step, ()) if not _is_over(account.steps.get(one))]
            return f"needs {', '.join(map(plain, missing))}" if missing else "is next"
        case _:
            return _ended(step)


def _running(run: Mapping[str, Any]) -> str:
    asks = [str(one.get("request")) for one in run.get("asks") or ()]
    facts = [f"asks {', '.join(asks)}" if asks else "runs"]
    if int(run.get("attempt") or 1) > 1:
        facts.append(f"attempt {run['attempt']}")
    if run.get("turns"):
        facts.append(counted(int(run["turns"]), "turn"))
    words = one_line(run.get("last_words") or "", WORDS_WIDTH)
    return ", ".join(facts) + (f": {words}" if words else "")


def _waiting(again: Mapping[str, Any], step: StepAccount) -> str:
    """What a step waits for after a run that is over, until when, and how that ended."""
    word, free, now = again.get("waiting_for"), again.get("until"), datetime.now(UTC)
    if not isinstance(word, str):
        # A daemon of before told no other word.
        free = again.get("parked_until")
        word = "limit" if free is not None else None
    when = datetime.fromtimestamp(free, UTC) if isinstance(free, int | float) else None
    if word is None or (when is not None and when <= now):
        return "is next"
    waits = f"waits for {plain(word)}" + (f" {until(when, now)}" if when is not None else "")
    # Of the account's limit, and of money, the word says all.
    why = how_it_ended(step) if word not in {"limit", "budget"} else ""
    return f"{waits}: {why}" if why else waits


def how_it_ended(step: StepAccount) -> str:
    """How the last run of a step ended that did not succeed, in a line; '' of one that did, or is not over."""
    told = step.end.get("summary") or ""
    for last in ("\nIts last words:", "\nIt said nothing."):
        told = told.partition(last)[0]
    said = " ".join(told.split())
    reason = step.end.get("reason")
    if not reason or (reason == "cancelled" and not said):
        return ""
    # One that was stopped for the machine's sake was not cancelled by anybody: what it says is enough.
    return plain(said) if reason == "cancelled" else f"{plain(reason)}{f': {plain(said)}' if said else ''}"


def last_ending(root: Root, plan: PlanId) -> str:
    """How the last run of a plan of one prompt ended; '' of one of several, each of which says so itself."""
    folder = plan_folder(root, plan)
    steps = account_of(read_lines(folder / "journal.jsonl")).steps if folder else {}
    return how_it_ended(next(iter(steps.values()))) if len(steps) == 1 else ""


def _ended(step: StepAccount) -> str:
    reason = f" ({plain(step.end['reason'])})" if step.end.get("reason") else ""
    changed = ", changed" if step.gathered.get("changed") else ""
    cost = step.usage.get("cost_usd")
    return f"{plain(step.end.get('status'))}{reason}{changed}" + (f", ${cost:.2f}" if cost else "")


def _is_over(step: StepAccount | None) -> bool:
    return step is not None and bool(step.gathered) and step.end.get("status") in _OVER
