"""What is wrong with a script, said so that it can be put right: where, what, which known name was perhaps meant."""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: `path` like `conversations[0].turns[1].txt` (empty: the whole), and what to do."""

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        """The mistake as one line."""
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


def mistakes_of(error: ValidationError, document: type[BaseModel]) -> tuple[Mistake, ...]:
    """All that pydantic found, in the document's own terms."""
    return tuple(
        _mistake(tuple(found["loc"]), found["type"], found["msg"], document)
        for found in error.errors(include_url=False)
    )


def _mistake(place: tuple[int | str, ...], kind: str, message: str, document: type[BaseModel]) -> Mistake:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    if kind == "extra_forbidden":
        return Mistake(
            path, "is not a field of a script", _hint(str(place[-1]), _fields_at(document, place[:-1]))
        )
    return Mistake(path, message.removeprefix("Value error, "))


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _fields_at(document: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The names that may stand at a place: walks the annotations down."""
    model: type[BaseModel] = document
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not isinstance(annotation, types.GenericAlias)
    ):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
