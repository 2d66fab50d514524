"""Desktop's configuration as a file: read whole, written whole, with its mode, by the way of a link if it is one."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from handoff import durable
from handoff.effects import effects, quietly
from handoff.looking import NotRegular, is_there, read_file
from orchestrd.desktop.error import DesktopError

MOST_BYTES = 8 << 20
NEW_MODE = 0o600
"""Others keep their tokens in it."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What lay there when it was read."""

    named: Path
    """Where Desktop looks for it."""
    real: Path
    """Where it lies: the same, but where `named` is a link."""
    content: bytes | None
    """None: there is none yet."""
    mode: int

    @property
    def name(self) -> str:
        """How it is called when something is said about it."""
        return str(self.named) if self.named == self.real else f"{self.named} (a link to {self.real})"


def read_config(named: Path) -> ConfigFile:
    """Read it. DesktopError: it is nothing that could be changed, or not ours."""
    real = Path(os.path.realpath(named))
    if not real.parent.is_dir() or (named.is_symlink() and not is_there(real)):
        raise DesktopError(f"{named}: a link to {real}, which is not there; mend the link or remove it")
    try:
        content = read_file(real, MOST_BYTES + 1)
        found = effects.stat(real)
    except FileNotFoundError:
        return ConfigFile(named, real, None, NEW_MODE)
    except NotRegular as error:
        raise DesktopError(
            f"{named}: is {error.kind}, where Claude Desktop's configuration is expected"
        ) from None
    except OSError as error:
        raise DesktopError(f"{named}: cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise DesktopError(
            f"{named}: larger than {MOST_BYTES >> 20} MiB; that is no configuration of Claude Desktop's"
        )
    return ConfigFile(named, real, content, stat.S_IMODE(found.st_mode))


def demand_writable(file: ConfigFile) -> None:
    """Find out, before anybody is asked anything, whether it may be written. DesktopError: it may not."""
    if file.content is not None:
        owner = effects.stat(file.real).st_uid
        if owner != os.geteuid():
            raise DesktopError(f"{file.name}: belongs to another user (uid {owner}); do this as that user")
        if not effects.may(file.real, os.W_OK):
            raise DesktopError(
                f"{file.name}: is write-protected; whatever made it so has to put the entry in"
            )
    if not effects.may(file.real.parent, os.W_OK):
        raise DesktopError(f"{file.real.parent}: cannot be written into; nothing was changed")


def write_config(file: ConfigFile, content: bytes | None) -> None:
    """Put `content` (None: nothing at all) in the place of what was read. DesktopError: it has changed since."""
    if read_config(file.named).content != file.content:
        raise DesktopError(
            f"{file.name}: was changed by somebody else meanwhile (Claude Desktop writes it too); it was left as "
            "that made it: quit Desktop, then do this again"
        )
    if content is None:
        durable.remove(file.real)
        return
    group = effects.stat(file.real).st_gid if file.content is not None else None
    durable.replace(file.real, content, mode=file.mode)
    # The umask may have taken something away.
    effects.chmod(file.real, file.mode)
    if group is not None and effects.stat(file.real).st_gid != group:
        quietly(lambda: os.chown(file.real, -1, group))
