"""Which files an answer may write: names that mean the same on every system, inside what a plan's `write_to` allows.

Pure: what lies on a disk or a branch is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice, takewhile

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
    return plain_path(write_to[0]) if len(write_to) == 1 and is_single(write_to[0]) else None


def is_single(rule: str) -> bool:
    """Tell whether a rule of `write_to` names one file: no glob, and no folder."""
    return not (_WILDCARDS & set(rule) or rule.endswith("/"))


def plain_path(rule: str) -> str:
    """Write the path of such a rule without what means nothing in it."""
    return "/".join(part for part in rule.split("/") if part not in {"", "."})


def fixed_folder(rule: str) -> str:
    """Tell the folder below which a rule names files, as far as it has no wildcards: empty, or ending in a slash."""
    *folders, name = (part for part in rule.split("/") if part != ".")
    parts = [*folders, *([name] if rule.endswith("/") else [])]
    fixed = takewhile(lambda part: not _WILDCARDS & set(part), parts)
    return "".join(f"{part}/" for part in fixed if part)


def example_paths(write_to: Sequence[str]) -> list[str]:
    """Make up two paths that may be written, to show the form of an answer; of a rule without wildcards its own.

    There may be fewer: not every glob is that easily guessed.
    """
    found: dict[str, None] = {}
    for word in ("example", "another"):
        for rule in write_to:
            made_up = [plain_path(rule)] if is_single(rule) else _made_up(rule, word)
            fitting = (path for path in made_up if why_no_path(path) is None and is_allowed(path, [rule]))
            found |= dict.fromkeys(islice(fitting, 1))
    return list(found)[:2]


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
    """Tell whether one of the rules names a path: a file, or a glob in which `**` is any number of folders.

    As in a shell, a wildcard stands for no name that begins with a dot: `**` is neither `.github/workflows` nor
    `.mcp.json`. A rule also means the file of just its name: `app/[id].md` is one in many projects, and a glob by its
    letters.
    """
    parts = path.split("/")
    return path in write_to or any(_matches(parts, rule) for rule in write_to)


def folded(path: str) -> str:
    """Make two paths alike that are one file where case, or the way in which accents are written, tells nothing."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _made_up(rule: str, word: str) -> Iterator[str]:
    """Put a word where a glob has wildcards; the more plausible path first."""
    plain = re.sub(r"\[([^\]!])[^\]]*\]", r"\1", rule).replace("?", "x")
    *folders, name = [part for part in plain.split("/") if part not in {"", ".", "**"}] or [""]
    if rule.endswith(("/", "**")):
        folders, name = [*folders, *([name] if name else [])], "*.md"
    above = "".join(re.sub(r"\*+", word, folder) + "/" for folder in folders)
    if name.endswith("*"):
        # `guide*` becomes `guide-example.md`.
        yield above + re.sub(r"\*+", word, re.sub(r"(?<=\w)\*+$", "-*", name)) + ".md"
    yield above + re.sub(r"\*+", word, name)


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
        is_hidden = part.startswith(".")
        on = {place for place in reached if place < len(wanted) and wanted[place] == "**" and not is_hidden}
        on |= {
            place + 1
            for place in reached
            if place < len(wanted) and wanted[place] != "**" and _is_like(part, wanted[place])
        }
        reached = _past_stars(on, wanted)
    return len(wanted) in reached


def _is_like(name: str, wanted: str) -> bool:
    return fnmatchcase(name, wanted) and (wanted.startswith(".") or not name.startswith("."))


def _past_stars(places: set[int], wanted: Sequence[str]) -> set[int]:
    """Add the places behind `**`: it may stand for no folder at all."""
    found = set(places)
    for place in places:
        after = place
        while after < len(wanted) and wanted[after] == "**":
            after += 1
            found.add(after)
    return found
