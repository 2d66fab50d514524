"""A root that is as promised is said to be so; whatever is not is found, and named by what it breaks."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handoff.effects import effects
from handoff.platform import PLATFORM, lock_holders
from handoff.root import Root
from orchestrd.runs.recovery import follow_pid
from orchestrd.views import verifying
from orchestrd.views.verifying import Looked, verify
from tests.acceptance.stage import AGENT, LEDGER, drop_plan, runs_now
from tests.serving import Serving, a_repository, serving
from tests.waiting import wait_until

PLANS = 12


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root in which a plan succeeded and another was refused; its daemon is stopped."""
    folder = tmp_path_factory.mktemp("lived-in")
    with serving(folder, {"FAKE_LEDGER": str(folder / LEDGER)}, AGENT) as here:
        here.start()
        drop_plan(here, "good", a_repository(folder / "project"), "[write a.txt b]")
        here.drop("bad.toml", "handoff = 2\n")
        settled(here, "good")
        settled(here, "bad")
        assert list(verify(here.root)) == []  # with the daemon at work
        here.stop()
        yield here.root.path


def settled(here: Serving, plan: str) -> None:
    here.result(plan)
    wait_until(lambda: not (here.root.active / plan).exists(), what=f"{plan} to be settled")


@pytest.fixture
def root(lived_in: Path, tmp_path: Path) -> Root:
    shutil.copytree(lived_in, tmp_path / "root")
    return Root(tmp_path / "root")


def test_a_root_that_was_lived_in_is_as_promised(root: Root) -> None:
    assert list(verify(root)) == []


def folder_of(root: Root, plan: str) -> Path:
    return next(root.archive.glob(f"*/{plan}"))


def plan_in_two_places(root: Root) -> None:
    shutil.copytree(folder_of(root, "good"), root.active / "good")


def damaged_journal(root: Root) -> None:
    journal = folder_of(root, "good") / "journal.jsonl"
    content = bytearray(journal.read_bytes())
    content[20] ^= 1
    journal.write_bytes(content)


def no_result(root: Root) -> None:
    (folder_of(root, "bad") / "result.toml").unlink()


def result_of_another(root: Root) -> None:
    shutil.copy(folder_of(root, "bad") / "result.toml", root.results / "good.toml")


def result_of_nobody(root: Root) -> None:
    shutil.copy(root.results / "good.toml", root.results / "nobody.toml")


def half_a_file(root: Root) -> None:
    (root.results / ".good.toml.tmp").write_text("half")
    os.utime(root.results / ".good.toml.tmp", (0, 0))


def a_context_cut_off(root: Root) -> None:
    cut = root.context / f".api.md.{'0' * 16}-{'1' * 16}.exchange"
    cut.write_text("words")
    os.utime(cut, (0, 0))


def unknown_id(root: Root) -> None:
    lines = root.ids_log.read_text().splitlines(keepends=True)
    root.ids_log.write_text("".join(line for line in lines if '"good"' not in line))


@pytest.mark.parametrize(
    ("spoil", "invariant"),
    [
        (plan_in_two_places, verifying.ONE_PLACE),
        (unknown_id, verifying.ONE_PLACE),
        (damaged_journal, verifying.JOURNALS),
        (no_result, verifying.RESULT),
        (result_of_another, verifying.RESULT),
        (result_of_nobody, verifying.RESULT),
        (half_a_file, verifying.NO_TORN_FILE),
        (a_context_cut_off, verifying.NO_TORN_FILE),
    ],
)
def test_what_is_not_as_promised_is_found(root: Root, spoil: Callable[[Root], None], invariant: str) -> None:
    spoil(root)

    found = list(verify(root, again_seconds=()))

    assert invariant in {finding.invariant for finding in found}
    assert all(finding.where and finding.what and finding.remedy for finding in found)


def test_a_register_that_was_lost_is_told_with_what_mends_it(root: Root) -> None:
    root.ids_log.unlink()

    found = list(verify(root, again_seconds=()))

    assert {(one.invariant, one.plan) for one in found} == {
        (verifying.ONE_PLACE, "good"),
        (verifying.ONE_PLACE, "bad"),
    }
    assert all(one.remedy.startswith("start the daemon") for one in found)


def test_of_two_plans_with_one_id_neither_is_to_be_believed_for_the_other(root: Root) -> None:
    plan_in_two_places(root)
    for place in (root.active / "good", root.results):
        name = "result.toml" if place.name == "good" else "good.toml"
        (place / name).write_text((place / name).read_text().replace("succeeded", "cancelled"))

    told = {one.where: one.remedy for one in verify(root, again_seconds=())}

    assert told["active/good"].startswith("if it is another plan, move the archived one")
    assert "it may be that of active/good" in told["results/good.toml"]


def test_what_was_looked_at_is_counted(root: Root) -> None:
    looked = Looked()

    assert list(verify(root, looked=looked)) == []

    assert (looked.active, looked.archived, looked.journals, looked.results) == (0, 2, 2, 2)
    assert (looked.ids, looked.runs) == (2, 1)
    assert looked.events > 10


def test_what_is_gone_at_a_second_look_is_not_told(root: Root) -> None:
    plan_in_two_places(root)
    looks = []

    def tidy(done: int, of: int) -> None:
        looks.append(done)
        shutil.rmtree(root.active / "good", ignore_errors=True)

    assert list(verify(root, again_seconds=(0.01,), progress=tidy)) == []
    assert looks


def test_a_take_that_was_cut_off_is_as_promised(root: Root) -> None:
    (root.active / "begun").mkdir()
    (root.active / "further").mkdir()
    journal = (folder_of(root, "good") / "journal.jsonl").read_bytes()
    (root.active / "further" / "journal.jsonl").write_bytes(journal.splitlines(keepends=True)[0])

    assert list(verify(root, again_seconds=())) == []


def test_a_plan_at_work_whose_file_was_removed_is_told(root: Root) -> None:
    shutil.copytree(folder_of(root, "good"), root.active / "x")
    (root.active / "x" / "plan.toml").unlink()

    found = [one.where for one in verify(root, again_seconds=()) if one.plan == "x"]

    assert "active/x/plan.toml" in found


def test_a_plan_that_was_pruned_is_missed_only_while_it_must_be_kept(root: Root) -> None:
    shutil.rmtree(folder_of(root, "good"))
    (root.results / "good.toml").unlink()
    (root.results / "good.md").unlink()

    assert [one.where for one in verify(root, keep_seconds=3600, again_seconds=())] == ["good"]
    assert list(verify(root, keep_seconds=0, again_seconds=())) == []


def test_a_result_that_its_reader_removed_is_not_missed(root: Root) -> None:
    (root.results / "good.toml").unlink()
    (root.results / "good.md").unlink()

    assert list(verify(root, again_seconds=())) == []


def test_a_root_at_work_gives_no_false_alarm(tmp_path: Path) -> None:
    with serving(tmp_path, {"FAKE_LEDGER": str(tmp_path / LEDGER)}, AGENT) as here:
        here.start(LIMITS__MAX_PARALLEL="3")
        project = a_repository(tmp_path / "project")
        plans = [f"p{number}" for number in range(PLANS)]
        for plan in plans:
            drop_plan(here, plan, project, "[write a.txt b]")
        looks, busy = 0, Looked()
        deadline = time.monotonic() + 60

        while any(not (here.root.results / f"{plan}.toml").exists() for plan in plans):
            assert list(verify(here.root, looked=busy)) == []
            looks += 1
            assert time.monotonic() < deadline, here.said()

        assert looks > 3
        assert busy.runs > 0


@pytest.mark.skipif(not PLATFORM.proc, reason="only /proc/locks tells who holds a lock")
def test_a_runner_that_was_killed_is_told_by_what_it_left(tmp_path: Path) -> None:
    with serving(tmp_path, {"FAKE_LEDGER": str(tmp_path / LEDGER)}, AGENT) as here:
        here.start()
        drop_plan(here, "x", a_repository(tmp_path / "project"), "[block]")
        runs_now(here, "x")
        assert list(verify(here.root)) == []
        here.kill()
        assert list(verify(here.root)) == []  # a daemon that was killed breaks no promise

        runner = follow_pid(here.root.active / "x/runs/main.1")
        assert runner is not None
        os.kill(runner, signal.SIGKILL)
        wait_until(lambda: lock_holders(here.root.active / "x/runs/main.1/lock") == [])
        found = list(verify(here.root, again_seconds=(0.3,)))

        assert {(one.invariant, one.plan) for one in found} == {(verifying.LOCKS, "x")}
        assert "orchestrd serve" in found[0].remedy


@pytest.mark.skipif(not PLATFORM.proc, reason="only /proc/locks tells who holds a lock")
def test_a_daemon_whose_lock_was_removed_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, {}, AGENT) as here:
        here.start(LANES__SCAN_SECONDS="60")
        here.root.lock.unlink()
        here.root.lock.touch()

        assert [one.where for one in verify(here.root, again_seconds=())] == [".orchestrd/lock"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
@pytest.mark.parametrize(
    "name",
    [
        "archive/*/good/journal.jsonl",
        "archive/*/good/result.toml",
        "archive/*/good/plan.toml",
        "archive/*/good/runs/main.1/exit.json",
        "results/good.toml",
        "archive/ids.jsonl",
    ],
)
def test_what_cannot_be_read_is_told_and_the_rest_is_looked_at(
    root: Root, name: str, make: Callable[[Path], None]
) -> None:
    path = next(root.path.glob(name))
    path.unlink()
    make(path)
    no_result(root)

    found = list(verify(root, again_seconds=()))

    short = str(path.relative_to(root.path))
    assert any(one.where == short and "is a" in one.what and one.remedy for one in found), found
    assert any(one.plan == "bad" and "without a result" in one.what for one in found)


@pytest.mark.parametrize("name", ["journal.jsonl", "result.toml", "plan.toml"])
def test_what_the_disk_does_not_give_is_told_and_the_rest_is_looked_at(
    root: Root, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder_of(root, "good") / name
    monkeypatch.setattr(effects, "open", failing_for(path, effects.open))
    no_result(root)

    found = list(verify(root, again_seconds=()))

    short = str(path.relative_to(root.path))
    assert any(one.where == short and "Input/output error" in one.what for one in found), found
    assert any(one.plan == "bad" and "without a result" in one.what for one in found)


def failing_for(path: Path, opens: Callable[..., int]) -> Callable[..., int]:
    def open_(name: os.PathLike[str] | str, *rest: int, **how: int) -> int:
        if os.fspath(name) == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return opens(name, *rest, **how)

    return open_


def last_line_flipped(lines: list[bytes]) -> bytes:
    return b"".join([*lines[:-1], lines[-1].replace(b"settled", b"sottled", 1)])


def test_what_is_asked_though_nobody_waits_for_it_is_told_and_a_docs_request_is_another_thing(
    root: Root,
) -> None:
    for name in ("good.main.1.1.approval.toml", "gone.main.1.1.question.json", "good.docs.md"):
        (root.requests / name).write_text("x")

    found = list(verify(root, again_seconds=()))

    assert {(one.invariant, one.where) for one in found} == {
        (verifying.REQUESTS, "requests/good.main.1.1.approval.toml"),
        (verifying.REQUESTS, "requests/gone.main.1.1.question.json"),
    }
    assert all("orchestrd serve" in one.remedy for one in found)


def half_a_line_more(lines: list[bytes]) -> bytes:
    return b"".join([*lines, lines[-1][:30]])


def nothing_after_the_runs(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-2])


@pytest.mark.parametrize("spoil", [last_line_flipped, half_a_line_more, nothing_after_the_runs])
def test_the_end_of_a_kept_journal_that_no_daemon_wrote_is_told(
    root: Root, spoil: Callable[[list[bytes]], bytes]
) -> None:
    journal = folder_of(root, "good") / "journal.jsonl"
    journal.write_bytes(spoil(journal.read_bytes().splitlines(keepends=True)))

    found = list(verify(root, again_seconds=()))

    assert (verifying.JOURNALS, "good") in {(one.invariant, one.plan) for one in found}


def no_last_line(lines: list[bytes]) -> bytes:
    return b"".join(lines[:-1])


def half_a_last_line(lines: list[bytes]) -> bytes:
    return b"".join([*lines[:-1], lines[-1][:30]])


def zeroes_for_a_last_line(lines: list[bytes]) -> bytes:
    return b"".join([*lines[:-1], bytes(len(lines[-1]))])


@pytest.mark.parametrize("cut", [no_last_line, half_a_last_line, zeroes_for_a_last_line])
def test_the_one_line_that_a_power_cut_may_take_of_a_kept_journal_is_not_missed(
    root: Root, cut: Callable[[list[bytes]], bytes]
) -> None:
    journal = folder_of(root, "good") / "journal.jsonl"
    journal.write_bytes(cut(journal.read_bytes().splitlines(keepends=True)))

    assert list(verify(root, again_seconds=())) == []


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (r"(?m)^cost_usd = .*$", "cost_usd = 99.0"),
        (r'(?m)^head = "\w+"$', f'head = "{"0" * 40}"'),
        (r"(?m)^insertions = \d+$", "insertions = 7"),
        (r'(?m)^id = "main"$', 'id = "other"'),
        (r'(?m)^status = "succeeded"$', 'status = "cancelled"'),
    ],
)
def test_a_kept_result_that_says_another_thing_than_its_journal_is_told(
    root: Root, line: str, instead: str
) -> None:
    for path in (folder_of(root, "good") / "result.toml", root.results / "good.toml"):
        text, count = re.subn(line, instead, path.read_text(), count=1)
        assert count == 1, text
        path.write_text(text)

    found = list(verify(root, again_seconds=()))

    assert {(one.invariant, one.plan) for one in found} == {(verifying.RESULT, "good")}
    assert any("it says" in one.what for one in found)
