"""A graph of steps as a picture: Mermaid for pages, lines of text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handoff.plan import Command, Step

_LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Node:
    """A step as it is drawn."""

    id: str
    needs: tuple[str, ...]
    words: tuple[str, ...]
    """What is said of it beside its id."""
    shape: tuple[str, str]
    """What Mermaid puts around it."""
    when: str | None


_MODEL, _COMMAND, _EXPANDS = ("(", ")"), ("[[", "]]"), ("[/", "/]")


def draw(steps: Sequence[Step | Mapping[str, Any]], checks: Sequence[Command | str] = ()) -> str:
    """Draw steps as a Mermaid flowchart. They may be a plan's, or those of a workflow's file, with placeholders.

    Round: a model. A double border: a command. Slanted: a step whose output is further steps. Dashed: left out where
    its parameter is not given.
    """
    nodes = nodes_of(steps, checks)
    number = {node.id: f"s{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart TD"]
    for node in nodes:
        label = "<br/>".join((f"<b>{_safe(node.id)}</b>", *(_safe(word) for word in node.words)))
        opening, closing = node.shape
        optional = ":::optional" if node.when else ""
        lines.append(f'    {number[node.id]}{opening}"{label}"{closing}{optional}')
    lines += [
        f"    {number[need]} --> {number[node.id]}" for node in nodes for need in node.needs if need in number
    ]
    if any(node.when for node in nodes):
        lines.append("    classDef optional stroke-dasharray: 4 4")
    return "\n".join(lines) + "\n"


def draw_text(steps: Sequence[Step | Mapping[str, Any]], checks: Sequence[Command | str] = ()) -> str:
    """Draw steps as lines of text, one a step and rails between them, in an order in which they could run."""
    rails: list[str | None] = []
    drawn: list[tuple[str, Node | None]] = []
    nodes = _in_order(nodes_of(steps, checks))
    after = {node.id: [one.id for one in nodes if node.id in one.needs] for node in nodes}
    for node in nodes:
        mine = [at for at, aim in enumerate(rails) if aim == node.id]
        if len(mine) > 1:
            drawn.append((_bend(rails, mine, mine[0], "╯┴"), None))
        at = mine[0] if mine else _free(rails)
        for other in mine:
            rails[other] = None
        rails[at] = node.id
        drawn.append((_row(rails, at), node))
        rails[at] = None
        opened = []
        for number, aim in enumerate(after[node.id]):
            rail = at if number == 0 else _free(rails)
            rails[rail] = aim
            opened.append(rail)
        if len(opened) > 1:
            drawn.append((_bend(rails, opened, at, "╮┬"), None))
    width = max((len(line) for line, _ in drawn), default=0)
    names = max((len(node.id) for node in nodes), default=0)
    return "".join(
        line.rstrip() + "\n"
        if node is None
        else f"{line:<{width}}  {node.id:<{names}}  {_said(node)}".rstrip() + "\n"
        for line, node in drawn
    )


def nodes_of(steps: Sequence[Step | Mapping[str, Any]], checks: Sequence[Command | str] = ()) -> list[Node]:
    """What is drawn of steps; the checks, which come after the last step, as one more."""
    nodes: list[Node] = []
    for step in steps:
        node = _node(step.model_dump(exclude_none=True) if isinstance(step, Step) else step)
        twin = next((at for at, one in enumerate(nodes) if one.id == node.id), None)
        if twin is None:
            nodes.append(node)
        else:  # of two with one id always one is left out
            first = nodes[twin]
            needs = tuple(dict.fromkeys((*first.needs, *node.needs)))
            nodes[twin] = Node(node.id, needs, (*first.words, "or", *node.words), first.shape, None)
    if checks:
        needed = {need for node in nodes for need in node.needs}
        ends = tuple(node.id for node in nodes if node.id not in needed)
        words = tuple(f"$ {_command(check)}" for check in checks)
        nodes.append(Node("(checks)", ends, words, _COMMAND, None))
    return nodes


def _node(step: Mapping[str, Any]) -> Node:
    words = []
    shape = _MODEL
    if "run" in step:
        words.append(f"$ {_command(step['run'])}")
        shape = _COMMAND
    if step.get("agent"):
        words.append(str(step["agent"]))
    if (step.get("permissions") or {}).get("mode") == "plan":
        words.append("reads only")
    if step.get("expands"):
        words.append("makes further steps")
        shape = _EXPANDS
    when = step.get("when")
    if when:
        words.append(f"only without {when[4:]}" if when.startswith("not ") else f"only with {when}")
    return Node(str(step["id"]), tuple(step.get("needs") or ()), tuple(words), shape, when)


def _command(command: Command | Sequence[str] | str) -> str:
    return command if isinstance(command, str) else " ".join(command)


def _said(node: Node) -> str:
    return " · ".join(_short(word) for word in node.words)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}…"


def _safe(text: str) -> str:
    """What Mermaid would read as something else than text is written by its number."""
    return "".join(f"#{ord(one)};" if one in '"#<>&;`' else one for one in _short(text))


def _in_order(nodes: list[Node]) -> list[Node]:
    """Each after those that it needs, and otherwise as they are written; what stands in a circle comes last."""
    known = {node.id for node in nodes}
    done: dict[str, Node] = {}
    left = list(nodes)
    while left:
        ready = next(
            (one for one in left if all(need in done for need in one.needs if need in known)), left[0]
        )
        left.remove(ready)
        done[ready.id] = ready
    return list(done.values())


def _free(rails: list[str | None]) -> int:
    if None in rails:
        return rails.index(None)
    rails.append(None)
    return len(rails) - 1


def _row(rails: Sequence[str | None], at: int) -> str:
    return " ".join("●" if index == at else "│" if aim else " " for index, aim in enumerate(rails))


def _bend(rails: Sequence[str | None], ends: Sequence[int], at: int, corners: str) -> str:
    """A line by which rails join the one at `at`, or split off it: `├─┬─╮`."""
    first, last = min(ends), max(ends)
    line = ""
    for index, aim in enumerate(rails):
        if index in ends:
            line += _corner(index, first, last, at, corners)
        elif first < index < last:
            line += "┼" if aim else "─"
        else:
            line += "│" if aim else " "
        line += "─" if first <= index < last else " "
    return line.rstrip()


def _corner(index: int, first: int, last: int, at: int, corners: str) -> str:
    if index == at:
        return "├" if index == first else "┤" if index == last else "┼"
    if index == first:
        return "╭"
    return corners[0] if index == last else corners[1]
