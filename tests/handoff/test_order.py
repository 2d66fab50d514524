from __future__ import annotations

import pytest

from handoff.formats import DocumentError, Format, dump, read_document
from handoff.order import Action, Order
from tests.builders import an_order


def test_an_order_needs_no_version():
    order = read_document(
        Order, b'action = "cancel"\nplan = "add-login"\nwhy = "not needed any more"\n', Format.TOML
    )

    assert (order.action, order.plan) == (Action.CANCEL, "add-login")


@pytest.mark.parametrize(
    "text, path, line",
    [
        ('key = "x"\naction = "cancel"', "action", 2),
        ('action = "pause"\nplan = "add-login"', "plan", 2),
        ('\naction = "stop"', "action", 2),
        ('action = "retry"\nplan = "../x"', "plan", 2),
        ('action = "pause"\nid = "x"', "id", 2),
        ('why = "x"', "action", 1),
        ('action = ["pause"]', "action", 1),
        ('action = [["pause"]]\nplan = "x"', "action", 1),
    ],
)
def test_an_order_that_cannot_be_meant_is_told_where(text, path, line):
    with pytest.raises(DocumentError) as refused:
        read_document(Order, text.encode(), Format.TOML)

    assert [(error.path, error.line) for error in refused.value.errors] == [(path, line)]


def test_an_order_is_no_markdown():
    with pytest.raises(DocumentError):
        read_document(Order, b"+++\naction = 'pause'\n+++\n", Format.MARKDOWN)


@pytest.mark.parametrize("file_format", [Format.TOML, Format.JSON])
def test_an_order_is_read_as_it_was_written(file_format):
    order = an_order(action="retry", plan="add-login", key="once")

    assert read_document(Order, dump(order, file_format), file_format) == order


@pytest.mark.parametrize("text", ['action = "explode"', 'why = "x"'])
def test_the_words_that_are_known_are_named_where_there_is_none_or_another(text):
    with pytest.raises(DocumentError, match='one of: "cancel", "retry", "pause", "resume", "drain"'):
        read_document(Order, text.encode(), Format.TOML)
