"""Names of places that a plan gives: projects, branches, commits, files; and of tools. Pure: no disk is looked at."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from handoff.document_paths import is_single, why_no_path
from handoff.fields import Line, LongLine, problem

BRANCH_HINT = 'a branch\'s name as git allows it, like "handoff/{id}"'
FILE_HINT = 'a path or glob inside the project, like "docs/limits.md" or "src/**"'

_HOME = re.compile(r"~[A-Za-z0-9_.-]*(/|\Z)")
_NOT_IN_REFS = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_TOOL_RULE = re.compile(r"[A-Za-z_*][A-Za-z0-9_.*:-]*(\([\s\S]+\))?")


def _project(path: str) -> str:
    if not path.startswith("/") and _HOME.match(path) is None:
        raise problem("is not absolute", "a full path, or one that begins with ~, like ~/src/api")
    return path


def _branch(name: str) -> str:
    unknown = [found for found in _PLACEHOLDER.findall(name) if found != "{id}"]
    if unknown:
        raise problem(f"holds {unknown[0][:40]}, which stands for nothing", "{id} is the only placeholder")
    fault = fault_of_branch(name.replace("{id}", "id"))
    if fault:
        raise problem(fault, BRANCH_HINT)
    return name


def fault_of_branch(name: str) -> str | None:
    """Say what git would refuse in a branch's name (git check-ref-format --branch); None: nothing."""
    if _NOT_IN_REFS.search(name):
        return "holds a space, a control character or one of ~ ^ : ? * [ \\, which git refuses in a branch"
    if name.startswith("-"):
        return "begins with a dash, which git refuses in a branch"
    if ".." in name or "@{" in name or name in {"@", "HEAD"}:
        return "is or holds a word that has another meaning to git (.. @{ @ HEAD)"
    if name.endswith((".", "/")) or any(
        not part or part.startswith(".") or part.endswith(".lock") for part in name.split("/")
    ):
        return "has an empty part, or one that begins with a dot or ends in .lock or a dot, which git refuses"
    return None


def _revision(name: str) -> str:
    if name.startswith("-") or re.search(r"\s", name):
        raise problem("is no commit or branch", "a branch, a tag or a commit, like main")
    return name


def _file_rule(path: str) -> str:
    if path.startswith(("/", "~")) or "\\" in path:
        raise problem("is not a path inside the project", FILE_HINT)
    if any(part in {"", ".", ".."} for part in path.removesuffix("/").split("/")):
        raise problem("has an empty part, . or .. in it", FILE_HINT)
    if any(part.lower() == ".git" for part in path.split("/")):
        raise problem("lies in git's own folder", FILE_HINT)
    return path


def _document_rule(rule: str) -> str:
    if rule.startswith("!"):
        raise problem(
            "would be an exception, and there are none", "files or globs that may be written, each by itself"
        )
    why = why_no_path(rule) if is_single(rule) else None
    if why is not None:
        raise problem(f"is a name that no document may have: {why[0]}", why[1])
    return rule


def _tool_rule(rule: str) -> str:
    if _TOOL_RULE.fullmatch(rule) is None:
        raise problem("is no tool or rule", 'Claude Code\'s own syntax, like "Edit" or "Bash(git *)"')
    return rule


_LINE: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 500}
_LONG_LINE = _LINE | {"maxLength": 4096}

Project = Annotated[LongLine, AfterValidator(_project), WithJsonSchema(_LONG_LINE | {"pattern": "^[/~]"})]
"""A directory: absolute, or beginning with `~`."""
Branch = Annotated[Line, AfterValidator(_branch), WithJsonSchema(_LINE)]
"""A branch that git accepts; `{id}` stands for the plan's id."""
Revision = Annotated[Line, AfterValidator(_revision), WithJsonSchema(_LINE)]
"""A commit, a branch, a tag."""
FileRule = Annotated[LongLine, AfterValidator(_file_rule), WithJsonSchema(_LONG_LINE)]
"""A path or a glob inside the project."""
DocumentRule = Annotated[FileRule, AfterValidator(_document_rule)]
"""A path or a glob inside the project, below which documents may be written."""
ToolRule = Annotated[LongLine, AfterValidator(_tool_rule), WithJsonSchema(_LONG_LINE)]
"""A tool, or what of it, in Claude Code's own syntax."""
