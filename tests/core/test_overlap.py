"""Whether two plans touch the same: held against trying every path there is, over a small alphabet."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatchcase
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.root import PlanId
from orchestrd.core.overlap import MOST_WORK, Touched, overlaps

NAMES = ["".join(letters) for size in range(1, 5) for letters in product("abz[]-", repeat=size)]
"""`z` stands for whatever the rules do not name. Four letters are enough: a rule of three without a star means no
more, and with a star in each of two there are no more than two letters in either."""
PATHS = ["/".join(names) for size in range(1, 7) for names in product(("a", "b", "ab", "z"), repeat=size)]

CHARACTERS = st.sampled_from(
    ["a", "b", "*", "?", "[ab]", "[!a]", "[!ab]", "[a-b]", "[b-a]", "[!b-a]", "[", "]", "-"]
)
NAME = st.lists(CHARACTERS, min_size=1, max_size=3).map("".join).filter(lambda name: name != "**")
PARTS = st.sampled_from(["a", "b", "ab", "z", "*", "?", "a*", "*b", "[!a]", "[az]", "**", "***"])
RULE = st.tuples(st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.sampled_from(["", "/"])).map(
    "".join
)


@cache
def named(rule: str) -> frozenset[str]:
    """The paths among PATHS that a rule names; by regular expressions."""
    if rule.endswith("/"):
        rule += "**"
    expression = "/".join(
        r"\0" if part == "**" else re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        for part in rule.split("/")
    )
    expression = re.sub(r"\\\[(.*?)\\\]", r"[\1]", expression).replace("[!", "[^")
    # Any number of folders, none among them: the slash that is too much goes with them.
    expression = ("/" + expression).replace(r"/\0", "(/[^/]+)*")
    wanted = re.compile(expression)
    return frozenset(path for path in PATHS if wanted.fullmatch("/" + path))


@given(NAME, NAME)
def test_two_names_overlap_if_and_only_if_there_is_a_name_that_both_mean(one: str, other: str) -> None:
    common = [name for name in NAMES if fnmatchcase(name, one) and fnmatchcase(name, other)]

    assert overlaps([one], [other]) == bool(common), common[:3]


@given(RULE, RULE)
@settings(max_examples=300)
def test_two_rules_overlap_if_and_only_if_there_is_a_path_that_both_mean(one: str, other: str) -> None:
    common = named(one) & named(other)

    assert overlaps([one], [other]) == bool(common), sorted(common)[:3]


@given(st.lists(RULE, max_size=3), st.lists(RULE, max_size=3))
def test_lists_overlap_if_a_rule_of_the_one_does_with_a_rule_of_the_other(
    one: list[str], other: list[str]
) -> None:
    assert overlaps(one, other) == any(overlaps([a], [b]) for a in one for b in other)
    assert overlaps(one, other) == overlaps(other, one)


@pytest.mark.parametrize(
    "one, other, expected",
    [
        ("src/api/**", "src/api/limits.py", True),
        ("src/api/**", "src/web/**", False),
        ("src/api/**", "src/api", True),
        ("src/", "src/api/limits.py", True),
        ("src/", "src", True),
        ("src/", "src/", True),
        ("src/", "srcs/a.py", False),
        ("src", "src/api/limits.py", False),
        ("README.md", "**/*.py", False),
        ("*.py", "setup.py", True),
        ("*.py", "src/setup.py", False),
        ("**/*.py", "src/setup.py", True),
        ("**/test_*.py", "src/**/*_limits.py", True),
        ("**/test_*.py", "src/**/*.js", False),
        ("**/*.py", "**/*.js", False),
        ("docs/[a-m]*.md", "docs/limits.md", True),
        ("docs/[!a-m]*.md", "docs/limits.md", False),
        ("docs/[", "docs/[", True),
        ("docs/?.md", "docs/ab.md", False),
        ("ä*", "äpfel", True),
        ("README.md", "readme.md", False),
    ],
)
def test_what_a_person_would_expect(one: str, other: str, expected: bool) -> None:
    assert overlaps([one], [other]) is expected


def test_who_touches_nothing_overlaps_with_nobody() -> None:
    assert not overlaps([], ["**"])
    assert not overlaps(["**"], [])


def test_thousands_are_compared_in_a_second() -> None:
    lists = [[f"src/part{number}/**", f"tests/**/test_part{number}*.py", "docs/*.md"] for number in range(40)]
    began = time.thread_time()

    for one, other in product(lists, repeat=2):
        overlaps(one, other)

    assert 1600 / (time.thread_time() - began) > 2000, "comparisons a second, none of them known before"


def test_rules_that_nobody_could_compare_in_time_are_taken_to_overlap() -> None:
    began = time.thread_time()

    assert overlaps(["a" * 2000], ["b" * 2000])
    assert overlaps(["a"] * 20_000, ["b"] * 20_000)
    assert not overlaps(["*a" * 240 + "b"], ["*c" * 240 + "d"])
    assert not overlaps(["**/a/" * 120 + "b"], ["**/c/" * 120 + "d"])

    assert len("*a" * 240) ** 2 < MOST_WORK
    assert time.thread_time() - began < 2


A, B, C = PlanId("a"), PlanId("b"), PlanId("c")


def test_a_plan_waits_for_the_one_that_touches_the_same_and_is_told_which() -> None:
    touched = Touched()
    touched.begin(A, "/api", in_place=False, touches=["docs/**"])
    touched.begin(B, "/api", in_place=False, touches=["src/**"])

    assert touched.in_the_way("/api", in_place=False, touches=["src/limits.py"]) == B
    assert touched.in_the_way("/api", in_place=False, touches=["tests/**"]) is None
    assert touched.in_the_way("/web", in_place=False, touches=["src/limits.py"]) is None
    touched.end(B)
    assert touched.in_the_way("/api", in_place=False, touches=["src/limits.py"]) is None


def test_a_plan_in_place_and_one_with_a_worktree_that_touch_the_same_take_turns() -> None:
    touched = Touched()
    touched.begin(A, "/api", in_place=True, touches=["src/**"])

    assert touched.in_the_way("/api", in_place=False, touches=["src/limits.py"]) == A
    assert touched.in_the_way("/api", in_place=False, touches=["docs/**"]) is None


def test_without_touches_worktrees_run_side_by_side_and_plans_in_place_do_not() -> None:
    touched = Touched()
    touched.begin(A, "/api", in_place=False, touches=[])
    assert touched.in_the_way("/api", in_place=False, touches=["**"]) is None
    assert touched.in_the_way("/api", in_place=True, touches=[]) is None
    touched.begin(B, "/api", in_place=True, touches=[])

    assert touched.in_the_way("/api", in_place=False, touches=[]) is None
    assert touched.in_the_way("/api", in_place=True, touches=[]) == B
    assert touched.in_the_way("/api", in_place=True, touches=["docs/**"]) == B


def test_a_plan_that_began_twice_and_ended_once_is_in_nobodys_way() -> None:
    touched = Touched()
    touched.begin(A, "/api", in_place=True, touches=[])
    touched.begin(A, "/api", in_place=True, touches=[])

    touched.end(A)
    touched.end(A)
    touched.end(C)

    assert touched.in_the_way("/api", in_place=True, touches=["**"]) is None
