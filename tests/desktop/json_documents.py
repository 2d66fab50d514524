"""JSON documents as people and programs write them, for hypothesis: every style, and nothing that parsing forgets."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_NUMBERS = ("0", "-0", "1.0", "1e400", "-1.50", "1E+5", "123456789012345678901234567890", "0.1000")
_BLANKS = st.sampled_from(("", " ", "\n", "\t", "\r\n", "\n  ", "  "))
_NAMES = st.text(max_size=4) | st.sampled_from(
    ("mcpServers", "orchestrd", "env", "a/b", 'q"q', "\\", "\u2028", "\ud800")
)


def exact(text: str) -> Any:
    """What a text says, to the last digit: order, how numbers are written, everything."""
    return json.loads(
        text.removeprefix("\ufeff"),
        parse_int=lambda digits: ("number", digits),
        parse_float=lambda digits: ("number", digits),
        object_pairs_hook=lambda pairs: ("object", pairs),
    )


def _string(draw: st.DrawFn, text: str) -> str:
    how = draw(st.integers(0, 2))
    if how == 2:
        return '"' + "".join(f"\\u{ord(one):04X}" if ord(one) < 0x10000 else one for one in text) + '"'
    written = json.dumps(text, ensure_ascii=how == 0)
    return written if how == 0 or not any("\ud800" <= one <= "\udfff" for one in text) else json.dumps(text)


@st.composite
def values(draw: st.DrawFn, depth: int = 3) -> str:
    """Any value, written in any way."""
    kind = draw(st.sampled_from("snwoa" if depth else "snw"))
    if kind == "n":
        return draw(st.sampled_from(_NUMBERS))
    if kind == "w":
        return draw(st.sampled_from(("true", "false", "null")))
    if kind == "s":
        return _string(draw, draw(st.text(max_size=6)))
    if kind == "a":
        items = draw(st.lists(values(depth - 1), max_size=3))
        return "[" + ",".join(f"{draw(_BLANKS)}{item}{draw(_BLANKS)}" for item in items) + "]"
    return draw(objects(depth))


@st.composite
def objects(draw: st.DrawFn, depth: int = 3, **given: st.SearchStrategy[str]) -> str:
    """An object, written in any way; `given` are members that it has in any case, whatever their place."""
    names = draw(st.lists(_NAMES, max_size=3, unique=True))
    members = [(name, draw(values(depth - 1))) for name in names if name not in given]
    members += [(name, draw(value)) for name, value in given.items()]
    ordered = draw(st.permutations(members))
    written = [
        f"{draw(_BLANKS)}{_string(draw, name)}{draw(_BLANKS)}:{draw(_BLANKS)}{value}{draw(_BLANKS)}"
        for name, value in ordered
    ]
    return "{" + (",".join(written) or draw(_BLANKS)) + "}"


@st.composite
def documents(draw: st.DrawFn, **given: st.SearchStrategy[str]) -> str:
    """A whole file."""
    mark = draw(st.sampled_from(("", "\ufeff")))
    return mark + draw(_BLANKS) + draw(objects(**given)) + draw(_BLANKS)
