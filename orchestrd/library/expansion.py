"""From a plan that names a workflow to the plan that is carried out. Pure.

What the plan says outranks what the workflow says: of a table (`limits`, `permissions`, …) field by field, otherwise as
a whole. A parameter's value is put into values that are read already, so it can become no field; what it could do
within a command or a permission is looked at once more, with the value itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handoff.document_error import path_text
from handoff.fields import Path, Problem
from handoff.plan import Plan
from orchestrd.library.becoming import plan_of_tree
from orchestrd.library.filling import Arguments, Filled, fill_body
from orchestrd.library.params import check_params, shown
from orchestrd.library.template import BRACES, fill, parse
from orchestrd.library.workflow import Workflow

MOST_CHARACTERS = 4 << 20
"""Of all that a workflow makes: a text that is put into a hundred prompts must not fill the memory."""

LONGEST_TITLE = 100
"""Characters of a title that is made of parameters."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_IN_A_RULE = re.compile(r"[^*()\\\x00-\x1f\x7f]*")
"""What means itself in a permission for one command; a star stands for anything there, in quotes too."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A plan that a workflow was turned into, and where each part of it is from."""

    plan: Plan
    name: str
    own: Mapping[str, Any]
    """What the plan said itself."""
    filled: Filled

    def placed(self, problem: Problem) -> Problem:
        """Lead a problem of the whole to where whoever wrote the plan can do something about it."""
        return _placed(problem, self.own, self.filled, self.name)


def expand(written: Mapping[str, Any], name: str, workflow: Workflow) -> Expanded | list[Problem]:
    """Make the plan that is carried out of one that names `workflow` by `name`, or tell every reason why not.

    `written` is the plan as its file has it. The paths of problems lead into it: to a parameter, to a field of its
    own, else to `workflow`.
    """
    given = written.get("params")
    values, problems = check_params(workflow.params, given if isinstance(given, dict) else {})
    if problems:
        return problems
    arguments = Arguments.of(workflow.params, values)
    filled = fill_body(workflow.body, arguments)
    title = _title(workflow, arguments)
    if title is not None:
        filled.tree["title"] = title
    problems = [*_options(filled, arguments, workflow), *_rules(filled, arguments)]
    if not problems and _characters(filled.tree) > MOST_CHARACTERS:
        longest = max(arguments.texts, key=lambda one: len(arguments.texts[one]), default="")
        message = f"what the workflow makes of it is longer than {MOST_CHARACTERS >> 20} million characters"
        problems = [Problem(("params", longest), message, "name a file that holds the text")]
    if problems:
        return problems
    own = {field: value for field, value in written.items() if field not in ("workflow", "params")}
    found = plan_of_tree(_over(filled.tree, own))
    if isinstance(found, Plan):
        return Expanded(found, name, own, filled)
    return [_placed(problem, own, filled, name) for problem in found]


def _title(workflow: Workflow, arguments: Arguments) -> str | None:
    """What a workflow calls a plan that does not say so itself: its title, where that has placeholders.

    A parameter is data of any length and in several lines; a title is one line that is read at a glance.
    """
    if BRACES not in workflow.title:
        return None
    filled = fill(parse(workflow.title), arguments.texts, arguments.given) or ""
    line = " ".join(_CONTROL.sub(" ", filled).split())
    if len(line) > LONGEST_TITLE:
        cut = line[: LONGEST_TITLE - 1]
        # At a word's end, unless that is far away or there are no words.
        whole_words = cut.rpartition(" ")[0]
        line = (whole_words if len(whole_words) > LONGEST_TITLE // 2 else cut).rstrip() + "…"
    return line or None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        there = merged.get(name)
        merged[name] = there | value if isinstance(there, dict) and isinstance(value, dict) else value
    return merged


def _placed(problem: Problem, own: Mapping[str, Any], filled: Filled, name: str) -> Problem:
    if _is_written(own, problem.path):
        return problem
    names = filled.params_of(problem.path)
    where = path_text(filled.place_of(problem.path))
    if names:
        message = f"{problem.message} (it stands in {where} of the workflow {name})"
        return Problem(("params", names[0]), message, problem.hint)
    return Problem(("workflow",), f"{where} of the workflow {name}: {problem.message}", problem.hint)


def _is_written(tree: Mapping[str, Any], path: Path) -> bool:
    """Whether a plan's file says itself what stands at `path`, which is then not the workflow's."""
    here: Any = tree.get(str(path[0])) if path else None
    if isinstance(here, dict) and len(path) > 1:
        return path[1] in here
    return here is not None


def _options(filled: Filled, arguments: Arguments, workflow: Workflow) -> Iterator[Problem]:
    """A parameter's text as an argument must be no option: to most programs `--output=x` is more than text."""
    kinds, texts = arguments.kinds, arguments.texts
    harmless = {name: "x" if text and kinds[name] == "string" else text for name, text in texts.items()}
    for path, names in filled.params.items():
        command, index = path[:-1], path[-1]
        if not isinstance(index, int) or not _is_command(command):
            continue
        words = _at(filled.tree, command)
        if not words[index].startswith("-") or "--" in words[:index]:
            continue
        otherwise = fill(parse(_at(workflow.body, filled.place_of(path))), harmless, arguments.given)
        if otherwise is not None and not otherwise.startswith("-"):
            guilty = next(name for name in names if texts.get(name, "").startswith("-"))
            message = (
                f"{shown(words[index])} begins with a dash: {shown(words[0])} would take it for an option"
            )
            yield Problem(("params", guilty), message, "a text that begins otherwise")


def _rules(filled: Filled, arguments: Arguments) -> Iterator[Problem]:
    """A command that a step may run is exactly this command, and no pattern of some."""
    rules = [names for path, names in filled.params.items() if _is_permission(path)]
    for name in dict.fromkeys(name for names in rules for name in names):
        if _IN_A_RULE.fullmatch(arguments.texts[name]) is None:
            command = shown(arguments.texts[name])
            message = f"{command} cannot be allowed to a step: * ( ) \\ have a meaning in permissions"
            yield Problem(("params", name), message, "put it into a script, and name the script")


def _is_command(path: Path) -> bool:
    return (path[0] == "steps" and path[2:] == ("run",)) or (
        path[:2] == ("accept", "checks") and len(path) == 3
    )


def _is_permission(path: Path) -> bool:
    return path[0] == "permissions" or (path[0] == "steps" and path[2:3] == ("permissions",))


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _characters(one) for name, one in value.items())
    return sum(_characters(one) for one in value) if isinstance(value, list) else 1
