"""What was typed for a parameter on a command line, as the value that its declaration asks for. Pure."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from orchestrd.library.params import Misfit, Param, is_of, sample, shown, wanted, written


class NoValue(ValueError):
    """Text that is no value of its parameter: what is wrong, and what was expected."""

    def __init__(self, misfit: Misfit) -> None:
        super().__init__(f"{misfit.message} ({misfit.hint})")
        self.misfit = misfit


def read_value(param: Param, texts: list[str]) -> Any:
    """Make a value of what was typed, several times perhaps; whether it is within its limits is not looked at here.

    A list is one entry each time, or a JSON list; a command is a JSON list, or split into words as a shell would.
    Raises NoValue.
    """
    if param.type == "list":
        return [entry for text in texts for entry in _entries(param, text)]
    if len(texts) > 1:
        raise NoValue(Misfit("is given more than once", "once; only a list takes several"))
    text = texts[0]
    bare = text.strip()
    match param.type:
        case "string" | "choice":
            return text
        case "command":
            return _json_list(param, text) if bare.startswith("[") else _words(param, text)
        case "integer" if re.fullmatch(r"[+-]?\d{1,18}", bare, re.ASCII):
            return int(bare)
        case "number" if re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?", bare, re.ASCII):
            return float(bare)
        case "boolean" if bare.lower() in {"true", "false"}:
            return bare.lower() == "true"
    if param.type == "boolean":
        raise NoValue(Misfit(f"{shown(text)} is neither true nor false", "true or false"))
    like = f"{wanted(param).removesuffix(', without quotes')}, like {written(param, sample(param))}"
    raise NoValue(Misfit(f"{shown(text)} is no {'whole ' if param.type == 'integer' else ''}number", like))


def _entries(param: Param, text: str) -> list[str]:
    if text.lstrip().startswith("["):
        return _json_list(param, text)
    return [text] if text else []


def _json_list(param: Param, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not is_of("list", found):
        raise NoValue(Misfit(f"{shown(text)} is no JSON list of texts", wanted(param)))
    return list(found)


def _words(param: Param, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise NoValue(Misfit(f"{shown(text)} has a quote that does not end", wanted(param))) from None
