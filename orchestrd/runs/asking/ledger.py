"""`asked.jsonl` in a run's folder: what it asked, what was answered, in the order in which that happened.

The runner appends to it, durably, before it does anything about it; the daemon follows it, and runs of the same plan
look into it for what was granted. Standard library only.
"""

from __future__ import annotations

import os

from handoff import durable, looking
from handoff.effects import effects
from handoff.request_names import parse_request_name
from orchestrd.runs.asking.prompt import Grants
from orchestrd.runs.light_json import line, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from orchestrd.secrets import Redactor

ASKED = "asked.jsonl"
LAST_SECOND = 253_402_300_799
"""Of the year 9999, after which there is no date."""
MOST_BYTES = 16 << 20
"""No run asks so much. Whoever makes the file larger is not a runner, and nothing of it is believed."""


class Ledger:
    """The runner's own, to be appended to."""

    def __init__(self, folder: str, redactor: Redactor) -> None:
        self._path = os.path.join(folder, ASKED)
        self._redactor = redactor
        self._in_doubt = False
        """The last line may be there though the disk has refused something: it must not be there twice."""

    def append(self, event: str, **fields: Any) -> None:
        """Write one thing down, on the disk. Raises OSError; then it can be repeated."""
        given = {name: value for name, value in fields.items() if value is not None}
        if self._in_doubt and self._is_last(event, given.get("request")):
            durable.sync_or_write_anew(self._path)
            durable.sync_names(os.path.dirname(self._path))
            self._in_doubt = False
            return
        self._in_doubt = True
        durable.append_line(self._path, self._redactor.redact(line({"event": event, **given})), sync=True)
        self._in_doubt = False

    def _is_last(self, event: str, request: object) -> bool:
        last = read_asked(os.path.dirname(self._path))[-1:]
        return [(one.get("event"), one.get("request")) for one in last] == [(event, request)]


class OpenRequest:
    """A request that waits for an answer."""

    __slots__ = ("expires", "name")

    def __init__(self, name: str, expires: float | None) -> None:
        self.name = name
        self.expires = expires
        """Wall seconds."""


class AskedSoFar:
    """What the lines of such a file come to."""

    def __init__(self) -> None:
        self.open: dict[str, OpenRequest] = {}
        """By name, in the order in which they were asked."""
        self.lines = 0

    def feed(self, record: dict[str, Any]) -> None:
        """Take in one line more."""
        self.lines += 1
        name = record.get("request")
        if not isinstance(name, str) or parse_request_name(name) is None:
            return
        if record.get("event") == "asked":
            expires = record.get("expires")
            is_date = type(expires) is int and 0 <= expires <= LAST_SECOND
            self.open[name] = OpenRequest(name, expires if is_date else None)
        elif record.get("event") in ("answered", "withdrawn", "unanswered"):
            self.open.pop(name, None)


def records_in(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Read lines; one that was torn by the end of its writer tells nothing."""
    found = []
    for one in lines:
        try:
            record = parse(one)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def read_asked(run_folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read all that a run asked and was answered; nothing where it never did. Raises OSError."""
    try:
        raw = looking.read_file(os.path.join(run_folder, ASKED), MOST_BYTES + 1)
    except (FileNotFoundError, looking.NotRegular):
        return []
    return records_in(raw.split(b"\n")) if len(raw) <= MOST_BYTES else []


class GrantsOfPlan:
    """What was decided for a whole plan in all its runs, read again where one of them has written more."""

    def __init__(self, runs_folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(runs_folder)
        self._sizes: dict[str, int] = {}
        self.found = Grants()

    def read_again(self) -> bool:
        """Look whether there is more; True: there is. Raises OSError."""
        sizes = {}
        for name in sorted(effects.list(self._folder)):
            path = os.path.join(self._folder, name, ASKED)
            try:
                sizes[path] = effects.stat(path, follow=False).st_size
            except (FileNotFoundError, NotADirectoryError):
                continue
        if sizes == self._sizes:
            return False
        self.found = Grants()
        for path in sizes:
            for record in read_asked(os.path.dirname(path)):
                _add(self.found, record)
        self._sizes = sizes
        return True


def granted_rules(runs_folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The rules that were allowed for a whole plan, for a further start of it. Raises OSError."""
    try:
        plan = GrantsOfPlan(runs_folder)
        plan.read_again()
    except FileNotFoundError:
        return ()
    return tuple(rule for rule in plan.found.rules if rule not in plan.found.refused)


def _add(grants: Grants, record: dict[str, Any]) -> None:
    rules = record.get("rules")
    if record.get("event") != "answered" or record.get("scope") != "plan" or not isinstance(rules, list):
        return
    command, message = record.get("command"), record.get("message")
    for rule in (one for one in rules if isinstance(one, str)):
        if record.get("decision") == "deny":
            grants.refused[rule] = message if isinstance(message, str) else ""
        else:
            grants.rules[rule] = None
    if isinstance(command, str):
        grants.commands.add(command)
