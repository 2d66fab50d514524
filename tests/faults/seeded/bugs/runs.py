"""Runs: started once, found again, ended with all that belongs to them."""

from __future__ import annotations

from tests.faults.seeded.bug import Edit, a_bug

BUGS = (
    a_bug(
        "liveness-by-pid",
        "a run is taken for alive while its pid is there, whoever holds its lock",
        "orchestrd/runs/recovery.py",
        "    held = is_locked(run_folder)\n",
        "    held = follow_pid(run_folder) is not None\n",
        Edit(
            "orchestrd/runs/start.py",
            "        effects.lock(descriptor)\n",
            "",
        ),
        caught_by="tests/runs/test_recovery.py",
    ),
    a_bug(
        "lock-handed-on",
        "Claude Code inherits its runner's lock: a dead runner looks alive",
        "orchestrd/runs/supervision.py",
        "    os.set_inheritable(lock, False)  # noqa: FBT003 - its signature\n",
        "",
        caught_by="T5",
        breaks="I5 | I8",
    ),
    a_bug(
        "started-again",
        "a start whose runner died is taken for one that was never made",
        "orchestrd/runs/recovery.py",
        "    return Found.DIED if looking.is_there(run_folder / STARTED) else Found.NEVER_RAN\n",
        "    return Found.NEVER_RAN\n",
        caught_by="T5",
        breaks="I2 | I8",
    ),
    a_bug(
        "started-unannounced",
        "a run is started before the journal says that it will be",
        "orchestrd/runs/execution.py",
        "            **_given(budget_usd=command.budget_usd, round=command.round or None, payer=_payer_of(launch)),\n"
        "        )\n"
        "        if isinstance(launch, str):\n            return self._not_started(command, launch)\n"
        "        self._launch(command, session, launch)\n        return None\n",
        "            **_given(budget_usd=command.budget_usd, round=command.round or None, payer=_payer_of(launch)),\n"
        "        )\n"
        "        return None\n",
        Edit(
            "orchestrd/runs/execution.py",
            "        launch = self._compose(command, session, project, records)\n        self._journals.append(\n",
            "        launch = self._compose(command, session, project, records)\n"
            "        if isinstance(launch, str):\n            return self._not_started(command, launch)\n"
            "        self._launch(command, session, launch)\n        self._journals.append(\n",
        ),
        caught_by="T1",
        rounds="crash after at: start runner",
        breaks="I2 | I7 | I8",
    ),
    a_bug(
        "not-swept",
        "what a runner left that was killed is not ended",
        "orchestrd/runs/execution.py",
        "            recovery.sweep(folder)\n",
        "            pass\n",
        caught_by="T5",
        breaks="I5",
    ),
    a_bug(
        "orphans-survive",
        "only children of Claude Code are ended with it: what detached itself goes on",
        "orchestrd/runs/supervision.py",
        "        return {*tree.descendants(os.getpid()), *tree.marked(self._orders.mark)}\n",
        "        return {*tree.descendants(self._pid)}\n",
        caught_by="T5",
        breaks="I5",
    ),
    a_bug(
        "not-adopted",
        "runs that a daemon before this one started are not followed",
        "orchestrd/runs/execution.py",
        "        if found in {Found.ALIVE, Found.FINISHING}:\n            self.followed.add(run)\n"
        "            return None\n",
        "        if found in {Found.ALIVE, Found.FINISHING}:\n            return None\n",
        caught_by="T4",
        breaks="I8",
    ),
    a_bug(
        "killed-with-the-daemon",
        "a runner ends when its daemon does",
        "orchestrd/runs/start.py",
        "            start_new_session=True,\n",
        "            start_new_session=True,\n"
        "            preexec_fn=lambda: __import__('ctypes').CDLL(None).prctl(1, 9, 0, 0, 0),\n",
        caught_by="T4",
        breaks="I2 | I5",
    ),
    a_bug(
        "attempts-not-counted",
        "an attempt that was interrupted does not count: a plan that is always killed never ends",
        "orchestrd/core/after_run.py",
        "    return Again(pause, None if fresh else outcome.session)\n",
        "    return Again(pause, None if fresh else outcome.session, same_attempt=interrupted)\n",
        caught_by="T5",
        breaks="I2 | I8",
    ),
    a_bug(
        "wall-clock",
        "a run's time is measured by the clock that can be set",
        "orchestrd/runs/supervision.py",
        "        over = self._clocks.overdue(clock.boot(), now)\n",
        "        over = self._clocks.overdue(clock.wall() - self._wall + self._boot, now)\n",
        Edit(
            "orchestrd/runs/supervision.py",
            "        self._kill_at: float | None = None\n",
            "        self._kill_at: float | None = None\n        self._wall, self._boot = clock.wall(), clock.boot()\n",
        ),
        caught_by="T14 everywhere",
        breaks="-: it ended of the jump | -: attempts",
        size="middle",
    ),
    a_bug(
        "secret-in-two-pieces",
        "a secret is looked for in each piece that is read, so one that comes in two is written",
        "orchestrd/runs/relay.py",
        "            whole = self._whole_lines(chunk)\n",
        "            whole = chunk\n",
        caught_by="T4",
        breaks="I9",
    ),
)
