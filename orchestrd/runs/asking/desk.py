"""Where a runner asks a person: what Claude Code wants to know becomes a request, the reply to it Claude Code's answer.

Nobody's silence is an answer: without one by `expires` the run has to end. Loaded when something is asked.
"""

from __future__ import annotations

from contextlib import suppress

from handoff.effects import clock
from orchestrd.runs.asking.mailbox import Letter
from orchestrd.runs.asking.prompt import Prompt
from orchestrd.runs.asking.request import Means, Request
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


class Desk:
    """The requests of one run. `tell` hands a line to Claude Code."""

    def __init__(
        self, orders: dict[str, Any], folder: str, cwd: str, redactor: Redactor, tell: Callable[[bytes], None]
    ) -> None:
        self._cwd = cwd
        self._denied: list[str] = orders.get("deny") or []
        self._means = Means(orders, folder, redactor, tell)
        self._open: list[Request] = []
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
        return self._means.mailbox.ear if self._open else None

    def seconds_left(self, now: float) -> float:
        """How long nothing has to be done here unless something is heard; `now` in awake seconds."""
        if not self._open:
            return float("inf")
        if self._retry_at is not None:
            return max(0.0, self._retry_at - now)
        if any(not one.is_waiting for one in self._open):
            return 0.0
        ends = [one.expires for one in self._open if one.expires is not None]
        until_end = min(ends) - clock.wall() if ends else CLOCK_SECONDS
        looks = min(self._means.mailbox.next_look, self._look_due) - now
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
            self._means.tell(line({"type": "control_response", "response": refusal}))
            return
        prompt = Prompt(request_id, request, self._cwd, self._denied)
        if any(self._hides(rule.text) for rule in prompt.rules):
            prompt.rules = []  # without its secret a rule would grant something else
        self._open.append(Request(prompt, self._means))

    def _hear_cancel(self, request_id: str) -> None:
        for one in self._open:
            if one.prompt.request_id == request_id:
                one.take_back()

    # -- turn by turn ---------------------------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Do what is due; `now` in awake seconds. Raises OSError where the disk fails for good."""
        if not self._open or (self._retry_at is not None and now < self._retry_at):
            return
        try:
            self._advance()
            if now >= self._look_due:
                self._look_due = now + LOOK_SECONDS
                self._look_again()
            self._look_for_answers(now)
            self._advance()
        except OSError as error:
            self._failures += error.errno not in NO_SPACE and self._means.has_lane()
            if self._failures >= _ATTEMPTS:
                raise
            self._retry_at = now + RETRY_SECONDS
        else:
            self._retry_at, self._failures = None, 0

    def unanswered(self) -> str | None:
        """Say for which request the time for an answer is over, and take it back; None: for none."""
        wall = clock.wall()
        late = [
            one for one in self._open if one.is_waiting and one.expires is not None and wall >= one.expires
        ]
        if not late:
            return None
        for one in late:
            one.give_up()
        with suppress(OSError):
            self._advance()
        return f"Nobody answered {late[0].file} in the time that there was for it (permissions.ask_timeout)."

    def ask_no_more(self) -> None:
        """Nobody waits for what is still asked: it is taken back in the next turn."""
        for one in self._open:
            one.take_back()

    def close(self) -> None:
        """The run is over: take back what is still asked, at once. Raises OSError; then it can be repeated."""
        self.ask_no_more()
        self._advance()
        self._means.mailbox.close()

    def _advance(self) -> None:
        """Take each request as far as it can be taken now."""
        for one in self._open:
            one.advance()
        still = [one for one in self._open if not one.is_done]
        if len(still) < len(self._open):
            # What was decided may answer the like of it that is asked beside it.
            self._look_due = float("-inf")
        self._open = still

    def _look_again(self) -> None:
        """A request that somebody has removed is shown again; what other runs were granted answers some."""
        self._means.grants.read_again()
        for one in self._open:
            if one.is_waiting:
                one.look()

    def _look_for_answers(self, now: float) -> None:
        waiting = {name: one for one in self._open if one.is_waiting for name in one.names()}
        letters: list[Letter] = []
        # A lane that cannot be looked into now (the daemon tells of it) is looked into again.
        with suppress(OSError):
            letters = self._means.mailbox.look(waiting, now, lambda letter: waiting[letter.name].fits(letter))
        for letter in letters:
            if waiting[letter.name].is_waiting:  # and was not answered under its other name
                waiting[letter.name].receive(letter)

    def _hides(self, text: str) -> bool:
        raw = text.encode("utf-8", "replace")
        return self._means.redactor.redact(raw) != raw
