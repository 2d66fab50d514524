"""A scripted model: the Messages API on loopback, so that plans can be rehearsed with real Claude Code at no cost.

`with Rehearsal(script) as model:` serves it; `model.environment()` is what Claude Code needs to be sent there;
`model.requests` is what it said. This room knows nothing of the rest of orchestrd.
"""

from __future__ import annotations

from orchestrd.rehearsal.request import Request
from orchestrd.rehearsal.script import Answer, Script, ScriptError, load_script, parse_script
from orchestrd.rehearsal.server import Rehearsal

__all__ = ["Answer", "Rehearsal", "Request", "Script", "ScriptError", "load_script", "parse_script"]
