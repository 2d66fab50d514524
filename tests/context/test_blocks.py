"""What the daemon keeps and what people write live in one file, and neither takes the other's away."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as some

from orchestrd.context.blocks import Block, Kept, Piece, merge, parse

EMPTY = "# api\n\n## Notes\n\n## State\n\n## Done\n"
MUCH = 1 << 20


def done(number: int, text: str = "") -> Piece:
    return Piece(f"done/plan-{number}", text or f"### plan {number}\n\nit was done")


def state(name: str, text: str = "") -> Piece:
    return Piece(f"state/{name}", text or f"- {name} is the case")


def keep(
    text: str,
    *pieces: Piece,
    written: frozenset[str] = frozenset(),
    dropped: int = 0,
    most_bytes: int = MUCH,
) -> tuple[str, frozenset[str]]:
    kept = Kept(
        tuple(one for one in pieces if one.section == "state"),
        tuple(one for one in pieces if one.section == "done"),
        written,
        dropped,
    )
    merged = merge(text, kept, most_bytes)
    return merged.text, merged.written


def names(text: str) -> list[str]:
    return [part.name for part in parse(text) if isinstance(part, Block)]


def own_lines(text: str) -> list[str]:
    """What is somebody's own in a text, without empty lines."""
    raw = [part if isinstance(part, str) else part.raw for part in parse(text) if not is_ours(part)]
    return [line.rstrip("\r") for line in "".join(raw).split("\n") if line.strip()]


def is_ours(part: Block | str) -> bool:
    return isinstance(part, Block) and part.is_ours


def test_what_is_kept_stands_under_its_headings_the_newest_first() -> None:
    first, written = keep(EMPTY, state("branch:a"), done(1))

    text, _ = keep(first, state("branch:a"), state("docs:b"), done(3), done(2), written=written)

    assert names(text) == ["state/branch:a", "state/docs:b", "done/plan-3", "done/plan-2", "done/plan-1"]
    assert own_lines(text) == ["# api", "## Notes", "## State", "## Done"]
    assert text.index("## State") < text.index("docs:b is") < text.index("## Done") < text.index("plan 3")


def test_keeping_the_same_again_changes_nothing() -> None:
    first, written = keep(EMPTY, state("branch:a"), done(1))

    assert keep(first, state("branch:a"), done(1), written=written) == (first, written)
    assert keep(first, state("branch:a"), written=written) == (first, written)


def test_a_block_that_was_edited_stays_as_it_is() -> None:
    text, written = keep(EMPTY, state("branch:a"), done(1))
    edited = text.replace("it was done", "it was done, badly").replace("is the case", "was mine")

    again, _ = keep(edited, state("branch:a", "- other"), done(1, "### other"), written=written)
    gone, _ = keep(edited, written=written)

    assert again == gone == edited


def test_a_block_that_was_removed_does_not_come_back() -> None:
    text, written = keep(EMPTY, state("branch:a"), done(1), done(2))

    again, _ = keep(EMPTY, state("branch:a"), done(2), done(1), written=written)

    assert (names(text), again) == (["state/branch:a", "done/plan-1", "done/plan-2"], EMPTY)


def test_what_is_not_the_case_any_more_goes_and_may_be_so_again() -> None:
    text, written = keep(EMPTY, state("branch:a"), done(1))

    gone, written = keep(text, written=written)
    back, _ = keep(gone, state("branch:a"), written=written)

    assert names(gone) == ["done/plan-1"]
    assert "\n\n\n" not in gone
    assert names(back) == ["state/branch:a", "done/plan-1"]


def test_what_was_removed_while_it_was_the_case_may_come_when_it_is_so_anew() -> None:
    _, written = keep(EMPTY, state("branch:a"))
    removed, written = keep(EMPTY, state("branch:a"), written=written)
    no_more, written = keep(removed, written=written)

    anew, _ = keep(no_more, state("branch:a"), written=written)

    assert names(removed) == []
    assert names(anew) == ["state/branch:a"]


def test_an_entry_is_brought_up_to_date_in_its_place() -> None:
    text, written = keep(EMPTY, done(2), done(1))

    again, _ = keep(text, done(1, "### plan 1\n\ndocumented"), written=written)

    assert names(again) == ["done/plan-2", "done/plan-1"]
    assert "documented" in again


def test_the_oldest_goes_first_where_there_is_no_more_room_and_the_file_says_so() -> None:
    text, written = keep(EMPTY, *(done(number) for number in (5, 4, 3, 2, 1)))

    less = merge(text, Kept(done=(done(6),), written=written), 400)
    edited = less.text.replace("### plan 5", "### plan five")
    least = merge(edited, Kept(done=(done(7),), written=less.written, dropped=less.dropped), 1)

    assert names(less.text)[:2] == ["done/plan-6", "done/plan-5"]
    assert f"{less.dropped} older plans" in less.text
    assert sum(len(part.raw) for part in parse(less.text) if isinstance(part, Block)) < 400 + 130
    assert names(least.text) == ["done/plan-5", "older"]
    assert "6 older plans" in least.text
    assert merge(least.text, Kept(written=least.written, dropped=6), 1).text == least.text


def test_somebodys_own_text_has_all_the_room_it_wants() -> None:
    text, _ = keep(EMPTY.replace("## State", "much of it\n" * 1000 + "\n## State"), done(1), most_bytes=500)

    assert names(text) == ["done/plan-1"]


def test_headings_that_were_removed_come_back_with_what_stands_under_them() -> None:
    text, _ = keep("my own words", state("branch:a"), done(1))

    assert own_lines(text) == ["my own words", "## State", "## Done"]
    assert text.index("my own") < text.index("## State") < text.index("## Done")


def test_a_mark_that_is_no_whole_one_is_a_line_of_somebodys() -> None:
    text, written = keep(EMPTY, done(1), done(2))
    torn = text.replace("<!-- end of kept -->\n", "", 1)
    doubled = text + "\n" + text

    assert names(torn) == ["done/plan-2"]
    assert keep(torn, done(1), done(2), written=written)[0] == torn
    assert names(doubled) == ["done/plan-1", "done/plan-2"]
    assert keep(doubled, done(1, "### new"), written=written)[0].endswith("\n" + text)


def test_a_file_with_the_line_ends_of_windows_keeps_them() -> None:
    text, written = keep(EMPTY.replace("\n", "\r\n"), done(1), state("branch:a"))
    again, _ = keep(text, done(1), state("branch:a", "- other"), written=written)

    assert "\n" not in again.replace("\r\n", "")
    assert names(again) == ["state/branch:a", "done/plan-1"]


LINES = some.sampled_from(
    [
        *("", "mine", "# mine", "## State", "## done", "## Notes", "+++", "- mine", "  ", "\r", "### plan 1"),
        *("<!-- end of kept -->", "<!-- kept done/plan-1 0123456789ab -->", "<!-- kept state/x 0 -->"),
    ]
)
PIECES = some.lists(
    some.one_of(
        some.builds(done, some.integers(0, 6), some.sampled_from(["", "### a\n\nb", "x"])),
        some.builds(state, some.sampled_from("abc"), some.sampled_from(["", "- other"])),
    ),
    max_size=4,
    unique_by=lambda piece: piece.name,
)
EDITS = some.tuples(some.sampled_from(["insert", "remove", "change"]), some.integers(0, 10**6), LINES)


@given(some.lists(some.tuples(some.lists(EDITS, max_size=4), PIECES, some.integers(0, 900)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_people_write_survives_whatever_is_kept(rounds: list) -> None:
    text, written, dropped = EMPTY, frozenset[str](), 0
    for edits, pieces, most_bytes in rounds:
        text = edited(text, edits)
        before = own_lines(text)
        kept = Kept(
            tuple(one for one in pieces if one.section == "state"),
            tuple(one for one in pieces if one.section == "done"),
            written,
            dropped,
        )

        merged = merge(text, kept, most_bytes)

        came = [line for line in own_lines(merged.text) if re.fullmatch("## (State|Done)", line)]
        assert is_in_order(before, own_lines(merged.text))
        assert len(own_lines(merged.text)) - len(before) <= len(came)
        # Stray marks may come to stand so that they look like a block; it fits no checksum, and is somebody's own.
        ours = {part.name for part in parse(merged.text) if isinstance(part, Block) and part.is_ours}
        assert not (written - set(names(text))) & ours
        again = merge(merged.text, Kept(kept.state, kept.done, merged.written, merged.dropped), most_bytes)
        assert again.text == merged.text
        text, written, dropped = merged.text, merged.written, merged.dropped


def edited(text: str, edits: list) -> str:
    lines = text.split("\n")
    for how, where, line in edits:
        at = where % (len(lines) + 1)
        lines[at : at + (how != "insert")] = [] if how == "remove" else [line]
    return "\n".join(lines)


def is_in_order(few: list[str], many: list[str]) -> bool:
    left = iter(many)
    return all(line in left for line in few)
