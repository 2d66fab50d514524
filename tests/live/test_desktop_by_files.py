"""The walk-through of docs/desktop.md as it stands there: its commands are run, and what it shows is expected."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from orchestrd.rehearsal import load_script
from tests.live.real import Live, git, live
from tests.live.test_workflows import EXAMPLES, a_project
from tests.waiting import wait_until

WALK = (Path(__file__).parents[2] / "docs/desktop.md").read_text("utf-8").partition("## The whole way")[2]
PLAN = "say-goodbye-7f3a"
VARIES = re.compile(r"\b[0-9a-f]{12}\b|\b[0-9.]+ s\b")


def test_the_whole_way_by_files_alone_goes_as_the_page_tells(claude_binary: Path, tmp_path: Path) -> None:
    hand_in, document, take_over = (*fenced(""), re.findall(r"`(git -C .* merge .*)`", WALK)[0])
    asks, answer = fenced("toml")
    script = load_script(EXAMPLES / "demo/script.toml")

    with live(tmp_path / "live", claude_binary, script) as there:
        project = a_project(there.here.home / "src/greeting")
        shell(there, hand_in)
        request = asked(there, f"{PLAN}.*.approval.toml")
        found, told = tomllib.loads(request.read_text("utf-8")), tomllib.loads(asks)
        put(there.root.replies / request.name, answer)
        page = wait_for(there, there.root.results / f"{PLAN}.md").read_text("utf-8")
        docs = asked(there, f"{PLAN}.docs.md").read_text("utf-8")
        shell(there, document)
        wait_until(lambda: not list(there.root.requests.iterdir()), 20, f"no request; {there.here.said()}")
        result = there.result(PLAN)
        shell(there, take_over)

    assert list(found) == list(told)
    assert {**found, "created": None, "reason": None} == {**told, "created": None, "reason": None}
    assert found["reason"].startswith(told["reason"].removesuffix("…"))
    for line in fenced("text")[0].splitlines():
        assert line == "…" or VARIES.sub("", line) in VARIES.sub("", page), line
    assert "def farewell" in docs
    assert result["docs"]["files"] == ["docs/farewell.md"]
    assert (project / "docs/farewell.md").read_text("utf-8").startswith("# Taking leave\n")
    assert git(project, "merge-base", "--is-ancestor", result["docs"]["commit"], "main") == ""


def fenced(language: str) -> list[str]:
    """The blocks of a language on the way."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    return [block for its, block in found if its == language]


def shell(there: Live, commands: str) -> None:
    """Run what the page says to run."""
    said = commands.replace("~/handoff", str(there.root.path))
    subprocess.run(["bash", "-euc", said], env=there.here.environ, check=True, timeout=20)


def put(path: Path, content: str) -> None:
    """Write a file into a lane as the page's commands do."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(content, "utf-8")
    temporary.rename(path)


def asked(there: Live, pattern: str) -> Path:
    """Wait for a request."""
    return wait_until(
        lambda: next(there.root.requests.glob(pattern), None), 60, f"{pattern}; {there.here.said()}"
    )


def wait_for(there: Live, path: Path) -> Path:
    """Wait for a file."""
    wait_until(path.is_file, 60, f"{path.name}; {there.here.said()}")
    return path
