from __future__ import annotations

import pytest

from handoff.formats import DocumentError, Format, dump, read_document
from handoff.request import ApprovalReply, DocsRequest, QuestionReply
from tests.builders import SETTLED

TEXT = "# Rate limits\n\n+++\nA fence inside the text does not matter.\n\n```\ncode\n```"


def test_a_docs_request_is_front_matter_and_then_what_was_done_in_words():
    request = DocsRequest.model_validate(
        {
            "plan": "hello",
            "created": SETTLED,
            "project": "/src/api",
            "files": [{"path": "a.py", "status": "M"}],
            "about": "two\n+++\nlines",
            "text": TEXT,
        }
    )

    written = dump(request, Format.MARKDOWN)

    assert written.decode().endswith(f"+++\n\n{TEXT}\n")
    assert read_document(DocsRequest, written, Format.MARKDOWN) == request


@pytest.mark.parametrize(
    "model, text",
    [
        (ApprovalReply, 'decision = "yes"'),
        (ApprovalReply, 'decision = "deny"\ninput_json = "{}"'),
        (ApprovalReply, 'decision = "allow"\ninput_json = "{"'),
        (ApprovalReply, ""),
        (QuestionReply, ""),
        (QuestionReply, 'answer = "a"\nanswers = { q = ["a"] }'),
        (QuestionReply, "answers = { q = [] }"),
    ],
)
def test_a_reply_that_does_not_fit_is_refused(model, text):
    with pytest.raises(DocumentError):
        read_document(model, text.encode(), Format.TOML)


def test_replies_that_fit_are_read():
    yes = read_document(ApprovalReply, b'decision = "allow"\nscope = "plan"\n', Format.TOML)
    answer = read_document(QuestionReply, b'{"answers": {"q": ["blue"]}}', Format.JSON)

    assert (yes.decision, yes.scope) == ("allow", "plan")
    assert answer.answers == {"q": ("blue",)}
