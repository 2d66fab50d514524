"""What holds for every command: quick help, one clear line for wrong use, which root is meant."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from orchestrd.cli import _root_first

REAL = True
"""What is started here is the real command."""


def test_help_takes_a_quarter_of_a_second_of_a_core_at_most_and_loads_no_room(orchestrd):
    def seconds() -> float:
        before = os.times()
        assert orchestrd("--help").code == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # What is measured is the program, not what else this machine does.
    assert min(seconds() for _ in range(3)) < 0.25
    ask = "import sys; from orchestrd.cli import main; main(['--help']); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", ask], env=orchestrd.environ, text=True).split()
    assert "orchestrd.cli" in loaded
    assert not {"pydantic", "loguru", "rich", "psutil", "watchdog", "yaml", "sqlite3", "asyncio"} & set(
        loaded
    )


def test_help_names_every_command_with_a_whole_sentence(orchestrd):
    said = orchestrd("--help")

    _, _, commands = said.out.partition("Commands:\n")
    wanted = "init serve submit wait ps ls show logs cancel retry pause resume drain clean check schema trust doctor"
    assert {*wanted.split(), "workflows"} <= {
        line.split()[0] for line in commands.splitlines() if line.strip()
    }
    assert all(
        line.rstrip().endswith(".") and "..." not in line for line in commands.splitlines() if line.strip()
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (["pss"], "No such command 'pss'"),
        (["ps", "--jsn"], "No such option: --jsn"),
        (["wait"], "Missing argument"),
        (["wait", "x", "--timeout", "soon"], "--timeout"),
        (["cancel", "x"], "x: no such plan"),
        (["submit", "/no/such/file.toml"], "/no/such/file.toml: No such file or directory"),
        (["clean", "--older-than", "old"], "--older-than old"),
        (["schema", "nonsense"], "nonsense: no such document"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_2(orchestrd, words, said):
    orchestrd("init")

    found = orchestrd(*words)

    assert (found.code, found.out) == (2, "")
    assert found.err.count("\n") == 1
    assert found.err.startswith("orchestrd: ")
    assert said in found.err


def test_a_root_that_is_not_there_is_told_with_what_to_do(orchestrd):
    found = orchestrd("--root", "/no/such/root", "ps")

    assert found.code == 2
    assert "orchestrd --root /no/such/root init" in found.err
    assert "Traceback" not in found.err


def test_a_wrong_setting_is_told_by_every_command_that_needs_settings(orchestrd):
    orchestrd.environ["ORCHESTRD_LIMITS__TIMOUT"] = "1h"

    found = orchestrd("config")

    assert (found.code, found.out) == (2, "")
    assert "did you mean ORCHESTRD_LIMITS__TIMEOUT?" in found.err


def test_the_root_is_that_of_the_option_else_of_the_variable_else_of_the_file_else_handoff(
    orchestrd, tmp_path
):
    def root_said(*words: str) -> str:
        return orchestrd(*words, "init").out.partition(":")[0]

    assert root_said() == str(orchestrd.home / "handoff")
    file = orchestrd.home / ".config/orchestrd/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'root = "{tmp_path}/from-file"\n')
    assert root_said() == f"{tmp_path}/from-file"
    orchestrd.environ["ORCHESTRD_ROOT"] = f"{tmp_path}/from-variable"
    assert root_said() == f"{tmp_path}/from-variable"
    assert root_said("--root", f"{tmp_path}/from-option") == f"{tmp_path}/from-option"


@pytest.mark.parametrize(
    "given, moved",
    [
        (["ps", "--root", "/x"], ["--root", "/x", "ps"]),
        (["ps", "--root=/x", "--json"], ["--root=/x", "ps", "--json"]),
        (["submit", "--", "--root"], ["submit", "--", "--root"]),
    ],
)
def test_the_root_may_be_named_anywhere(given, moved):
    assert _root_first(given) == moved


def test_help_names_what_is_required_as_other_programs_do(orchestrd):
    for command in ("submit", "wait", "logs", "schema", "service logs"):
        said = orchestrd(*command.split(), "--help").out
        assert not set("{}") & set(said)
        assert "[[" not in said
        assert "()" not in said


def test_completion_names_the_commands(orchestrd):
    environ = orchestrd.environ | {
        "_ORCHESTRD_COMPLETE": "complete_bash",
        "COMP_WORDS": "orchestrd re",
        "COMP_CWORD": "1",
    }

    done = subprocess.run(
        [sys.executable, "-m", "orchestrd"], env=environ, capture_output=True, text=True, check=False
    )

    assert {"resume", "retry", "rehearse"} <= set(done.stdout.split())


def test_a_reader_that_leaves_is_no_error(orchestrd):
    done = subprocess.run(
        f"{sys.executable} -m orchestrd config --default | head -n 1",
        shell=True,
        env=orchestrd.environ,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("# The configuration of orchestrd.")
    assert done.stderr == ""
