"""Questions that Claude Code asks a model on its own, beside the conversation: titles, topics, quota checks."""

from __future__ import annotations

import json
import re

from orchestrd.rehearsal.request import Request

_TITLE = re.compile(
    r"\b(sentence-case |short |concise )?title\b.*\b(session|conversation|coding)\b", re.IGNORECASE
)
_TOPIC = re.compile(r"new conversation topic|isNewTopic", re.IGNORECASE)


def side_reply(request: Request) -> str | None:
    """What to answer a question beside the conversation; None when the request belongs to a conversation.

    Such a question offers no tools and says in its system prompt what it wants.
    """
    if request.tools:
        return None
    if request.body.get("max_tokens") == 1:
        return "ok"
    opening = request.system[:1500]
    if _TOPIC.search(opening):
        return json.dumps({"isNewTopic": False, "title": None})
    if _TITLE.search(opening):
        return json.dumps({"title": "Rehearsal"})
    return None
