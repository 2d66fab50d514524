"""What an order is called while it is carried out."""

from __future__ import annotations

import pytest

from handoff.formats import Format
from orchestrd.inbound.orders import OrderInHand


@pytest.mark.parametrize(
    "number, file, name",
    [
        (7, "lunch.toml", "7.lunch.toml"),
        (7, "Ü" * 120 + ".json", "7." + "Ü" * 120 + ".json"),
        (1234567, "o" * 250 + ".json", "1234567.json"),
    ],
)
def test_an_order_keeps_its_name_as_long_as_that_fits_beside_its_number(
    number: int, file: str, name: str
) -> None:
    assert OrderInHand(number, file, Format.of(file)).name == name
