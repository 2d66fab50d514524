from __future__ import annotations

import pytest

from orchestrd.observe.totals import InheritedTotal, RememberedTotal

PARENT, CHILD = (1, b"10"), (2, b"20")


def test_where_children_are_inherited_the_sum_of_the_living_is_the_total():
    total = InheritedTotal()
    total.take({PARENT: 1.0, CHILD: 5.0})

    total.take({PARENT: 6.5})

    assert total.value == 6.5


def test_a_child_that_ended_while_we_looked_is_counted_once():
    total = InheritedTotal()
    total.take({PARENT: 1.0, CHILD: 5.0})

    total.take({PARENT: 1.0})  # read before it waited for the child, which was gone when we came to it
    assert total.value == 6.0

    total.take({PARENT: 6.2})
    assert total.value == pytest.approx(6.2)


def test_where_nothing_is_inherited_the_last_reading_of_the_ended_is_remembered():
    total = RememberedTotal()
    total.take({PARENT: 1.0, CHILD: 5.0})

    total.take({PARENT: 1.5})
    total.take({PARENT: 2.0})

    assert total.value == 7.0


def test_a_pid_that_is_used_again_is_another_process():
    total = RememberedTotal()
    total.take({CHILD: 5.0})

    total.take({(2, b"99"): 1.0})

    assert total.value == 6.0


def test_a_zombie_that_shows_nothing_keeps_what_it_showed():
    total = RememberedTotal()
    total.take({PARENT: 1.0, CHILD: 5.0})

    total.take({PARENT: 1.0, CHILD: 0.0})

    assert total.value == 6.0


@pytest.mark.parametrize("kind", [InheritedTotal, RememberedTotal])
def test_what_is_told_nowhere_has_no_value(kind: type[InheritedTotal | RememberedTotal]):
    total = kind()

    total.take({PARENT: None})

    assert total.value is None


@pytest.mark.parametrize("kind", [InheritedTotal, RememberedTotal])
def test_what_one_process_does_not_tell_hides_not_what_others_do(
    kind: type[InheritedTotal | RememberedTotal],
):
    total = kind()

    total.take({PARENT: None, CHILD: 5})

    assert total.value == 5
