"""What the model does when no script tells it: one small, harmless piece of the work that the prompt asks for."""

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
_NUMBERED = re.compile(r"^ *\d+[\t→](.*)$", re.MULTILINE)
# Claude Code's own words for a tool whose result was lost with the process, and for a file that is not there.
_INTERRUPTED = "Tool call interrupted"
_NO_SUCH_FILE = "does not exist"
_LONGEST_FILE = 1000
_LONGEST_LINE = 1000
_SIGNATURE = "Written in a rehearsal: no real model was asked."


def improvise(request: Request) -> Turn:
    """The next turn of a conversation that has no script."""
    if request.results:
        return _after(request)
    if request.turn and "StructuredOutput" not in request.tools:
        return Turn(text=f"Rehearsed. {_quote(request.prompts[-1])}")
    if asks_for_work(request.prompt) and "Write" in request.tools:
        return _begin(request)
    return _closing(
        request, f"This is a rehearsal, so nobody has thought about it. You said: {_quote(request.prompt)}"
    )


def asks_for_work(prompt: str) -> bool:
    """Whether a prompt seems to want something done, rather than something answered."""
    opening = prompt.strip()[:2000]
    if _QUESTION.search(opening):
        return False
    return _WORK.search(opening) is not None


def file_for(prompt: str) -> str:
    """The file to write: the first one that the prompt names inside the project, else one named after the prompt."""
    return _named_file(prompt) or f"{_slug(prompt)}.md"


def _named_file(prompt: str) -> str | None:
    found = (PurePosixPath(match.group(1)) for match in _FILE.finditer(prompt))
    return next((str(path) for path in found if ".." not in path.parts), None)


def _slug(prompt: str) -> str:
    words = re.findall(r"[a-z0-9]+", prompt.lower())[:6]
    return "-".join(words)[:60] or "rehearsal"


def _begin(request: Request) -> Turn:
    """Start on the work. A file that the prompt names may exist and is read first, so that nothing of it is lost."""
    path = file_for(request.prompt)
    if _named_file(request.prompt) and "Read" in request.tools:
        return Turn(text=f"I'll look at {path} first.", tools=(_read(path, request),))
    return Turn(text=f"I'll write {path}.", tools=(_write(path, _content(path, request), request),))


def _after(request: Request) -> Turn:
    """Go on after a tool has spoken."""
    path = file_for(request.prompt)
    result = request.results[-1]
    match (result.tool, result.is_error):
        case ("StructuredOutput", False):
            return Turn(text="Done.")
        case (_, True) if _INTERRUPTED in result.text:
            return _begin(request)
        case ("Read", True) if _NO_SUCH_FILE in result.text:
            return Turn(text="There is none yet.", tools=(_write(path, _content(path, request), request),))
        case ("Read", False):
            return _extend(path, result.text, request)
        case (_, True):
            return _closing(
                request, f"{result.tool} did not work, so nothing was written: {_quote(result.text)}"
            )
        case _:
            return _closing(request, f"I wrote {path}. {_SIGNATURE}")


def _read(path: str, request: Request) -> ToolCall:
    return ToolCall(name="Read", input={"file_path": f"{request.cwd}/{path}"})


def _write(path: str, content: str, request: Request) -> ToolCall:
    return ToolCall(name="Write", input={"file_path": f"{request.cwd}/{path}", "content": content})


def _extend(path: str, shown: str, request: Request) -> Turn:
    """Write a file again as the Read tool showed it, with one line more."""
    lines = [match.group(1) for match in _NUMBERED.finditer(shown)]
    if len(lines) > _LONGEST_FILE or any(len(line) > _LONGEST_LINE for line in lines):
        # Read shows long files and lines cut; written back, they would have lost the rest.
        return _closing(request, f"{path} is too long to be rewritten in a rehearsal, so I left it alone.")
    while lines and not lines[-1]:
        lines.pop()
    content = "\n".join([*lines, _comment(path), ""])
    return Turn(text=f"I'll add a line to {path}.", tools=(_write(path, content, request),))


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
        case (
            ".js"
            | ".ts"
            | ".tsx"
            | ".jsx"
            | ".go"
            | ".rs"
            | ".c"
            | ".h"
            | ".java"
            | ".cpp"
            | ".swift"
            | ".kt"
        ):
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
