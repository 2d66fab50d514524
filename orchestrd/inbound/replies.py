"""The office of answers: whose each is, and what becomes of it (PROTOCOL 6).

What a living run has asked for is its runner's. What answers a docs request, and whatever comes for a plan that is
settled, is taken by a rename to `.orchestrd/replies/` and decided on elsewhere, in another thread; cut off there it
is found by that name again. What comes for a plan in work that nobody waits for goes to that plan's `replies/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from loguru import logger

from handoff import durable, looking
from handoff.docs_reply import read_docs_reply_file
from handoff.effects import effects
from handoff.foreign import shown
from handoff.formats import DocumentError
from handoff.plan import Plan
from handoff.request_names import parse_request_name
from handoff.root import PlanId, Root
from handoff.settling import BadFile, StillWritten, read_settled
from orchestrd.core.plan import PlanInHand
from orchestrd.core.plan_life import State
from orchestrd.inbound.accepted import ACCEPTED
from orchestrd.inbound.lanes import LaneFile
from orchestrd.inbound.taken import is_no_lane, opened, why_it_stays
from orchestrd.record.archived import archived_folder
from orchestrd.record.journals import Journals
from orchestrd.record.replies import DOCS, FOLDER, REFUSED, free_name

_PLAN = re.compile(r"([a-z0-9-]{1,120})\.")


class Replies:
    """Takes answers in. Lives in the loop's thread.

    `in_hand` tells of a plan in work, `is_alive` of a start (plan, step, number); `answer` is handed a settled plan and
    the name of what was taken for it.
    """

    def __init__(
        self,
        root: Root,
        journals: Journals,
        in_hand: Callable[[PlanId], PlanInHand | None],
        answer: Callable[[PlanId, str], None],
        is_alive: Callable[[PlanId, str, int], bool],
    ) -> None:
        self._root = root
        self._journals = journals
        self._in_hand = in_hand
        self._answer = answer
        self._is_alive = is_alive
        self._has_folder = False
        self._is_unsure = True
        """What a daemon before this one has taken, or a failing disk has moved, may lie there, and nobody was told."""

    def take_up(self) -> None:
        """Hand on what was taken and not told of. Raises OSError; then it is tried again."""
        if not self._is_unsure:
            return
        folder = taken_replies(self._root)
        if looking.is_folder(folder):
            for moved in (folder, self._root.replies):
                durable.sync_names(os.fspath(moved))
            for name in sorted(effects.list(folder)):
                plan = plan_of(name)
                if plan is not None:
                    self._answer(plan, name)
        self._is_unsure = False

    def take(self, file: LaneFile) -> str | None:
        """Deal with an answer. Why it lies where it is, completing "the file …"; None: it does not, or its run has it.

        Raises OSError; nothing is lost then, and it may be called again.
        """
        plan = plan_of(file.name)
        if plan is None:
            return "answers no request: an answer has the name of the request that it answers"
        if self._is_its_runners(file.name):
            return None
        held = self._in_hand(plan)
        if held is not None:
            if held.state is State.SETTLING:
                return "waits for its plan, which is just being settled"
            return self._moved(file, lambda: self._place_of_refused(plan, file.name))
        if archived_folder(self._root, plan) is None:
            if looking.is_there(self._root.plan_folder(plan)):
                return "waits for its plan, which is in work and not read yet, or cannot be read"
            return f"answers no request, and there is no plan {plan}"
        try:
            stays = self._moved(file, lambda: self._folder_of_taken() / file.name)
        except FileExistsError:
            return "waits for one of the same name that is just being looked at"
        except OSError:
            self._is_unsure = True
            raise
        if stays is None:
            self._answer(plan, file.name)
        return stays

    def is_worth_taking(self, file: LaneFile) -> bool:
        """Whether what lies in the lane under its final name, and settled, is whole already, as far as one can tell."""
        plan = plan_of(file.name)
        if plan is None or not is_open_docs_request(self._root, file.name):
            return True
        folder = archived_folder(self._root, plan)
        if folder is None:
            return True
        try:
            write_to = Plan.model_validate_json(looking.read_file(folder / ACCEPTED)).docs.write_to
            with opened(self._root.replies) as lane:
                read_docs_reply_file(read_settled(lane, file.name), write_to)
        except (BadFile, StillWritten, OSError, ValueError, DocumentError):
            return False
        return True

    def _is_its_runners(self, name: str) -> bool:
        """Whether the run that may have asked by that name is alive: then it is its runner's, asked for or not."""
        asked = parse_request_name(name)
        return asked is not None and self._is_alive(PlanId(asked.plan), asked.step, asked.number)

    def _moved(self, file: LaneFile, place: Callable[[], Path]) -> str | None:
        """Move an answer out of the lane; say why it cannot be."""
        lane_file = os.path.join(self._root.replies, file.name)
        try:
            with opened(self._root.replies) as lane:
                durable.move_new(lane_file, place(), within=lane)
        except FileExistsError:
            raise
        except OSError as error:
            if is_no_lane(error, self._root.replies):
                return None  # the next look tells of it
            if isinstance(error, FileNotFoundError) and not looking.is_there(lane_file):
                return None  # its writer took it back
            why = why_it_stays(error, lane_file)
            if why is None:
                raise
            return why
        return None

    def _place_of_refused(self, plan: PlanId, name: str) -> Path:
        """Write down that an answer to a plan in work is refused, and say where it goes."""
        folder = self._root.plan_folder(plan)
        durable.make_folder(folder / FOLDER)
        kept = free_name(folder, name)
        message = (
            "no request of that name is open: the plan is in work, and no run of it waits for this answer"
        )
        self._journals.append(plan, REFUSED, sync=True, reply=kept, message=message)
        logger.info("{}: the answer {} is refused: {}", plan, shown(name), message)
        return folder / FOLDER / kept

    def _folder_of_taken(self) -> Path:
        folder = taken_replies(self._root)
        if not self._has_folder:
            durable.make_folder(folder)
            self._has_folder = True
        return folder


def plan_of(name: str) -> PlanId | None:
    """The plan whose request a name may be that of; None: it can be no request's."""
    found = _PLAN.match(name)
    return PlanId(found[1]) if found else None


def taken_replies(root: Root) -> Path:
    """Where answers lie from the moment they are taken until they are dealt with."""
    return root.private / "replies"


def is_open_docs_request(root: Root, name: str) -> bool:
    """Whether a docs request of that name is open."""
    return name.endswith(DOCS) and looking.is_there(root.requests / name)
