"""Every effect of the rooms that keep a promise goes through the seam, where a fault test can make it fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
ROOMS = (
    "handoff",
    "orchestrd/context",
    "orchestrd/daemon",
    "orchestrd/inbound",
    "orchestrd/library",
    "orchestrd/outbound",
    "orchestrd/record",
    "orchestrd/runs",
    "orchestrd/workspaces",
)
OF_THE_SYSTEM = {
    "os": """access chmod close execv execve execvp execvpe fork fstat fsync ftruncate kill killpg link listdir lstat
        makedirs mkdir open posix_fallocate pread pwrite read remove rename replace rmdir scandir stat statvfs symlink
        truncate unlink waitpid walk write""",
    "os.path": "exists getsize isdir isfile lexists",
    "time": "clock_gettime monotonic sleep time",
    "subprocess": "Popen call check_output run",
    "shutil": "copy copy2 copyfile move rmtree",
    "fcntl": "flock lockf",
}
"""Functions, by module."""
OF_PATHS = """chmod exists glob is_dir is_file is_symlink iterdir lstat mkdir read_bytes read_text rename rglob rmdir
    stat touch unlink write_bytes write_text"""
"""Methods of `pathlib.Path`; `replace` is also one of texts, and nobody renames in that way."""
THE_SEAM = ("effects", "looking", "programs", "clock")

EXCEPTIONS = {
    "handoff/effects.py": "the seam itself",
    "handoff/platform.py": "what the seam calls: an effect is one step, however many calls the system needs for it",
    "handoff/processes.py": "questions to /proc, which no disk answers; signals go through the seam",
    "handoff/filesystems.py": "the mount table, which no disk answers",
    "handoff/client.py": "the writer's side, in other processes; it writes by `durable`",
    "handoff/schema/__main__.py": "for whoever works on the project",
    "orchestrd/daemon/bell.py": "a pipe from this process to itself",
    "orchestrd/daemon/descriptors.py": "descriptors of nothing, opened to see whether that can be done",
    "orchestrd/runs/orders.py": "a pipe from this process to itself; files go through the seam",
    "orchestrd/runs/relay.py": "Claude Code's pipes; files go through the seam",
    "orchestrd/runs/spawning.py": "Claude Code's pipes; the fork and what follows go through the seam",
    "orchestrd/runs/tree.py": "/proc; signals go through the seam",
    "orchestrd/runs/claude.py": "looks for a program, again and again; starting it goes through the seam",
    "orchestrd/runs/scopes.py": "looks for a socket, once; starting a program goes through the seam",
    "orchestrd/runs/remains.py": "looks for Claude Code's notes, which may be nowhere; reading goes through the seam",
    "orchestrd/runs/trust.py": "`orchestrd trust`, a person's command; reading goes through the seam",
    "orchestrd/workspaces/difference.py": "a copy of git's index in a folder that is thrown away",
}
"""Who may call the system, and why."""


def calls_of_the_system(source: str) -> Iterator[str]:
    """Whatever a module calls of the system by itself."""
    methods = set(OF_PATHS.split())
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        module, _, name = ast.unparse(node.func).rpartition(".")
        by_module = module in OF_THE_SYSTEM and name in OF_THE_SYSTEM[module].split()
        by_path = isinstance(node.func, ast.Attribute) and name in methods
        if (by_module or by_path or (module, name) == ("", "open")) and not module.endswith(THE_SEAM):
            yield f"line {node.lineno}: {module}.{name}"


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_done_to_the_world_goes_through_the_seam(room: str) -> None:
    found = {
        str(path.relative_to(HERE)): calls
        for path in sorted((HERE / room).rglob("*.py"))
        if (calls := list(calls_of_the_system(path.read_text())))
    }

    assert {name: calls for name, calls in found.items() if name not in EXCEPTIONS} == {}


def test_no_exception_is_out_of_date() -> None:
    assert [name for name in EXCEPTIONS if not list(calls_of_the_system((HERE / name).read_text()))] == []


def test_a_call_that_goes_by_the_seam_is_found() -> None:
    assert list(calls_of_the_system("import os\nos.unlink('x')")) == ["line 2: os.unlink"]
    assert list(calls_of_the_system("def f(path):\n    return path.read_bytes()")) == [
        "line 2: path.read_bytes"
    ]
    assert list(calls_of_the_system("looking.is_file(x), effects.stat(x), clock.sleep(1)")) == []
