"""JSON Schemas (draft 2020-12) of the protocol's documents, generated from the models.

An editor uses them: `#:schema PATH/plan.schema.json` as the first line of a TOML plan; the path is what
`orchestrd schema --path` or `schema_path("plan")` tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handoff.fields import Document

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent
NAMES = (
    "plan",
    "result",
    "order",
    "docs-request",
    "approval",
    "approval-reply",
    "question",
    "question-reply",
    "daemon-status",
    "plans-status",
    "usage-status",
)
"""The documents that have a schema."""


def schema_path(name: str) -> Path:
    """Where a document's schema lies. Raises KeyError for a name that is not in NAMES."""
    if name not in NAMES:
        raise KeyError(name)
    return FOLDER / f"{name}.schema.json"


def schema_text(name: str) -> str:
    """Generate a document's schema. Raises KeyError for a name that is not in NAMES."""
    model = _models()[name]
    made = model.model_json_schema(mode="validation")
    for definition in (made, *made.get("$defs", {}).values()):
        _tidy(definition)
    schema = {"$schema": DRAFT, "title": f"handoff {name}", **{k: v for k, v in made.items() if k != "title"}}
    if name == "plan":
        # "Exactly one of" is told in one place, so that an editor shows one message instead of three.
        schema["oneOf"] = [{"required": [kind]} for kind in ("prompt", "steps", "workflow")]
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _models() -> Mapping[str, type[Document]]:
    from handoff import order, plan, request, result, status

    models: tuple[type[Document], ...] = (
        plan.Plan,
        result.Result,
        order.Order,
        request.DocsRequest,
        request.Approval,
        request.ApprovalReply,
        request.Question,
        request.QuestionReply,
        status.DaemonStatus,
        status.PlansStatus,
        status.UsageStatus,
    )
    return dict(zip(NAMES, models, strict=True))


def _tidy(definition: dict[str, Any]) -> None:
    """Drop what pydantic adds for programs, and the null that no document can hold: a field is left out instead."""
    for field in definition.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", 0) is None or ("$ref" in field and "default" in field):
            del field["default"]
        choices = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
        if "anyOf" in field and len(choices) == 1:
            del field["anyOf"]
            field.update({name: value for name, value in choices[0].items() if name not in field})
