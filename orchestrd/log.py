"""The daemon's own log: JSON lines in a rotating file where the platform keeps logs, and plain lines on stderr.

On a terminal the lines are coloured. No value of a secret variable reaches either.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from orchestrd.config import Config, log_folder, root_name
from orchestrd.secrets import Redactor, secret_names

if TYPE_CHECKING:
    from loguru import Record

# Loguru's own names, in its own order of severity.
_ON_TERMINAL = "<dim>{time:HH:mm:ss}</dim> <level>{level: <7}</level> {message}"
_ON_STDERR = "{level: <7} {message}"


def log_file(root: Path) -> Path:
    """Where the log of the daemon of this root lies."""
    return log_folder() / f"daemon-{root_name(root)}.jsonl"


def start_logging(
    config: Config, environ: Mapping[str, str] = os.environ, terminal: TextIO | None = None
) -> Path:
    """Send everything that is logged from here on to the file and to stderr; returns the file."""
    stderr = terminal or sys.stderr
    file = log_file(config.root)
    names = secret_names(environ, config.secrets.names)
    redactor = Redactor({name: environ[name] for name in names})
    level = config.log.level.upper()

    def without_secrets(record: Record) -> None:
        record["message"] = redactor.redact(record["message"].encode()).decode()

    def to_stderr(text: str) -> None:
        # The whole text: an exception's lines are added after the record was patched.
        stderr.write(redactor.redact(text.encode("utf-8", "backslashreplace")).decode())
        stderr.flush()

    logger.remove()
    logger.configure(patcher=without_secrets)
    logger.add(
        to_stderr,
        level=level,
        format=_ON_TERMINAL if stderr.isatty() else _ON_STDERR,
        colorize=stderr.isatty(),
        backtrace=False,
        diagnose=False,  # would print the values of variables, secrets among them
    )
    logger.add(
        file,
        level=level,
        format=_as_json_line(redactor),
        rotation=config.log.rotation,
        retention=config.log.retention,
        encoding="utf-8",
        opener=_private,
        delay=True,  # a daemon that is refused has said nothing, and leaves nothing
        diagnose=False,
    )
    return file


def _as_json_line(redactor: Redactor) -> Callable[[Record], str]:
    def line(record: Record) -> str:
        fields: dict[str, object] = {
            "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record["level"].name.lower(),
            "message": record["message"],
        }
        fields |= {name: value for name, value in record["extra"].items() if name != "line"}
        if record["exception"]:
            error = record["exception"]
            fields["exception"] = "".join(
                traceback.format_exception(error.type, error.value, error.traceback)
            )
        raw = json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")
        # Loguru takes what a format function returns for a template: the line goes in by way of `extra`.
        record["extra"]["line"] = redactor.redact(raw).decode()
        return "{extra[line]}\n"

    return line


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
