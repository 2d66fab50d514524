"""Telling systemd how the daemon is: ready, its status line, alive. Nothing happens where no systemd listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send lines like `READY=1`, `STATUS=3 running`, `WATCHDOG=1`, `STOPPING=1`; False: nobody was told."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        # Never wait for a systemd that does not read: the next beat says the same.
        sender.settimeout(0)
        sender.sendto(message, "\0" + address[1:] if address[0] == "@" else address)
        return True
    return False


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often `WATCHDOG=1` is expected at the latest; None where it is not expected of this process."""
    try:
        pid = int(environ.get("WATCHDOG_PID") or os.getpid())
        seconds = int(environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    return seconds if pid == os.getpid() and seconds > 0 else None
