"""Whether a changed input is what the plan denies: Claude Code asks its rules about the first input only.

An input that comes with an answer is carried out as it is. So it is held here against the plan's own `deny`, in doubt
against it: whoever answers may give another one. Standard library only; looks at nothing but where links lead.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

_RULE = re.compile(r"([^(]+)(?:\((.*)\))?", re.DOTALL)
_SEPARATORS = re.compile(r"&&|\|\||[;|&\n]")
_ASSIGNMENTS = re.compile(r"(?:[A-Za-z_]\w*=\S*\s+)+")
_NOT_PLAIN = re.compile(r"[$`\\]|<\(|>\(|\b(?:eval|exec|xargs|env|sh|bash|sudo|command)\b")
"""What keeps one from telling which program is run in the end."""
_WRITES = frozenset(("Edit", "MultiEdit", "NotebookEdit", "Write"))
_READS = frozenset(("Glob", "Grep", "LS", "NotebookRead", "Read"))
_PATHS = ("file_path", "notebook_path", "path")


def denied_by(tool: str, given: Mapping[str, Any], rules: Iterable[str], cwd: str) -> str | None:
    """Name the rule that covers a use of a tool, or may cover it; None: none does."""
    return next((rule for rule in rules if _covers(rule, tool, given, cwd)), None)


def _covers(rule: str, tool: str, given: Mapping[str, Any], cwd: str) -> bool:
    found = _RULE.fullmatch(rule)
    name, content = (found[1], found[2]) if found is not None else (rule, None)
    if not _is_of(name, tool):
        return False
    if content is None or content in ("", "*"):
        return True
    if tool == "Bash":
        return _covers_command(content, str(given.get("command") or ""))
    if tool in _WRITES or tool in _READS:
        path = next((given[one] for one in _PATHS if isinstance(given.get(one), str)), cwd)
        return any(_is_path(content, form, cwd) for form in _forms(path, cwd))
    if tool == "WebFetch" and content.startswith("domain:"):
        host = (
            str(given.get("url") or "")
            .partition("://")[2]
            .partition("/")[0]
            .rpartition("@")[2]
            .partition(":")[0]
        )
        domain = content.removeprefix("domain:").lower()
        return host.lower() == domain or host.lower().endswith(f".{domain.removeprefix('*.')}")
    return True  # what it says of this tool is not known here


def _is_of(name: str, tool: str) -> bool:
    """Whether a rule for one name is about a tool: what may not be edited may not be written either."""
    if name in _WRITES or name in _READS:
        return tool in (_WRITES if name in _WRITES else _READS)
    return _wildcards(name).fullmatch(tool) is not None or tool.startswith(f"{name}__")


def _covers_command(content: str, command: str) -> bool:
    if _NOT_PLAIN.search(command):
        return True
    if content.endswith(":*"):
        content = f"{content[:-2]} *"
    pattern = _wildcards(content)
    bare = content.removesuffix(" *")
    return any(pattern.fullmatch(one) or one == bare for one in _commands(command))


def _commands(command: str) -> Iterator[str]:
    for one in (command, *_SEPARATORS.split(command)):
        plain = " ".join(one.strip().lstrip("({!").split())
        yield plain
        yield _ASSIGNMENTS.sub("", plain, count=1)


def _forms(path: str, cwd: str) -> set[str]:
    whole = os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))
    return {whole, os.path.realpath(whole)}


def _is_path(content: str, path: str, cwd: str) -> bool:
    """Whether a pattern, as git's own files of ignored names have them, is that of a path or of a folder above it."""
    if content.startswith("//"):
        place = content[1:]
    elif content.startswith("~"):
        place = os.path.expanduser(content)
    elif "/" in content.rstrip("/"):
        place = os.path.normpath(os.path.join(cwd, content.lstrip("/").removeprefix("./")))
    else:
        return any(_wildcards(content.rstrip("/")).fullmatch(part) for part in path.split("/"))
    pattern = _wildcards(place.rstrip("/")).pattern
    return re.fullmatch(f"{pattern}(?:/.*)?", path, re.DOTALL) is not None


def _wildcards(pattern: str) -> re.Pattern[str]:
    """A pattern in which `*` stands for anything, a slash too: rather too much is denied than too little."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
