"""A configuration as it may be shown: what others keep in it that looks secret becomes dots. Pure.

Whatever stands under `env` and `headers` is taken for secret, what has a telling name, and what follows a telling
word among arguments. Lines stay lines, so that a difference of two masked texts is that of the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrd.desktop.json_text import Kind, Node, parse, value_of

MASK = '"•••"'
_SERVERS = ("mcpServers",)
_WHOLLY = ("env", "headers")
_OURS = re.compile(r"ORCHESTRD_(?:ROOT|CONFIG)|XDG_(?:CONFIG|STATE)_HOME|CLAUDE_CONFIG_DIR")
_TELLING = re.compile(
    r"token|secret|passw|passphrase|credential|api[-_]?key|access[-_]?key|private|auth|bearer|cookie|session|jwt|dsn"
    r"|(?:^|[-_.])key$|(?:^|[-_.])pw$",
    re.IGNORECASE,
)
_IN_A_URL = re.compile(r"://[^/\s@]+@|[?&][^=\s]+=", re.IGNORECASE)
_HEADER = re.compile(r"^(?:-H|--headers?)$")
_SECRETIVE = re.compile(r"^(?:sk-|ghp_|gho_|github_pat_|xox[abp]-|eyJ|AKIA)|^(?!/)[A-Za-z0-9+/_=-]{32,}$")


def masked(text: str) -> str:
    """Return a JSON text with dots for what looks secret."""
    pieces: list[str] = []
    at = 0
    for node in sorted(_secrets_in(text, parse(text)), key=lambda one: one.start):
        if node.start >= at:
            pieces += [text[at : node.start], MASK]
            at = node.end
    return "".join(pieces) + text[at:]


def _secrets_in(text: str, node: Node) -> Iterator[Node]:
    for member in node.members:
        if member.key in _WHOLLY or _TELLING.search(member.key):
            yield from _leaves(member.value)
        elif member.key not in _SERVERS or member.value.kind is not Kind.OBJECT:
            yield from _secrets_in(text, member.value)
        else:  # the keys here are names that people gave
            for server in member.value.members:
                yield from _secrets_in(text, server.value)
    before, in_headers = "", False
    for item in node.items:
        if item.kind is not Kind.STRING:
            yield from _secrets_in(text, item)
            continue
        word = str(value_of(text, item))
        if in_headers or _looks_secret(word) or _announces(before):
            yield item
        # Some take name and value as one word, some as two: nothing after such a switch is shown.
        before, in_headers = word, in_headers or bool(_HEADER.match(word))
    if node.kind is Kind.STRING and _looks_secret(str(value_of(text, node))):
        yield node


def _announces(word: str) -> bool:
    """Tell whether an argument says that a secret follows."""
    return word.startswith("-") and "=" not in word and bool(_TELLING.search(word))


def _looks_secret(word: str) -> bool:
    name, mark, _ = word.partition("=")
    if mark and _TELLING.search(name):
        return True
    return bool(
        _IN_A_URL.search(word) or _SECRETIVE.search(word) or re.search(r"\bbearer\s", word, re.IGNORECASE)
    )


def _leaves(node: Node) -> Iterator[Node]:
    """All single values in it, but those that say where our own things lie."""
    if not node.members and not node.items:
        if node.kind not in (Kind.OBJECT, Kind.ARRAY):
            yield node
        return
    for member in node.members:
        if not _OURS.fullmatch(member.key):
            yield from _leaves(member.value)
    for item in node.items:
        yield from _leaves(item)
