"""Bombs: small texts that are much work to read, or large ones that are little but size."""

from __future__ import annotations

from collections.abc import Iterator

_BIG = "9" * 10_000


def bombs(size: int) -> Iterator[tuple[str, str, bytes]]:
    """Texts of about so many bytes that are as much work as we could think of: (kind, what it is, text)."""
    good = 'handoff = 1\nproject = "/tmp"\nprompt = "x"\n'
    unknown = ",\n".join(f'"u{number}":1' for number in range(150))
    for what, text in _toml_bombs(size, good):
        yield "toml", what, text.encode()
    for what, text in (
        ("one name again and again", "{" + '"a":1,' * (size // 6) + '"a":1}'),
        ("many names", "{" + "".join(f'"{n:x}":1,\n' for n in range(min(19_000, size // 10))) + '"a":1}'),
        ("a long list", '{"a":[' + "1," * (size // 2) + "1]}"),
        ("opened and never closed", '{"a":' + "[" * size),
        ("nested", '{"a":' + "[" * (size // 2) + "]" * (size // 2) + "}"),
        ("tables in tables", '{"a":' * (size // 6) + "1" + "}" * (size // 6)),
        ("a fraction without end", '{"a":1.' + "1" * size + "}"),
        ("a whole number without end", '{"a":' + "1" * size + ".5e-1048000}"),
        (
            "steps of unknown fields",
            '{"handoff":1,"steps":[' + ",".join(['{"a":1,"b":2}'] * (size // 220)) + "]}",
        ),
        ("empty steps", '{"handoff":1,"steps":[' + ",\n".join(["{}"] * min(19_000, size // 4)) + "]}"),
        (
            "a project of endless depth behind many errors",
            f'{{{unknown},\n"project":"' + "/a" * (size // 2) + '"}',
        ),
        (
            "a user of an endless name behind many errors",
            f'{{{unknown},\n"project":"~' + "\\u0001" * (size // 6) + '"}',
        ),
        ("texts and no mark between them", '"a"' * (size // 3)),
        ("escapes", '{"prompt":"' + "\\u0041" * (size // 6) + '"}'),
    ):
        yield "json", what, text.encode()
    small = min(size, 64_000)
    for what, text in (
        ("a map", "".join(f"{n:x}: 1\n" for n in range(small // 8))),
        ("a list in one line", "a: [" + "1," * (small // 2) + "]\n"),
        ("tables in one line", "a: [" + "{}," * (small // 3) + "]\n"),
        ("opened and never closed", "a: " + "[" * small + "\n"),
        ("dashes", "- " * (small // 2) + "\n"),
        ("question marks", "? " * (small // 2) + "\n"),
        ("quotes", "a: '" + "''" * (small // 2) + "'\n"),
        (
            "the billion laughs",
            "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(small // 20)),
        ),
        ("merge keys", "a: &a {b: 1}\n" + "c: {<<: *a}\n" * (small // 12)),
        ("a word over many lines", "a: b\n" + " c\n" * (small // 3)),
    ):
        yield "md", what, f"---\n{text}---\n".encode()
    yield "md", "fences that are none", b"+++\n" + b" +++\n" * (size // 5)
    yield "md", "blank lines", b"+++\nhandoff = 1\n+++\n" + b" \n" * (size // 2)
    yield "md", "spaces", b"+++\nhandoff = 1\n+++\n" + b" " * size
    yield "jsonl", "an endless line", b'{"type":"result","result":"' + b"x" * size + b'"}\n'
    yield "jsonl", "nested", b'{"type":"result","result":' + b"[" * size + b"\n"
    yield "jsonl", "many lines that are none", b"x\n" * min(size // 2, 50_000)


def _toml_bombs(size: int, good: str) -> Iterator[tuple[str, str]]:
    yield "pairs", "".join(f"k{n} = 1\n" for n in range(size // 11))
    yield "unknown texts", good + "".join(f'k{n} = "x"\n' for n in range(min(19_000, size // 12)))
    yield "lists of tables", "[[a]]\n" * (size // 6)
    yield "tables", "".join(f"[a{n}]\n" for n in range(size // 9))
    yield (
        "deep tables",
        good + "".join(f"[metadata.a.b.c.d.e.f.g.h.k{n}]\n" for n in range(min(9000, size // 34))),
    )
    yield "a list", "a = [" + "1," * (size // 2) + "]"
    yield "lists in a list", "a = [" + "[]," * (size // 3) + "]"
    yield "tables in a list", "a = [" + "{a=1}," * (size // 6) + "]"
    yield "nested", "a = " + "[" * (size // 2) + "]" * (size // 2)
    yield "a key of many parts", "a" + ".a" * (size // 2) + " = 1"
    yield "keys of thirty parts", "".join("a." * 30 + f"k{n} = 1\n" for n in range(size // 68))
    yield "dots and spaces", "a ." + " " * size
    yield (
        "numbers that are nearly too long, and one that is",
        ("# " + "3" * 3990 + "\n") * (size // 4000) + f"a = {_BIG}",
    )
    yield "a number in hexadecimal", good + "priority = 0x" + "f" * size
    yield "a fraction", good + "limits.max_usd = 1." + "1" * size
    yield "comments", "#\n" * (size // 2)
    yield "quotes", '"' * size
    yield "quotes that are escaped", 'a = "' + '\\"' * (size // 2)
    yield "three quotes that are escaped", "a = " + '\\"""' * (size // 4)
    yield "a text", good.replace('"x"', '"' + "x" * size + '"')
    yield "escapes", good.replace('"x"', '"' + "\\n" * (size // 2) + '"')
    yield "line ends", good.replace('"x"', '"""' + "\r\n" * (size // 2) + 'x"""')
    yield "a text in lines that go on", good.replace('"x"', '"""' + "\\\n" * (size // 2) + 'x"""')
    yield (
        "dates",
        good
        + "[metadata]\n"
        + "".join(f"k{n} = 2026-11-24T02:00:00Z\n" for n in range(min(19_000, size // 32))),
    )
