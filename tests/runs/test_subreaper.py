"""Becoming the one to whom orphans fall, without ctypes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from handoff.platform import PLATFORM

ROOT = Path(__file__).parents[2]
_ORPHAN = """
import os, sys
sys.path.append(sys.argv[1])
from orchestrd.runs.subreaper import become_subreaper
print(become_subreaper(), "ctypes" in sys.modules)
told, tell = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(told, 1)
        os._exit(7)
    os._exit(0)
os.wait()
os.write(tell, b"!")
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not PLATFORM.subreaper, reason="only Linux has subreapers")
def test_an_orphan_falls_to_whoever_became_a_subreaper_and_ctypes_is_not_loaded() -> None:
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ORPHAN, str(ROOT)], capture_output=True, check=True, text=True
    ).stdout

    assert said.split() == ["True", "False", "7"]
