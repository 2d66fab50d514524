"""A plan as a model hands it over: one text whose language has to be told, or a workflow with parameters."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handoff.foreign import MAX_DOCUMENT_BYTES
from handoff.formats import Format
from handoff.root import plan_id_of
from orchestrd.bridge.answers import CannotDo

_FENCE = re.compile(r"\A\s*```[a-z]*[ \t]*\r?\n(.*?)\r?\n```\s*\Z", re.DOTALL)
_TITLE = re.compile(r"""(?:^|[{,])\s*"?title"?\s*[:=]\s*["']?([^"'\r\n]+)""", re.MULTILINE)
_LONGEST_NAME = 50


@dataclass(frozen=True, slots=True)
class Written:
    """A plan's document, and the name under which it is handed in."""

    raw: bytes
    format: Format
    name: str
    """Says the title, and by its end which bytes these are: the same document has the same name."""
    first_line: int | None = 1
    """Which line of what the model wrote its first one is; None: the model has not seen its lines."""

    @property
    def sha256(self) -> str:
        """The checksum by which the register knows a plan's bytes."""
        return hashlib.sha256(self.raw).hexdigest()


def read_text(text: str) -> Written:
    """Take a document as it was given; one fence of code around all of it is taken off. Raises CannotDo."""
    fenced = _FENCE.match(text)
    body = fenced[1] if fenced else text
    # What is no Unicode stays so: the check names the place.
    raw = body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise CannotDo(
            f"the plan has {len(raw)} bytes, and at most {MAX_DOCUMENT_BYTES} are taken: "
            "let it name large things (files in the project), not hold them"
        )
    titled = _TITLE.search(body)
    plan_format = _format_of(body)
    first_line = 1 + fenced[0][: fenced.start(1) - fenced.start()].count("\n") if fenced else 1
    return Written(raw, plan_format, _name(titled[1] if titled else "plan", raw, plan_format), first_line)


def read_fields(fields: Mapping[str, Any], title: str) -> Written:
    """Write a plan of fields, as JSON. Raises CannotDo."""
    raw = json.dumps(fields, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass") + b"\n"
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise CannotDo(f"the parameters have {len(raw)} bytes, and at most {MAX_DOCUMENT_BYTES} are taken")
    return Written(raw, Format.JSON, _name(title, raw, Format.JSON), None)


def _format_of(text: str) -> Format:
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("{"):
        return Format.JSON
    return Format.MARKDOWN if start.startswith(("+++", "---")) else Format.TOML


def _name(title: str, raw: bytes, plan_format: Format) -> str:
    words = str(plan_id_of(title))[:_LONGEST_NAME].rstrip("-")
    return f"{words}-{hashlib.sha256(raw).hexdigest()[:8]}.plan.{plan_format.value}"
