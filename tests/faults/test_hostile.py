"""What the longest form of T10 has found, kept: each kind's fate without a watcher."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from handoff.platform import PLATFORM
from tests.faults.hostile import one_world

pytestmark = pytest.mark.skipif(
    not PLATFORM.proc, reason="how long turns wait for a processor is read in /proc"
)


def test_each_kind_meets_its_fate_by_polling(tmp_path: Path) -> None:
    outcome = one_world(tmp_path / "world", 0, {"LANES__POLLING": "true"}, random.Random(1))

    assert outcome.fired > 200
    assert outcome.violations == []
