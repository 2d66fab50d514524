"""Which files an answer may write: names that mean the same on every system, inside what a plan's `write_to` allows.

Pure: what lies on a disk or a branch is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase

MOST_NAME_BYTES = 255
MOST_PATH_BYTES = 1000
MOST_FOLDERS = 32

_WILDCARDS = frozenset("*?[")
# Git's own folder, and what other file systems take for it: NTFS by its short name (git~1), without what follows a
# colon, without spaces and dots at the end, Apple's without characters that are not seen (refused with all of them).
_GIT = re.compile(r"(?:\.git|git~\d+)[ .]*", re.IGNORECASE | re.ASCII)
_NOT_SEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def single_path(write_to: Sequence[str]) -> str | None:
    """Tell the one file that may be written; None where there may be several, by a wildcard, a folder or a list."""
    if len(write_to) != 1 or _WILDCARDS & set(write_to[0]) or write_to[0].endswith("/"):
        return None
    return "/".join(part for part in write_to[0].split("/") if part not in {"", "."})


def why_no_path(path: str) -> tuple[str, str] | None:
    """Say why a path cannot be written whatever `write_to` says, and what was expected; None: it can."""
    if not path:
        return "no file is named", "a path inside the project: docs/x.md"
    if any(unicodedata.category(letter) in _NOT_SEEN for letter in path):
        return "the name holds a character that is not seen", "letters, digits and signs"
    if "\\" in path:
        return "the path holds a backslash", "a path with slashes: docs/x.md"
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "the path is not inside the project", "a path from the project's folder: docs/x.md"
    if len(path.encode()) > MOST_PATH_BYTES:
        return "the path is too long", f"{MOST_PATH_BYTES} bytes at most"
    if path.count("/") > MOST_FOLDERS:
        return "the path is too deep", f"{MOST_FOLDERS} folders at most"
    return next((why for part in path.split("/") if (why := _why_no_name(part))), None)


def is_allowed(path: str, write_to: Sequence[str]) -> bool:
    """Tell whether one of the rules names a path: a file, or a glob in which `**` is any number of folders."""
    parts = path.split("/")
    return any(_matches(parts, rule) for rule in write_to)


def folded(path: str) -> str:
    """Make two paths alike that are one file where case, or the way in which accents are written, tells nothing."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _why_no_name(name: str) -> tuple[str, str] | None:
    if name in {"", ".", ".."}:
        return "the path is not a plain one", "names between single slashes, none of them . or .."
    if _GIT.fullmatch(name.partition(":")[0]):
        return "the path leads into git's own folder", "a file of the project"
    if ":" in name or name.endswith((" ", ".")) or name.startswith(" "):
        return (
            f"{name!r} is not the same name on every system",
            "a name without a colon, and without a space or a dot at its end",
        )
    if len(name.encode()) > MOST_NAME_BYTES:
        return "a name is too long", f"{MOST_NAME_BYTES} bytes at most"
    return None


def _matches(parts: Sequence[str], rule: str) -> bool:
    """Match part by part, with all places of the rule that may have been reached so far."""
    wanted = [part for part in rule.split("/") if part not in {"", "."}]
    if rule.endswith("/"):
        wanted.append("**")
    if wanted[-1:] == ["**"]:
        wanted.append("*")  # what lies below a folder, not a file of its name
    reached = _past_stars({0}, wanted)
    for part in parts:
        on = {place for place in reached if place < len(wanted) and wanted[place] == "**"}
        on |= {
            place + 1
            for place in reached
            if place < len(wanted) and wanted[place] != "**" and fnmatchcase(part, wanted[place])
        }
        reached = _past_stars(on, wanted)
    return len(wanted) in reached


def _past_stars(places: set[int], wanted: Sequence[str]) -> set[int]:
    """Add the places behind `**`: it may stand for no folder at all."""
    found = set(places)
    for place in places:
        after = place
        while after < len(wanted) and wanted[after] == "**":
            after += 1
            found.add(after)
    return found
