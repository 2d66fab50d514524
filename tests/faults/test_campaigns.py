"""Each campaign in its short form. What was tried at length, and how often: docs/reliability.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.__main__ import SEED
from tests.faults.campaign import Campaign, Ground, Size, run_campaign
from tests.faults.table import campaigns


@pytest.mark.parametrize("campaign", tuple(campaigns()), ids=lambda campaign: campaign.test)
def test_no_promise_breaks(campaign: Campaign, tmp_path: Path) -> None:
    missing = campaign.needs()
    if missing:
        pytest.skip(missing)

    report = run_campaign(campaign, Ground(Size.SHORT, SEED, tmp_path))

    assert report.error is None, report.error
    broken = [
        f"{one.invariant} at {one.where}: {one.what}\n  again by: {one.reproduce}"
        for one in report.violations
    ]
    if broken:
        pytest.fail(f"{campaign.test}, {campaign.title}:\n" + "\n".join(broken), pytrace=False)
    assert report.fired > 0
