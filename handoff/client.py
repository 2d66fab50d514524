"""The writer's side of the protocol: hand in a plan, wait for its result, give an order, answer a request.

It uses files only, as any foreign client would; it never talks to the daemon and works while there is none.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from handoff import durable
from handoff.root import PlanId, Root, kind_of, open_root, plan_id_of

if TYPE_CHECKING:
    from handoff.result import Result

ACTIONS = ("cancel", "retry", "pause", "resume", "drain")
OF_A_PLAN = ("cancel", "retry")

_EAGER_SECONDS = 10.0
"""So long a result is looked for 50 times a second, afterwards 5 times."""
_ASK_SECONDS = 1.0
_LONGEST_NAME = 255


class ClientError(Exception):
    """What cannot be handed in, or found: what is wrong and what to do."""


class NameTaken(ClientError):
    """A file of that name lies in the inbox already."""


class UnknownPlan(ClientError):
    """There is no plan of that id: neither offered, nor in work, nor settled."""


def submit(root: Root | str | Path, content: bytes | str, name: str, *, unique: bool = False) -> PlanId:
    """Hand in a plan, the right way: durable when this returns, and seen whole or not at all.

    Returns the id that it will have. `unique` puts something random into the name, so that the id is certain even
    where others hand in plans at the same time. Raises ClientError for a name that no plan may have, NameTaken
    where the inbox holds that name with other bytes: nothing is ever overwritten. (With the same bytes it is handed
    in already: a writer that was cut off may simply repeat.)
    """
    where = _opened(root)
    final = _unique(name) if unique else name
    _demand_name(final)
    plan = foresee(where, final)
    try:
        durable.publish_new(where.inbox / final, _bytes(content), alone=False)
    except FileExistsError:
        raise NameTaken(
            f"inbox/{final} is there already: choose another name, or let one be chosen"
        ) from None
    return plan


def foresee(root: Root, name: str, besides: Collection[PlanId] = ()) -> PlanId:
    """Tell which id a file of that name will get (PROTOCOL 3): certain unless somebody else is quicker.

    `besides`: ids that others will have got before.
    """
    plan = plan_id_of(name)
    had = _ids_like(root, plan).union(besides)
    if plan not in had:
        return plan
    number = 2
    while f"{plan}-{number}" in had:
        number += 1
    return PlanId(f"{plan}-{number}")


def read_result(root: Root | str | Path, plan: str) -> Result | None:
    """Read a plan's result; None while there is none. One that was consumed is found in the archive."""
    from handoff.formats import Format, read_document
    from handoff.result import Result

    for path in _result_paths(_opened(root), plan):
        try:
            raw = path.read_bytes()
        except OSError:
            continue
        return read_document(Result, raw, Format.of(path.name))
    return None


def wait(root: Root | str | Path, plan: str, timeout: float | None = None) -> Result:
    """Wait for a plan's result. Raises TimeoutError after `timeout` seconds, UnknownPlan where none can come."""
    where = _opened(root)
    began = time.monotonic()
    ask_again = 0.0
    while True:
        passed = time.monotonic() - began
        # Asked before looking for the result: what is settled in between has one.
        known = passed < ask_again or is_known(where, plan)
        found = read_result(where, plan)
        if found is not None:
            return found
        if not known:
            raise UnknownPlan(f"no plan {plan!r} in {where.path}: `orchestrd ls` names those that are there")
        if timeout is not None and passed >= timeout:
            raise TimeoutError(f"plan {plan} has no result after {timeout:g} s")
        if passed >= ask_again:
            ask_again = passed + _ASK_SECONDS
        pause = 0.02 if passed < _EAGER_SECONDS else 0.2
        time.sleep(pause if timeout is None else min(pause, timeout - passed))


def is_known(root: Root, plan: str) -> bool:
    """Tell whether a plan of that id was offered, is in work or is settled."""
    if not _is_id(plan):
        return False
    # In the order in which a plan moves: one that moves on meanwhile is met in the next place.
    if any(_may_become(name, plan) for name in _names(root.inbox)):
        return True
    return (root.active / plan).is_dir() or _has_result(root, plan) or plan in _ids_like(root, plan)


def order(
    root: Root | str | Path,
    action: str,
    plan: str | None = None,
    why: str | None = None,
    key: str | None = None,
) -> str:
    """Give the daemon an order (PROTOCOL 7); returns the order's file name, which `archive/orders.jsonl` repeats."""
    if action not in ACTIONS:
        raise ClientError(f"unknown action {action!r}: one of {', '.join(ACTIONS)}")
    if (plan is not None) != (action in OF_A_PLAN):
        raise ClientError(f"{action} {'needs' if plan is None else 'takes no'} plan")
    fields = {"handoff": 1, "action": action, "plan": plan, "why": why, "key": key}
    said = {name: value for name, value in fields.items() if value is not None}
    # Of two within one tick of the file system's clock the daemon takes the one with the lesser name first.
    name = f"{action}-{time.time_ns():x}{secrets.token_hex(4)}.json"
    durable.publish_new(_opened(root).control / name, _json(said), alone=False)
    return name


def reply(root: Root | str | Path, request: str, content: bytes | str | Mapping[str, object]) -> str:
    """Answer a request by its file name; a mapping is written as JSON. Returns the reply's file name.

    Raises ClientError where no such request is open, NameTaken where an answer lies there already.
    """
    where = _opened(root)
    if "/" in request or not (where.requests / request).is_file():
        raise ClientError(f"no request {request!r} is open: `ls {where.requests}` names those that are")
    name = request
    if isinstance(content, Mapping):
        name = f"{request.rpartition('.')[0]}.json"
        content = _json(content)
    try:
        durable.publish_new(where.replies / name, _bytes(content), alone=False)
    except FileExistsError:
        raise NameTaken(f"replies/{name} is there already, and says something else") from None
    return name


def _opened(root: Root | str | Path) -> Root:
    return root if isinstance(root, Root) else open_root(root, allow_network=True)


def _demand_name(name: str) -> None:
    if "/" in name or "\0" in name or not kind_of(name).is_document:
        raise ClientError(
            f"{name!r} is no name of a plan: it ends in .toml, .json or .md and starts with no dot"
        )
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise ClientError(f"the name is too long ({len(os.fsencode(name))} bytes; at most {_LONGEST_NAME})")


def _unique(name: str) -> str:
    """Put something random before the endings: `add-login.plan.md` → `add-login-7f3a91c2.plan.md`."""
    endings = re.search(r"(\.plan)?\.[^.]*\Z", name, re.IGNORECASE)
    cut = endings.start() if endings else len(name)
    # An id is cut at 80: what is random must lie within.
    return f"{name[:cut][:60]}-{secrets.token_hex(4)}{name[cut:]}"


def _ids_like(root: Root, plan: str) -> set[str]:
    """List the ids that this root has had that are `plan`, or `plan` with a number."""
    wanted = re.compile(re.escape(plan) + r"(-\d+)?\Z")
    had = {name for name in _names(root.active) if wanted.match(name)}
    try:
        log = root.ids_log.read_bytes()
    except OSError:
        return had
    in_log = re.finditer(rb'"id": ?"(' + re.escape(plan.encode()) + rb'(?:-\d+)?)"', log)
    return had | {found[1].decode() for found in in_log}


def _may_become(name: str, plan: str) -> bool:
    if not kind_of(name).is_document:
        return False
    bare = plan_id_of(name)
    return plan == bare or (plan.startswith(f"{bare}-") and plan[len(bare) + 1 :].isdecimal())


def _has_result(root: Root, plan: str) -> bool:
    return any(path.is_file() for path in _result_paths(root, plan))


def _result_paths(root: Root, plan: str) -> Iterator[Path]:
    """Where a result may lie, cheapest first; an id that is none leads nowhere."""
    if not _is_id(plan):
        return
    for ending in ("toml", "json"):
        yield root.results / f"{plan}.{ending}"
    for month in sorted(_names(root.archive), reverse=True):
        if re.fullmatch(r"\d{4}-\d\d", month):
            for ending in ("toml", "json"):
                yield root.archive / month / plan / f"result.{ending}"


def _is_id(plan: str) -> bool:
    return re.fullmatch(r"[a-z0-9-]+", plan) is not None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, indent=1).encode() + b"\n"


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content
