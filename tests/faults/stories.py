"""Short stories of a daemon that are swept step by step: each goes a way that the others do not.

A story is what users do, and when: some of it before the daemon is there, the rest as soon as it can be done. It goes
on across the daemon's death, as users do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.acceptance.stage import LEDGER
from tests.faults.world import World

REQUEST = "d.docs.md"

Act = Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Story:
    """What users do."""

    name: str
    first: Act
    """Before the daemon is there."""
    then: tuple[tuple[Callable[[World], bool], Act], ...] = ()
    """In this order, each as soon as its condition holds."""


class Telling:
    """One telling of a story: how far it has come."""

    def __init__(self, story: Story, world: World) -> None:
        self._left = list(story.then)
        self._world = world
        story.first(world)

    def go_on(self) -> bool:
        """Do what can be done now; True when everything is done."""
        while self._left and self._left[0][0](self._world):
            self._left.pop(0)[1](self._world)
        return not self._left


def _in_git(world: World) -> None:
    world.submit("a", "[write a.txt b] [detach 60]")


def _in_place(world: World) -> None:
    world.submit("p", "[write p.txt q]", world.plain)


def _stopped(world: World) -> None:
    world.here.drop("bad.toml", "handoff = 1\nprompt = 3\n")
    world.submit("s", "[child 60] [block]", world.plain)


def _runs(name: str) -> Callable[[World], bool]:
    def is_there(world: World) -> bool:
        ledger = world.folder / LEDGER
        said = ledger.read_text().splitlines() if ledger.exists() else ()
        return _settled(name)(world) or any(
            line.startswith("child ") and f"/{name}/" in line for line in said
        )

    return is_there


def _settled(name: str) -> Callable[[World], bool]:
    return lambda world: any(world.root.archive.glob(f"*/{name}"))


def _documented(world: World) -> None:
    world.submit("d", "[write d.txt e]", docs={"request": True, "write_to": ["docs/d.md"]})


def _asks(world: World) -> bool:
    """Its plan may just be settling: who answers at once need not wait for that."""
    return (world.root.requests / REQUEST).exists()


def _is_answered(world: World) -> bool:
    return not _asks(world) and not (world.root.private / "replies" / REQUEST).exists()


STORIES = (
    Story("a plan in a checkout of its own", _in_git),
    Story(
        "a plan in place, and again",
        _in_place,
        ((_settled("p"), lambda world: world.order("again", action="retry", plan="p")),),
    ),
    Story(
        "a plan that is stopped while it runs, and one that is none",
        _stopped,
        ((_runs("s"), lambda world: world.order("stop", action="cancel", plan="s")),),
    ),
    Story(
        "a plan whose documentation is asked for, answered and committed",
        _documented,
        (
            (_asks, lambda world: world.here.reply(REQUEST, "# What d.txt is\n")),
            (_is_answered, lambda _world: None),
        ),
    ),
)
