"""What is wrong with what somebody hands in, and how much of it is read at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrd.views.words import plain

if TYPE_CHECKING:
    from handoff.document_error import FieldError

MAX_PLAN_BYTES = 1 << 20


def tell_errors(file: str, errors: Sequence[FieldError]) -> None:
    """Print what is wrong with a plan on stderr, in the order of its lines."""
    for error in sorted(errors, key=line_of):
        line = f":{error.line}" if error.line else ""
        hint = f" — {error.hint}" if error.hint else ""
        where = f"{error.path}: " if error.path else ""
        print(plain(f"{file}{line}: {where}{error.message}{hint}"), file=sys.stderr)


def line_of(error: FieldError) -> int:
    """Where an error is told among others: what is missing, or of the whole file, comes first."""
    return error.line or 0
