"""What the model does when no script tells it: one small, harmless piece of the work that the prompt seems to ask for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from orchestrd.rehearsal.request import Request
from orchestrd.rehearsal.sample import sample_of
from orchestrd.rehearsal.script import ToolCall, Turn

_WORK = re.compile(
    r"\b(add|append|build|change|clean|convert|correct|create|delete|document|draft|edit|extend|extract|finish|fix|"
    r"generate|implement|improve|insert|install|make|migrate|modify|move|optimi[sz]e|port|prepare|refactor|remove|"
    r"rename|repair|replace|rewrite|save|set up|simplify|split|test|translate|update|upgrade|write)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^\W*(what|why|how|when|where|who|which|is|are|does|do|did|has|have|explain|describe|summari[sz]e|list|tell|"
    r"review|say)\b",
    re.IGNORECASE,
)
_FILE = re.compile(r"(?<![\w/.~-])([\w-][\w.-]*(?:/[\w.-]+)*\.[a-z][a-z0-9]{0,4})(?![\w/-])", re.IGNORECASE)
_NUMBERED = re.compile(r"^\s*\d+[\t→]", re.MULTILINE)
_SIGNATURE = "Written in a rehearsal: no real model was asked."


def improvise(request: Request) -> Turn:
    """The next turn of a conversation that has no script."""
    last = request.results
    if last:
        return _after(request)
    if request.turn and "StructuredOutput" not in request.tools:
        return Turn(text=f"Rehearsed. {_quote(request.prompts[-1])}")
    if asks_for_work(request.prompt) and "Write" in request.tools:
        path = file_for(request.prompt)
        return Turn(
            text=f"I'll write {path}.",
            tools=(ToolCall(name="Write", input={"file_path": f"{request.cwd}/{path}", "content": _content(path, request)}),),
        )
    return _closing(request, f"This is a rehearsal, so nobody has thought about it. You said: {_quote(request.prompt)}")


def asks_for_work(prompt: str) -> bool:
    """Whether a prompt seems to want something done, rather than something answered."""
    opening = prompt.strip()[:2000]
    if _QUESTION.search(opening):
        return False
    return _WORK.search(opening) is not None


def file_for(prompt: str) -> str:
    """The file to write: the first one that the prompt names inside the project, else one named after the prompt."""
    for found in _FILE.finditer(prompt):
        path = PurePosixPath(found.group(1))
        if not path.is_absolute() and ".." not in path.parts:
            return str(path)
    words = re.findall(r"[a-z0-9]+", prompt.lower())[:6]
    return f"{'-'.join(words)[:60] or 'rehearsal'}.md"


def _after(request: Request) -> Turn:
    """Go on after a tool has spoken."""
    path = file_for(request.prompt)
    result = request.results[-1]
    if result.tool == "StructuredOutput" and not result.is_error:
        return Turn(text="Done.")
    if not result.is_error and result.tool == "Read":
        old = _NUMBERED.sub("", result.text).rstrip("\n")
        new = f"{old}\n{_comment(path)}\n"
        return Turn(tools=(ToolCall(name="Write", input={"file_path": f"{request.cwd}/{path}", "content": new}),))
    if result.is_error and result.tool == "Write" and "read" in result.text.lower() and "Read" in request.tools:
        # An existing file may be written only after it was read.
        return Turn(tools=(ToolCall(name="Read", input={"file_path": f"{request.cwd}/{path}"}),))
    if result.is_error:
        return _closing(request, f"{result.tool} did not work, so nothing was written: {_quote(result.text)}")
    return _closing(request, f"I wrote {path}. {_SIGNATURE}")


def _closing(request: Request, text: str) -> Turn:
    wanted = request.tools.get("StructuredOutput")
    if wanted is None:
        return Turn(text=text)
    sample = sample_of(wanted.get("input_schema") or {})
    return Turn(text=text, structured=sample if isinstance(sample, dict) else {})


def _content(path: str, request: Request) -> str:
    match PurePosixPath(path).suffix.lower():
        case ".md":
            title = PurePosixPath(path).stem.replace("-", " ").replace("_", " ").capitalize()
            asked = request.prompt.strip()[:2000].replace("\n", "\n> ")
            return f"# {title}\n\nThe task was:\n\n> {asked}\n\n{_SIGNATURE}\n"
        case ".json":
            return f'{{"rehearsal": "{_SIGNATURE}"}}\n'
        case _:
            return f"{_comment(path)}\n"


def _comment(path: str) -> str:
    match PurePosixPath(path).suffix.lower():
        case ".py" | ".sh" | ".toml" | ".yaml" | ".yml" | ".rb" | ".cfg":
            return f"# {_SIGNATURE}"
        case ".js" | ".ts" | ".tsx" | ".jsx" | ".go" | ".rs" | ".c" | ".h" | ".java" | ".cpp" | ".swift" | ".kt":
            return f"// {_SIGNATURE}"
        case ".html" | ".xml":
            return f"<!-- {_SIGNATURE} -->"
        case ".css":
            return f"/* {_SIGNATURE} */"
        case _:
            return _SIGNATURE


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:157]}…”" if len(line) > 160 else f"“{line}”"
