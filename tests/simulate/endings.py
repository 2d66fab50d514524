"""Whether a plan may end as it is going to: by what its journal says."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.result import Reason, Status
from handoff.root import PlanId
from orchestrd.core.commands import Settle
from orchestrd.core.facts import check_step
from tests.simulate.kept import Kept
from tests.simulate.violation import Violation


def hold_ending(kept: Kept, all_kept: Mapping[PlanId, Kept], command: Settle) -> None:
    """Raise Violation where it may not."""
    status = command.ending.status
    noted = [one["status"] for one in kept.records if one["event"] == "settling"]
    if noted and noted[0] != status.value:
        raise Violation(kept.plan, f"it ends in another way than is written down: {status}, not {noted[0]}")
    if kept.facts is None:
        return
    events = {one["event"] for one in kept.records}
    if status is Status.SUCCEEDED:
        _hold_success(kept)
    elif status is Status.CANCELLED:
        missed = any(
            all_kept[name].status not in {None, Status.SUCCEEDED}
            for name in kept.facts.after
            if name in all_kept
        )
        if "cancel-asked" not in events and not missed:
            raise Violation(kept.plan, "nobody has cancelled it, and it ends as cancelled")
    elif status is Status.EXPIRED and "run-intended" in events:
        raise Violation(kept.plan, "it expires after it was started")
    elif status is Status.FAILED and command.ending.reason in {None, Reason.CANCELLED}:
        raise Violation(kept.plan, f"it fails for no reason, or that of a cancelled one: {command.ending}")


def _hold_success(kept: Kept) -> None:
    assert kept.facts is not None
    names = [one.step for one in kept.facts.steps]
    for record in kept.records:
        if record["event"] == "run-ended":
            names += [one["step"] for one in record.get("further_steps", ()) if one["step"] not in names]
    last = 0
    for name in names:
        ended = next(kept.of("run-ended", name), None)
        if ended is None or ended["status"] != "succeeded":
            raise Violation(kept.plan, f"it succeeds without a step: {name}")
        last = max(last, ended["seq"])
    for number in range(1, kept.facts.checks + 1):
        ended = next(kept.of("run-ended", check_step(number)), None)
        if ended is None or ended["status"] != "succeeded" or ended["seq"] < last:
            raise Violation(kept.plan, f"it succeeds without a check: {number}")
