"""The daemon's own log, read back for a person."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from orchestrd.cli.calling import Complaint
from orchestrd.views.words import plain, read_time


def tell_log(root: Path, last: int, *, follow: bool) -> Iterator[str]:
    """Yield the last lines of the log of this root's daemon and, when asked, what comes after them."""
    from orchestrd.log import log_file

    file = log_file(root)
    try:
        with open(file, "rb") as log:
            for line in deque(log, maxlen=last):
                yield _in_words(line)
            offset = log.tell()
    except FileNotFoundError:
        raise Complaint(
            f"no daemon has served {root} yet, or none had anything to say (there is no {file})", 1
        ) from None
    while follow:
        time.sleep(0.2)
        try:
            with open(file, "rb") as log:
                if log.seek(0, 2) < offset:
                    offset = 0  # the file was put aside and begun anew
                log.seek(offset)
                for line in log:
                    if not line.endswith(b"\n"):
                        break
                    offset += len(line)
                    yield _in_words(line)
        except FileNotFoundError:
            offset = 0


def _in_words(line: bytes) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return plain(line.decode("utf-8", "replace").rstrip("\n"))
    when = read_time(record.pop("time", None))
    level, message = record.pop("level", ""), record.pop("message", "")
    error = record.pop("exception", None)
    clock = f"{when.astimezone():%Y-%m-%d %H:%M:%S} " if when else ""
    rest = "".join(f" {plain(name)}={plain(value)}" for name, value in record.items())
    return f"{clock}{plain(level):<7} {plain(message)}{rest}" + (
        f"\n{plain(error).rstrip()}" if error else ""
    )
