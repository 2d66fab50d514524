"""The daemon's own log: whole lines for programs, readable ones for people, no secret in either."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from loguru import logger

from orchestrd import log
from orchestrd.cli.daemon_log import tell_log
from orchestrd.config import Config

SECRET = 'sk-"quoted"-value'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def started(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(log, "log_folder", lambda: tmp_path / "log")

    def start(stderr: io.StringIO, **settings) -> Path:
        config = Config(root=tmp_path / "root", log=settings)
        return log.start_logging(config, {"ANTHROPIC_API_KEY": SECRET, "HOME": "/home/ada"}, stderr)

    yield start
    logger.remove()


def test_each_line_of_the_file_is_json_and_only_the_user_may_read_it(started):
    file = started(io.StringIO())

    logger.bind(plan="hello").info("taken {}", "{with braces}")

    (line,) = file.read_text().splitlines()
    fields = json.loads(line)
    assert (fields["level"], fields["message"], fields["plan"]) == ("info", "taken {with braces}", "hello")
    assert fields["time"].endswith("Z")
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_secret_reaches_the_file_or_the_terminal(started):
    stderr = io.StringIO()
    file = started(stderr)

    logger.info("the key is " + SECRET)
    try:
        int(SECRET)
    except ValueError:
        logger.bind(key=SECRET).exception("failed")

    for text in (file.read_text(), stderr.getvalue()):
        assert "[secret:ANTHROPIC_API_KEY]" in text
        assert "quoted" not in text


def test_a_person_at_a_terminal_gets_colours_and_a_file_gets_none(started):
    for stderr, coloured in ((Terminal(), True), (io.StringIO(), False)):
        started(stderr)

        logger.warning("careful")

        assert "careful" in stderr.getvalue()
        assert ("\x1b[" in stderr.getvalue()) is coloured


def test_what_is_below_the_level_is_not_logged(started):
    file = started(io.StringIO(), level="warning")

    logger.info("chatter")

    assert not file.exists()


def test_a_log_that_has_grown_is_put_aside_and_few_of_them_are_kept(started):
    file = started(io.StringIO(), rotation=4096, retention=2)

    for number in range(200):
        logger.info("line {} {}", number, "x" * 100)

    assert file.stat().st_size <= 4096
    assert 1 <= len(list(file.parent.glob("*.jsonl"))) <= 3


def test_the_log_reads_well(started, tmp_path):
    started(io.StringIO())
    for number in range(5):
        logger.bind(plan="hello").info("line {}", number)

    lines = list(tell_log(tmp_path / "root", 2, follow=False))

    assert [line.split(" ", 2)[2] for line in lines] == [
        "info    line 3 plan=hello",
        "info    line 4 plan=hello",
    ]
