"""A plan that a browser downloads into the inbox: what is not complete yet is left alone, what it becomes runs."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.stage import a_plan_for, as_markdown, starts
from tests.serving import Serving
from tests.waiting import wait_until

PARTIAL = {
    "firefox-7f3a": "firefox-7f3a.plan.md.part",
    "chrome-1b2c": "chrome-1b2c.plan.md.crdownload",
    "unnamed-9d8e": "Unconfirmed 529841.crdownload",
    "safari-4c5d": "safari-4c5d.plan.md.download/safari-4c5d.plan.md",
}


def test_a_download_is_a_plan_once_it_is_complete(here: Serving, project: Path) -> None:
    inbox = here.root.inbox
    text = as_markdown(a_plan_for(project))
    for name in PARTIAL.values():
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_text(text[:60])
    (inbox / "firefox-7f3a.plan.md").touch()  # it keeps the name for itself so
    here.start(LANES__PATIENCE_SECONDS="0.3", LANES__SCAN_SECONDS="0.3")
    wait_until(lambda: len(ignored(here)) == 4, 10, "all but the temporary as ignored")
    assert starts(here) == []

    for plan, name in PARTIAL.items():
        with (inbox / name).open("a") as download:
            download.write(text[60:])
        (inbox / name).rename(inbox / f"{plan}.plan.md")

    for plan in PARTIAL:
        assert here.result(plan)["status"] == "succeeded", plan
    assert len(starts(here)) == len(PARTIAL)
    assert [left.name for left in inbox.iterdir()] == ["safari-4c5d.plan.md.download"]


def ignored(here: Serving) -> list[str]:
    return [one["file"] for one in here.status("daemon")["ignored"]]
