"""What of `docs/workflows.md` is drawn from the files: what each workflow takes and its picture, the roles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from orchestrd.library.drawing import draw
from orchestrd.library.finding import SHIPPED
from orchestrd.library.params import Param, kind_in_words
from orchestrd.library.roles import shipped_roles
from orchestrd.library.workflow import Workflow

_PART = re.compile(r"(<!-- (workflow [a-z-]+|roles) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(page: str) -> str:
    """Make the drawn parts of a page anew; what stands around them stays. Raises NoWorkflow for an unknown name."""
    return _PART.sub(lambda part: part[1] + _content(part[2]) + part[3], page)


def parts_of(page: str) -> set[str]:
    """What is drawn on a page: `workflow feature`, `roles`."""
    return {part[2] for part in _PART.finditer(page)}


def _content(what: str) -> str:
    if what == "roles":
        return "".join(_roles())
    workflow = SHIPPED.find(what.removeprefix("workflow "), None).workflow
    body = workflow.body
    picture = draw(body.get("steps", ()), body.get("accept", {}).get("checks", ()))
    return f"\n{_joined(workflow.description)}\n\n{''.join(_params(workflow))}\n```mermaid\n{picture}```\n\n"


def _params(workflow: Workflow) -> Iterator[str]:
    yield "| parameter | type | default | what it is |\n|---|---|---|---|\n"
    for name, param in workflow.params.items():
        kind = kind_in_words(param).replace("|", "\\|")
        yield f"| `{name}` | {kind} | {_default(param)} | {_joined(param.description)} |\n"


def _default(param: Param) -> str:
    if param.required:
        return "**required**"
    return "–" if param.default is None else f"`{json.dumps(param.default, ensure_ascii=False)}`"


def _roles() -> Iterator[str]:
    yield "\n| role | what it does | tools |\n|---|---|---|\n"
    for name, role in shipped_roles().items():
        yield f"| `{name}` | {_joined(role.description)} | {', '.join(role.tools or ('all',))} |\n"
    yield "\n"


def _joined(text: str) -> str:
    return " ".join(text.split())
