"""What became of a plan, as its journal tells it: a pure fold of the records, in plain values.

The result (`outbound/story.py`) and the index are both made of it, so they cannot disagree. What the words mean to a
reader of results is not known here; events that are unknown are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fields = Mapping[str, Any]

CHECK = "check_"
"""With this the names begin on which the runs of checks are booked."""

USAGE = (
    "cost_usd",
    "turns",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_bytes",
)
"""The numbers of a start that are summed up; of the last the greatest is kept."""


@dataclass(slots=True)
class StepAccount:
    """The starts of one step, folded."""

    step: str
    number: int = 0
    """Of the last start."""
    attempts: int = 0
    session_id: str | None = None
    end: Fields = field(default_factory=dict)
    """The record `run-ended` of the last start; empty while it has none."""
    denied: list[Fields] = field(default_factory=list)
    usage: dict[str, float] = field(default_factory=dict)
    gathered: Fields = field(default_factory=dict)
    """The record `step-gathered`: what it left, by itself; of several rounds all of them together."""
    place: Fields = field(default_factory=dict)
    """The record `step-place`: where it works, of a plan of several steps."""

    @property
    def ran(self) -> bool:
        """Whether it was ever to be started."""
        return self.number > 0

    @property
    def verdict(self) -> str:
        """What the evidence says of what it did by itself."""
        changed = self.gathered.get("changed")
        if changed:
            return "changed"
        succeeded = self.end.get("status") == "succeeded"
        return "no-change-needed" if succeeded and changed is False else "unverified"


@dataclass(slots=True)
class Account:
    """A plan's whole story. A record that has not been written is an empty mapping."""

    taken: Fields = field(default_factory=dict)
    checked: Fields = field(default_factory=dict)
    """The record `accepted`, `refused` or `duplicate`."""
    workspace: Fields = field(default_factory=dict)
    """The record `workspace-intended`."""
    workspace_made: bool = False
    started: str | None = None
    """When the first run was started."""
    steps: dict[str, StepAccount] = field(default_factory=dict)
    """In the order of definition, those that returned others before them; those that never ran too."""
    checks: list[Fields] = field(default_factory=list)
    """The records `run-ended` of checks, each with its `round`."""
    rounds: dict[str, int] = field(default_factory=dict)
    """In which round each check was started last."""
    gathered: Fields = field(default_factory=dict)
    settling: Fields = field(default_factory=dict)

    @property
    def accepted(self) -> str | None:
        """When it was accepted; None where it was not."""
        return self.checked["time"] if self.is_accepted else None

    @property
    def is_accepted(self) -> bool:
        """Whether its content was looked at and will be executed."""
        return self.checked.get("event") == "accepted"

    @property
    def status(self) -> str | None:
        """How it ends; None before that is decided."""
        return self.settling.get("status")

    @property
    def reason(self) -> str | None:
        """Why it ends so."""
        return self.settling.get("reason")

    @property
    def settled(self) -> str | None:
        """When it was settled, as the result says it."""
        return self.settling.get("settled")

    @property
    def verdict(self) -> str | None:
        """What the evidence says of what ran (PROTOCOL 5); None where nothing ran or nothing is decided."""
        if not self.has_run or not self.settling:
            return None
        changed = self.gathered.get("changed")
        if changed:
            return "changed"
        return "no-change-needed" if self.status == "succeeded" and changed is False else "unverified"

    @property
    def has_run(self) -> bool:
        """Whether anything of it was ever to be started."""
        return any(step.ran for step in self.steps.values())

    @property
    def usage(self) -> dict[str, float]:
        """What all its starts used."""
        total: dict[str, float] = {}
        for step in self.steps.values():
            add_usage(total, step.usage)
        return total


def account_of(records: Iterable[Fields]) -> Account:
    """Fold a plan's records, in order."""
    account = Account()
    for record in records:
        _follow(account, record)
    return account


def _follow(account: Account, record: Fields) -> None:
    match record["event"]:
        case "taken":
            account.taken = record
        case "accepted" | "refused" | "duplicate":
            account.checked = record
            for step in record.get("steps", ()):
                account.steps[step["step"]] = StepAccount(step["step"])
        case "workspace-intended":
            account.workspace = record
        case "workspace-made":
            account.workspace_made = True
        case "run-intended" | "run-started" | "run-ended" | "step-gathered" | "step-place":
            _follow_run(account, record)
        case "gathered":
            account.gathered = record
        case "settling":
            # The first one: a daemon that was cut off and decides again changes nothing that may have been seen.
            account.settling = account.settling or record
        case _:
            pass


def _follow_run(account: Account, record: Fields) -> None:
    name = record["step"]
    if name.startswith(CHECK):
        _follow_check(account, record)
        return
    step = account.steps.setdefault(name, StepAccount(name))
    match record["event"]:
        case "run-intended":
            step.number = record["n"]
            step.attempts = record["attempt"]
            step.session_id = record.get("session_id")
            step.end = {}
        case "run-started":
            account.started = account.started or record["time"]
        case "step-gathered":
            step.gathered = _together(step.gathered, record)
        case "step-place":
            step.place = record
        case _:
            step.end = record
            step.denied += record.get("denied") or ()
            add_usage(step.usage, record)
            _put_in(account, name, [one["step"] for one in record.get("further_steps", ())])


def _together(before: Fields, record: Fields) -> Fields:
    """What a step left in all rounds: of one that had to mend what it did, the last is not all."""
    if not before.get("changed"):
        return record
    counted = {
        name: before[name] + record[name]
        for name in ("commits", "insertions", "deletions")
        if name in before and name in record
    }
    # The same file may have been changed in both.
    rest = {
        name: value for name, value in record.items() if name != "files_changed" or not record.get("changed")
    }
    if not record.get("changed") and "files_changed" in before:
        rest["files_changed"] = before["files_changed"]
    return {**rest, **counted, "changed": True}


def _follow_check(account: Account, record: Fields) -> None:
    name = record["step"]
    match record["event"]:
        case "run-intended":
            account.rounds[name] = record.get("round", 0)
        case "run-ended":
            account.checks.append({**record, "round": account.rounds.get(name, 0)})
        case _:
            pass


def _put_in(account: Account, behind: str, names: list[str]) -> None:
    """Put the steps in that one has returned, directly behind it."""
    if not set(names).difference(account.steps):
        return
    before = account.steps
    account.steps = {}
    for name, step in before.items():
        account.steps[name] = step
        if name == behind:
            account.steps |= {new: before.get(new) or StepAccount(new) for new in names}


def add_usage(total: dict[str, float], more: Fields) -> None:
    """Add what a start used; a number that is not known there adds nothing."""
    for name in USAGE:
        value = more.get(name)
        if value is None:
            continue
        if name == "peak_memory_bytes":
            total[name] = max(total.get(name, 0), value)
        else:
            # Sums of money and seconds: without the noise of binary fractions.
            total[name] = round(total.get(name, 0) + value, 9)


def printable(text: str) -> str:
    """Write a file's name so that it is Unicode: bytes that are not are shown by their numbers."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
