"""In which line of a TOML document each value begins. The standard library's reader does not tell.

It is meant for documents that `tomllib` has read; of any other it tells what it understood. Linear in the text.
"""

from __future__ import annotations

import re
import tomllib

from handoff.document_error import Path

MOST_KEY_PARTS = 32
"""Parts of one dotted key. tomllib needs quadratic time for them: 500,000 dots would keep it for minutes."""

_BLANK = re.compile(r"[ \t]*+")
_FILL = re.compile(r"(?:[ \t\r\n,]++|#[^\n]*+)*+")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'""")
_TEXT = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}+(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}+(?!'))*+'{3,5}"
    r"""|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'"""
)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*+|[^\s,\]}#\[{\"']++")
_MANY_DOTS = re.compile(
    rf"(?<![A-Za-z0-9_.-])(?:(?:[A-Za-z0-9_-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_KEY_PARTS}}}"
)
_DEEPEST = 200


class KeyTooLong(Exception):
    """A dotted key of more parts than any document needs; `line` tells where."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Lost(Exception):
    """The text is not the TOML that was expected here."""


def toml_lines(text: str) -> dict[Path, int]:
    """Return the line of every table, list, and value, and of every element of a list."""
    scan = _Scan(text)
    scan.run()
    return scan.lines


def find_long_key(text: str) -> int | None:
    """Return the line of a key with too many parts, None where there is none. Nearly free for documents without."""
    if _MANY_DOTS.search(text) is None:
        return None
    try:
        _Scan(text).run()
    except KeyTooLong as error:
        return error.line
    return None


class _Scan:
    """One walk through a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Path, int] = {}
        self.lists: dict[Path, int] = {}
        self.at = 0
        self.line = 1
        self.counted = 0

    def run(self) -> None:
        table: Path = ()
        try:
            while self._skip() < len(self.text):
                if self.text[self.at] == "[":
                    table = self._header()
                else:
                    self._pair(table, 0)
        except _Lost:
            return

    def _skip(self) -> int:
        self.at = _end(_FILL, self.text, self.at)
        return self.at

    def _line(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found[0]

    def _header(self) -> Path:
        line = self._line()
        opening = "[[" if self.text.startswith("[[", self.at) else "["
        self.at += len(opening)
        path: Path = ()
        *above, last = self._key()
        for part in above:
            path = self._inside((*path, part))
            self.lines.setdefault(path, line)
        path = (*path, last)
        if opening == "[[":
            index = self.lists.get(path, -1) + 1
            self.lists[path] = index
            self.lines.setdefault(path, line)
            path = (*path, index)
        else:
            path = self._inside(path)
        self.lines.setdefault(path, line)
        closing = "]" * len(opening)
        if not self.text.startswith(closing, self.at):
            raise _Lost
        self.at += len(closing)
        return path

    def _inside(self, path: Path) -> Path:
        """Where further fields of `path` go: into its last element, if it is a list of tables."""
        return (*path, self.lists[path]) if path in self.lists else path

    def _key(self) -> list[str]:
        parts = []
        while True:
            self.at = _end(_BLANK, self.text, self.at)
            parts.append(_plain_key(self._take(_KEY_PART)))
            if len(parts) > MOST_KEY_PARTS:
                raise KeyTooLong(self._line())
            self.at = _end(_BLANK, self.text, self.at)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _pair(self, table: Path, depth: int) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        if not self.text.startswith("=", self.at):
            raise _Lost
        self.at = _end(_BLANK, self.text, self.at + 1)
        self._value(path, depth)

    def _value(self, path: Path, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Lost
        first = self.text[self.at : self.at + 1]
        if first == "[":
            self._list(path, depth)
        elif first == "{":
            self._inline_table(path, depth)
        else:
            self._take(_TEXT if first in {'"', "'"} else _PLAIN)

    def _list(self, path: Path, depth: int) -> None:
        self.at += 1
        index = 0
        while not self.text.startswith("]", self._skip()):
            element = (*path, index)
            self.lines[element] = self._line()
            self._value(element, depth + 1)
            index += 1
        self.at += 1

    def _inline_table(self, path: Path, depth: int) -> None:
        self.at += 1
        while not self.text.startswith("}", self._skip()):
            self._pair(path, depth + 1)
        self.at += 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _plain_key(written: str) -> str:
    if written[0] == "'":
        return written[1:-1]
    if written[0] != '"':
        return written
    if "\\" not in written:
        return written[1:-1]
    try:
        return next(iter(tomllib.loads(f"{written} = 0")))
    except ValueError:
        raise _Lost from None
