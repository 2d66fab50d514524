"""What runs ask: written down before it is answered, standing still meanwhile, taken back when nobody waits."""

from __future__ import annotations

from tests.faults.seeded.bug import a_bug

BUGS = (
    a_bug(
        "answered-unwritten",
        "Claude Code is answered before that is written down: a runner killed in between has granted nothing",
        "orchestrd/runs/asking/request.py",
        "        self._means.ledger.append(\n"
        "            event, time=rfc3339(clock.wall()), request=self.file or None, tool=self.prompt.tool, **fields\n"
        "        )\n"
        "        answer = {\n"
        '            "subtype": "success",\n'
        '            "request_id": self.prompt.request_id,\n'
        '            "response": self._decision.response,\n'
        "        }\n"
        '        self._means.tell(line({"type": "control_response", "response": answer}))\n',
        "        answer = {\n"
        '            "subtype": "success",\n'
        '            "request_id": self.prompt.request_id,\n'
        '            "response": self._decision.response,\n'
        "        }\n"
        '        self._means.tell(line({"type": "control_response", "response": answer}))\n'
        "        self._means.ledger.append(\n"
        "            event, time=rfc3339(clock.wall()), request=self.file or None, tool=self.prompt.tool, **fields\n"
        "        )\n",
        caught_by="tests/runs/test_asking_faults.py",
    ),
    a_bug(
        "asked-in-doubt",
        "a line that the disk refused to sync is written once more although it is there",
        "orchestrd/runs/asking/ledger.py",
        "        self._in_doubt = True\n",
        "",
        caught_by="tests/runs/test_asking_faults.py",
    ),
    a_bug(
        "clocks-run-on",
        "the time of a run that waits for a person is up",
        "orchestrd/runs/supervision.py",
        "            self._clocks.stand_still(clock.boot())\n",
        "            pass\n",
        caught_by="tests/runs/test_asking_runner.py",
    ),
    a_bug(
        "asking-keeps-its-slot",
        "a run that waits for a person keeps its slot from others",
        "orchestrd/core/steps.py",
        "            self._plans.move_step(plan, step, StepTrigger.ASKED)\n",
        "            return\n",
        caught_by="tests/core/test_asking.py",
    ),
    a_bug(
        "asked-by-the-dead",
        "what a killed runner has asked stays, and nobody waits for an answer",
        "orchestrd/runs/execution.py",
        "            self._withdraw(run)\n",
        "            pass\n",
        caught_by="tests/live/test_daemon_asking.py",
    ),
)
