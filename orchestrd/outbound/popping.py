"""Shows one notification on the desktop by the library `desktop_notifier`: a program of its own.

So the daemon never loads the library, and a desktop that does not answer holds up nothing. What is shown comes as
JSON on standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

NO_WAY = 3
"""The library has no way to a desktop here."""


class _Hearing(logging.Handler):
    """The library raises nothing where a notification failed: it logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.heard.append(str(cause or record.getMessage()))


def main() -> int:
    """Show it. 0: it was handed to the desktop; 1: it failed, and standard error says why; 3: there is no way."""
    given = json.load(sys.stdin)
    try:
        from desktop_notifier import DesktopNotifier
        from desktop_notifier.main import get_backend_class
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NO_WAY
    hearing = _Hearing()
    logging.getLogger("desktop_notifier").addHandler(hearing)
    # On a Mac only an application in a bundle may use the notification centre; for all else this stands in.
    if get_backend_class().__name__ == "DummyNotificationCenter":
        sys.stderr.write("the library has no way to this desktop\n")
        return NO_WAY
    notifier = DesktopNotifier(app_name="orchestrd")
    asyncio.run(_send(notifier, given["title"], given["message"]))
    if hearing.heard:
        sys.stderr.write(f"{hearing.heard[0]}\n")
        return 1
    return 0


async def _send(notifier: object, title: str, message: str) -> None:
    await notifier.send(title=title, message=message)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
