"""A request as it lies in `requests/`: what Claude Code asks, in the protocol's words (PROTOCOL 6). Pure.

Standard library, and the pure `tomli_w`, loaded when something is asked. Nothing is written here.
"""

from __future__ import annotations

from handoff.written_values import format_instant, to_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from handoff.request_names import RequestName
    from orchestrd.runs.asking.prompt import Prompt
    from orchestrd.secrets import Redactor

MOST_INPUT_BYTES = 64 << 10
"""Of a tool's input: what is longer is shown with its long texts cut, each with a word that says so."""
_LONGEST_TEXT = 2000
_MOST_PARTS = 50
_CUT = "[cut here: "
"""Begins the mark of a text that is not whole. No tool is given an input that holds one."""

_HIDDEN = "[secret:"
"""Begins what stands in a secret's place (`orchestrd.secrets`)."""


def fields_of(
    prompt: Prompt, name: RequestName, created: float, expires: float | None, log: str
) -> dict[str, Any]:
    """Put a request together; `log` is where the whole of it is to be found. Times in wall seconds."""
    head = {
        "handoff": 1,
        "kind": name.kind,
        "plan": name.plan,
        "step": name.step,
        "created": _time(created),
        "expires": None if expires is None else _time(expires),
    }
    if prompt.questions:
        return _given({**head, "questions": [_question(one) for one in prompt.questions]})
    text, is_cut = shown_input(prompt.input)
    rule = rule_of(prompt)
    said = [prompt.description, "Asked by a sub-agent." if prompt.is_by_agent else None]
    if is_cut:
        said.append(
            f"Its input is too long to be shown whole: what is left out is marked; all of it is in {log}."
        )
    return _given(
        {
            **head,
            "tool": prompt.tool,
            "description": "\n".join(one for one in said if one) or None,
            "input_json": text,
            "reason": _reason(prompt, rule),
            "rule": rule,
        }
    )


def with_problem(fields: dict[str, Any], reply: str, time: float, message: str) -> dict[str, Any]:
    """The same request after an answer that did not fit."""
    return {**fields, "problem": {"reply": reply, "time": _time(time), "message": message}}


def written(fields: dict[str, Any], ending: str) -> bytes:
    """Write a request in the language of its plan; in TOML it says how it is answered."""
    if ending == "json":
        import json

        plain = {name: _for_json(value) for name, value in fields.items()}
        return (json.dumps(plain, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")
    import tomli_w

    return (_how_to_answer(fields) + tomli_w.dumps(to_write(fields), multiline_strings=True)).encode()


def _how_to_answer(fields: dict[str, Any]) -> str:
    answer = 'answer = "…"' if len(fields.get("questions", ())) == 1 else 'answers = { ID = ["…"] }'
    forms = answer if "questions" in fields else 'decision = "allow" or decision = "deny"'
    return f"# To answer: a file of this name in replies/ with {forms}\n# or: orchestrd requests {fields['plan']}\n\n"


def without_secrets(value: Any, redactor: Redactor) -> Any:
    """The same with every secret value replaced, wherever it stands."""
    if isinstance(value, str):
        return redactor.redact(value.encode("utf-8", "replace")).decode("utf-8", "replace")
    if isinstance(value, dict):
        return {name: without_secrets(one, redactor) for name, one in value.items()}
    return [without_secrets(one, redactor) for one in value] if isinstance(value, list) else value


def rule_of(prompt: Prompt) -> str | None:
    """The rules that a yes for the plan would grant, as one text; None: there is none."""
    return ", ".join(rule.text for rule in prompt.rules) or None


def shown_input(given: dict[str, Any]) -> tuple[str, bool]:
    """A tool's input as exact JSON; and whether it is not the whole."""
    import json

    text = json.dumps(given, ensure_ascii=False)
    if text.encode("utf-8", "replace").decode() != text:
        text = json.dumps(given)  # half a surrogate pair is no text, and JSON all the same
    if len(text.encode()) <= MOST_INPUT_BYTES:
        return text, False
    shorter = json.dumps(_cut(given, _LONGEST_TEXT), ensure_ascii=False)
    if len(shorter.encode("utf-8", "replace")) > MOST_INPUT_BYTES:
        shorter = json.dumps(
            {name[:80]: _left_out(value) for name, value in list(given.items())[:_MOST_PARTS]}
        )
    return shorter, True


def is_cut(value: Any) -> bool:
    """Whether an input that came back holds the mark of a text that was cut: it is not what anybody wants."""
    import json

    return _CUT in json.dumps(value, ensure_ascii=False)


def holds_hidden(value: Any) -> bool:
    """Whether an input holds the mark that stands for a secret: a tool given that would work with the mark."""
    import json

    return _HIDDEN in json.dumps(value, ensure_ascii=False)


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        more = len(value) - longest
        return value if more <= 0 else f"{value[:longest]}… {_CUT}{more} more letters]"
    if isinstance(value, dict):
        kept = {name: _cut(one, longest) for name, one in list(value.items())[:_MOST_PARTS]}
        return kept if len(value) <= _MOST_PARTS else {**kept, "…": f"{_CUT}{len(value) - _MOST_PARTS} more]"}
    if isinstance(value, list):
        more = len(value) - _MOST_PARTS
        parts = [_cut(one, longest) for one in value[:_MOST_PARTS]]
        return parts if more <= 0 else [*parts, f"{_CUT}{more} more]"]
    return value


def _left_out(value: Any) -> str:
    return f"{_cut(str(value), 200)} {_CUT}left out]"


def _reason(prompt: Prompt, rule: str | None) -> str:
    why = (
        f"{prompt.reason.rstrip('.')}. " if prompt.reason else "Claude Code has no permission for this yet. "
    )
    if rule is None:
        return f"{why}It can be allowed this once only: there is no rule for it."
    rules = ", ".join(_quoted(one.text) for one in prompt.rules)
    return (
        f'{why}scope = "plan" in the reply allows the like of it for the rest of this plan (`rule`); '
        f"to allow it in every plan: permissions.allow = [{rules}]"
    )


def _quoted(rule: str) -> str:
    import json

    return json.dumps(rule, ensure_ascii=False)


def _question(one: Any) -> dict[str, Any]:
    return _given({"id": one.id, "text": one.text, "multiple": one.multiple, "options": one.options or None})


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(wall: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(wall), UTC)


def _for_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _for_json(one) for name, one in value.items()}
    return format_instant(value) if hasattr(value, "isoformat") else value
