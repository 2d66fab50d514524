"""The names of requests: which run asks, and for the how-manieth time (PROTOCOL 6).

Standard library only: the runner names its own requests. Pure: no disk is looked at.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

AskedKind = Literal["approval", "question"]

_ASKED = re.compile(
    r"(?P<plan>[a-z0-9][a-z0-9-]*)\.(?P<step>[a-z0-9-]+)\.(?P<number>[1-9][0-9]{0,8})\.(?P<nth>[1-9][0-9]{0,8})"
    r"\.(?P<kind>approval|question)\.(?:toml|json)",
    re.ASCII,
)


class RequestName(NamedTuple):
    """What the name of an approval or a question says: the `nth` of start `number` of a plan's step."""

    plan: str
    step: str
    number: int
    nth: int
    kind: AskedKind

    def file(self, format: Literal["toml", "json"]) -> str:  # noqa: A002 - the protocol's word
        """Name the file, in the language of the plan."""
        return f"{self.plan}.{self.step}.{self.number}.{self.nth}.{self.kind}.{format}"


def parse_request_name(name: str) -> RequestName | None:
    """Tell what an approval or a question is about; None: it is none (a docs request is `ID.docs.md`).

    A reply has the same name; either ending answers a request in either language.
    """
    found = _ASKED.fullmatch(name)
    if found is None:
        return None
    kind: AskedKind = "approval" if found["kind"] == "approval" else "question"
    return RequestName(found["plan"], found["step"], int(found["number"]), int(found["nth"]), kind)
