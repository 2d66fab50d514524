"""What the longest form of T10 has found, kept: each kind's fate without a watcher."""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.hostile import one_world


def test_each_kind_meets_its_fate_by_polling(tmp_path: Path) -> None:
    outcome = one_world(tmp_path / "world", 0, {"LANES__POLLING": "true"}, random.Random(1))

    assert outcome.fired > 200
    assert outcome.violations == []
