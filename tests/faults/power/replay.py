"""A state that a cut leaves becomes a real root; a real daemon recovers it; the oracle judges."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handoff import durable, platform
from handoff.effects import Effects
from orchestrd.core import after_run
from orchestrd.daemon import loop
from tests.acceptance.stage import LEDGER
from tests.faults import oracle
from tests.faults.campaign import Violation
from tests.faults.power.disk import Cut, Disk, Recording, Tree
from tests.faults.power.recorder import put_in
from tests.faults.power.states import told
from tests.faults.power.story import GATE, KEPT_APART, QUICKLY
from tests.faults.world import World

OTHER_BOOT = "00000000-dead-4000-8000-000000000000"
"""What the machine called the boot that the cut ended."""
QUIET_SECONDS = 30.0
WARM = loop
"""Loaded here, and so in every daemon that is forked from here."""
WORK = b"done\n"
"""What agents write."""
_ENDED = re.compile(r"-\d+$")


class Replay:
    """One world in which one state after the other is built and recovered."""

    def __init__(self, world: World, recording: Recording) -> None:
        self._world = world
        self.recording = recording
        self._boot = platform.boot_id().encode()
        (world.folder / GATE).touch()
        world.here.environ["FAKE_LEDGER"] = str(world.folder / LEDGER)

    def judge(
        self, disk: Disk, cut: Cut, *, seconds: float = QUIET_SECONDS, again: bool = False
    ) -> list[Violation]:
        """Build what the cut leaves, have it recovered, and tell what is not as promised."""
        world = self._world
        tree = disk.tree(cut)
        self._build(tree)
        before = self._before(cut)
        world.handed_in.clear()
        world.handed_in.update(before.promised)
        world.here.log.unlink(missing_ok=True)
        (world.folder / LEDGER).write_text("".join(f"{line}\n" for line in before.ledger))
        if (world.root.private / "paused").exists():
            (world.root.control / "user-resumes.json").write_text('{"handoff": 1, "action": "resume"}')
        self._serve()
        world.await_up()
        found = world.await_quiet(seconds)
        if found:
            world.kill()
        else:
            world.stop()
        try:
            found += world.judge(settled=not found)
        except subprocess.CalledProcessError as error:
            found.append(Violation("I6", str(world.projects[0]), f"git cannot read it any more: {error}"))
        found += before.judge(world, tree)
        if again and not found:
            kept = oracle.contents(world.root)
            self._serve()
            world.await_up()
            world.stop()
            found += oracle.differences(kept, oracle.contents(world.root))
        return [Violation(one.invariant, one.where, one.what, told(disk, cut)) for one in found]

    def _serve(self) -> None:
        self._world.fork(_hurry, **QUICKLY)

    def _build(self, tree: Tree) -> None:
        top = self._world.folder
        for entry in os.scandir(top):
            if entry.name in KEPT_APART:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        built: dict[int, str] = {}
        for path in sorted(tree):
            mode, content = tree[path]
            place = os.path.join(top, path)
            first = built.setdefault(id(content), place) if content else place
            if first != place:
                os.link(first, place)
                continue
            if content is None:
                os.mkdir(place, mode)
                continue
            fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                content = content.replace(self._boot, OTHER_BOOT.encode())
                if content.count(0) == len(content):
                    os.ftruncate(fd, len(content))
                else:
                    os.write(fd, content)
            finally:
                os.close(fd)

    def _before(self, cut: Cut) -> Before:
        return Before(self.recording, cut)


class Before:
    """What had happened and been promised before the cut."""

    def __init__(self, recording: Recording, cut: Cut) -> None:
        past = recording.steps[: cut.step + 1]
        self.ledger = [line["line"] for line in past if line["op"] == "ledger"]
        marks = [line for line in past if line["op"] == "mark"]
        self.promised = {line["name"]: line["sha256"] for line in marks if line["word"] == "promised"}
        self.ordered = [line for line in marks if line["word"] == "ordered"]
        self.seen = self._results_seen(recording, cut)

    def _results_seen(self, recording: Recording, cut: Cut) -> dict[str, bytes]:
        """The results that anybody could have read before the cut."""
        seen = Disk(recording).tree(Cut(cut.step))
        found = {
            path.removeprefix("handoff/"): content
            for path, (_, content) in seen.items()
            if re.fullmatch(r"handoff/(results|requests)/[^.].*", path) and content is not None
        }
        there = {re.split(r"[/.]", name)[1] for name in found if name.endswith((".toml", ".json"))}
        # Before its result can be seen nobody reads what lies beside it.
        return {name: content for name, content in found.items() if re.split(r"[/.]", name)[1] in there}

    def judge(self, world: World, tree: Tree) -> list[Violation]:
        """Tell what was promised before the cut and is not so after it."""
        return [
            *self._results_kept(world),
            *_orders_noted_hold(world, tree),
            *_none_rejected(world),
            *self._finished_is_finished(world, tree),
            *self._once(world),
            *self._orders_carried_out(world),
            *self._work_is_whole(world, tree),
        ]

    def _results_kept(self, world: World) -> Iterator[Violation]:
        for name, content in self.seen.items():
            place = world.root.path / name
            if not place.exists():
                yield Violation("I3", name, "it could be seen before the cut and is gone")
            elif place.read_bytes() != content:
                yield Violation("I3", name, "it was seen before the cut, and says something else now")

    def _once(self, world: World) -> Iterator[Violation]:
        """No plan's first start happened under two ids: what came again out of a lane ran again."""
        words = [line.split() for line in (world.folder / LEDGER).read_text().splitlines()]
        ids = {word[1].split("/")[1] for word in words if word[0] == "start" and word[1].endswith("/main.1")}
        retries = Counter(str(_first(world, plan).get("retry_of")) for plan in _plans(world))
        for plan, count in Counter(_ENDED.sub("", name) for name in ids).items():
            if count > 1 + retries[plan]:
                yield Violation(
                    "I2", plan, f"it was run under {count} ids, and {retries[plan]} were asked for"
                )
        for plan, count in retries.items():
            if plan != "None" and count > 1:
                yield Violation("I2", plan, f"one order made {count} plans of it")

    def _finished_is_finished(self, world: World, tree: Tree) -> Iterator[Violation]:
        """A run whose end was written down is judged by what it said, and not run again."""
        words = [line.split() for line in (world.folder / LEDGER).read_text().splitlines()]
        started = Counter(word[1].split("/")[1] for word in words if word[0] == "start")
        for plan in ("plain", "fix", "fix-2"):
            _, content = tree.get(f"handoff/active/{plan}/runs/main.1/exit.json", (0, b""))
            if _finished(content) and started[plan] > 1:
                yield Violation("-", plan, "its run was over, and it was run again")

    def _orders_carried_out(self, world: World) -> Iterator[Violation]:
        log = world.root.orders_log
        done = Counter(line.get("key") for line in _lines(log.read_bytes() if log.exists() else b""))
        for order in self.ordered:
            if done[order["key"]] != 1:
                yield Violation(
                    "-", order["key"], f"an order that was handed in was noted {done[order['key']]} times"
                )

    def _work_is_whole(self, world: World, tree: Tree) -> Iterator[Violation]:
        """What a plan is said to have changed is what its agent wrote, and nothing that the cut damaged.

        Not so where the cut came in the middle of the run: nobody has synced what the agent had written, and whoever
        goes on with its session is told to look at what is there. This agent does not.
        """
        for plan in ("plain", "fix", "fix-2"):
            for step in _result(world, plan).get("steps", ()):
                log = world.root.path / str(step.get("log"))
                if step["status"] == "succeeded" and b'"result"' not in (
                    log.read_bytes() if log.is_file() else b""
                ):
                    yield Violation("I3", plan, f"{step.get('log')} is not what the agent said")
        for plan in ("fix", "fix-2"):
            result = _result(world, plan)
            if result.get("status") == "succeeded" and not self._was_cut_off(plan, tree):
                yield from _branch_holds(world, plan, result.get("changes") or {})
        if _result(world, "plain").get("status") == "succeeded" and not self._was_cut_off("plain", tree):
            written = world.plain / "b.txt"
            content = written.read_bytes() if written.exists() else None
            if content != WORK:
                yield Violation("I3", "plain", f"the agent's file is not what it wrote: {content!r}")

    def _was_cut_off(self, plan: str, tree: Tree) -> bool:
        """Whether an agent had begun, and its end was not on the disk."""
        begun = any(f"/{plan}/main.1 " in line for line in self.ledger)
        places = [path for path in tree if path.endswith(f"/{plan}/runs/main.1/exit.json")]
        return begun and not any(_finished(tree[path][1]) for path in places)


def _finished(content: bytes | None) -> bool:
    return bool(next(_lines(content or b""), {}).get("saw_result"))


def _orders_noted_hold(world: World, tree: Tree) -> Iterator[Violation]:
    """What the register said of an order when the power was cut is so."""
    _, log = tree.get("handoff/archive/orders.jsonl", (0, b""))
    noted = {line["action"]: line for line in _lines(log or b"") if line.get("outcome") == "done"}
    is_paused = "handoff/.orchestrd/paused" in tree
    if "resume" in noted and is_paused:
        yield Violation("-", "resume", "it is noted as done, and the pause is there again")
    if (
        "pause" in noted
        and not is_paused
        and not any(b'"resume"' in (one or b"") for _, one in tree.values())
    ):
        yield Violation("-", "pause", "it is noted as done, and there is no pause")
    if "cancel" in noted and _status(world, "long") != "cancelled":
        yield Violation("-", "cancel", f"it is noted as done, and the plan's end is {_status(world, 'long')}")
    made = noted.get("retry", {}).get("new_plan")
    if made is not None and not any(plan.name == made for plan in _plans(world)):
        yield Violation("I1", made, "an order is noted to have made it, and it is nowhere")


def _none_rejected(world: World) -> Iterator[Violation]:
    for plan in ("fix", "fix-2", "plain", "long"):
        if _status(world, plan) == "rejected":
            yield Violation("I3", plan, "a good plan was rejected")


def _result(world: World, plan: str) -> dict[str, Any]:
    """A plan's result; {} for none, and for one that is torn, which `orchestrd verify` tells."""
    for ending, read in ((".toml", tomllib.loads), (".json", json.loads)):
        place = world.root.results / f"{plan}{ending}"
        if place.exists():
            try:
                return dict(read(place.read_text("utf-8", "replace")))
            except ValueError:
                return {}
    return {}


def _status(world: World, plan: str) -> object:
    return _result(world, plan).get("status")


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            yield dict(json.loads(line))
        except ValueError:
            continue


def _branch_holds(world: World, name: str, changes: dict[str, Any]) -> Iterator[Violation]:
    blob = hashlib.sha1(b"blob %d\0%b" % (len(WORK), WORK)).hexdigest()
    tip = world.projects[0] / ".git/refs/heads" / str(changes.get("branch"))
    head = tip.read_text().strip() if tip.exists() else "gone"
    if head != changes.get("head"):
        yield Violation("I3", name, f"its branch is {head}, not {changes.get('head')}")
        return
    patch = world.root.path / str(changes.get("patch"))
    if b"+done\n" not in (patch.read_bytes() if patch.is_file() else b""):
        yield Violation("I3", name, f"{changes.get('patch')} is not what the agent wrote")
    words = ["diff", "--raw", "--no-abbrev", changes["base"], head]
    told = subprocess.run(
        ["git", "-C", str(world.projects[0]), *words], capture_output=True, check=False, text=True
    )
    wanted = f":000000 100644 {'0' * 40} {blob} A\tnotes.txt\n"
    if told.stdout != wanted:
        yield Violation("I3", name, f"{head} is not what the agent wrote: {told.stdout}{told.stderr}")


def _plans(world: World) -> list[Path]:
    return [*world.root.active.iterdir(), *world.root.archive.glob("*-*/*")]


def _first(world: World, folder: Path) -> dict[str, Any]:
    try:
        with open(folder / durable.JOURNAL, "rb") as file:
            return dict(json.loads(file.readline()))
    except (OSError, ValueError):
        return {}


class NoSync(Effects):
    """In a replay nothing is cut again, so nothing has to reach the disk."""

    def fsync(self, fd: int) -> None:
        pass

    def sync_dir(self, path: str) -> None:
        pass

    def sync_filesystem(self, path: str) -> None:
        pass


def _hurry() -> None:
    """In the recovering daemon: no waiting for disks, nor between attempts."""
    put_in(NoSync())
    after_run.PAUSES_SECONDS = (0.01,)
