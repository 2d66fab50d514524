"""What reaches the disk, in what order, and what happens where the disk says no."""

from __future__ import annotations

from tests.faults.seeded.bug import Edit, a_bug

BUGS = (
    a_bug(
        "no-fsync",
        "a new file gets its name before its content is on the disk",
        "handoff/durable.py",
        "failed = attempt(lambda fd=fd: effects.fsync(fd)) if sync else None  # type: ignore[misc]",
        "failed = None",
        caught_by="T7",
        breaks="I3 | I4 | I7 | I1",
    ),
    a_bug(
        "no-sync-of-the-lane",
        "the directory that a plan was taken out of is not synced: it can reappear there, and run twice",
        "handoff/taking.py",
        "        _sync_parents({os.path.dirname(one.lane_file) for one in takes}, takes, failed, of_lane=True)\n",
        "",
        caught_by="T7",
        breaks="I1 | I2",
    ),
    a_bug(
        "journal-after-the-take",
        "a plan's file is moved before the journal that says where it came from is on the disk",
        "handoff/taking.py",
        "        each(_sync_folder)\n"
        "        # Folders whose parent could not be synced are not safe to rename into.\n"
        "        _sync_parents({os.path.dirname(one.folder) for one in takes}, takes, failed)\n",
        "        pass\n",
        caught_by="T7",
        breaks="I1 | I7",
    ),
    a_bug(
        "run-folder-not-synced",
        "a run begins before the name of its folder is on the disk: after a power cut it looks as if it never was",
        "orchestrd/runs/start.py",
        "    durable.make_folder(run_folder)\n",
        "    durable.make_folder(run_folder, sync=False)\n",
        caught_by="T7",
        breaks="I2 | I7",
    ),
    a_bug(
        "result-after-the-archive",
        "a plan goes to the archive, and then its result comes out",
        "orchestrd/outbound/publish.py",
        "    return _archive(root, plan_id, result, records)\n\n\ndef format_of",
        "    published = _archive(root, plan_id, result, records)\n"
        "    _tell(root, plan_id, result, plan, account, content)\n"
        "    return published\n\n\ndef format_of",
        Edit(
            "orchestrd/outbound/publish.py",
            "    _tell(root, plan_id, result, plan, account, content)\n    if has_checkout",
            "    if has_checkout",
        ),
        caught_by="T1",
        rounds="crash after at: rename_new handoff/active/a →",
        breaks="I3 | I10",
    ),
    a_bug(
        "short-write",
        "a write that took only half of what it was given is believed",
        "handoff/durable.py",
        "    left = memoryview(content)\n    while left:\n        left = left[effects.write(fd, left) :]\n",
        "    effects.write(fd, content)\n",
        caught_by="T1",
        rounds="short write at: write handoff/active/a/.result.toml.tmp",
        breaks="I3 | I4",
    ),
    a_bug(
        "torn-tail",
        "half a line at a journal's end is not cut off: the next line joins it",
        "orchestrd/record/journal.py",
        "    if good < len(raw):\n        durable.replace(path, raw[:good])\n",
        "",
        caught_by="T7",
        rounds="journal.jsonl: half",
        breaks="I7 | I8",
    ),
    a_bug(
        "take-not-undone",
        "the folder of a plan that could not be moved in stays: the plan can never be taken",
        "handoff/taking.py",
        "    forget(os.path.join(one.folder, JOURNAL))\n    quietly(lambda: durable.effects.rmdir(one.folder))\n",
        "    return\n",
        caught_by="T3",
        rounds="error once (ENOSPC) at: rename_new handoff/inbox/a.toml",
        breaks="I8",
    ),
    a_bug(
        "one-error-ends-the-daemon",
        "an error of the disk while plans are taken ends the loop",
        "orchestrd/daemon/entrance.py",
        "        except OSError as error:\n            self._not_before = at.boot + AGAIN_SECONDS\n",
        "        except ChildProcessError as error:\n            self._not_before = at.boot + AGAIN_SECONDS\n",
        caught_by="T3",
        rounds="error once (EIO) at: sync_dir handoff/inbox",
        breaks="I8 | -: it broke",
    ),
    a_bug(
        "errand-forgotten",
        "what failed for a plan is shown, and never tried again",
        "orchestrd/daemon/errands.py",
        "                self._put_off.append(_PutOff(self._now().boot + AGAIN_SECONDS, plan, errand, closing))\n",
        "",
        caught_by="T3",
        rounds="error once (ENOSPC) at: mkdir handoff/active/a/runs",
        breaks="I8",
    ),
    a_bug(
        "full-disk-gives-up",
        "a runner that finds no space for its last words gives up after three times",
        "orchestrd/runs/orders.py",
        "            failures += error.errno not in NO_SPACE\n",
        "            failures += 1\n",
        caught_by="tests/runs/test_runner.py::test_an_end_that_finds_the_disk_full_is_written_when_there_is_space",
    ),
    a_bug(
        "reserve-kept",
        "on a full disk the space that was set aside is not given up to write a result",
        "handoff/reserve.py",
        "            if error.errno not in NO_SPACE:\n                raise\n        with self._lock:\n",
        "            raise\n        with self._lock:\n",
        caught_by="tests/faults/test_degrading.py",
    ),
)
