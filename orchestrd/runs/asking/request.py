"""One thing that a runner asks: from what Claude Code said, step by step, to what it is answered.

Each step is written down (`asked.jsonl`) before anything else is done about it, and can be repeated where the disk
refuses: it raises OSError then, and is still the next.
"""

from __future__ import annotations

import errno
import os

from handoff import durable, looking
from handoff.effects import clock
from handoff.request_names import RequestName
from orchestrd.runs.accounts import rfc3339
from orchestrd.runs.asking import paper
from orchestrd.runs.asking.answers import Decision, decide
from orchestrd.runs.asking.ledger import LAST_SECOND, GrantsOfPlan, Ledger
from orchestrd.runs.asking.mailbox import Letter, Mailbox, Unfit
from orchestrd.runs.asking.prompt import Prompt, deny
from orchestrd.runs.light_json import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchestrd.secrets import Redactor

_ENDINGS = ("toml", "json")
_OF_THE_FILE = (errno.EPERM, errno.EBUSY, errno.EXDEV)
"""Why one file cannot be moved though the disk is well: it is immutable, mounted on, of another file system."""


class Means:
    """What the requests of one run have in common. `tell` hands a line to Claude Code."""

    def __init__(
        self, orders: dict[str, Any], folder: str, redactor: Redactor, tell: Callable[[bytes], None]
    ) -> None:
        self.plan: str = orders["plan"]
        self.run = (str(orders["step"]), int(orders["number"]))
        self.ending: str = orders["format"]
        self.timeout: float | None = orders.get("timeout_seconds")
        self.lane = os.path.join(orders["root"], "requests")
        self.log = f"active/{self.plan}/runs/{os.path.basename(folder)}/events.jsonl"
        self.redactor = redactor
        self.tell = tell
        self.ledger = Ledger(folder, redactor)
        self.grants = GrantsOfPlan(os.path.dirname(folder))
        self.mailbox = Mailbox(
            orders["root"],
            self.plan,
            settle=orders["settle_seconds"],
            patience=orders["patience_seconds"],
            unproved=orders["unproved_seconds"],
            polling=orders["polling"],
        )
        self.count = 0
        """Requests that have a name."""

    def has_lane(self) -> bool:
        """Whether requests/ is there. A person who has removed it makes it again; no run ends because of that."""
        return looking.is_folder(self.lane)


class Request:
    """One request, and how far it has come: `step` is what is to be done next."""

    def __init__(self, prompt: Prompt, means: Means) -> None:
        self.prompt = prompt
        self.step: Callable[[], None] | None = self._begin
        """None: it waits for an answer."""
        self.is_done = False
        self.file = ""
        """Its name in the lane, once it has one."""
        self.expires: float | None = None
        """Wall seconds."""
        self._means = means
        self._fields: dict[str, Any] = {}
        self._letter: Letter | None = None
        self._kept_as = ""
        self._why_unfit = ""
        self._decision: Decision | None = None
        self._is_shown = False

    @property
    def is_waiting(self) -> bool:
        """Nothing is to be done but to wait for an answer."""
        return self.step is None

    def advance(self) -> None:
        """Take it as far as it can be taken now. Raises OSError."""
        while self.step is not None and not self.is_done:
            self.step()

    def names(self) -> list[str]:
        """What an answer to it may be called: it is read in either language."""
        stem = self.file.rpartition(".")[0]
        return [f"{stem}.{ending}" for ending in _ENDINGS]

    def fits(self, letter: Letter) -> bool:
        """Whether that answers it."""
        try:
            decide(self.prompt, letter.content or b"", letter.name)
        except Unfit:
            return False
        return True

    def receive(self, letter: Letter) -> None:
        """Something lies in the lane that answers it, or was meant to."""
        self._letter, self._kept_as = letter, letter.name
        if letter.stays:
            self._why_unfit, self.step = letter.why or "", self._refuse
        else:
            self._kept_as, self.step = self._means.mailbox.free_name(letter.name), self._take

    def look(self) -> None:
        """Show it again if somebody has removed it; answer it by what was granted meanwhile. Raises OSError."""
        if not looking.is_there(self._path):
            self.step = self._show
        self._decision = self._granted()
        if self._decision is not None:
            self.step = self._settle

    def take_back(self) -> None:
        """Nobody wants to know it any more."""
        if self.step not in (self._clear, self._give_up):
            self.step = self._withdraw
        self.is_done = not self.file  # nobody knows of it yet

    def give_up(self) -> None:
        """The time for an answer is over."""
        self.step = self._give_up

    @property
    def _path(self) -> str:
        return os.path.join(self._means.lane, self.file)

    def _granted(self) -> Decision | None:
        """What was decided before, for the whole plan, about the like of this."""
        refused = self.prompt.refused_by(self._means.grants.found)
        if refused is not None:
            return Decision(deny(refused), decision="deny", by="rule")
        if self.prompt.is_covered(self._means.grants.found):
            return Decision(self.prompt.allow(None, for_plan=True), decision="allow", by="rule")
        return None

    def _begin(self) -> None:
        """Answer it by what was granted; else give it a name."""
        self._means.grants.read_again()
        self._decision = self._granted()
        if self._decision is not None:
            self.step = self._settle
            return
        means, created = self._means, clock.wall()
        if means.timeout is not None and created + means.timeout <= LAST_SECOND:
            self.expires = float(int(created + means.timeout))
        kind = "question" if self.prompt.questions else "approval"
        means.count += 1
        name = RequestName(means.plan, *means.run, means.count, kind)  # type: ignore[arg-type]
        fields = paper.fields_of(self.prompt, name, created, self.expires, means.log)
        self._fields = paper.without_secrets(fields, means.redactor)
        self.file = name.file(means.ending)  # type: ignore[arg-type]
        self.step = self._note

    def _note(self) -> None:
        """Write down that it is asked."""
        self._means.ledger.append(
            "asked",
            time=rfc3339(clock.wall()),
            request=self.file,
            tool=None if self.prompt.questions else self.prompt.tool,
            expires=None if self.expires is None else int(self.expires),
        )
        self.step = self._refuse_early

    def _refuse_early(self) -> None:
        """What lies there before anybody can have seen what is asked is no answer to it."""
        early = self._means.mailbox.early(self.names())
        if early is None:
            self.step = self._show
        else:
            self.receive(early)

    def _show(self) -> None:
        """Put it into the lane; or put it there anew, with what is wrong with the last answer."""
        durable.replace(self._path, paper.written(self._fields, self._means.ending))
        self._is_shown = True
        self.step = None

    def _take(self) -> None:
        """Move an answer to where the plan keeps it, and read it as it is there."""
        assert self._letter is not None  # noqa: S101 - for the type checker: it was found
        try:
            raw = self._means.mailbox.take(self._letter, self._kept_as)
            self._decision = decide(self.prompt, raw, self._kept_as)
        except Unfit as error:
            self._why_unfit, self.step = str(error), self._refuse
        except FileNotFoundError:
            self.step = None if self._is_shown else self._refuse_early  # its writer has taken it back
        except OSError as error:
            if error.errno not in _OF_THE_FILE:
                raise
            self._means.mailbox.leave(self._letter)
            self._kept_as = self._letter.name
            self._why_unfit, self.step = f"the file cannot be moved: {error.strerror}", self._refuse
        else:
            self._decision.fields["reply"] = self._kept_as
            self.step = self._settle

    def _refuse(self) -> None:
        """Say what is wrong with an answer; the request stays open."""
        wall = clock.wall()
        message = self._means.redactor.redact(self._why_unfit.encode("utf-8", "replace")).decode(
            "utf-8", "replace"
        )
        self._means.ledger.append(
            "refused", time=rfc3339(wall), request=self.file, reply=self._kept_as, message=message
        )
        self._fields = paper.with_problem(self._fields, self._kept_as, wall, message)
        self.step = self._show if self._is_shown else self._refuse_early

    def _settle(self) -> None:
        """Write the answer down, then hand it to Claude Code."""
        assert self._decision is not None  # noqa: S101 - for the type checker: it was made
        fields = self._decision.fields
        event = "answered" if self.file else "settled"
        self._means.ledger.append(
            event, time=rfc3339(clock.wall()), request=self.file or None, tool=self.prompt.tool, **fields
        )
        answer = {
            "subtype": "success",
            "request_id": self.prompt.request_id,
            "response": self._decision.response,
        }
        self._means.tell(line({"type": "control_response", "response": answer}))
        self.step = self._clear

    def _withdraw(self) -> None:
        """Claude Code wants to know it no longer, or is gone."""
        self._means.ledger.append("withdrawn", time=rfc3339(clock.wall()), request=self.file)
        self.step = self._clear

    def _give_up(self) -> None:
        """The time for an answer is over."""
        self._means.ledger.append("unanswered", time=rfc3339(clock.wall()), request=self.file)
        self.step = self._clear

    def _clear(self) -> None:
        """Take the request out of the lane."""
        if self.file:
            durable.remove(self._path)
        self.is_done = True
