"""The script of a rehearsal: what the model does, turn by turn. `docs/rehearsal.md` explains every field.

A script is TOML or JSON. It is checked whole before anything is served: unknown fields, two troubles in one turn and
turns that could never be reached are errors, each with its path, what was expected and, where known, the line.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from orchestrd.rehearsal.mistakes import Mistake, mistakes_of

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class ScriptError(ValueError):
    """A script that can't be used. `mistakes` are all that were found, `str()` is one line for each."""

    def __init__(self, source: str, mistakes: tuple[Mistake, ...]) -> None:
        """Remember where the script came from and everything that is wrong with it."""
        self.source = source
        self.mistakes = mistakes
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Usage(_Part):
    """Token counts that a reply claims. What is left out is made up from the sizes of request and reply."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None


class ToolCall(_Part):
    """One call of a tool."""

    name: str
    input: dict[str, Any] = {}


class _Trouble(_Part):
    times: Count = 0
    """How many requests it meets; 0 means all of them."""


class Error(_Trouble):
    """An HTTP error with the API's own error body."""

    status: Annotated[int, Field(ge=400, le=599)]
    type: str | None = None
    message: str | None = None
    headers: dict[str, str] = {}


class UsageLimit(_Trouble):
    """A subscription's limit is used up. Claude Code sees it as such only with an OAuth token, not with an API key."""

    resets_in_seconds: Seconds = 3600
    window: Literal["five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet"] = "five_hour"


class HangUp(_Trouble):
    """The connection is closed without an answer."""


class Silent(_Trouble):
    """No byte is ever sent; the connection stays open until somebody closes it."""


class Stall(_Trouble):
    """The stream starts and then says nothing more; the connection stays open."""

    after_events: Count = 3


class Cut(_Trouble):
    """The stream breaks off."""

    after_events: Count = 3


class Malformed(_Trouble):
    """A reply with status 200 that is none."""

    how: Literal["sse", "html", "json", "error-event"] = "sse"


class UsageWarning(_Part):
    """A subscription's limit is near: sent along with the turn's reply (seen only with an OAuth token)."""

    utilization: Annotated[float, Field(ge=0, le=1)] = 0.93
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.9
    resets_in_seconds: Seconds = 3600
    window: Literal["five_hour", "seven_day"] = "five_hour"


class Slow(_Part):
    """How long the model lets one wait: before its first byte and between the events of its stream."""

    first_byte_seconds: Seconds = 0
    between_seconds: Seconds = 0


Trouble = Error | UsageLimit | HangUp | Silent | Stall | Cut | Malformed
TROUBLES = ("error", "usage_limit", "hang_up", "silent", "stall", "cut", "malformed")


class Turn(_Part):
    """One reply of the model, or the trouble in its place, or the trouble before it."""

    text: str | None = None
    thinking: str | None = None
    tools: tuple[ToolCall, ...] = ()
    structured: dict[str, Any] | None = None
    improvise: bool = False
    stop_reason: (
        Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "pause_turn"] | None
    ) = None
    model: str | None = None
    usage: Usage = Usage()
    headers: dict[str, str] = {}
    usage_warning: UsageWarning | None = None
    slow: Slow = Slow()

    error: Error | None = None
    usage_limit: UsageLimit | None = None
    hang_up: HangUp | None = None
    silent: Silent | None = None
    stall: Stall | None = None
    cut: Cut | None = None
    malformed: Malformed | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What goes wrong in this turn, if anything."""
        found: list[Trouble | None] = [getattr(self, name) for name in TROUBLES]
        return next((trouble for trouble in found if trouble is not None), None)

    @property
    def replies(self) -> bool:
        """Whether the turn, its trouble over, gives a reply of the model."""
        said = (self.text, self.thinking, self.structured, self.stop_reason)
        return bool(self.tools) or self.improvise or any(part is not None for part in said)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Turn:
        troubles = [name for name in TROUBLES if getattr(self, name) is not None]
        if len(troubles) > 1:
            message = (
                f"only one thing can go wrong in a turn, not {' and '.join(troubles)}; use one turn for each"
            )
            raise ValueError(message)
        if not troubles and not self.replies:
            message = (
                "the turn says nothing; give it a text, thinking, tools, structured, improvise, stop_reason "
                f"or a trouble ({', '.join(TROUBLES)})"
            )
            raise ValueError(message)
        if self.improvise and (self.text is not None or self.tools or self.structured is not None):
            message = "improvise lets the model find its own reply; leave out text, tools and structured"
            raise ValueError(message)
        return self


class Conversation(_Part):
    """What the model does in a conversation that begins with a matching prompt."""

    match: str = ""
    repeat_last: bool = False
    """Whether the last turn is given again and again; otherwise the model says "Done." once its turns are over."""
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]

    @field_validator("match")
    @classmethod
    def _is_a_pattern(cls, match: str) -> str:
        return _pattern(match)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Conversation:
        for index, turn in enumerate(self.turns[:-1]):
            trouble = turn.trouble
            if trouble is not None and trouble.times == 0:
                message = (
                    f"turns[{index}] fails for ever, so no later turn is reached; say how many times it fails "
                    "(times = 1) or make it the last"
                )
                raise ValueError(message)
        return self

    def fits(self, prompt: str) -> bool:
        """Whether a conversation that begins with `prompt` is this one."""
        return re.search(self.match, prompt, re.IGNORECASE | re.DOTALL) is not None


class Answer(_Part):
    """What a person answers when the run asks one: to an approval a `decision`, to a question an `answer`."""

    match: str = ""
    """Against the tool and its input as JSON (`Bash {"command": …}`), or the words of the questions."""
    decision: Literal["allow", "deny"] | None = None
    message: str | None = None
    input: dict[str, Any] | None = None
    scope: Literal["once", "plan"] = "once"
    answer: str | None = None

    @field_validator("match")
    @classmethod
    def _is_a_pattern(cls, match: str) -> str:
        return _pattern(match)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Answer:
        if (self.decision is None) == (self.answer is None):
            message = "an answer is either a decision (to an approval) or an answer (to a question)"
            raise ValueError(message)
        return self

    def fits(self, asked: str) -> bool:
        """Whether it answers what was asked in these words."""
        return re.search(self.match, asked, re.IGNORECASE | re.DOTALL) is not None


class Script(_Part):
    """A whole rehearsal. With no conversation that fits, the model improvises."""

    about: str = ""
    refuse_connections: bool = False
    """Nobody listens at the address: every connection is refused."""
    usage: Usage = Usage()
    slow: Slow = Slow()
    conversations: tuple[Conversation, ...] = ()
    answers: tuple[Answer, ...] = ()
    """What is answered where a run asks a person; the first that fits. For `orchestrd rehearse`."""


def _pattern(match: str) -> str:
    try:
        re.compile(match)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from error
    return match


def load_script(path: Path | str) -> Script:
    """Read and check a script. Raises `ScriptError`, also when the file can't be read."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ScriptError(str(path), (Mistake("", f"can't be read: {error.strerror}"),)) from error
    return parse_script(raw, "json" if path.suffix.lower() == ".json" else "toml", source=str(path))


def parse_script(
    raw: bytes | str, language: Literal["toml", "json"] = "toml", source: str = "script"
) -> Script:
    """Check a script's text. Raises `ScriptError`."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        fields = json.loads(text) if language == "json" else tomllib.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScriptError(source, (Mistake("", f"is no {language.upper()}: {error}"),)) from error
    try:
        return Script.model_validate(fields)
    except ValidationError as error:
        raise ScriptError(source, mistakes_of(error, Script)) from error
