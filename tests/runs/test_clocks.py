from __future__ import annotations

from typing import Any

from orchestrd.runs.clocks import LINGER_SECONDS, Clocks


def clocks(**limits: Any) -> Clocks:
    """Begun at boot second 1000, awake second 100."""
    some = {"timeout_seconds": 600, "silence_seconds": 30, "first_event_seconds": 10, "memory_bytes": None}
    return Clocks(**(some | limits), boot=1000, awake=100)


def over(made: Clocks, *, boot: float = 1000, awake: float = 100) -> str | None:
    found = made.overdue(boot, awake)
    return found and found[0]


def test_the_time_limit_counts_while_the_machine_sleeps() -> None:
    assert over(clocks(), boot=1599) is None
    assert over(clocks(), boot=1600) == "timeout"


def test_silence_does_not_count_while_the_machine_sleeps() -> None:
    made = clocks()
    made.heard(100)

    assert over(made, boot=1590, awake=101) is None


def test_before_the_first_event_another_limit_holds() -> None:
    made = clocks()
    assert over(made, awake=109) is None
    assert over(made, awake=110) == "first-event"

    made.heard(109)
    assert over(made, awake=138) is None
    assert over(made, awake=139) == "silence"


def test_time_in_which_we_could_not_listen_is_no_silence() -> None:
    made = clocks()
    made.heard(101)

    made.deaf(130)

    assert over(made, awake=159) is None
    assert over(made, awake=160) == "silence"


def test_after_its_result_it_only_has_to_go() -> None:
    made = clocks(silence_seconds=3)
    made.heard(100)

    made.result_came(105)

    assert over(made, awake=105 + LINGER_SECONDS - 0.1) is None
    assert over(made, awake=105 + LINGER_SECONDS) == "lingered"


def test_events_after_the_result_do_not_put_the_end_off() -> None:
    made = clocks()
    made.result_came(105)

    made.heard(105 + LINGER_SECONDS)

    assert over(made, awake=105 + LINGER_SECONDS) == "lingered"


def test_memory_is_looked_at_often_only_under_a_limit() -> None:
    for memory, pause in ((None, 2.0), (1 << 30, 0.5)):
        made = clocks(memory_bytes=memory)
        assert made.is_look_due(101)

        assert not made.is_look_due(101 + pause - 0.01)
        assert made.is_look_due(101 + pause)


def test_what_is_held_is_compared_with_what_may_be_held() -> None:
    assert clocks().too_much(1 << 40) is None
    assert clocks(memory_bytes=1000).too_much(1000) is None

    found = clocks(memory_bytes=1 << 20).too_much(3 << 20)
    assert found
    assert found[0] == "memory"
    assert "3 MiB" in found[1]
    assert "1 MiB" in found[1]


def test_it_says_how_long_nothing_can_become_due() -> None:
    made = clocks()
    made.is_look_due(101)

    assert made.seconds_left(1001, 101) == 2.0
    assert made.seconds_left(1598.5, 101) == 1.5
    assert made.seconds_left(1001, 500) == 0


def test_what_has_no_limit_of_silence_may_be_silent_until_its_time_is_up() -> None:
    made = clocks(silence_seconds=None, first_event_seconds=None)

    assert over(made, boot=1599, awake=699) is None
    assert over(made, boot=1600, awake=700) == "timeout"
    made.heard(100)
    assert over(made, boot=1599, awake=699) is None
    assert made.seconds_left(1000, 100) < 1  # the next look at its memory
