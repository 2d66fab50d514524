"""What Claude Desktop is told to write is right: every plan, answer and order of the prompt and of docs/desktop.md."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handoff.formats import Format, read_document
from handoff.order import Order
from handoff.plan import Plan
from handoff.request import NOTHING_TO_DOCUMENT, Approval, ApprovalReply, QuestionReply
from handoff.result import Result, Status
from handoff.root import CONTEXT, LANES, PlanId, plan_id_of
from handoff.schema import schema_path
from orchestrd.config import Limits
from orchestrd.inbound.intake import Accepted, check_plan
from orchestrd.library.finding import SHIPPED
from orchestrd.views.pasting import desktop_prompt

PROJECT = Path(__file__).parent.parent
PROMPT = (PROJECT / "examples/desktop-prompt.md").read_text("utf-8")
PAGE = (PROJECT / "docs/desktop.md").read_text("utf-8")
FENCED = r"^( *)```{language}\n(.*?)\n\1```$"
NO_VALUE = {"–", "required", "`HEAD`"}
"""What the prompt says of a field whose default depends on the place, or that has none."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    found = re.findall(FENCED.format(language=language), text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(f"{indent}{block}\n") for indent, block in found]


def plans() -> dict[str, tuple[str, Format]]:
    """Every plan that somebody may copy, by its title."""
    markdown = blocks(PROMPT, "markdown") + re.findall(r"<<'END'\n(\+\+\+\n.*?\n)END\n", PAGE, re.DOTALL)
    toml = [text for text in blocks(PROMPT, "toml") if text.startswith("handoff")]
    found = [(text, Format.MARKDOWN) for text in markdown] + [(text, Format.TOML) for text in toml]
    return {re.findall(r'^title = "(.*)"$', text, re.MULTILINE)[0]: (text, form) for text, form in found}


def fields() -> dict[str, str]:
    """The fields that the prompt names, each with what it says of leaving it out."""
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| .* \|$", PROMPT, re.MULTILINE)
    return {field: default for names, default in rows for field in re.findall(r"`([^`]+)`", names)}


def plan_schema() -> dict[str, Any]:
    return json.loads(schema_path("plan").read_text("utf-8"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the projects that the plans name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("api", "greeting"):
        subprocess.run(["git", "init", "-q", str(tmp_path / "src" / name)], check=True)
    return tmp_path


def test_there_is_a_plan_of_each_kind():
    assert sorted(plans()) == ["Export items as CSV", "Limit requests to the public API", "Say goodbye, too"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("title", plans())
def test_a_plan_to_copy_is_accepted(title: str):
    text, file_format = plans()[title]

    found = check_plan(text.encode(), file_format, PlanId("copied"), Limits())

    assert isinstance(found, Accepted), found
    if file_format is Format.TOML:
        jsonschema.validate(tomllib.loads(text), plan_schema())


def test_every_field_that_the_prompt_names_is_there_and_has_the_default_that_it_tells(home: Path):
    least = f'handoff = 1\nproject = "{home}/src/api"\nprompt = "x"\n'
    accepted = check_plan(least.encode(), Format.TOML, PlanId("the-id"), Limits())
    assert isinstance(accepted, Accepted), accepted

    assert len(fields()) > 25
    for field, default in fields().items():
        assert is_field(field), field
        if default not in NO_VALUE:
            assert value_of(accepted.plan, field) == told(default), field


def test_what_most_plans_need_is_named():
    named = {field.partition(".")[0] for field in fields()}

    assert set(Plan.model_fields) - named <= {"mcp", "agents", "fallback_model", "system_prompt_append"}
    assert {field for field in fields() if field.startswith("accept.")} == {
        "accept.checks",
        "accept.changes",
        "accept.rounds",
    }


def told(default: str) -> Any:
    """The value that the prompt means."""
    if default == "the id":
        return "the-id"
    value = tomllib.loads(f"x = {default.strip('`')}")["x"]
    if isinstance(value, list):
        return tuple(value)
    return 3600.0 if value == "1h" else value


def value_of(plan: Plan, field: str) -> Any:
    found: Any = plan
    for part in field.split("."):
        found = getattr(found, part)
    return found


def is_field(field: str) -> bool:
    schema = plan_schema()
    here = schema
    for part in field.split("."):
        here = here["properties"].get(part)
        if here is None:
            return False
        here = schema["$defs"][here["$ref"].rpartition("/")[2]] if "$ref" in here else here
    return True


def test_the_fields_of_a_step_and_of_a_result_are_there():
    (steps,) = re.findall(r"^\| `steps` \| – \| (.*) \|$", PROMPT, re.MULTILINE)
    named = re.findall(r"`([a-z_]+)`", steps)
    assert len(named) > 5
    assert set(named) <= set(plan_schema()["$defs"]["Step"]["properties"])

    section = PROMPT.partition("## 2.")[2].partition("## 3.")[0]
    (data,) = re.findall(r"has the same as data: (.*)\.$", section, re.MULTILINE)
    for field in re.findall(r"`([a-z.]+)`", data):
        assert field.split(".")[0] in Result.model_fields, field
    assert {Status(word) for word in re.findall(r'`status = "([a-z]+)"`', section)} == {
        Status.REJECTED,
        Status.FAILED,
    }


def test_the_workflows_that_ship_are_named():
    (row,) = re.findall(r"^\| `workflow`, .*$", PROMPT, re.MULTILINE)

    assert set(SHIPPED.names(None)) <= set(re.findall(r"[`\"]([a-z]+)[`\"]", row))


def test_the_answers_and_orders_to_copy_are_such():
    texts = [text for text in blocks(PROMPT, "toml") + blocks(PAGE, "toml") if "handoff = 1" not in text]
    replies = [text for text in texts if "decision" in text]
    orders = [text for text in texts if "action" in text]

    assert (len(replies), len(orders), len(texts)) == (2, 1, 3)
    for text in replies:
        assert read_document(ApprovalReply, text.encode(), Format.TOML).decision == "allow"
    assert read_document(Order, orders[0].encode(), Format.TOML).plan == "api-limits-7f3a"
    answers = re.findall(r"`(answers? = .*?)`", PROMPT)
    assert len(answers) == 2
    for answer in answers:
        read_document(QuestionReply, answer.encode(), Format.TOML)
    assert f"`{NOTHING_TO_DOCUMENT}`" in PROMPT


def test_the_approval_on_the_page_is_one():
    (text,) = [text for text in blocks(PAGE, "toml") if "input_json" in text]

    assert read_document(Approval, text.encode(), Format.TOML).tool == "Bash"


def test_the_names_make_the_ids_that_are_told():
    told_ids = {
        "api-limits-7f3a.plan.md": "api-limits-7f3a",
        "say-goodbye-7f3a.plan.md": "say-goodbye-7f3a",
        "limits-7f3a.plan (1).md": "limits-7f3a-plan-1",
    }

    for name, plan in told_ids.items():
        assert name in PROMPT + PAGE
        assert plan in PROMPT + PAGE
        assert plan_id_of(name) == plan


def test_only_what_is_a_lane_of_the_writers_is_written_to():
    folders = set(re.findall(r"~/handoff/([a-z]+)", PROMPT + PAGE))
    assert folders <= {*LANES, "archive", CONTEXT}

    written = re.findall(r"[Ww]rite (?:\w+ ){0,3}to `~/handoff/([a-z]+)", PROMPT)
    assert set(written) <= {"inbox", "replies", "control"}


def test_what_is_printed_to_paste_names_the_places_of_this_machine():
    text = desktop_prompt(Path("/srv/handoff"))

    assert "/srv/handoff/inbox/api-limits-7f3a.plan.md" in text
    assert "~/handoff" not in text


def test_the_tools_that_the_page_names_are_those_of_the_server():
    pytest.importorskip("mcp", reason="the MCP SDK is not installed (extra `desktop`)")
    from orchestrd.bridge.server import TOOLS

    section = PAGE.partition("## With our server")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`([a-z_]+)`", " ".join(rows))) == sorted(
        tool.function.__name__ for tool in TOOLS
    )
