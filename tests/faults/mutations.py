"""Hostile input for readers, made of good input and of bad habits, by chance that a seed decides.

Changes of valid documents find more than bytes of no meaning: they come past the first check. Beside them stand texts
built of odd values under known names.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
GOOD = CORPUS / "good"
EXAMPLES = Path(__file__).parents[2] / "examples"

_BIG = "9" * 10_000
ODD_VALUES = (
    *("0", "-0", "1e999", "-1e999", "nan", "inf", "-inf", "NaN", "Infinity", ".inf", ".nan", "1e-999"),
    *("9223372036854775808", "-9223372036854775809", "9" * 400, _BIG, "0x" + "f" * 4000, "0o" + "7" * 5000),
    *("1." + "1" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "25:61:61"),
    *(
        "2026-11-24T02:00:00Z",
        "2026-11-24",
        "02:00:00",
        "0000-00-00T00:00:00Z",
        "true",
        "null",
        "~",
        "no",
        "1:30",
    ),
    *(
        '""',
        '"\\u0000"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\u202e\\u2066"',
        '"\u0440\u0430\u0443\u0440\u0430l"',
        "'\ufeff'",
        '"\\x"',
    ),
    *(
        "[]",
        "{}",
        "[[]]",
        "{a=1}",
        '{"a":1}',
        "[" * 100,
        "[" * 100 + "]" * 100,
        '{"a":' * 70 + "1" + "}" * 70,
    ),
    *(
        "&a",
        "*a",
        "!!python/object:os.system x",
        "!t 1",
        "<<: *a",
        "? a",
        "- - - 1",
        "|\n  x",
        "@",
        "`",
        "%YAML 1.1",
    ),
)
ODD_BYTES = (
    *(
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
    ),
    *(b"\r", b"\r\n", b"\n", b"\x85", b"\xe2\x80\xa8", b"\x1b[2J", b"\x7f", b"\t", b" " * 300, b"\n" * 300),
    *(
        b'"',
        b"'",
        b'"""',
        b"'''",
        b"\\",
        b"\\u",
        b"#",
        b"=",
        b":",
        b",",
        b".",
        b"[",
        b"]",
        b"[[",
        b"{",
        b"}",
        b"---\n",
    ),
    *(
        b"+++\n",
        b"- ",
        b"? ",
        b"&a ",
        b"*a ",
        b"!!map ",
        b"<<: ",
        b"a." * 40 + b"a = 1\n",
        b"k" * 5000,
        b"__class__",
    ),
    *(
        b"handoff = 2\n",
        b"steps = [{}]\n",
        b'"crc":"00000000"',
        b'"seq":1,',
        b'"event":"settling",',
        b"\xe2\x80\xae",
    ),
)


@cache
def seeds(kind: str) -> tuple[bytes, ...]:
    """Good input of a kind (`toml`, `json`, `md`, `jsonl`), and the corpus, which was bad once."""
    good = [path.read_bytes() for folder in (GOOD, EXAMPLES) for path in sorted(folder.glob(f"*.{kind}"))]
    return (*good, *(raw for _, raw in corpus(kind)))


def corpus(kind: str) -> list[tuple[str, bytes]]:
    """What once broke a reader, by its name."""
    return [(path.name, path.read_bytes()) for path in sorted(CORPUS.glob(f"*.{kind}"))]


def mutated(chance: random.Random, kind: str) -> bytes:
    """One input: a good one, changed in one to six ways; or, now and then, one built of odd values."""
    if chance.random() < 0.15:
        return built(chance, kind)
    raw = chance.choice(seeds(kind))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        raw = _changed(chance, raw, kind)
    if kind == "jsonl" and chance.random() < 0.7:
        raw = resealed(raw)
    return raw


def cuts(kind: str) -> Iterator[bytes]:
    """Every good input, cut off at every byte."""
    for raw in seeds(kind):
        if len(raw) < 4000:
            yield from (raw[:end] for end in range(len(raw)))


def resealed(raw: bytes) -> bytes:
    """Lines of a journal, each with the checksum that fits: damage that a checksum does not show."""
    lines = []
    for line in raw.split(b"\n"):
        body, mark, _ = line.rpartition(b',"crc":"')
        lines.append(sealed(body + b"}") if mark else line)
    return b"\n".join(lines)


def sealed(body: bytes) -> bytes:
    """A line with its checksum."""
    return b'%b,"crc":"%08x"}' % (body[:-1], zlib.crc32(body))


def _changed(chance: random.Random, raw: bytes, kind: str) -> bytes:
    at = chance.randrange(len(raw) + 1)
    end = min(len(raw), at + chance.choice((1, 1, 2, 8, 64, 512)))
    match chance.randrange(8):
        case 0:
            return (
                raw[:at]
                + bytes(byte ^ (1 << chance.randrange(8)) for byte in raw[at : at + 1])
                + raw[at + 1 :]
            )
        case 1:
            return raw[:at] + raw[end:] if chance.random() < 0.5 else raw[:at]
        case 2:
            return raw[:at] + raw[at:end] * chance.choice((2, 3, 50)) + raw[end:]
        case 3:
            return raw[:at] + chance.choice(ODD_BYTES) + raw[at:]
        case 4:
            other = chance.choice(seeds(kind))
            return raw[:at] + other[chance.randrange(len(other) + 1) :]
        case 5:
            return _with_other_lines(chance, raw)
        case _:
            return _with_odd_value(chance, raw)


def _with_other_lines(chance: random.Random, raw: bytes) -> bytes:
    if chance.random() < 0.4:
        return raw.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\n", b"\0")))
    lines = raw.split(b"\n")
    if chance.random() < 0.5:
        chance.shuffle(lines)
    else:
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return b"\n".join(lines)


def _with_odd_value(chance: random.Random, raw: bytes) -> bytes:
    """Put an odd value in the place of one that stands after a `=`, `:` or `,`."""
    places = [at for at, byte in enumerate(raw) if byte in b"=:,["]
    if not places:
        return raw
    at = chance.choice(places) + 1
    end = at
    while end < len(raw) and raw[end] not in b",]}\n":
        end += 1
    return raw[:at] + b" " + chance.choice(ODD_VALUES).encode() + raw[end:]


def built(chance: random.Random, kind: str) -> bytes:
    """A document of known names with odd values, nested by chance."""
    names = chance.sample(NAMES, chance.randrange(1, 6))
    if kind == "toml":
        text = "".join(f"{_toml_name(chance, name)} = {_value(chance, 0)}\n" for name in names)
        return (chance.choice(("", "[a]\n", "[[steps]]\n", "handoff = 1\n")) + text).encode()
    if kind == "md":
        fence, sign = chance.choice((("+++", " = "), ("---", ": ")))
        text = "".join(f"{name}{sign}{_value(chance, 0)}\n" for name in names)
        return f"{fence}\n{text}{fence}\n{chance.choice(ODD_VALUES)}".encode()
    text = "{" + ",".join(f"{json.dumps(name)}:{_value(chance, 0)}" for name in names) + "}"
    if kind == "json":
        return text.encode()
    return sealed(text.encode()) + b"\n"


def _toml_name(chance: random.Random, name: str) -> str:
    return chance.choice(
        (name, name, f'"{name}"', f"{name}.{name}", f"metadata.{name}", '"\\u0000"', "'\u0430'")
    )


def _value(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind < 6:
        return chance.choice(ODD_VALUES)
    inner = [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return "[" + ",".join(inner) + "]"
    return "{" + ",".join(f'"{chance.choice(NAMES)}":{one}' for one in inner) + "}"


NAMES = (
    *("handoff", "project", "prompt", "title", "key", "priority", "after", "not_before", "expires", "limits"),
    *(
        "timeout",
        "max_usd",
        "max_turns",
        "attempts",
        "steps",
        "needs",
        "id",
        "run",
        "workspace",
        "mode",
        "metadata",
    ),
    *(
        "permissions",
        "allow",
        "mcp",
        "accept",
        "checks",
        "docs",
        "action",
        "plan",
        "why",
        "decision",
        "answers",
    ),
    *(
        "type",
        "message",
        "usage",
        "total_cost_usd",
        "result",
        "content",
        "event",
        "seq",
        "time",
        "source",
        "format",
    ),
    *(
        "arrival",
        "order",
        "exit_code",
        "signal",
        "wall_seconds",
        "peak_memory_bytes",
        "pid",
        "start_ticks",
        "session_id",
    ),
    *(
        "",
        "a" * 300,
        "\u0440\u0430\u0443\u0440\u0430l",
        "\u202e",
        "__proto__",
        "output_schema",
        "pattern",
        "model_config",
        "root",
        "lanes",
    ),
)
