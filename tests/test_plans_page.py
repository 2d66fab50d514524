"""The plans of docs/plans.md are plans: whoever copies one is not refused."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest

from handoff.formats import Format
from handoff.root import PlanId
from handoff.schema import schema_path
from orchestrd.config import Limits
from orchestrd.inbound.intake import Accepted, check_plan

PROJECT = Path(__file__).parent.parent
PAGE = (PROJECT / "docs/plans.md").read_text("utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
PLANS = {
    f"{heading} {number}".removesuffix(" 1"): text
    for heading, section in SECTIONS.items()
    for number, text in enumerate(re.findall(r"```toml\n(.*?)\n```\n", section, re.DOTALL), 1)
}
EXAMPLE = PROJECT / "examples/coordinate.plan.toml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the projects that the plans name."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("api", "greetings"):
        subprocess.run(["git", "init", "-q", str(tmp_path / "src" / name)], check=True)
    return tmp_path


def test_every_section_but_the_last_has_one_plan():
    assert list(PLANS) == list(SECTIONS)[:-1]
    assert PAGE.count("```toml") == len(PLANS)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("text", [*PLANS.values(), EXAMPLE.read_text("utf-8")], ids=[*PLANS, EXAMPLE.name])
def test_a_plan_to_copy_is_accepted_and_no_editor_marks_it(text: str):
    found = check_plan(text.encode(), Format.TOML, PlanId("copied"), Limits())

    assert isinstance(found, Accepted), found
    written = json.loads(json.dumps(tomllib.loads(text), default=lambda date: date.isoformat()))
    jsonschema.validate(written, json.loads(schema_path("plan").read_text("utf-8")))


def test_the_page_shows_every_part_of_a_plan_that_it_is_about():
    together = "\n".join(PLANS.values())

    shown = "needs run output_schema expands agent [agents. checks rounds changes touches after priority"
    for word in shown.split():
        assert word in together, word


def test_the_roles_that_ship_are_all_named():
    from orchestrd.library.roles import shipped_roles

    assert [name for name in shipped_roles() if f"`{name}`" not in PAGE] == []


def test_what_a_page_says_of_numbers_is_so():
    from orchestrd.runs.prompting import MOST_INLINE_BYTES

    assert f"{MOST_INLINE_BYTES // 1024} KiB" in PAGE
    assert f"{Limits().max_steps} steps in all" in " ".join(PAGE.split())
