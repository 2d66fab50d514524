"""What an answer to a request means for Claude Code, and whether it fits what was asked. Pure; loaded when asked."""

from __future__ import annotations

from handoff.document_error import DocumentError
from handoff.replies import Asked, answers_to, read_approval_reply, read_question_reply
from orchestrd.runs.asking.mailbox import Unfit
from orchestrd.runs.asking.paper import holds_hidden, is_cut
from orchestrd.runs.asking.prompt import deny

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchestrd.runs.asking.prompt import Prompt


class Decision:
    """What was decided about a request."""

    __slots__ = ("fields", "response")

    def __init__(self, response: dict[str, Any], **fields: Any) -> None:
        self.response = response
        """For Claude Code."""
        self.fields = fields
        """To be written down."""


def decide(prompt: Prompt, raw: bytes, name: str) -> Decision:
    """Read an answer; `name` is its file's. Raises Unfit with what is wrong with it."""
    try:
        return _about_questions(prompt, raw, name) if prompt.questions else _about_tool(prompt, raw, name)
    except DocumentError as error:
        raise Unfit(str(error)) from None


def _about_questions(prompt: Prompt, raw: bytes, name: str) -> Decision:
    asked = [Asked(one.id, one.multiple) for one in prompt.questions]
    answers = answers_to(asked, read_question_reply(raw, name))
    return Decision(prompt.answer(answers), decision="answered")


def _about_tool(prompt: Prompt, raw: bytes, name: str) -> Decision:
    given = read_approval_reply(raw, name)
    rules = [rule.text for rule in prompt.rules]
    for_plan = given.scope == "plan"
    if for_plan and not rules:
        raise Unfit(
            'scope: there is no rule that could hold for the whole plan (scope = "once", or leave it out)'
        )
    if given.input is not None and is_cut(given.input):
        raise Unfit(
            "input_json: holds the mark of a text that was cut to be shown (the whole input, as it is to be)"
        )
    if given.input is not None and holds_hidden(given.input) and not holds_hidden(prompt.input):
        raise Unfit(
            "input_json: holds the mark of a secret that was not shown (an input without it, or leave it out)"
        )
    if given.input is not None:
        from orchestrd.runs.asking.denied import denied_by

        rule = denied_by(prompt.tool, given.input, prompt.denied, prompt.cwd)
        if rule is not None:
            raise Unfit(
                f"input_json: the plan denies {rule}, which covers this input or may (give another, or deny it)"
            )
    fields: dict[str, Any] = {"decision": given.decision, "scope": given.scope}
    if for_plan:
        fields |= {"rules": rules, "message": given.message}
    if given.decision == "deny":
        return Decision(deny(given.message), **fields)
    command = (prompt.input if given.input is None else given.input).get("command")
    if for_plan and prompt.tool == "Bash" and isinstance(command, str):
        fields["command"] = command
    if given.input is not None:
        fields["changed"] = True
    return Decision(prompt.allow(given.input, for_plan=for_plan), **fields)
