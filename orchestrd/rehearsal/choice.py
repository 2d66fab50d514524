"""Which turn of which conversation answers a request. The only state is how often a trouble with `times` has struck."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from orchestrd.rehearsal.improvise import improvise
from orchestrd.rehearsal.request import Request
from orchestrd.rehearsal.script import Conversation, Script, Trouble, Turn
from orchestrd.rehearsal.side import side_reply


@dataclass(frozen=True)
class Choice:
    """What a request is answered with: `trouble` if there is one, else the reply in `turn`.

    `conversation` and `position` point into the script; None: the model improvised.
    """

    turn: Turn
    trouble: Trouble | None = None
    conversation: int | None = None
    position: int | None = None


class Chooser:
    """Chooses by the script. Safe to be used by many threads."""

    def __init__(self, script: Script) -> None:
        """Begin with no trouble having struck yet."""
        self._script = script
        self._struck: Counter[tuple[str, str, int, int]] = Counter()
        self._lock = threading.Lock()

    def choose(self, request: Request) -> Choice:
        """The answer to `request`. Counts the trouble that it hands out."""
        beside = side_reply(request)
        if beside is not None:
            return Choice(Turn(text=beside))
        for number, conversation in enumerate(self._script.conversations):
            if conversation.fits(request.prompt):
                return self._within(number, conversation, request)
        return Choice(improvise(request))

    def _within(self, number: int, conversation: Conversation, request: Request) -> Choice:
        """The first turn that the model has not given yet; one that is only trouble ends when it has struck enough."""
        to_skip = request.turn
        last = len(conversation.turns) - 1
        for position, turn in enumerate(conversation.turns):
            if to_skip and not (conversation.repeat_last and position == last):
                to_skip -= turn.replies
                continue
            trouble = self._strike(turn.trouble, (request.cwd, request.prompt, number, position))
            if trouble is not None or turn.replies:
                said = improvise(request) if turn.improvise else turn
                return Choice(said, trouble, number, position)
        return Choice(Turn(text="Done."), None, number, None)

    def _strike(self, trouble: Trouble | None, key: tuple[str, str, int, int]) -> Trouble | None:
        """The trouble, unless it has struck `times` times here.

        Counted by working directory and prompt, not by session: a further attempt at the same work gets on.
        """
        if trouble is None or trouble.times == 0:
            return trouble
        with self._lock:
            if self._struck[key] >= trouble.times:
                return None
            self._struck[key] += 1
        return trouble
