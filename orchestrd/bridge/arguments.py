"""What the tools take, where several take the same.

A text that is left out is empty and never null: the SDK reads JSON in a text whose type is more than text, and a plan
in JSON is to stay the text that it is.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from orchestrd.bridge.answers import MOST_ASKED


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


Text = Annotated[str, BeforeValidator(_as_text)]
"""A text, empty where it is left out."""

PlanName = Annotated[
    str, Field(description="The plan's id, as submit_plan returned it or list_plans names it.")
]
RequestName = Annotated[str, Field(description="The request's name, from list_requests or plan_status.")]
ProjectName = Annotated[
    Text, Field(description="Only of this project: its name from list_projects, or its directory.")
]
Since = Annotated[
    Text,
    Field(
        description='Only what was settled since then: a span back from now ("7d", "12h") or a date ("2026-11-24").'
    ),
]
Why = Annotated[Text, Field(description="The reason, noted for whoever reads the record.")]
Offset = Annotated[
    int,
    Field(
        ge=0,
        description="Where in the text to begin, in characters; take `next_offset` of the answer before.",
    ),
]
MaxChars = Annotated[
    int,
    Field(
        ge=1000,
        le=MOST_ASKED,
        description="At most so many characters of answer. Leave it out unless you need more at once.",
    ),
]
Cursor = Annotated[
    Text,
    Field(description="`next_cursor` of the answer before, for its further entries; none: from the first."),
]
