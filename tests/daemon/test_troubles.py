"""What is wrong is told once when it comes, and once when it is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger

from orchestrd.daemon.troubles import MOST_SAID, Trouble, Troubles


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the log says."""
    said: list[str] = []
    number = logger.add(lambda text: said.append(str(text).strip()), format="{message}")
    yield said
    logger.remove(number)


def trouble(message: str, word: str = "space") -> Trouble:
    return Trouble(word, message, "make room")


def test_a_trouble_whose_numbers_change_is_told_once_and_shown_as_it_is_now(lines: list[str]) -> None:
    troubles = Troubles()

    for free in range(63, 0, -1):
        troubles.raise_(trouble(f"{free} MiB are free"))

    assert lines == ["63 MiB are free; to do: make room"]
    assert [one.message for one in troubles] == ["1 MiB are free"]


def test_a_trouble_with_two_messages_in_turn_tells_each_once(lines: list[str]) -> None:
    troubles = Troubles()

    for _ in range(100):
        troubles.raise_(trouble("no space"))
        troubles.raise_(trouble("no inodes"))

    assert len(lines) == 2


def test_a_trouble_that_comes_again_is_told_again(lines: list[str]) -> None:
    troubles = Troubles()

    for _ in range(2):
        troubles.raise_(trouble("no space"))
        troubles.clear("space")

    assert lines == ["no space; to do: make room", "over: no space"] * 2
    assert "space" not in troubles


def test_a_trouble_with_ever_new_messages_does_not_fill_the_log(lines: list[str]) -> None:
    troubles = Troubles()

    for name in ("abcdefghijklmnopqrstuvwxyz"[:end] for end in range(1, 26)):
        troubles.raise_(trouble(name))

    assert len(lines) == MOST_SAID


def test_of_several_with_one_word_each_is_told_and_each_is_over_by_itself(lines: list[str]) -> None:
    troubles = Troubles()
    both = [trouble("inbox", "lane-unreadable"), trouble("control", "lane-unreadable")]

    for found in (both, both, both[:1], []):
        troubles.settle("lanes", found)

    assert [line.split(";")[0] for line in lines] == ["inbox", "control", "over: control", "over: inbox"]
    assert list(troubles) == []
