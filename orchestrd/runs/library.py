"""The library as this user has it: their own workflows, and those of projects that they trust."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrd.config import trust_file, workflows_folder
from orchestrd.library.finding import Library
from orchestrd.runs.trust import look_up_trust


def library_of(environ: Mapping[str, str]) -> Library:
    """Return the library in force. Trust is looked up anew each time that it matters."""

    def trusts(project: Path) -> bool:
        return look_up_trust(project, trust_file(), environ).is_trusted

    return Library(workflows_folder(), trusts)
