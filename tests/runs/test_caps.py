"""A cap that Claude Code could not be held to is told, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrd.runs.caps import fault_of_caps
from orchestrd.runs.claude import ClaudeCommand
from tests.serving import FAKE_AGENT


def a_claude(folder: Path, says: str) -> ClaudeCommand:
    binary = folder / "claude"
    binary.write_text(f"#!/bin/sh\necho '{says}'\n")
    binary.chmod(0o755)
    return ClaudeCommand(binary, "PATH")


def test_a_version_that_keeps_to_its_budget_has_no_fault(tmp_path: Path) -> None:
    assert fault_of_caps(ClaudeCommand(FAKE_AGENT, "PATH"), ("--debug",)) is None
    assert fault_of_caps(a_claude(tmp_path, "2.0.53 (Claude Code)"), ()) is None


def test_an_old_version_is_named_with_what_to_do(tmp_path: Path) -> None:
    fault = fault_of_caps(a_claude(tmp_path, "1.0.128 (Claude Code)"), ())

    assert fault is not None
    assert "Claude Code 1.0.128" in fault.message
    assert "2.0.53 or newer" in fault.remedy


def test_one_that_does_not_tell_its_version_is_let_pass(tmp_path: Path) -> None:
    assert fault_of_caps(a_claude(tmp_path, "hello"), ()) is None


@pytest.mark.parametrize("arguments", [("--max-budget-usd", "9"), ("--debug", "--max-budget-usd=9")])
def test_an_argument_that_would_replace_the_budget_is_told(arguments: tuple[str, ...]) -> None:
    fault = fault_of_caps(ClaudeCommand(FAKE_AGENT, "PATH"), arguments)

    assert fault is not None
    assert fault.message.startswith("[claude] args names --max-budget-usd")
