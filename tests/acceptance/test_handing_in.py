"""Plans that are handed in: in every language, by every kind of writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.acceptance.stage import PORTABLE, WRITTEN, a_plan_for, git, starts
from tests.serving import Serving

PAUSE_SECONDS = 1 if PORTABLE else 3
HALVES = """
import sys, time
source, target, pause = sys.argv[1:]
content = open(source, "rb").read()
with open(target, "wb", buffering=0) as lane:
    lane.write(content[: len(content) // 2])
    time.sleep(float(pause))
    lane.write(content[len(content) // 2 :])
"""


def test_the_same_plan_in_three_languages_by_three_kinds_of_writers_runs_nine_times_alike(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    prompt = "Write the last word.\n" + "A line that fills the file.\n" * 40 + "[write word.txt whole]"
    here.start(LIMITS__MAX_PARALLEL="3", LANES__PATIENCE_SECONDS="5")

    writers = []
    for ending, written in WRITTEN.items():
        text = written(a_plan_for(project, prompt, title="Nine times"))
        here.drop(f"renamed-{ending}.{ending}", text)
        source = tmp_path / f"plan.{ending}"
        source.write_text(text)
        subprocess.run(["cp", source, here.root.inbox / f"copied-{ending}.{ending}"], check=True)
        target = here.root.inbox / f"halves-{ending}.{ending}"
        words = [sys.executable, "-c", HALVES, str(source), str(target), str(PAUSE_SECONDS)]
        writers.append(subprocess.Popen(words))
    assert [writer.wait(20) for writer in writers] == [0, 0, 0]

    plans = [f"{way}-{ending}" for way in ("renamed", "copied", "halves") for ending in WRITTEN]
    for plan in plans:
        result = here.result(plan)
        assert (result["status"], result["verdict"]) == ("succeeded", "changed")
        assert result["title"] == "Nine times"
        assert result["changes"]["files_changed"] == 1
        assert git(project, "show", f"{result['changes']['branch']}:word.txt") == "whole"
        assert result["source"] == f"{plan}.{plan.rpartition('-')[2]}"
        assert (here.root.results / f"{plan}.md").exists()
    assert sorted(one.plan for one in starts(here)) == sorted(plans)
