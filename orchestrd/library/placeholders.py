"""Where in a workflow's body placeholders stand, and whether they may. Pure.

A parameter's value is data. It can be what is asked of a model, or an argument of a command; it can be no name, no
field, no permission, and nothing that decides which programs start unasked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from handoff.fields import Path
from orchestrd.library.filling import condition
from orchestrd.library.params import Kind
from orchestrd.library.template import (
    BRACES,
    Parts,
    TemplateError,
    names_in,
    names_written,
    parse,
    values_in,
    whole,
)

_PERMITTED_COMMAND = re.compile(r"Bash\(\{\{[^{}\n]*\}\}\)")
_FIXED = frozenset({"id", "needs", "agent", "when", "expands"})
"""Fields of a step that make the graph: they are the same whatever the parameters are."""
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})


class Place(NamedTuple):
    """A text of the body that asks for parameters."""

    path: Path
    text: str
    parts: Parts
    names: tuple[str, ...]
    fault: tuple[str, str] | None = None
    """What is wrong with how it is written: message and hint."""
    beside: tuple[str, ...] = ()
    """The arguments that stand before it in a list."""


def places_in(body: Mapping[str, Any]) -> Iterator[Place]:
    """Find every text that asks for a parameter, and names of fields that try to."""
    yield from _in_table(body, ())


def fault_of_place(place: Place, kinds: Mapping[str, Kind]) -> tuple[str, str] | None:
    """Say why placeholders may not stand here; None: they may. Message and hint."""
    path = place.path
    if "when" in path[2:3] and path[0] == "steps":
        return None
    command_rule = _permitted_command(place, kinds)
    if command_rule is not None:
        return None if command_rule else _no_permission()
    if _is_fixed(path):
        return "no parameter may stand here", f"`{path[2]}` as it is; a step that may be left out says `when`"
    if path[0] == "permissions" or _of_step(path, "permissions"):
        return _no_permission()
    if path[0] == "mcp" or _of_step(path, "mcp"):
        return "a parameter may not decide which programs start", "the server as it is"
    if path[0] == "agents" and path[2:3] == ("tools",):
        return "a parameter may be no permission", "the tools as they are"
    command = _in_command(path)
    return _fault_in_command(place, kinds, command) if command else None


def _no_permission() -> tuple[str, str]:
    return (
        "a parameter may be no permission",
        'the rule as it is; or "Bash({{name}})" where `name` is a command that the plan runs anyway',
    )


def _permitted_command(place: Place, kinds: Mapping[str, Kind]) -> bool | None:
    """Whether this allows exactly the command that a parameter is; None: it is nothing of the kind."""
    rest = place.path[2:] if place.path[0] == "steps" else place.path
    if rest[:2] != ("permissions", "allow") or _PERMITTED_COMMAND.fullmatch(place.text) is None:
        return None
    return all(kinds.get(name) == "command" for name in place.names)


def _is_fixed(path: Path) -> bool:
    return path[0] == "steps" and len(path) > 2 and path[2] in _FIXED


def _of_step(path: Path, name: str) -> bool:
    return path[0] == "steps" and path[2:3] == (name,)


def _in_command(path: Path) -> Path:
    """Say where in a command a path leads: `("command", 2)` is its third word, `("command",)` all of it; () is none."""
    if path[0] == "steps" and path[2:3] == ("run",):
        return ("command", *path[3:])
    if path[:2] == ("accept", "checks"):
        return ("command", *path[3:]) if len(path) > 2 else ("checks",)
    return ()


def _fault_in_command(place: Place, kinds: Mapping[str, Kind], command: Path) -> tuple[str, str] | None:
    one = whole(place.parts)
    if command == ("checks",):
        return "a parameter is one command, not the list of all", 'checks = ["{{name}}"]'
    if command == ("command",):
        if one is None or kinds.get(one) != "command":
            return (
                "only a parameter of the type command is a whole command",
                'type = "command", and "{{name}}" alone',
            )
        return None
    put_in = {kinds.get(name) for name in values_in(place.parts)}
    if "list" in put_in:
        return "a list stands here, and an argument is one text", "a parameter of another type"
    if command[1] == 0 and "string" in put_in:
        return "a parameter's text may not decide which program starts", 'type = "command", or a choice'
    reads_code = place.beside and _is_shell(place.beside[0]) and re.fullmatch(r"-[a-z]*c", place.beside[-1])
    if reads_code and "string" in put_in:
        return (
            "a shell would take what the parameter says for commands",
            'an argument of its own, after the script: ["sh", "-c", "grep -- \\"$1\\" notes.txt", "sh", "{{name}}"]',
        )
    return None


def _is_shell(program: str) -> bool:
    return os.path.basename(program) in _SHELLS


def _in_table(table: Mapping[str, Any], path: Path) -> Iterator[Place]:
    for name, value in table.items():
        if BRACES in name:
            yield Place(
                (*path, name), name, (), (), ("a placeholder may not stand in the name of a field", "a name")
            )
        elif name == "when" and len(path) == 2 and path[0] == "steps":
            yield _of_when(value, (*path, name))
        else:
            yield from _in_value(value, (*path, name), ())


def _of_when(value: Any, path: Path) -> Place:
    if not isinstance(value, str) or not condition(value)[1]:
        fault = ("this is no condition", 'the name of a parameter: when = "test", or when = "not test"')
        return Place(path, "", (), (), fault)
    return Place(path, value, (), (condition(value)[1],))


def _in_value(value: Any, path: Path, beside: tuple[str, ...]) -> Iterator[Place]:
    if isinstance(value, dict):
        yield from _in_table(value, path)
    elif isinstance(value, list):
        texts: list[str] = []
        for index, one in enumerate(value):
            yield from _in_value(one, (*path, index), tuple(texts))
            texts.append(one if isinstance(one, str) else "")
    elif isinstance(value, str) and BRACES in value:
        try:
            parts = parse(value)
        except TemplateError as error:
            # What it names is wanted there, even if it cannot be put in as it stands.
            named = tuple(dict.fromkeys(names_written(value, begun=True)))
            yield Place(path, value, (), named, (error.message, error.hint))
            return
        names = tuple(dict.fromkeys(names_in(parts)))
        if names:
            yield Place(path, value, parts, names, None, beside)
