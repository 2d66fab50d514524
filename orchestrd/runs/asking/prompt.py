"""What Claude Code asks: one `can_use_tool` of its control protocol, and what the answer to it looks like. Pure.

Whoever allows a tool "for the plan" grants rules: those that Claude Code itself suggests, said in its own syntax, or
the exact use of the tool where its syntax can say that. Where it warns of danger there is none. Standard library only.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

QUESTION_TOOL = "AskUserQuestion"
ALL_FILES_HERE = "./**"
"""Of an edit inside its own folder Claude Code suggests a mode, `acceptEdits`; as a rule that is Edit(./**)."""
MOST_RULE_LETTERS = 4096
"""What a plan's `permissions.allow` can hold."""
_EDITS = {
    "Edit": "file_path",
    "MultiEdit": "file_path",
    "Write": "file_path",
    "NotebookEdit": "notebook_path",
}
_PATTERN = frozenset("*?[]!\\")


class Prompt:
    """One tool that wants a yes, or questions to a person."""

    __slots__ = (
        "cwd",
        "denied",
        "description",
        "input",
        "is_by_agent",
        "questions",
        "reason",
        "request_id",
        "rules",
        "tool",
        "wide",
    )

    def __init__(
        self, request_id: str, request: Mapping[str, Any], cwd: str, denied: Sequence[str] = ()
    ) -> None:
        given = request.get("input")
        self.request_id = request_id
        self.cwd = cwd
        self.denied = denied
        """What the plan denies, by its rules."""
        self.tool = _text(request.get("tool_name")) or "unknown"
        self.input: dict[str, Any] = given if isinstance(given, dict) else {}
        """As it would be carried out, secrets and all."""
        self.description = _text(request.get("description"))
        self.reason = _text(request.get("decision_reason"))
        self.is_by_agent = bool(request.get("agent_id"))
        self.questions: list[QuestionAsked] = _questions(self.input) if self.tool == QUESTION_TOOL else []
        """Empty: it is an approval."""
        self.wide = _reaches_out(request, cwd)
        """It reaches out of its folder, which a rule for a command does not say."""
        self.rules: list[Rule] = (
            [] if self.questions else _rules(self.tool, self.input, request, is_wide=self.wide)
        )
        """What "for the whole plan" would grant; empty: nothing can be."""

    def allow(self, instead: dict[str, Any] | None, *, for_plan: bool) -> dict[str, Any]:
        """The answer that lets it be carried out."""
        response: dict[str, Any] = {
            "behavior": "allow",
            "updatedInput": self.input if instead is None else instead,
        }
        if for_plan and self.rules:
            rules = [rule.as_update() for rule in self.rules]
            response["updatedPermissions"] = [
                {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"}
            ]
        return response

    def answer(self, answers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The answer to its questions, by their ids. Claude Code knows them by their words."""
        told = {one.text: ", ".join(answers[one.id]) for one in self.questions}
        return {"behavior": "allow", "updatedInput": {**self.input, "answers": told}}

    def is_covered(self, granted: Grants) -> bool:
        """Whether what was granted for the plan answers this: all its rules were, and nothing more is at stake."""
        if not self.rules or not all(rule.text in granted.rules for rule in self.rules):
            return False
        return not self.wide or self.tool != "Bash" or self.input.get("command") in granted.commands

    def refused_by(self, granted: Grants) -> str | None:
        """What the model is told where one of its rules was refused for the plan; None: none was."""
        return next((granted.refused[rule.text] for rule in self.rules if rule.text in granted.refused), None)


def deny(message: str | None) -> dict[str, Any]:
    """The answer that refuses it; the model is told why, and goes on."""
    return {"behavior": "deny", "message": message or "It was not allowed."}


class Grants:
    """What was decided for a whole plan so far."""

    __slots__ = ("commands", "refused", "rules")

    def __init__(self) -> None:
        self.rules: dict[str, None] = {}
        """In the order in which they were granted, each once."""
        self.refused: dict[str, str] = {}
        """Rules that were refused for the whole plan, with what the model is told."""
        self.commands: set[str] = set()
        """Shell commands that were seen and allowed as they are."""


class Rule:
    """A rule of Claude Code's: a tool, and perhaps what of it."""

    __slots__ = ("content", "tool")

    def __init__(self, tool: str, content: str | None) -> None:
        self.tool = tool
        self.content = content

    @property
    def text(self) -> str:
        """As Claude Code's command line takes it."""
        if self.content is None:
            return self.tool
        content = self.content
        if "\\" in content:
            content = content.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        return f"{self.tool}({content})"

    def as_update(self) -> dict[str, str]:
        """As its control protocol takes it."""
        return (
            {"toolName": self.tool}
            if self.content is None
            else {"toolName": self.tool, "ruleContent": self.content}
        )


class QuestionAsked:
    """One question to a person."""

    __slots__ = ("id", "multiple", "options", "text")

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self.id = name
        self.text = _text(given.get("question")) or "?"
        self.multiple = given.get("multiSelect") is True
        options = given.get("options")
        self.options = [
            {name: text for name in ("label", "description") if (text := _text(one.get(name)))}
            for one in (options if isinstance(options, list) else ())
            if isinstance(one, dict) and _text(one.get("label"))
        ]


def _rules(tool: str, given: Mapping[str, Any], request: Mapping[str, Any], *, is_wide: bool) -> list[Rule]:
    is_warned = (
        request.get("suppress_always_allow_rule") or request.get("decision_reason_type") == "safetyCheck"
    )
    if is_warned or request.get("requires_user_interaction"):
        return []
    suggested = request.get("permission_suggestions")
    suggestions = [one for one in suggested if isinstance(one, dict)] if isinstance(suggested, list) else []
    rules = list(_suggested(suggestions))
    if not rules:
        suggests_mode = any(one.get("type") == "setMode" for one in suggestions)
        exact = _exact(tool, given, is_edit_here=suggests_mode and not is_wide)
        rules = [exact] if exact is not None else []
    # One that cannot be said would leave the others with too little to be of use.
    return rules if all(_can_be_said(rule.text) for rule in rules) else []


def _suggested(suggestions: Sequence[Mapping[str, Any]]) -> Iterator[Rule]:
    for one in suggestions:
        rules = one.get("rules")
        if one.get("type") != "addRules" or one.get("behavior") != "allow" or not isinstance(rules, list):
            continue
        for rule in rules:
            if isinstance(rule, dict) and _text(rule.get("toolName")):
                yield Rule(rule["toolName"], _text(rule.get("ruleContent")))


def _exact(tool: str, given: Mapping[str, Any], *, is_edit_here: bool) -> Rule | None:
    """The use of a tool just as it is asked for, where there are words for it that cover nothing else."""
    if tool in _EDITS:
        if is_edit_here:
            return Rule("Edit", ALL_FILES_HERE)
        path = _text(given.get(_EDITS[tool]))
        is_plain = path is not None and path.startswith("/") and _PATTERN.isdisjoint(path)
        return Rule("Edit", f"/{path}") if is_plain else None
    command = _text(given.get("command")) if tool == "Bash" else None
    is_plain = command is not None and command == command.strip() and _PATTERN.isdisjoint(command)
    return Rule("Bash", command) if is_plain and not (command or "").endswith(":") else None


def _can_be_said(rule: str) -> bool:
    return len(rule) <= MOST_RULE_LETTERS and rule.isprintable() and (rule[0].isalpha() or rule[0] == "_")


def _reaches_out(request: Mapping[str, Any], cwd: str) -> bool:
    if request.get("decision_reason_type") == "workingDir":
        return True
    paths = [request.get("blocked_path")]
    suggested = request.get("permission_suggestions")
    for one in suggested if isinstance(suggested, list) else ():
        folders = one.get("directories") if isinstance(one, dict) else None
        paths += folders if isinstance(folders, list) else []
    inside = {cwd, os.path.realpath(cwd)}
    return any(isinstance(path, str) and not _is_within(path, inside) for path in paths)


def _is_within(path: str, folders: set[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _questions(given: Mapping[str, Any]) -> list[QuestionAsked]:
    told = given.get("questions")
    asked = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    questions: list[QuestionAsked] = []
    for one in asked:
        taken = {before.id for before in questions}
        name = _slug(_text(one.get("header")) or "") or f"q{len(questions) + 1}"
        while name in taken:
            name += "-2"
        questions.append(QuestionAsked(name, one))
    return questions


def _slug(header: str) -> str:
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in header.lower())
    return "-".join(part for part in letters.split("-") if part)[:40]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
