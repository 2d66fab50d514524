"""A context as the daemon sees it: its own blocks among what people wrote. Pure.

The law: a block whose text does not fit the checksum in its mark was edited, and is somebody's own for ever, as is
everything between blocks. A block that was written and is not there was removed, and does not come back. So whatever a
person does stays done, and nobody has to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from handoff.context import END, MARK, checksum

STATE = "state"
DONE = "done"
OLDER = "older"
"""The block behind the last that was done: how many are not told of any more."""

_HEADINGS = {STATE: "State", DONE: "Done"}
_END_LINE = "<!-- end of kept -->"


@dataclass(frozen=True, slots=True)
class Piece:
    """What a block is to say: `name` begins with `state/` or `done/` and holds no white space."""

    name: str
    text: str

    def __post_init__(self) -> None:
        """Refuse a text that would end its own block, or begin another."""
        if any(MARK.fullmatch(line) or END.fullmatch(line) for line in self.text.split("\n")):
            raise ValueError(f"a block's text holds a mark: {self.text!r:.200}")

    @property
    def section(self) -> str:
        """Where it stands."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Block:
    """A block that stands in a text."""

    name: str
    text: str
    raw: str
    """As it stands there, marks and line ends included."""
    is_ours: bool
    """Nobody edited it."""

    @property
    def section(self) -> str:
        """Where it belongs."""
        return self.name.partition("/")[0]


Part = Block | str
"""A block, or one line of somebody's, with its end."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept in a text."""

    state: tuple[Piece, ...] = ()
    """All that is the case now: what was so and is not, goes."""
    done: tuple[Piece, ...] = ()
    """What is new or has changed, the newest first: others stay."""
    written: frozenset[str] = frozenset()
    """The names of all blocks that were ever written into this text."""
    dropped: int = 0
    """How many of what was done had to go before, for want of room."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A text with all that is kept."""

    text: str
    written: frozenset[str]
    dropped: int


def merge(text: str, kept: Kept, most_bytes: int) -> Merged:
    """Bring a text up to date. What is somebody's own in it stays as it is, byte for byte but for blank lines.

    `most_bytes` bounds what the daemon's blocks take up together; the oldest of what was done goes first.
    """
    line_end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    wanted = {piece.name: piece for piece in (*kept.state, *kept.done)}
    parts = list(_renewed(parse(text), wanted, line_end))
    there = {part.name for part in parts if isinstance(part, Block)}
    for piece in kept.state:
        if piece.name not in there | kept.written:
            _put(parts, _place(parts, STATE, line_end, at_top=False), piece, line_end)
    for piece in reversed(kept.done):
        if piece.name not in there | kept.written:
            _put(parts, _place(parts, DONE, line_end, at_top=True), piece, line_end)
    dropped = kept.dropped + _drop_oldest(parts, most_bytes)
    written = {name for name in kept.written if not name.startswith(f"{STATE}/")} | set(wanted) | there
    if dropped and OLDER not in there | kept.written:
        _put(parts, _place(parts, DONE, line_end, at_top=False), _older(dropped), line_end)
    if dropped:
        parts = list(_renewed(parts, {OLDER: _older(dropped)}, line_end, only=(OLDER,)))
        written.add(OLDER)
    return Merged("".join(_raw(part) for part in parts), frozenset(written), dropped)


def parse(text: str) -> list[Part]:
    """Tell the blocks in a text from what is somebody's own. A mark without its end, or doubled, is a mere line."""
    lines = _LINE.findall(text)
    parts: list[Part] = []
    at = 0
    while at < len(lines):
        block = _block_at(lines, at)
        parts.append(block or lines[at])
        at += len(_LINE.findall(block.raw)) if block else 1
    chosen: dict[str, Block] = {}
    for part in parts:
        if isinstance(part, Block) and (part.name not in chosen or part.is_ours > chosen[part.name].is_ours):
            chosen[part.name] = part
    return [one for part in parts for one in _undoubled(part, chosen)]


def _undoubled(part: Part, chosen: Mapping[str, Block]) -> list[Part]:
    """A second block of one name is somebody's copy, or looks like a block by chance: its lines are mere lines."""
    if isinstance(part, str) or chosen[part.name] is part:
        return [part]
    return list(_LINE.findall(part.raw))


_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_HEADING = re.compile(r"(?P<level>#{1,6})[ \t]+(?P<title>.*?)[ \t]*#*[ \t]*")


def _block_at(lines: Sequence[str], at: int) -> Block | None:
    if "<!--" not in lines[at]:
        return None  # as most lines: each run that starts has them looked at
    mark = MARK.fullmatch(_bare(lines[at]))
    if mark is None:
        return None
    for end in range(at + 1, len(lines)):
        if "<!--" not in lines[end]:
            continue
        line = _bare(lines[end])
        if MARK.fullmatch(line):
            return None
        if END.fullmatch(line):
            text = "\n".join(_bare(one) for one in lines[at + 1 : end])
            is_ours = checksum(mark["id"], text) == mark["sum"]
            return Block(mark["id"], text, "".join(lines[at : end + 1]), is_ours)
    return None


def _block(piece: Piece, line_end: str) -> Block:
    mark = f"<!-- kept {piece.name} {checksum(piece.name, piece.text)} -->"
    raw = f"{mark}\n{piece.text}\n{_END_LINE}\n".replace("\n", line_end)
    return Block(piece.name, piece.text, raw, is_ours=True)


def _older(count: int) -> Piece:
    plans = "plan is" if count == 1 else "plans are"
    return Piece(OLDER, f"{count} older {plans} not told of here; `orchestrd ls` shows them.")


def _renewed(
    parts: Sequence[Part], wanted: Mapping[str, Piece], line_end: str, only: Sequence[str] = (STATE, DONE)
) -> Iterator[Part]:
    """Give each block of ours its new text; what is not the case any more goes."""
    gone = False
    blank_before = True
    for part in parts:
        if gone and blank_before and _is_blank(part):
            gone = False
            continue
        new = _renewal(part, wanted, line_end) if _is_ours(part, only) else part
        gone = new is None
        if new is not None:
            blank_before = _is_blank(new)
            yield new


def _renewal(part: Part, wanted: Mapping[str, Piece], line_end: str) -> Part | None:
    if not isinstance(part, Block):
        return part
    piece = wanted.get(part.name)
    if piece is None:
        return None if part.section == STATE else part
    return part if piece.text == part.text else _block(piece, line_end)


def _drop_oldest(parts: list[Part], most_bytes: int) -> int:
    """Take out what was done longest ago, which stands last, until the rest has room. Return how many went."""
    # The line that tells of older plans is short, and not counted: else it would drive out what it does not tell of.
    ours = [part for part in parts if isinstance(part, Block) and part.is_ours and part.section != OLDER]
    size = sum(len(block.raw.encode("utf-8", "surrogatepass")) for block in ours)
    dropped = 0
    for block in reversed([one for one in ours if one.section == DONE]):
        if size <= most_bytes:
            break
        at = next(number for number, part in enumerate(parts) if part is block)
        del parts[at]
        if at < len(parts) and _is_blank(parts[at]) and (at == 0 or _is_blank(parts[at - 1])):
            del parts[at]
        size -= len(block.raw.encode("utf-8", "surrogatepass"))
        dropped += 1
    return dropped


def _place(parts: list[Part], section: str, line_end: str, *, at_top: bool) -> int:
    """Find where the next block of a section goes; its heading is written anew where somebody took it away."""
    span = _span(parts, _HEADINGS[section])
    if span is None:
        there = [at for at, part in enumerate(parts) if isinstance(part, Block) and part.section == section]
        if there:
            return there[0] if at_top else there[-1] + 1
        return _put_heading(parts, section, line_end)
    first, last = span
    blocks = [at for at in range(first, last) if _is_of(parts[at], section)]
    if blocks:
        return blocks[0] if at_top else blocks[-1] + 1
    while last > first and _is_blank(parts[last - 1]):
        last -= 1
    return last


def _span(parts: Sequence[Part], title: str) -> tuple[int, int] | None:
    """Find what stands under a heading: from the line behind it to the next one that is not below it."""
    first, level = None, 0
    for at, part in enumerate(parts):
        heading = _HEADING.fullmatch(_bare(part)) if isinstance(part, str) else None
        if heading is None:
            continue
        if first is not None and len(heading["level"]) <= level:
            return first, at
        if first is None and heading["title"].casefold() == title.casefold():
            first, level = at + 1, len(heading["level"])
    return None if first is None else (first, len(parts))


def _put_heading(parts: list[Part], section: str, line_end: str) -> int:
    done = _span(parts, _HEADINGS[DONE]) if section == STATE else None
    at = done[0] - 1 if done is not None else len(parts)
    return _put_in(parts, at, f"## {_HEADINGS[section]}{line_end}", line_end) + 1


def _put(parts: list[Part], at: int, piece: Piece, line_end: str) -> None:
    _put_in(parts, at, _block(piece, line_end), line_end)


def _put_in(parts: list[Part], at: int, part: Part, line_end: str) -> int:
    """Insert something between empty lines; return where it stands."""
    new: list[Part] = [part]
    if at < len(parts) and not _is_blank(parts[at]):
        new.append(line_end)
    if at > 0:
        _end_line(parts, at - 1, line_end)
        if not _is_blank(parts[at - 1]):
            new.insert(0, line_end)
    parts[at:at] = new
    return at + new.index(part)


def _end_line(parts: list[Part], at: int, line_end: str) -> None:
    """See to it that what is inserted behind a part begins a line: the last one of a file may have no end."""
    part = parts[at]
    if _raw(part).endswith("\n"):
        return
    parts[at] = part + line_end if isinstance(part, str) else replace(part, raw=part.raw + line_end)


def _is_of(part: Part, section: str) -> bool:
    return isinstance(part, Block) and part.section == section


def _is_ours(part: Part, sections: Sequence[str]) -> bool:
    return isinstance(part, Block) and part.is_ours and part.section in sections


def _is_blank(part: Part) -> bool:
    return isinstance(part, str) and not part.strip()


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _raw(part: Part) -> str:
    return part if isinstance(part, str) else part.raw
