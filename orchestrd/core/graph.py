"""The steps of a plan as a graph: in what order, which side by side, and how further steps are put into it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from orchestrd.core.facts import StepFacts


class GraphFault(ValueError):
    """These steps are no graph that can be run: a name twice or unknown, a circle."""


def in_order(steps: Sequence[StepFacts]) -> list[StepFacts]:
    """Put steps behind those that they need; among those that could be next, in the order of definition.

    Raises GraphFault.
    """
    names = [one.step for one in steps]
    unknown = {need for one in steps for need in one.needs} - set(names)
    if len(set(names)) < len(names) or unknown:
        raise GraphFault(f"steps with the same name, or needed and not there: {sorted(unknown) or names}")
    ordered: list[StepFacts] = []
    done: set[str] = set()
    left = list(steps)
    while left:
        at = next((at for at, one in enumerate(left) if done.issuperset(one.needs)), None)
        if at is None:
            raise GraphFault(f"steps that need one another in a circle: {[one.step for one in left]}")
        done.add(left[at].step)
        ordered.append(left.pop(at))
    return ordered


def ancestors(steps: Sequence[StepFacts]) -> dict[str, frozenset[str]]:
    """For each step all that have to come before it."""
    found: dict[str, frozenset[str]] = {}
    for one in in_order(steps):
        found[one.step] = frozenset(one.needs).union(*(found[need] for need in one.needs))
    return found


def beside(steps: Sequence[StepFacts]) -> dict[str, frozenset[str]]:
    """For each step those that may write and run at the same time: neither of the two comes before the other."""
    before = ancestors(steps)
    writers = [one.step for one in steps if one.writes or one.expands]
    return {
        name: frozenset(
            other
            for other in writers
            if other != name and other not in before[name] and name not in before[other]
        )
        for name in before
    }


def works_apart(steps: Sequence[StepFacts], step: StepFacts) -> bool:
    """Whether a step needs a checkout of its own: others may write where it would work, or it where they do.

    Who writes beside another writer works apart. Who only reads does not, but where a writer works in the plan's own.
    """
    near = beside(steps)
    if step.writes:
        return bool(near[step.step])
    return any(not near[writer] for writer in near[step.step])


def last_ones(steps: Iterable[StepFacts]) -> list[str]:
    """The steps that no other needs, in the order of definition."""
    steps = list(steps)
    needed = {need for one in steps for need in one.needs}
    return [one.step for one in steps if one.step not in needed]


def expanded(steps: Sequence[StepFacts], by: Mapping[str, Sequence[StepFacts]]) -> tuple[StepFacts, ...]:
    """Put in the further steps that some have returned.

    They come after the step that returned them, and whoever needs that one needs them too. They are defined where
    that step is: directly behind it. Raises GraphFault.
    """
    found: list[StepFacts] = []
    for one in steps:
        more = [new.step for need in one.needs for new in by.get(need, ())]
        found.append(replace(one, needs=(*one.needs, *more)) if more else one)
        found += [
            new if one.step in new.needs else replace(new, needs=(one.step, *new.needs))
            for new in by.get(one.step, ())
        ]
    in_order(found)
    return tuple(found)


def implementing(steps: Sequence[StepFacts]) -> StepFacts | None:
    """The step to which a failed check goes back: the last one of a model that may write; None: there is none.

    One that expands is none: its output would be further steps once more.
    """
    menders = (one for one in reversed(in_order(steps)) if one.writes and not one.is_command)
    return next((one for one in menders if not one.expands), None)
