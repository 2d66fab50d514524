"""The daemon as a service of the user: put in place, looked at, taken away. systemd on Linux, launchd on macOS.

The units themselves lie in `systemd/` and `launchd/`; this room fills in what is known only on this machine.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from orchestrd.service.facts import ServiceError

if TYPE_CHECKING:
    from orchestrd.service.launchd import Launchd
    from orchestrd.service.systemd import Systemd

__all__ = ["ServiceError", "service_manager"]


def service_manager() -> Systemd | Launchd:
    """Return the manager of this machine. Raises ServiceError where there is none that we know."""
    if shutil.which("launchctl"):
        from orchestrd.service.launchd import Launchd

        return Launchd()
    if shutil.which("systemctl"):
        from orchestrd.service.systemd import Systemd

        return Systemd()
    raise ServiceError(
        "there is neither systemctl nor launchctl here; have something else keep `orchestrd serve` running"
    )
