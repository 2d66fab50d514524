"""The oracle names each promise that is broken on purpose in a real root, and is silent about a healthy one."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from handoff.root import Root
from orchestrd.config import root_name
from orchestrd.record.journal import encode_line, read_journal
from orchestrd.views import verifying
from tests.faults import left_over, oracle
from tests.faults.oracle import Evidence
from tests.faults.world import SECRET, TELLING, World, a_world
from tests.serving import MARK
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not PLATFORM.proc, reason="the oracle reads /proc, which is switched off")


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is broken here stays so: nothing has to be waited for."""
    monkeypatch.setattr(left_over, "PASSING_SECONDS", 0.1)
    monkeypatch.setattr(verifying, "AGAIN_SECONDS", (0.05,))


NAMES = ("good", "docs", "fails", "empty", "bad", "again", "plain", "graph", "conflict")


def side_by_side(left: str, right: str) -> list[dict[str, str]]:
    """Steps of which each works in a checkout of its own."""
    return [{"id": "left", "prompt": f"[write {left} l]"}, {"id": "right", "prompt": f"[write {right} r]"}]


@dataclass(frozen=True)
class Scene:
    """A settled root with all that belongs to it, put back as it was before each test."""

    world: World
    evidence: Evidence

    @property
    def root(self) -> Root:
        return self.world.root

    @property
    def project(self) -> Path:
        return self.world.projects[0]

    def folder(self, plan: str) -> Path:
        return next(self.root.archive.glob(f"*/{plan}"))

    def rewrite(self, plan: str, change: Callable[[list[dict]], list[dict]]) -> None:
        """Change a plan's journal, with checksums that fit."""
        path = self.folder(plan) / "journal.jsonl"
        records = change(read_journal(path))
        with path.open("wb") as file:
            for record in records:
                fields = {
                    name: value for name, value in record.items() if name not in {"seq", "time", "event"}
                }
                file.write(encode_line(record["seq"], record["event"], fields)[0])

    def git(self, *words: str, told: str | None = None) -> str:
        """Run git in the project, with this on its standard input."""
        ended = subprocess.run(
            ["git", "-C", str(self.project), *words], input=told, capture_output=True, text=True, check=True
        )
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A root in which plans ended in every way; its daemon is stopped."""
    with a_world(tmp_path_factory.mktemp("oracle") / "world") as world:
        world.fork()
        world.submit("good", f"{TELLING} [write a.txt b]", key="once")
        world.submit("docs", "[write d.txt b]", docs={"request": True})
        world.submit("fails", "[write f.txt b] [fail no]", limits={"attempts": 1})
        world.submit("empty")
        world.submit("bad", handoff=2)
        world.submit("plain", project=world.plain)
        world.submit("graph", steps=side_by_side("l.txt", "r.txt"))
        world.submit("conflict", steps=side_by_side("same.txt", "same.txt"))
        assert world.await_quiet() == []
        world.submit("again", key="once")
        assert world.await_quiet() == []
        assert world.judge() == []  # with the daemon at work
        world.stop()
        shutil.copytree(world.folder, world.folder.with_name("pristine"), symlinks=True)
        yield world


@pytest.fixture
def scene(lived_in: World) -> Scene:
    shutil.rmtree(lived_in.folder)
    shutil.copytree(lived_in.folder.with_name("pristine"), lived_in.folder, symlinks=True)
    return Scene(lived_in, lived_in.evidence())


def broken(evidence: Evidence) -> set[str]:
    return {violation.invariant for violation in oracle.judge(evidence)}


def test_a_healthy_root_breaks_nothing(scene: Scene) -> None:
    assert {path.name for path in scene.root.archive.glob("*/*")} == set(NAMES)
    assert oracle.judge(scene.evidence) == []
    # Nothing of a plan whose steps worked apart is left over, and all of one that was kept is there.
    apart = ("conflict+left", "conflict+right", "graph+left", "graph+right")
    branches = scene.git("branch", "--list", "--format=%(refname:short)", "handoff/*+*").split()
    assert scene.evidence.checkouts
    checkouts = sorted(path.name for path in scene.evidence.checkouts.glob("*+*"))
    assert checkouts == [name for name in apart if name.startswith("conflict")]
    assert branches == [f"handoff/{name}" for name in checkouts]


# -- I1: in exactly one place -------------------------------------------------------------------------------------


def a_plan_in_two_places(scene: Scene) -> None:
    shutil.copytree(scene.folder("good"), scene.root.active / "good")


def a_plan_in_two_months(scene: Scene) -> None:
    shutil.copytree(scene.folder("good"), scene.root.archive / "2001-01" / "good")


def a_plan_that_reappears_in_the_inbox(scene: Scene) -> None:
    shutil.copy(scene.folder("good") / "plan.toml", scene.root.inbox / "good.toml")


def a_plan_that_is_nowhere(scene: Scene) -> None:
    shutil.rmtree(scene.folder("plain"))


def an_id_that_the_register_forgot(scene: Scene) -> None:
    lines = scene.root.ids_log.read_text().splitlines(keepends=True)
    scene.root.ids_log.write_text("".join(line for line in lines if '"good"' not in line))


# -- I2: each start once ------------------------------------------------------------------------------------------


def a_second_start(scene: Scene) -> None:
    assert scene.evidence.ledger
    first = next(line for line in scene.evidence.ledger.read_text().splitlines() if line.startswith("start"))
    with scene.evidence.ledger.open("a") as ledger:
        ledger.write(first + "\n")


def a_start_that_was_intended_twice(scene: Scene) -> None:
    def twice(records: list[dict]) -> list[dict]:
        at = next(at for at, record in enumerate(records) if record["event"] == "run-intended")
        more = [*records[: at + 1], *records[at:]]
        return [{**record, "seq": seq} for seq, record in enumerate(more, 1)]

    scene.rewrite("good", twice)


def a_key_that_two_plans_have(scene: Scene) -> None:
    lines = scene.root.ids_log.read_text().splitlines()
    told = [json.loads(line) for line in lines]
    for one in told:
        if one["id"] == "again":
            one["key"] = "once"
    scene.root.ids_log.write_text("".join(json.dumps(one) + "\n" for one in told))


# -- I3: results --------------------------------------------------------------------------------------------------


def no_result(scene: Scene) -> None:
    (scene.folder("bad") / "result.toml").unlink()


def a_result_that_never_came_out(scene: Scene) -> None:
    (scene.root.results / "good.toml").unlink()


def a_page_that_never_came_out(scene: Scene) -> None:
    (scene.root.results / "good.md").unlink()


def half_a_result(scene: Scene) -> None:
    for path in (scene.folder("good") / "result.toml", scene.root.results / "good.toml"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])


def a_result_that_is_anothers(scene: Scene) -> None:
    shutil.copy(scene.folder("bad") / "result.toml", scene.root.results / "good.toml")


def a_result_of_nobody(scene: Scene) -> None:
    shutil.copy(scene.root.results / "good.toml", scene.root.results / "nobody.toml")


def a_result_that_says_otherwise(scene: Scene) -> None:
    for path in (scene.folder("fails") / "result.toml", scene.root.results / "fails.toml"):
        path.write_text(path.read_text().replace('status = "failed"', 'status = "succeeded"', 1))


def a_plan_that_was_changed_afterwards(scene: Scene) -> None:
    with (scene.folder("good") / "plan.toml").open("a") as file:
        file.write("# and then\n")


def a_branch_that_is_not_there(scene: Scene) -> None:
    scene.git("branch", "-D", "handoff/good")


def a_branch_without_the_work(scene: Scene) -> None:
    scene.git("update-ref", "refs/heads/handoff/good", "HEAD")


def a_checkout_that_is_not_there(scene: Scene) -> None:
    assert scene.evidence.checkouts
    scene.git("worktree", "remove", "--force", str(scene.evidence.checkouts / "fails"))


def a_log_that_is_not_there(scene: Scene) -> None:
    (scene.folder("good") / "runs/main.1/events.jsonl").unlink()


def a_request_that_is_not_there(scene: Scene) -> None:
    (scene.root.requests / "docs.docs.md").unlink()


def a_request_of_nobody(scene: Scene) -> None:
    shutil.copy(scene.root.requests / "docs.docs.md", scene.root.requests / "nobody.docs.md")


def a_request_of_a_plan_that_asks_for_none(scene: Scene) -> None:
    shutil.copy(scene.root.requests / "docs.docs.md", scene.root.requests / "plain.docs.md")


def a_result_of_a_plan_that_is_still_in_work(scene: Scene) -> None:
    scene.rewrite("good", lambda records: [one for one in records if one["event"][:4] != "sett"])
    shutil.move(scene.folder("good"), scene.root.active / "good")


# -- I4: nothing torn ---------------------------------------------------------------------------------------------


def a_temporary_in_the_archive(scene: Scene) -> None:
    (scene.folder("good") / ".result.toml.tmp").write_text("half")


def a_temporary_in_the_status(scene: Scene) -> None:
    (scene.root.status / ".daemon.toml.tmp").write_text("half")


def half_an_account_of_a_run(scene: Scene) -> None:
    (scene.folder("good") / "runs/main.1/exit.json").write_text('{"why": "en')


def something_in_the_daemons_own_folder(scene: Scene) -> None:
    (scene.root.private / "7-plan.toml").write_text("left")


# -- I5: nothing left over ----------------------------------------------------------------------------------------


def a_checkout_that_stayed(scene: Scene) -> None:
    assert scene.evidence.checkouts
    (scene.evidence.checkouts / "good").mkdir()


def a_registration_that_stayed(scene: Scene) -> None:
    assert scene.evidence.checkouts
    place = scene.evidence.checkouts / "good"
    scene.git("worktree", "add", "-q", str(place), "handoff/good")
    shutil.rmtree(place)


def a_checkout_of_nobody(scene: Scene) -> None:
    assert scene.evidence.checkouts
    (scene.evidence.checkouts / "nobody").mkdir()


def a_branch_of_nobody(scene: Scene) -> None:
    scene.git("branch", "handoff/nobody")


def a_branch_that_holds_nothing(scene: Scene) -> None:
    scene.git("branch", "handoff/empty")


def a_checkout_of_a_step_that_stayed(scene: Scene) -> None:
    assert scene.evidence.checkouts
    (scene.evidence.checkouts / "graph+left").mkdir()


def a_registration_of_a_step_that_stayed(scene: Scene) -> None:
    assert scene.evidence.checkouts
    place = scene.evidence.checkouts / "graph+right"
    scene.git("worktree", "add", "-q", "--detach", str(place), "handoff/graph")
    shutil.rmtree(place)


def a_branch_of_a_step_that_its_plans_has_all_of(scene: Scene) -> None:
    scene.git("branch", "handoff/graph+left", "handoff/graph")


def a_checkout_of_a_step_of_nobody(scene: Scene) -> None:
    assert scene.evidence.checkouts
    (scene.evidence.checkouts / "good+left").mkdir()


# -- I6: nothing else is touched ----------------------------------------------------------------------------------


def a_neighbour_that_was_touched(scene: Scene) -> None:
    (scene.world.folder / "neighbour" / "new.txt").write_text("x")


def a_project_that_was_touched(scene: Scene) -> None:
    (scene.project / "README.md").chmod(0o755)


def a_project_that_stands_elsewhere(scene: Scene) -> None:
    scene.git("checkout", "-q", "--detach")


def a_main_branch_that_was_moved(scene: Scene) -> None:
    tree = scene.git("rev-parse", "main^{tree}")
    commit = scene.git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", tree)
    scene.git("update-ref", "refs/heads/main", commit)


def a_branch_that_no_plan_names(scene: Scene) -> None:
    scene.git("branch", "foreign")


def a_tag_that_came(scene: Scene) -> None:
    scene.git("tag", "v1")


def a_branch_that_came_packed(scene: Scene) -> None:
    a_branch_that_no_plan_names(scene)
    scene.git("pack-refs", "--all", "--prune")


def an_index_with_another_entry(scene: Scene) -> None:
    scene.git("update-index", "--chmod=+x", "README.md")


def an_index_that_looks_away(scene: Scene) -> None:
    scene.git("update-index", "--assume-unchanged", "README.md")


def a_path_for_hooks(scene: Scene) -> None:
    scene.git("config", "core.hooksPath", "/nowhere")


def a_hook(scene: Scene) -> None:
    (scene.project / ".git/hooks").mkdir(exist_ok=True)
    (scene.project / ".git/hooks/post-checkout").write_text("#!/bin/sh\n")


def a_pattern_to_be_passed_over(scene: Scene) -> None:
    (scene.project / ".git/info").mkdir(exist_ok=True)
    with (scene.project / ".git/info/exclude").open("a") as file:
        file.write("*.txt\n")


def a_stash(scene: Scene) -> None:
    commit = scene.git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", "main^{tree}")
    scene.git("-c", "user.name=x", "-c", "user.email=x", "stash", "store", commit)


def a_merge_that_was_begun(scene: Scene) -> None:
    (scene.project / ".git/MERGE_HEAD").write_text(scene.git("rev-parse", "main") + "\n")


def an_empty_folder(scene: Scene) -> None:
    (scene.project / "empty").mkdir()


def test_what_git_itself_does_touches_nothing(scene: Scene) -> None:
    scene.git("pack-refs", "--all", "--prune")
    os.utime(scene.project / "README.md", (1, 1))
    scene.git("status")

    assert oracle.judge(scene.evidence) == []


def test_a_branch_that_a_plan_names_is_its_own(tmp_path: Path) -> None:
    with a_world(tmp_path / "world") as world:
        world.fork()
        world.submit("named", "[write a.txt b]", workspace={"branch": "topic"})
        assert world.await_quiet() == []
        world.stop()

        assert world.here.result("named")["changes"]["branch"] == "topic"
        assert world.judge() == []


# -- I7: journals -------------------------------------------------------------------------------------------------


def a_journal_with_a_flipped_bit(scene: Scene) -> None:
    journal = scene.folder("good") / "journal.jsonl"
    content = bytearray(journal.read_bytes())
    content[20] ^= 1
    journal.write_bytes(content)


def a_journal_that_misses_a_line(scene: Scene) -> None:
    journal = scene.folder("good") / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2] + lines[3:]))


def a_journal_that_tells_it_twice(scene: Scene) -> None:
    scene.rewrite("good", lambda records: [*records, {**records[-1], "seq": len(records) + 1}])


def a_journal_that_goes_on(scene: Scene) -> None:
    scene.rewrite("plain", lambda records: [*records, {**records[1], "seq": len(records) + 1}])


def a_journal_without_an_end(scene: Scene) -> None:
    scene.rewrite("bad", lambda records: [one for one in records if one["event"][:4] != "sett"])


def no_journal(scene: Scene) -> None:
    (scene.folder("good") / "journal.jsonl").unlink()


def a_start_that_the_journal_does_not_know(scene: Scene) -> None:
    runs = scene.folder("good") / "runs"
    shutil.copytree(runs / "main.1", runs / "main.2")


def an_agent_that_the_journal_does_not_know(scene: Scene) -> None:
    assert scene.evidence.ledger
    with scene.evidence.ledger.open("a") as ledger:
        ledger.write(f"start {root_name(scene.root.path)}/good/main.7 1 0.0\n")


def a_register_with_half_a_line(scene: Scene) -> None:
    lines = scene.root.ids_log.read_text().splitlines(keepends=True)
    scene.root.ids_log.write_text("".join([lines[0][:20] + "\n", *lines]))


def test_an_order_of_which_nothing_came_is_named(scene: Scene) -> None:
    scene.root.orders_log.write_text(f"{json.dumps({'order': 1, 'file': 'told.toml'})}\n")

    found = oracle.judge(replace(scene.evidence, ordered=("told.toml", "lost.toml")))

    assert [(one.invariant, one.where) for one in found] == [("I8", "lost.toml")]


# -- I8: quiet ----------------------------------------------------------------------------------------------------


def a_plan_that_is_still_in_work(scene: Scene) -> None:
    shutil.move(scene.folder("good"), scene.root.active / "good")


def a_file_that_is_still_in_the_inbox(scene: Scene) -> None:
    (scene.root.inbox / "late.toml").write_text("x")


def an_order_that_was_never_carried_out(scene: Scene) -> None:
    (scene.root.orders / "7.toml").write_text('action = "pause"')


# -- I9: secrets --------------------------------------------------------------------------------------------------


def a_secret_in_a_result(scene: Scene) -> None:
    with (scene.root.results / "good.md").open("a") as file:
        file.write(f"the key is {SECRET}")


def a_secret_in_the_log(scene: Scene) -> None:
    with scene.world.here.log.open("a") as file:
        file.write(f"the key is {SECRET}")


def a_secret_in_a_checkout(scene: Scene) -> None:
    assert scene.evidence.checkouts
    (scene.evidence.checkouts / "fails" / "notes.txt").write_text(f"the key is {SECRET}")


def a_secret_in_a_project(scene: Scene) -> None:
    (scene.world.plain / "notes.txt").write_text(f"the key is {SECRET}")


def a_secret_in_a_file_of_a_commit(scene: Scene) -> None:
    blob = scene.git("hash-object", "-w", "--stdin", told=f"\0 the key is {SECRET}")
    tree = scene.git("mktree", told=f"100644 blob {blob}\tnotes.bin\n")
    _commit(scene, tree, "x")


def a_secret_in_a_commits_message(scene: Scene) -> None:
    _commit(scene, scene.git("rev-parse", "main^{tree}"), f"the key is {SECRET}")


def _commit(scene: Scene, tree: str, message: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x")
    commit = scene.git(*who, "commit-tree", "-p", "handoff/good", "-m", message, tree)
    scene.git("update-ref", "refs/heads/handoff/good", commit)


BREAKS: dict[str, tuple[Callable[[Scene], None], ...]] = {
    "I1": (
        a_plan_in_two_places,
        a_plan_in_two_months,
        a_plan_that_reappears_in_the_inbox,
        a_plan_that_is_nowhere,
        an_id_that_the_register_forgot,
    ),
    "I2": (a_second_start, a_start_that_was_intended_twice, a_key_that_two_plans_have),
    "I3": (
        no_result,
        a_result_that_never_came_out,
        a_page_that_never_came_out,
        half_a_result,
        a_result_that_is_anothers,
        a_result_of_nobody,
        a_result_that_says_otherwise,
        a_plan_that_was_changed_afterwards,
        a_branch_that_is_not_there,
        a_branch_without_the_work,
        a_checkout_that_is_not_there,
        a_log_that_is_not_there,
        a_request_that_is_not_there,
        a_request_of_nobody,
        a_request_of_a_plan_that_asks_for_none,
        a_result_of_a_plan_that_is_still_in_work,
    ),
    "I4": (
        a_temporary_in_the_archive,
        a_temporary_in_the_status,
        half_an_account_of_a_run,
        something_in_the_daemons_own_folder,
    ),
    "I5": (
        a_checkout_that_stayed,
        a_registration_that_stayed,
        a_checkout_of_nobody,
        a_branch_of_nobody,
        a_branch_that_holds_nothing,
        a_checkout_of_a_step_that_stayed,
        a_registration_of_a_step_that_stayed,
        a_branch_of_a_step_that_its_plans_has_all_of,
        a_checkout_of_a_step_of_nobody,
    ),
    "I6": (
        a_neighbour_that_was_touched,
        a_project_that_was_touched,
        a_project_that_stands_elsewhere,
        a_main_branch_that_was_moved,
        a_branch_that_no_plan_names,
        a_branch_that_came_packed,
        a_tag_that_came,
        an_index_with_another_entry,
        an_index_that_looks_away,
        a_path_for_hooks,
        a_hook,
        a_pattern_to_be_passed_over,
        a_stash,
        a_merge_that_was_begun,
        an_empty_folder,
    ),
    "I7": (
        a_journal_with_a_flipped_bit,
        a_journal_that_misses_a_line,
        a_journal_that_tells_it_twice,
        a_journal_that_goes_on,
        a_journal_without_an_end,
        no_journal,
        a_start_that_the_journal_does_not_know,
        an_agent_that_the_journal_does_not_know,
        a_register_with_half_a_line,
    ),
    "I8": (
        a_plan_that_is_still_in_work,
        a_file_that_is_still_in_the_inbox,
        an_order_that_was_never_carried_out,
    ),
    "I9": (
        a_secret_in_a_result,
        a_secret_in_the_log,
        a_secret_in_a_checkout,
        a_secret_in_a_project,
        a_secret_in_a_file_of_a_commit,
        a_secret_in_a_commits_message,
    ),
}


@pytest.mark.parametrize(
    ("invariant", "spoil"),
    [
        pytest.param(invariant, spoil, id=f"{invariant}-{spoil.__name__}")
        for invariant, spoils in BREAKS.items()
        for spoil in spoils
    ],
)
def test_what_is_broken_is_named(scene: Scene, invariant: str, spoil: Callable[[Scene], None]) -> None:
    spoil(scene)

    assert invariant in broken(scene.evidence)


# -- I5, with processes -------------------------------------------------------------------------------------------


def test_a_lock_that_is_held_after_the_end_is_named(scene: Scene) -> None:
    with (scene.folder("good") / "runs/main.1/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert broken(scene.evidence) == {"I5"}


@pytest.mark.parametrize("variable", ["mark", "run"])
def test_a_process_that_is_left_over_is_named(scene: Scene, variable: str) -> None:
    run = {"ORCHESTRD_RUN": f"{root_name(scene.root.path)}/good/main.1"}
    marked = {MARK: scene.world.here.mark} if variable == "mark" else run
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marked}) as left:
        try:
            assert broken(scene.evidence) == {"I5"}
        finally:
            left.kill()


CHILD = "import os, sys; os.fork() or os._exit(0); print(flush=True); sys.stdin.read()"
HOLDER = "import sys; file = open(sys.argv[1]); print(flush=True); sys.stdin.read()"


@pytest.mark.parametrize("code", [CHILD, HOLDER], ids=["a zombie", "a descriptor"])
def test_what_a_daemon_keeps_of_a_plan_is_named(scene: Scene, code: str) -> None:
    kept = scene.folder("good") / "runs/main.1/events.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(kept)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as daemon:
        assert daemon.stdout
        daemon.stdout.readline()

        assert broken(replace(scene.evidence, daemon=daemon.pid)) == {"I5"}


# -- status, and I10 ----------------------------------------------------------------------------------------------


def test_a_plan_that_only_the_status_knows_is_named(tmp_path: Path) -> None:
    with a_world(tmp_path / "world") as world:
        world.fork()
        world.await_up()
        shown = world.root.status / "plans.json"
        wait_until(shown.exists)
        world.submit("x")
        assert world.await_quiet() == []
        wait_until(lambda: not world.here.status("plans")["plans"])
        assert oracle.judge(replace(world.evidence(), status=True)) == []

        shown.write_text('{"plans": [{"id": "ghost"}]}')

        assert broken(replace(world.evidence(), status=True)) == {"I7"}


def test_what_one_more_recovery_changes_is_named(scene: Scene) -> None:
    before = oracle.contents(scene.root)
    (scene.root.results / "good.md").write_text("otherwise")
    (scene.root.results / "new.md").write_text("new")
    (scene.root.results / "bad.md").unlink()

    found = list(oracle.differences(before, oracle.contents(scene.root)))

    assert [(one.invariant, one.where, one.what.split()[-1]) for one in found] == [
        ("I10", "results/bad.md", "went"),
        ("I10", "results/good.md", "changed"),
        ("I10", "results/new.md", "came"),
    ]


def test_one_more_recovery_of_a_healthy_root_changes_nothing(scene: Scene) -> None:
    scene.world.fork()
    scene.world.await_up()

    assert scene.world.recover_once_more() == []
