"""`orchestrd verify`: exit 0 and what was looked at, or 1 and what is not as promised and what to do."""

from __future__ import annotations

import json

import pytest

from orchestrd.cli import tidying


def test_a_new_root_is_as_promised_with_no_daemon_in_sight(orchestrd):
    orchestrd("init")

    said = orchestrd("verify")

    assert (said.code, said.err) == (0, "")
    assert "looked at 0 plans in the inbox, 0 in work, 0 in the archive" in said.out
    assert said.out.endswith("all is as promised\n")


def test_what_is_not_as_promised_is_told_with_what_to_do(orchestrd):
    orchestrd("init")
    (orchestrd.root / "results/nobody.toml").write_text("x")

    said = orchestrd("verify")
    as_json = orchestrd("verify", "--json")

    assert (said.code, as_json.code) == (1, 1)
    assert "Not as promised (result): a result is whole" in said.out
    assert "results/nobody.toml: no such plan is in work or in the archive" in said.out
    assert "what to do: " in said.out
    told = json.loads(as_json.out)
    assert told["root"] == str(orchestrd.root)
    assert told["looked"]["archived"] == 0
    assert [(one["invariant"], one["where"]) for one in told["findings"]] == [
        ("result", "results/nobody.toml")
    ]


def test_where_it_takes_long_it_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    progress = tidying._Progress()
    progress._next = 0.0

    progress.tell(1200, 5000)
    progress.tell(1201, 5000)

    assert capsys.readouterr().err == "orchestrd: looked at 1,200 of 5,000 plans\n"
