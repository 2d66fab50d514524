"""The plan as it was accepted: normalised, defaults filled in (`accepted.json`). Derived from the plan's own file."""

from __future__ import annotations

from handoff import durable, looking
from handoff.foreign import BadFile, StillWritten, read_taken
from handoff.formats import Format
from handoff.plan import Plan
from handoff.root import PlanId, Root
from orchestrd.config import Limits
from orchestrd.inbound.intake import Accepted, check_plan
from orchestrd.inbound.taken import plan_file
from orchestrd.library.finding import SHIPPED, Library

ACCEPTED = "accepted.json"


def write_accepted(root: Root, plan: PlanId, accepted: Accepted) -> None:
    """Write down what will be executed.

    Not synced, since it can be made again; but what was made of a workflow is: its file may be another one by then.
    """
    content = accepted.plan.model_dump_json().encode()
    durable.replace(root.plan_folder(plan) / ACCEPTED, content, sync=accepted.workflow is not None)


def read_accepted(root: Root, plan: PlanId, limits: Limits, library: Library = SHIPPED) -> Plan | None:
    """Read what will be executed, making it again where a power cut took it; None: its file is no plan any more."""
    folder = root.plan_folder(plan)
    try:
        return Plan.model_validate_json(looking.read_file(folder / ACCEPTED))
    except (OSError, ValueError):
        pass  # taken by a power cut
    for kind in Format:
        file = folder / plan_file(kind)
        if looking.is_there(file):
            try:
                raw = read_taken(folder, file.name)
            except (BadFile, StillWritten):
                return None
            checked = check_plan(raw, kind, plan, limits, library)
            if isinstance(checked, Accepted):
                write_accepted(root, plan, checked)
                return checked.plan
    return None
