"""Which variables are secret, and keeping their values out of everything that is written (PROTOCOL 10, promise 5).

Standard library only and cheap to import: the runner loads this. What a writer puts into a plan is not known here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LEAST_BYTES = 4
"""A shorter value is in every text; replacing it would hide nothing and spoil everything."""
_LEAST_LINE_BYTES = 8
"""Of a value of several lines (a key file), a line from this length on is secret by itself."""
_JSON_WORDS = frozenset((b"true", b"false", b"null"))
_NUMBER_BYTES = frozenset(b"0123456789+-.eE")
_LITERAL_BYTES = _NUMBER_BYTES | frozenset(b"truefalsn")
_BACKSLASH = 0x5C


def secret_names(environ: Mapping[str, object], patterns: Iterable[str]) -> list[str]:
    """Name the variables of `environ` that match one of the shell patterns, whatever their case; sorted."""
    from fnmatch import fnmatchcase

    wanted = [pattern.upper() for pattern in patterns]
    return sorted(name for name in environ if any(fnmatchcase(name.upper(), pattern) for pattern in wanted))


class Redactor:
    """Replaces secret values, as they are and as they stand in JSON, by `[secret:NAME]`."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        labels: dict[bytes, bytes] = {}
        for name, value in secrets.items():
            label = b"[secret:" + name.encode("utf-8", "backslashreplace") + b"]"
            for form in _forms(value):
                if len(form) >= LEAST_BYTES:
                    labels.setdefault(form, label)
        # The longest first: one value may hold another.
        self._labels = sorted(labels.items(), key=lambda item: -len(item[0]))
        self._literals = frozenset(form for form in labels if _is_literal(form))
        self.longest = max((len(form) for form in labels), default=0)
        """Bytes of the longest form: what is to be held back where a text is cut at any place."""

    def redact(self, content: bytes) -> bytes:
        """Return `content` without any secret value. Lines of JSON stay JSON."""
        for form, label in self._labels:
            if form not in content:
                continue
            if form in self._literals:
                content = b"\n".join(_redact_literal(line, form, label) for line in content.split(b"\n"))
            else:
                content = content.replace(form, label)
        return content


def _forms(value: str) -> Iterator[bytes]:
    """The bytes by which a value may appear: raw, in a JSON string, in a JSON string within a JSON string."""
    texts = [value]
    if "\n" in value:
        # stderr is written line by line, so a value of several lines never stands in one piece there.
        lines = (line.strip() for line in value.splitlines())
        texts += [line for line in lines if len(line) >= _LEAST_LINE_BYTES]
    for text in texts:
        raw = text.encode("utf-8", "surrogateescape")
        yield raw
        # What is no UTF-8 in the environment is U+FFFD to node.
        plain = raw.decode("utf-8", "replace")
        for escape in _escapes():
            once = escape(plain)[1:-1]
            yield once.encode()
            yield escape(once)[1:-1].encode()


def _escapes() -> tuple[Callable[[str], str], Callable[[str], str]]:
    try:
        # The C functions alone: `json` would load `re` and `enum`, 8 ms of every runner's start.
        from _json import encode_basestring, encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring, encode_basestring_ascii
    return encode_basestring, encode_basestring_ascii


def _is_literal(form: bytes) -> bool:
    """Tell whether the value could stand in JSON without quotes."""
    return form in _JSON_WORDS or all(byte in _NUMBER_BYTES for byte in form)


def _redact_literal(line: bytes, form: bytes, label: bytes) -> bytes:
    """Redact a value such as 32000: within a longer number of a JSON line it is no secret, and the line stays JSON."""
    if form not in line or not line.lstrip().startswith((b"{", b"[")):
        return line.replace(form, label)
    parts = _split_at_quotes(line)
    parts[0::2] = [_replace_whole(part, form, b'"' + label + b'"') for part in parts[0::2]]
    parts[1::2] = [part.replace(form, label) for part in parts[1::2]]
    return b'"'.join(parts)


def _split_at_quotes(line: bytes) -> list[bytes]:
    """Split at the quotes that begin and end strings: what is outside at even places, what is inside at odd ones."""
    parts: list[bytes] = []
    start, quote = 0, line.find(b'"')
    while quote >= 0:
        first = quote
        while first > start and line[first - 1] == _BACKSLASH:
            first -= 1
        is_inside = len(parts) % 2 == 1
        if not (is_inside and (quote - first) % 2 == 1):
            parts.append(line[start:quote])
            start = quote + 1
        quote = line.find(b'"', quote + 1)
    parts.append(line[start:])
    return parts


def _replace_whole(part: bytes, form: bytes, replacement: bytes) -> bytes:
    """Replace `form` where it is all of a number or word."""
    at = part.find(form)
    while at >= 0:
        before, after = part[:at], part[at + len(form) :]
        if (before and before[-1] in _LITERAL_BYTES) or (after and after[0] in _LITERAL_BYTES):
            at = part.find(form, at + 1)
        else:
            part = before + replacement + after
            at = part.find(form, at + len(replacement))
    return part
