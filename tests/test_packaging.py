"""What a wheel carries: both packages, and everything that is looked for beside the code."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_all_that_is_looked_for_at_run_time(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "handoff/py.typed",
        "handoff/PROTOCOL.md",
        "handoff/schema/plan.schema.json",
        "handoff/schema/result.schema.json",
        "orchestrd/py.typed",
        "orchestrd/config.default.toml",
        "orchestrd/runs/runner.py",
        "orchestrd/workflows/feature.toml",
        "orchestrd/agents/reviewer.toml",
        "orchestrd/_carried/systemd/orchestrd.service",
        "orchestrd/_carried/launchd/orchestrd.plist",
        "orchestrd/_carried/examples/demo/script.toml",
        "orchestrd/_carried/examples/desktop-prompt.md",
        "orchestrd/_carried/examples/workflow-runner.mjs",
        "orchestrd/_carried/examples/workflows/upgrade.toml",
        "orchestrd/_carried/examples/demo/project/greeting.py",
    } <= names
    assert any(name.startswith("orchestrd-") and name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/")) or "__pycache__" in name]


def test_what_is_installed_finds_its_files_without_a_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    ask = "import orchestrd.carried as c; [print(c.carried(n)) for n in ('systemd/orchestrd.service', 'examples/demo')]"
    # Isolated from the checkout: its own folder first, then the site's packages.
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    said = subprocess.check_output(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"],
        cwd=tmp_path,
        env=environ,
        text=True,
    )

    for line in said.splitlines():
        assert Path(line).is_relative_to(tmp_path.resolve() / "orchestrd/_carried")


def test_both_packages_say_that_they_are_typed():
    assert (PROJECT / "handoff/py.typed").is_file()
    assert (PROJECT / "orchestrd/py.typed").is_file()
