"""The version of the protocol that a document says it follows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from handoff.fields import VERSION, problem


def _known(value: Any) -> int:
    if value == VERSION and isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise problem("is a version of the protocol that is not known here", f"handoff = {VERSION}")
    raise problem("is no version of the protocol", f"handoff = {VERSION}, a number without quotes")


Version = Annotated[int, BeforeValidator(_known), WithJsonSchema({"const": VERSION, "type": "integer"})]
