"""Where Claude Desktop keeps its configuration, on each system that it runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from handoff.platform import system_name
from orchestrd.desktop.error import DesktopError

FILE_NAME = "claude_desktop_config.json"


def desktop_folder(environ: Mapping[str, str] = os.environ, system: str | None = None) -> Path:
    """Return the folder that Desktop makes at its first start; `system` as `handoff.platform` names it."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~"))
    match system or system_name():
        case "darwin":
            return home / "Library" / "Application Support" / "Claude"
        case "windows":
            return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "Claude"
        case _:
            return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "Claude"


def configuration_file(named: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the configuration lies, or will lie. DesktopError: Desktop has never been here."""
    if named is not None:
        file = Path(os.path.abspath(named.expanduser()))
        if not file.parent.is_dir():
            raise DesktopError(f"{file.parent}: there is no such folder; name the file that Desktop reads")
        return file
    folder = desktop_folder(environ)
    if not folder.is_dir():
        raise DesktopError(
            f"{folder}: not there, so Claude Desktop has never been started here; "
            f"start it once, or name its file: --config PATH/{FILE_NAME}"
        )
    return folder / FILE_NAME
