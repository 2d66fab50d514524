"""Whatever is moved or taken out, the first is the one with the least key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrd.core.ranking import Ranking

ITEMS = st.sampled_from("abcdef")
MOVES = st.lists(st.one_of(st.tuples(ITEMS, st.integers(0, 9)), ITEMS), max_size=300)


@given(MOVES)
def test_the_first_is_the_one_with_the_least_key(moves: list[tuple[str, int] | str]) -> None:
    ranking: Ranking[str] = Ranking()
    known: dict[str, int] = {}

    for move in moves:
        if isinstance(move, str):
            ranking.drop(move)
            known.pop(move, None)
        else:
            item, known[move[0]] = move
            ranking.set(item, (known[item],))
        first = ranking.first()

        assert len(ranking) == len(known)
        assert (first is None) == (not known)
        if first is not None:
            assert first == (first[0], (known[first[0]],))
            assert first[1] == (min(known.values()),)
            assert ranking.best() == first[0]


def test_of_what_is_moved_again_and_again_little_is_left_behind() -> None:
    ranking: Ranking[int] = Ranking()
    for turn in range(10_000):
        ranking.set(turn % 10, (turn,))

    assert len(ranking._heap) < 200
    assert ranking.first() == (0, (9990,))


def test_there_is_no_best_of_nothing() -> None:
    with pytest.raises(LookupError):
        Ranking[str]().best()
