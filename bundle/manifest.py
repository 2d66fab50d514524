"""What Claude Desktop is told of the extension: its manifest, and what uv installs for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENTRY_POINT = "server.py"
_LONGEST = 240
_LONG = """\
Work a plan out in Claude Desktop and hand it over: Claude Code carries it out on a branch of its own, for minutes or \
hours, while Desktop does something else. Later, in any chat, ask what became of it, answer what it asks, and write \
the documentation that it wants.

The extension reads and writes one folder. The daemon that runs the plans is installed on its own."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the server itself says that it has."""

    tools: Sequence[Mapping[str, Any]]
    """Each with `name` and `description`."""
    prompts: Sequence[Mapping[str, Any]]
    """Each with `name`, `description`, `arguments` and `text`."""


def manifest(project: Mapping[str, Any], offered: Offered) -> dict[str, Any]:
    """Return the manifest (version 0.4), made of `[project]` in pyproject.toml and of what the server says."""
    return {
        "manifest_version": "0.4",
        "name": project["name"],
        "display_name": "orchestrd: plans for Claude Code",
        "version": project["version"],
        "description": project["description"],
        "long_description": _LONG,
        "author": {"name": "the orchestrd authors"},
        "license": project["license"],
        "keywords": list(project["keywords"]),
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                # The folder is an argument: there are versions of Desktop that do not hand `env` on.
                "args": ["run", "--directory", "${__dirname}", ENTRY_POINT, "${user_config.root}"],
            },
        },
        "tools": [{"name": one["name"], "description": _short(one["description"])} for one in offered.tools],
        "prompts": [dict(one) | {"description": _short(one["description"])} for one in offered.prompts],
        "compatibility": {
            "platforms": ["darwin", "linux"],
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": {
            "root": {
                "type": "directory",
                "title": "Handoff folder",
                "description": "The folder that the daemon serves: plans go in, results and requests come out.",
                "default": "${HOME}/handoff",
                "required": False,
            }
        },
    }


def dependencies(project: Mapping[str, Any], wheel: str) -> str:
    """Return the extension's own pyproject.toml: orchestrd from the wheel beside it, the SDK from PyPI."""
    sdk = [one for one in project["optional-dependencies"]["desktop"] if one.startswith("mcp")]
    wanted = ", ".join(f'"{one}"' for one in (project["name"], *sdk))
    return f"""# What the extension needs; the host's uv installs it at the first start.
[project]
name = "{project["name"]}-extension"
version = "{project["version"]}"
requires-python = "{project["requires-python"]}"
dependencies = [{wanted}]

[tool.uv]
package = false

[tool.uv.sources]
{project["name"]} = {{ path = "{wheel}" }}
"""


def _short(text: str) -> str:
    """Return the beginning of what is told a model: a person sees it in a list."""
    first = " ".join(text.strip().split("\n\n")[0].split())
    sentence, mark, _ = first.partition(". ")
    short = sentence + mark.strip()
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"
