"""The seeded bugs can still be put in. That they are caught is shown by `make seeded`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.seeded import __main__ as seeded
from tests.faults.seeded.bug import Bug, Edit, NotApplicable
from tests.faults.seeded.bugs import BUGS
from tests.faults.seeded.workshop import PROJECT
from tests.faults.table import campaigns


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_still_applies_and_leaves_code_that_compiles(bug: Bug) -> None:
    for path in bug.paths:
        before = (PROJECT / path).read_text()
        after = bug.applied(path, before)

        assert after != before
        compile(after, path, "exec")


def test_there_are_enough_and_no_two_are_named_alike() -> None:
    assert len(BUGS) >= 25
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_what_has_to_catch_them_is_there() -> None:
    rows = {campaign.test for campaign in campaigns()}
    known = rows | {row.split()[0] for row in rows}
    if not known.issuperset(f"T{number}" for number in range(1, 15)):
        pytest.skip("not all campaigns are there yet")

    for bug in BUGS:
        if bug.caught_by.startswith("tests/"):
            assert (PROJECT / bug.caught_by.partition("::")[0]).exists(), bug.name
        else:
            assert bug.caught_by in rows, bug.name
            assert bug.breaks, bug.name


def test_a_bug_whose_place_has_changed_is_told() -> None:
    bug = Bug("x", "x", (Edit("x.py", "twice", "once"),), ("I1",), "T1")

    with pytest.raises(NotApplicable, match="holds this 2 times"):
        bug.applied("x.py", "twice twice")


@pytest.mark.parametrize(
    ("violations", "error", "outcome"),
    [
        ([{"invariant": "I3", "where": "x", "what": "y"}], None, "caught"),
        ([{"invariant": "?", "where": "x", "what": "y"}], None, "broken"),
        ([{"invariant": "-", "where": "x", "what": "late"}], None, "missed"),
        ([{"invariant": "-", "where": "x", "what": "there is no slot"}], None, "caught"),
        ([], "OSError: no tmpfs", "broken"),
        ([], None, "missed"),
    ],
)
def test_only_the_promise_that_the_bug_breaks_is_a_catch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, violations: list, error: str | None, outcome: str
) -> None:
    bug = Bug("x", "x", (), ("I3", "-: no slot"), "T1")
    row = {"violations": violations, "error": error, "skipped": None, "fired": 3}

    def ran(_workshop: object, _words: object, folder: Path) -> tuple[int, str]:
        (folder / "short.json").write_text(seeded.json.dumps({"rows": [row]}))
        return 1, ""

    monkeypatch.setattr(seeded, "_run", ran)

    assert seeded._by_campaign(None, bug, "T1", tmp_path)[0] == outcome  # type: ignore[arg-type]


@pytest.mark.parametrize(("bugs", "wanted"), [(1, 1), (24, 24), (25, 24), (26, 25), (50, 48)])
def test_of_a_few_bugs_none_may_be_missed(bugs: int, wanted: int) -> None:
    assert seeded.have_to_be_caught(bugs) == wanted
