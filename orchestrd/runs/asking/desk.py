"""Where a runner asks a person: what Claude Code wants to know becomes a request, the reply to it Claude Code's answer.

Each step of a request is written down (`asked.jsonl`) before anything else is done about it, and can be repeated where
the disk refuses. Nobody's silence is an answer: without one by `expires` the run has to end. Loaded when something is
asked, and `tomli_w` when it is written.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from handoff import durable, looking
from handoff.effects import clock
from handoff.request_names import RequestName
from orchestrd.runs.accounts import rfc3339
from orchestrd.runs.asking import paper
from orchestrd.runs.asking.answers import Decision, decide
from orchestrd.runs.asking.ledger import GrantsOfPlan, Ledger
from orchestrd.runs.asking.mailbox import Letter, Mailbox, Unfit
from orchestrd.runs.asking.prompt import Prompt, deny
from orchestrd.runs.light_json import line, parse
from orchestrd.runs.relay import NO_SPACE, RETRY_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchestrd.secrets import Redactor

LOOK_SECONDS = 1.0
"""How often one looks, while something is asked, whether it is still there, and what other runs were granted."""
CLOCK_SECONDS = 5.0
"""How often the wall clock is asked whether `expires` has come: somebody may have set it."""
_ATTEMPTS = 3
_ENDINGS = ("toml", "json")
_OF_THE_FILE = (errno.EPERM, errno.EBUSY, errno.EXDEV)
"""Why one file cannot be moved though the disk is well: it is immutable, mounted on, of another file system."""


class Request:
    """One thing that is asked, and how far it has come."""

    def __init__(self, prompt: Prompt, begin: Callable[[Request], None]) -> None:
        self.prompt = prompt
        self.step: Callable[[Request], None] | None = begin
        """What is to be done next; None: it waits for an answer."""
        self.is_done = False
        self.name: RequestName | None = None
        self.file = ""
        self.expires: float | None = None
        """Wall seconds."""
        self.fields: dict[str, Any] = {}
        self.letter: Letter | None = None
        self.kept_as = ""
        self.why_unfit = ""
        self.decision: Decision | None = None


class Desk:
    """The requests of one run. `tell` hands a line to Claude Code."""

    def __init__(
        self, orders: dict[str, Any], folder: str, cwd: str, redactor: Redactor, tell: Callable[[bytes], None]
    ) -> None:
        self._plan: str = orders["plan"]
        self._run = (str(orders["step"]), int(orders["number"]))
        self._ending: str = orders["format"]
        self._timeout: float | None = orders.get("timeout_seconds")
        self._requests = os.path.join(orders["root"], "requests")
        self._log = f"active/{self._plan}/runs/{os.path.basename(folder)}/events.jsonl"
        self._cwd = cwd
        self._redactor = redactor
        self._tell = tell
        self._ledger = Ledger(folder, redactor)
        self._grants = GrantsOfPlan(os.path.dirname(folder))
        self._mailbox = Mailbox(
            orders["root"],
            self._plan,
            settle=orders["settle_seconds"],
            patience=orders["patience_seconds"],
            unproved=orders["unproved_seconds"],
            polling=orders["polling"],
        )
        self._open: list[Request] = []
        self._count = 0
        self._look_due = float("-inf")
        self._retry_at: float | None = None
        self._failures = 0

    @property
    def is_asking(self) -> bool:
        """Somebody is waited for."""
        return bool(self._open)

    @property
    def ear(self) -> int | None:
        """Becomes readable when an answer may have come."""
        return self._mailbox.ear if self._open else None

    def seconds_left(self, now: float) -> float:
        """How long nothing has to be done here unless something is heard; `now` in awake seconds."""
        if not self._open:
            return float("inf")
        if self._retry_at is not None:
            return max(0.0, self._retry_at - now)
        if any(one.step is not None for one in self._open):
            return 0.0
        ends = [one.expires for one in self._open if one.expires is not None]
        until_end = min(ends) - clock.wall() if ends else CLOCK_SECONDS
        looks = min(self._mailbox.next_look, self._look_due) - now
        return max(0.0, min(CLOCK_SECONDS, until_end, looks))

    # -- what Claude Code says ------------------------------------------------------------------------------------

    def hear(self, lines: bytes) -> None:
        """Take in what Claude Code asks, and what it asks no longer."""
        for text in lines.split(b"\n"):
            if b'"control_' not in text:
                continue
            try:
                event = parse(text)
            except (ValueError, RecursionError):
                continue
            if not isinstance(event, dict) or not isinstance(event.get("request_id"), str):
                continue
            if event.get("type") == "control_request":
                self._hear_request(event["request_id"], event.get("request"))
            elif event.get("type") == "control_cancel_request":
                self._hear_cancel(event["request_id"])

    def _hear_request(self, request_id: str, request: object) -> None:
        if not isinstance(request, dict) or request.get("subtype") != "can_use_tool":
            # Unanswered, it would wait for ever.
            refusal = {"subtype": "error", "request_id": request_id, "error": "not supported by this host"}
            self._tell(line({"type": "control_response", "response": refusal}))
            return
        prompt = Prompt(request_id, request, self._cwd)
        if any(self._hides(rule.text) for rule in prompt.rules):
            prompt.rules = []  # without its secret a rule would grant something else
        self._open.append(Request(prompt, self._begin))

    def _hear_cancel(self, request_id: str) -> None:
        for one in self._open:
            if one.prompt.request_id == request_id:
                self._take_back(one)

    # -- turn by turn ---------------------------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Do what is due; `now` in awake seconds. Raises OSError where the disk fails for good."""
        if not self._open or (self._retry_at is not None and now < self._retry_at):
            return
        try:
            self._advance()
            if now >= self._look_due:
                self._look_due = now + LOOK_SECONDS
                self._show_what_was_removed()
                self._answer_what_was_granted()
            self._look_for_answers(now)
            self._advance()
        except OSError as error:
            self._failures += error.errno not in NO_SPACE
            if self._failures >= _ATTEMPTS:
                raise
            self._retry_at = now + RETRY_SECONDS
        else:
            self._retry_at, self._failures = None, 0

    def unanswered(self) -> str | None:
        """Say for which request the time for an answer is over, and take it back; None: for none."""
        wall = clock.wall()
        late = [
            one for one in self._open if one.expires is not None and wall >= one.expires and one.step is None
        ]
        if not late:
            return None
        for one in late:
            one.step = self._give_up
        with suppress(OSError):
            self._advance()
        return f"Nobody answered {late[0].file} in the time that there was for it (permissions.ask_timeout)."

    def ask_no_more(self) -> None:
        """Nobody waits for what is still asked: it is taken back in the next turn."""
        for one in self._open:
            self._take_back(one)

    def close(self) -> None:
        """The run is over: take back what is still asked, at once. Raises OSError; then it can be repeated."""
        self.ask_no_more()
        self._advance()
        self._mailbox.close()

    def _take_back(self, one: Request) -> None:
        one.is_done = one.name is None  # nobody knows of it yet
        if one.step not in (self._clear, self._give_up):
            one.step = self._withdraw

    def _advance(self) -> None:
        """Take each request as far as it can be taken now."""
        for one in self._open:
            while one.step is not None and not one.is_done:
                one.step(one)
        self._open = [one for one in self._open if not one.is_done]

    def _look_for_answers(self, now: float) -> None:
        waiting = {
            f"{_stem(one)}.{ending}": one for one in self._open if one.step is None for ending in _ENDINGS
        }
        letters: list[Letter] = []
        # A lane that cannot be looked into now (the daemon tells of it) is looked into again.
        with suppress(OSError):
            letters = self._mailbox.look(
                waiting, now, lambda letter: self._fits(waiting[letter.name], letter)
            )
        for letter in letters:
            one = waiting[letter.name]
            if one.step is not None:
                continue  # its other name came first
            one.letter, one.kept_as = letter, letter.name
            if letter.stays:
                one.why_unfit, one.step = letter.why or "", self._refuse
            else:
                one.kept_as, one.step = self._mailbox.free_name(letter.name), self._take

    def _fits(self, one: Request, letter: Letter) -> bool:
        try:
            decide(one.prompt, letter.content or b"", letter.name)
        except Unfit:
            return False
        return True

    def _show_what_was_removed(self) -> None:
        """A request that somebody has removed is still waited for."""
        for one in self._open:
            if one.step is None and not looking.is_there(os.path.join(self._requests, one.file)):
                one.step = self._show

    def _answer_what_was_granted(self) -> None:
        """Whatever another run of the plan was granted meanwhile needs nobody any more."""
        if self._grants.read_again():
            for one in self._open:
                if one.step is None:
                    one.decision = self._granted(one)
                    one.step = self._settle if one.decision is not None else None

    def _granted(self, one: Request) -> Decision | None:
        """What was decided before, for the whole plan, about the like of this."""
        refused = one.prompt.refused_by(self._grants.found)
        if refused is not None:
            return Decision(deny(refused), decision="deny", by="rule")
        if one.prompt.is_covered(self._grants.found):
            return Decision(one.prompt.allow(None, for_plan=True), decision="allow", by="rule")
        return None

    def _hides(self, text: str) -> bool:
        raw = text.encode("utf-8", "replace")
        return self._redactor.redact(raw) != raw

    # -- the steps of a request -----------------------------------------------------------------------------------

    def _begin(self, one: Request) -> None:
        """Answer it by what was granted; else give it a name, and write down that it is asked."""
        self._grants.read_again()
        one.decision = self._granted(one)
        if one.decision is not None:
            one.step = self._settle
            return
        created = clock.wall()
        one.expires = None if self._timeout is None else float(int(created + self._timeout))
        kind = "question" if one.prompt.questions else "approval"
        name = RequestName(self._plan, *self._run, self._count + 1, kind)  # type: ignore[arg-type]
        fields = paper.fields_of(one.prompt, name, created, one.expires, self._log)
        one.fields = paper.without_secrets(fields, self._redactor)
        one.file = name.file(self._ending)  # type: ignore[arg-type]
        self._ledger.append(
            "asked",
            time=rfc3339(created),
            request=one.file,
            tool=None if one.prompt.questions else one.prompt.tool,
            expires=None if one.expires is None else int(one.expires),
        )
        self._count += 1
        one.name, one.step = name, self._show

    def _show(self, one: Request) -> None:
        """Put it into the lane; or put it there anew, with what is wrong with the last answer."""
        durable.replace(os.path.join(self._requests, one.file), paper.written(one.fields, self._ending))
        one.step = None

    def _take(self, one: Request) -> None:
        """Move an answer to where the plan keeps it, and read it as it is there."""
        assert one.letter is not None  # noqa: S101 - for the type checker: it was found
        try:
            raw = self._mailbox.take(one.letter, one.kept_as)
            one.decision = decide(one.prompt, raw, one.kept_as)
        except Unfit as error:
            one.why_unfit, one.step = str(error), self._refuse
        except FileNotFoundError:
            one.step = None  # its writer has taken it back
        except OSError as error:
            if error.errno not in _OF_THE_FILE:
                raise
            self._mailbox.leave(one.letter)
            one.kept_as = one.letter.name
            one.why_unfit, one.step = f"the file cannot be moved: {error.strerror}", self._refuse
        else:
            one.decision.fields["reply"] = one.kept_as
            one.step = self._settle

    def _refuse(self, one: Request) -> None:
        """Say what is wrong with an answer; the request stays open."""
        wall = clock.wall()
        message = self._redactor.redact(one.why_unfit.encode("utf-8", "replace")).decode("utf-8", "replace")
        self._ledger.append(
            "refused", time=rfc3339(wall), request=one.file, reply=one.kept_as, message=message
        )
        one.fields = paper.with_problem(one.fields, one.kept_as, wall, message)
        one.step = self._show

    def _settle(self, one: Request) -> None:
        """Write the answer down, then hand it to Claude Code."""
        assert one.decision is not None  # noqa: S101 - for the type checker: it was made
        fields = one.decision.fields
        event = "answered" if one.name is not None else "settled"
        self._ledger.append(
            event, time=rfc3339(clock.wall()), request=one.file or None, tool=one.prompt.tool, **fields
        )
        answer = {
            "subtype": "success",
            "request_id": one.prompt.request_id,
            "response": one.decision.response,
        }
        self._tell(line({"type": "control_response", "response": answer}))
        self._look_due = float("-inf")  # the like of it may be asked beside it
        one.step = self._clear

    def _withdraw(self, one: Request) -> None:
        """Claude Code wants to know it no longer, or is gone."""
        self._ledger.append("withdrawn", time=rfc3339(clock.wall()), request=one.file)
        one.step = self._clear

    def _give_up(self, one: Request) -> None:
        """The time for an answer is over."""
        self._ledger.append("unanswered", time=rfc3339(clock.wall()), request=one.file)
        one.step = self._clear

    def _clear(self, one: Request) -> None:
        """Take the request out of the lane."""
        if one.file:
            durable.remove(os.path.join(self._requests, one.file))
        one.is_done = True


def _stem(one: Request) -> str:
    return one.file.rpartition(".")[0]
