"""What Claude Code asked, as far as a scripted model has to understand it.

Pure reading of one request: which conversation this is, how far it has come, where it runs, what the tools said.
Nothing is remembered between requests, so retries, resumed sessions and concurrency need no care.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_WORKING_DIRECTORY = re.compile(r"^[\s-]*(?:Primary w|W)orking directory: (.+?)\s*$", re.MULTILINE)
# What Claude Code puts into the assistant's mouth when it repairs a broken conversation: no turn of the model.
_NOT_THE_MODEL = ("No response requested.", "API Error", "[Request interrupted")
_CREDENTIALS = frozenset({"authorization", "x-api-key", "cookie", "proxy-authorization"})


@dataclass(frozen=True)
class ToolResult:
    """What a tool said in the last turn."""

    tool: str
    text: str
    is_error: bool


@dataclass(frozen=True)
class Request:
    """One HTTP request. `headers` have lower-case names and hold no credential; `credential` names its kind."""

    number: int
    time: float
    method: str
    path: str
    headers: Mapping[str, str]
    credential: str | None
    body: Mapping[str, Any] = field(repr=False)
    size: int = 0

    @property
    def is_message(self) -> bool:
        """Whether the model is asked for a reply, and not something else."""
        return self.method == "POST" and self.path.partition("?")[0].endswith("/v1/messages")

    @property
    def model(self) -> str:
        """The model's name as it was asked for."""
        return str(self.body.get("model", ""))

    @property
    def wants_stream(self) -> bool:
        """Whether the reply is to come as server-sent events."""
        return self.body.get("stream") is True

    @cached_property
    def messages(self) -> list[Mapping[str, Any]]:
        """The conversation so far."""
        messages = self.body.get("messages")
        return [m for m in messages if isinstance(m, Mapping)] if isinstance(messages, list) else []

    @cached_property
    def system(self) -> str:
        """All that the model was told beside the conversation: the system prompt and system messages, as one text."""
        said = [_text_of(self.body.get("system"))]
        said += [_text_of(m.get("content")) for m in self.messages if m.get("role") == "system"]
        return "\n".join(said)

    @cached_property
    def tools(self) -> Mapping[str, Mapping[str, Any]]:
        """The tools on offer, by name."""
        tools = self.body.get("tools")
        offered = tools if isinstance(tools, list) else []
        return {str(tool["name"]): tool for tool in offered if isinstance(tool, Mapping) and "name" in tool}

    @cached_property
    def prompts(self) -> list[str]:
        """Everything the user said, in order, less what Claude Code adds on its own.

        A prompt is a block of text: after a reply that was refused Claude Code says the next one in the same message.
        """
        return [
            prompt
            for m in self.messages
            if m.get("role") == "user"
            for text in _texts_of(m.get("content"))
            if (prompt := _REMINDER.sub("", text).strip())
        ]

    @property
    def prompt(self) -> str:
        """The first thing the user said: it identifies the conversation."""
        return self.prompts[0] if self.prompts else ""

    @cached_property
    def turn(self) -> int:
        """How many replies the model has already given in this conversation."""
        speakers = [m["role"] for m in self.messages if m.get("role") in {"user", "assistant"} and _counts(m)]
        return sum(
            1
            for index, speaker in enumerate(speakers)
            if speaker == "assistant" and (index == 0 or speakers[index - 1] != "assistant")
        )

    @cached_property
    def cwd(self) -> str:
        """Where Claude Code works, as it told the model; `.` when it did not."""
        found = _WORKING_DIRECTORY.search(self.system) or _WORKING_DIRECTORY.search(
            "\n".join(_text_of(m.get("content")) for m in self.messages[:2])
        )
        return found.group(1) if found else "."

    @cached_property
    def session(self) -> str:
        """Claude Code's session id; empty when it names none."""
        named = self.headers.get("x-claude-code-session-id")
        if named:
            return named
        metadata = self.body.get("metadata")
        user = str(metadata.get("user_id", "")) if isinstance(metadata, Mapping) else ""
        found = re.search(r'session_(?:id": ?")?([0-9a-f-]{36})', user)
        return found.group(1) if found else ""

    @cached_property
    def results(self) -> list[ToolResult]:
        """What the tools of the model's last reply said, in order."""
        names = {
            block.get("id"): str(block.get("name")) for m in self.messages for block in _blocks(m, "tool_use")
        }
        last = [m for m in self.messages if m.get("role") == "user" and _blocks(m, "tool_result")][-1:]
        if not last or self.messages.index(last[0]) < self._last_reply:
            return []
        return [
            ToolResult(
                tool=names.get(block.get("tool_use_id"), ""),
                text=_text_of(block.get("content")),
                is_error=block.get("is_error") is True,
            )
            for block in _blocks(last[0], "tool_result")
        ]

    @property
    def _last_reply(self) -> int:
        replies = [
            index for index, m in enumerate(self.messages) if m.get("role") == "assistant" and _counts(m)
        ]
        return replies[-1] if replies else -1


def read_request(
    number: int, time: float, method: str, path: str, headers: Mapping[str, str], raw: bytes
) -> Request:
    """Make a `Request` of what came over the wire. A body that is no JSON object is kept as `{"text": ...}`."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Request(
        number=number,
        time=time,
        method=method,
        path=path,
        headers={name: value for name, value in lower.items() if name not in _CREDENTIALS},
        credential=_credential_of(lower),
        body=_body_of(raw),
        size=len(raw),
    )


def _body_of(raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        return {"text": raw.decode("utf-8", "replace")}
    return body if isinstance(body, dict) else {"text": raw.decode("utf-8", "replace")}


def _credential_of(headers: Mapping[str, str]) -> str | None:
    kinds = [
        kind for name, kind in (("x-api-key", "api-key"), ("authorization", "token")) if headers.get(name)
    ]
    return "+".join(kinds) or None


def _text_of(content: object) -> str:
    return "\n".join(_texts_of(content))


def _texts_of(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    texts = [
        block.get("text") for block in content if isinstance(block, Mapping) and block.get("type") == "text"
    ]
    return [str(text) for text in texts if text]


def _blocks(message: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if isinstance(block, Mapping) and block.get("type") == kind]


def _counts(message: Mapping[str, Any]) -> bool:
    if message.get("role") != "assistant" or _blocks(message, "tool_use"):
        return True
    return not _text_of(message.get("content")).startswith(_NOT_THE_MODEL)
