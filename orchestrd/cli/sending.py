"""Putting an answer into `replies/`, and waiting until somebody has taken it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrd.cli.calling import Complaint, note
from orchestrd.cli.requests import IN_HAND
from orchestrd.views.present import read_daemon
from orchestrd.views.words import how_long, plain

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.views.requests import OpenRequest

LOOK_SECONDS = 0.05
GONE_SECONDS = 2.0
"""A request that goes without its answer being taken was withdrawn; so long the two may be apart."""
TIMED_OUT = 124


@dataclass(frozen=True, slots=True)
class Patience:
    """Whether, and how long, it is waited until the answer is taken."""

    wait: bool
    timeout: float | None
    """Seconds; None: as long as it takes."""


def demand_open(request: OpenRequest) -> None:
    """Complain where an answer would only lie beside another, or answers nothing that can be read."""
    if request.document is None:
        raise Complaint(f"{plain(request.name)}: {plain(request.fault)}")
    if request.is_in_hand:
        raise Complaint(f"{plain(request.name)} is answered: {IN_HAND}")
    if request.answered is not None:
        raise Complaint(
            f"{plain(request.name)} is answered: replies/{plain(request.answered)} was not taken yet; to answer "
            "something else, remove that file first"
        )


def send(
    root: Root, request: OpenRequest, content: str | Mapping[str, object], said: str, patience: Patience
) -> None:
    """Answer a request, tell it, and wait where that is wanted. Complains where the answer does not fit."""
    from handoff.client import reply

    name = reply(root, request.name, content)
    print(f"{plain(request.name)}: {said}; the answer lies in replies/{plain(name)}", flush=True)
    _tell_who_takes_it(root, request)
    if patience.wait or patience.timeout is not None:
        _await_taken(root, request, name, content, patience.timeout)
        print(f"{plain(request.name)}: taken")


def _tell_who_takes_it(root: Root, request: OpenRequest) -> None:
    daemon = read_daemon(root)
    if daemon.alive:
        return
    state = (
        "no daemon serves this root now" if daemon.stalled_pid is None else f"the daemon is {daemon.state}"
    )
    # While a run is alive it is its runner who takes the answer (PROTOCOL 6), daemon or not.
    own = "" if request.kind == "docs" else "; a run that is alive takes it by itself"
    note(f"{state}{own}; {daemon.remedy}")


def _await_taken(
    root: Root,
    request: OpenRequest,
    reply: str,
    content: str | Mapping[str, object],
    timeout: float | None,
) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    gone_since: float | None = None
    while True:
        now = time.monotonic()
        lies_there = (root.replies / reply).exists()
        is_open = request.path.exists()
        if not is_open:
            if not lies_there:
                _complain_of_refusal(root, request, content)
                return
            gone_since = gone_since or now
            if now - gone_since > GONE_SECONDS:
                raise Complaint(
                    f"{plain(request.name)} is gone, and the answer was not taken: it came too late", 1
                )
        elif not lies_there:
            _complain_of_problem(root, request)
        if deadline is not None and now >= deadline:
            raise Complaint(f"{plain(request.name)}: not taken after {how_long(timeout or 0)}", TIMED_OUT)
        time.sleep(LOOK_SECONDS)


def _complain_of_refusal(root: Root, request: OpenRequest, content: str | Mapping[str, object]) -> None:
    """Its request was withdrawn, or somebody else's answer was quicker: then it went to the plan's refused ones."""
    from orchestrd.views.settled_answers import why_refused

    why = why_refused(root, request.plan, content)
    if why is not None:
        raise Complaint(f"{plain(request.name)}: the answer came too late: {plain(why)}", 1)


def _complain_of_problem(root: Root, request: OpenRequest) -> None:
    """An answer that was taken away, with its request still open, did not fit: the request says why."""
    from orchestrd.views.requests import open_request

    found = open_request(root, request.name)
    if found is not None and found.problem is not None and found.problem != request.problem:
        raise Complaint(f"{plain(request.name)}: it did not fit: {plain(found.problem.message)}", 1)
