"""Handing in, checking, waiting and looking, while no daemon runs: all of it is files."""

from __future__ import annotations

import json
import os
import re
import time

import pytest


@pytest.fixture
def root(orchestrd):
    assert orchestrd("init").code == 0
    return orchestrd.root


def a_plan(project, **more) -> str:
    fields = {"handoff": 1, "title": "Say hello!", "project": str(project), "prompt": "Say hello."} | more
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in fields.items()) + "\n"


def test_submit_prints_the_id_and_nothing_else_and_warns_that_nobody_serves(
    orchestrd, root, project, tmp_path
):
    file = tmp_path / "Say Hello.plan.toml"
    file.write_text(a_plan(project))

    said = orchestrd("submit", str(file))

    assert (said.code, said.out) == (0, "say-hello\n")
    assert "no daemon serves this root now" in said.err
    assert (root / "inbox/Say Hello.plan.toml").read_text() == a_plan(project)


def test_the_same_file_handed_in_twice_gets_two_ids(orchestrd, root, project, tmp_path):
    file = tmp_path / "hello.toml"
    file.write_text(a_plan(project))

    ids = [orchestrd("submit", str(file)).out.strip() for _ in range(2)]

    assert ids[0] == "hello"
    assert ids[1].startswith("hello-")
    assert len(list((root / "inbox").glob("*.toml"))) == 2


@pytest.mark.parametrize(
    "language, ending", [("toml", ".toml"), ("json", ".json"), ("+++", ".md"), ("---", ".md")]
)
def test_a_plan_from_standard_input_is_named_by_its_title(orchestrd, root, project, language, ending):
    text = {
        "toml": a_plan(project),
        "json": json.dumps({"handoff": 1, "title": "Say hello!", "project": str(project), "prompt": "x"}),
        "+++": f'+++\nhandoff = 1\ntitle = "Say hello!"\nproject = "{project}"\n+++\nSay hello.\n',
        "---": f"---\nhandoff: 1\ntitle: Say hello!\nproject: {project}\n---\nSay hello.\n",
    }[language]

    said = orchestrd("submit", "-", stdin=text)

    assert said.out.startswith("say-hello-")
    (file,) = (root / "inbox").iterdir()
    assert file.name == said.out.strip() + ending


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("plan.txt", b"x", "the name of a plan ends in"),
        (".plan.toml", b"x", "begins with no dot"),
        ("empty.toml", b" \n", "empty"),
        ("large.toml", b"#" * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_what_can_be_no_plan_is_not_handed_in(orchestrd, root, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)

    found = orchestrd("submit", str(tmp_path / name))

    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert not list((root / "inbox").iterdir())


def test_check_names_every_mistake_with_its_line(orchestrd, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(
        'handoff = 1\nprojekt = "/tmp"\npriority = 500\nprompt = "x"\n[limits]\ntimeout = "soon"\n'
    )

    said = orchestrd("check", str(file))

    assert said.code == 2
    assert f"{file}:2: projekt: " in said.err
    assert "project" in said.err
    assert f"{file}:3: priority: " in said.err
    assert f"{file}:6: limits.timeout: " in said.err
    fields = json.loads(orchestrd("check", "--json", str(file)).out)
    assert not fields["accepted"]
    lines = [error["line"] or 0 for error in fields["errors"]]
    assert set(lines) >= {2, 3, 6}
    assert lines == sorted(lines)


def test_check_accepts_a_good_plan(orchestrd, project, tmp_path):
    file = tmp_path / "good.toml"
    file.write_text(a_plan(project))

    said = orchestrd("check", str(file))

    assert (said.code, said.err) == (0, "")
    assert str(project) in said.out


def test_waiting_ends_with_124_when_the_time_is_over_and_with_2_for_an_unknown_id(orchestrd, root, project):
    plan = orchestrd("submit", "-", stdin=a_plan(project)).out.strip()

    began = time.monotonic()
    late = orchestrd("wait", plan, "--timeout", "0.2")
    unknown = orchestrd("wait", "no-such-plan")

    assert (late.code, late.out) == (124, "")
    assert time.monotonic() - began < 20
    assert (unknown.code, unknown.out) == (2, "")
    assert "no-such-plan: no such plan" in unknown.err


@pytest.mark.parametrize("status, code", [("succeeded", 0), ("failed", 1), ("rejected", 1), ("duplicate", 1)])
def test_the_exit_code_of_wait_says_how_the_plan_ended(orchestrd, root, status, code):
    (root / "results/done.toml").write_text(f'handoff = 1\nplan = "done"\nstatus = "{status}"\n')

    said = orchestrd("wait", "done")

    assert (said.code, said.out) == (code, f"done: {status}\n")
    assert json.loads(orchestrd("wait", "done", "--json").out)["status"] == status


def test_a_result_that_was_consumed_is_found_in_the_archive(orchestrd, root):
    folder = root / "archive/2026-11/old"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(
        '{"handoff": 1, "plan": "old", "status": "succeeded", "title": "Old one"}'
    )

    assert orchestrd("wait", "old").out == "old: succeeded\n"
    assert orchestrd("show", "old").out.startswith("Old one\nold: succeeded")


def test_show_prints_what_control_characters_stand_for(orchestrd, root):
    (root / "results/evil.toml").write_text(
        'handoff = 1\nplan = "evil"\nstatus = "failed"\nsummary = "a\\u001b[2Jb"\n'
    )

    assert "a\\x1b[2Jb" in orchestrd("show", "evil").out


def test_ps_and_ls_say_that_there_is_nothing(orchestrd, root):
    assert "not running" in orchestrd("ps").out
    assert json.loads(orchestrd("ps", "--json").out) == {"daemon": {"alive": False}, "plans": []}
    assert "no plans yet" in orchestrd("ls").out
    assert json.loads(orchestrd("ls", "--json").out) == []


def test_ps_shows_for_what_a_plan_waits_and_until_when(orchestrd, root):
    plan = {
        "id": "late",
        "title": "x",
        "state": "waiting",
        "waiting_for": "time",
        "until": "2030-01-01T00:00:00Z",
    }
    (root / "status/plans.json").write_text(json.dumps({"plans": [plan]}))

    assert re.search(r"time · until (2029-12-31|2030-01-01) \d\d:\d\d, in \d+ d", orchestrd("ps").out)


def test_an_order_lies_in_control_until_a_daemon_comes(orchestrd, root):
    (root / "inbox/some-plan.toml").touch()

    said = orchestrd("cancel", "some-plan", "--why", "changed my mind")

    assert said.code == 0
    assert "no daemon serves this root now" in said.err
    (file,) = (root / "control").iterdir()
    order = json.loads(file.read_text())
    assert (order["action"], order["plan"], order["why"]) == ("cancel", "some-plan", "changed my mind")


def test_all_plans_are_cancelled_by_an_order_for_each_those_in_the_inbox_first(orchestrd, root):
    (root / "archive/ids.jsonl").write_text('{"id":"had"}\n')
    for number, name in enumerate(("new.toml", "had.toml", "new.md", ".half-written.toml", "no-plan.txt")):
        (root / "inbox" / name).touch()
        os.utime(root / "inbox" / name, (number, number))
    for name in ("works", "waits", "is-settled"):
        (root / "active" / name).mkdir()
    (root / "results/is-settled.toml").write_text('handoff = 1\nplan = "is-settled"\nstatus = "succeeded"\n')
    shown = [{"id": "works", "state": "running"}, {"id": "waits", "state": "waiting"}]
    (root / "status/plans.json").write_text(json.dumps({"plans": shown}))

    said = orchestrd("cancel", "--all", "--why", "enough")

    assert (said.code, said.out) == (0, "")
    assert said.err == "orchestrd: cancel --all: 5 orders lie in control/; no daemon serves this root now\n"
    files = sorted((root / "control").iterdir())
    orders = [json.loads(file.read_text()) for file in files]
    assert {(order["action"], order["why"]) for order in orders} == {("cancel", "enough")}
    plans = [order["plan"] for order in orders]
    assert plans == ["new", "had-2", "new-2", "waits", "works"]


def test_where_there_is_nothing_to_cancel_that_is_said(orchestrd, root):
    said = orchestrd("cancel", "--all")

    assert (said.code, said.out) == (0, "")
    assert said.err == f"orchestrd: cancel --all: no plan is in work in {root}, and none lies in the inbox\n"
    assert orchestrd("cancel", "--all", "--json").out == "[]\n"


@pytest.mark.parametrize("words", [(), ("some-plan", "--all")])
def test_either_one_plan_is_cancelled_or_all(orchestrd, root, words):
    said = orchestrd("cancel", *words)

    assert (said.code, said.out) == (2, "")
    assert "give an ID or --all, and not both" in said.err
    assert not list((root / "control").iterdir())


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_no_order_is_given_for_a_plan_that_nobody_knows(orchestrd, root, action):
    said = orchestrd(action, "no-such")

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("orchestrd: no-such: no such plan in ")
    assert not list((root / "control").iterdir())


def test_the_log_of_a_plan_of_which_nothing_ran_says_so_and_why(orchestrd, root):
    (root / "results/wrong.toml").write_text(
        'handoff = 1\nplan = "wrong"\nstatus = "rejected"\nreason = "invalid"\n'
    )

    said = orchestrd("logs", "wrong")

    assert (said.code, said.out) == (1, "")
    assert said.err == "orchestrd: wrong: nothing ran: rejected (invalid); `orchestrd show wrong` says more\n"


def test_which_plans_are_waited_for_is_told_and_none_that_has_its_result(orchestrd, root):
    plan = {"id": "late", "title": "x", "state": "waiting", "waiting_for": "plans"}
    (root / "status/plans.json").write_text(json.dumps({"plans": [plan], "more": 3}))
    (root / "active/late").mkdir()
    (root / "active/late/accepted.json").write_text('{"after": ["first", "second"]}')
    (root / "results/first.toml").write_text('handoff = 1\nplan = "first"\nstatus = "succeeded"\n')

    listed = orchestrd("ps").out

    assert "plans: second" in listed
    assert "first" not in listed
    assert "and 3 more" in listed
    assert "waits for      plans: second" in orchestrd("show", "late").out


def test_a_checkout_that_was_removed_since_is_not_shown(orchestrd, root, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (root / "results/done.toml").write_text(
        f'handoff = 1\nplan = "done"\nstatus = "failed"\n'
        f'[changes]\nfiles_changed = 1\ncommits = 1\nworkspace = "{checkout}"\n'
    )

    assert f"checkout       {checkout}" in orchestrd("show", "done").out
    assert "1 file, +0 -0, 1 commit\n" in orchestrd("show", "done").out
    checkout.rmdir()
    assert "checkout" not in orchestrd("show", "done").out


def test_the_daemons_log_is_told_to_be_missing_before_the_first_start(orchestrd, root):
    said = orchestrd("logs")

    assert said.code == 1
    assert "no daemon has served" in said.err


def test_what_lies_in_active_and_was_not_told_of_yet_is_accepted_and_not_offered(orchestrd, root):
    (root / "active/taken").mkdir()

    assert "\ntaken: accepted\n" in orchestrd("show", "taken").out
