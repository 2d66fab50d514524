"""The engine in a simulated world, as far as `make test` has time for it; `make simulate` has more."""

from __future__ import annotations

import pytest

from orchestrd.core.queue import Queue
from tests.simulate.cost import MOST_RATIO, measure
from tests.simulate.lives import Played, play, play_all, script_of
from tests.simulate.script import Script
from tests.simulate.shrinking import shrink

SEED = 20261124
LIVES = 20_000


@pytest.mark.slow
def test_in_20_000_lives_nothing_happens_that_must_not() -> None:
    played = play_all(SEED, LIVES, processes=1, progress=lambda _played, _seconds: None)

    assert _told(played) == []
    assert played.lives == LIVES
    assert played.figures["kills"] > LIVES // 100


def _told(played: Played) -> list[str]:
    return [
        f"{one.where}: {one.what} (python -m tests.simulate --seed {SEED} --world {one.world})"
        for one in played.violations
    ]


def test_a_seed_shows_the_same_world_again() -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        play(script_of(SEED, 3), story.append)

    assert stories[0] == stories[1]
    assert len(stories[0]) > 100


def test_what_is_wrong_is_found_and_shown_by_a_short_story(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody who was put aside is ever chosen.
    monkeypatch.setattr(Queue, "over", lambda _queue, _by: None)

    script, kind = _first_violation(worlds=200)
    shorter = shrink(script, kind, seconds=5.0)
    _, violation = play(shorter)

    assert violation is not None
    assert violation.kind == kind
    assert len(shorter.plans) < len(script.plans) / 2


def _first_violation(worlds: int) -> tuple[Script, str]:
    for world in range(worlds):
        script = script_of(SEED, world)
        _, violation = play(script)
        if violation is not None:
            return script, violation.kind
    raise AssertionError("nothing was found")


def test_a_decision_costs_hardly_more_among_thousands_that_wait() -> None:
    ratios = {row.mix: row.ratio for row in measure(decisions=300, sizes=(10, 5_000))}

    assert {mix: ratio for mix, ratio in ratios.items() if ratio > MOST_RATIO} == {}
