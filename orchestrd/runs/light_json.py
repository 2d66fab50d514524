"""JSON for the runner: what `json` does, without loading it.

`json` brings `re` and `enum` along: 8 ms of processor time, as much as Python itself needs to start. The C parts that
do its work need neither. Where an interpreter lacks them, `json` it is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Decoding:
    """What the scanner asks for: Python's own defaults."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def parse(text: bytes | str) -> Any:
    """Read one document. ValueError where it is none."""
    document = text.decode("utf-8") if isinstance(text, bytes) else text
    document = document.strip(" \t\r\n")
    try:
        from _json import make_scanner

        value, end = make_scanner(_Decoding)(document, 0)  # type: ignore[arg-type]
    except (ImportError, StopIteration, SystemError):
        # Of what is no JSON the C part cannot even tell without `json` (SystemError): that one says what is wrong.
        end = -1
    if end == len(document):
        return value
    import json

    return json.loads(document, strict=False)


def line(document: dict[str, Any]) -> bytes:
    """Write a document as one line, its newline included."""
    try:
        from _json import encode_basestring_ascii, make_encoder
    except ImportError:
        import json

        return json.dumps(document).encode() + b"\n"
    encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)  # noqa: FBT003 - its signature
    return "".join(encode(document, 0)).encode() + b"\n"


def _refuse(value: object) -> Any:
    raise TypeError(f"no JSON value: {value!r}")
