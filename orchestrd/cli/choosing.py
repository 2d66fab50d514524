"""Which answers are meant: an option by its number or label, or words of one's own. Asked for where none is given."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrd.cli.calling import Complaint
from orchestrd.views.words import one_line, plain

if TYPE_CHECKING:
    from handoff.request import AskedQuestion, Question
    from orchestrd.views.requests import OpenRequest

Answers = dict[str, list[str]]


def chosen(asked: Question, texts: Sequence[str], to: Sequence[str]) -> Answers:
    """Assign answers to questions: `to` by their ids, `texts` to the only one that is left, or in their order."""
    questions = {one.id: one for one in asked.questions}
    found: Answers = {}
    for one in to:
        named, equals, text = one.partition("=")
        if not equals or named not in questions:
            raise Complaint(f"--to {plain(one)}: expected ID=ANSWER, with one of {_ids(asked)}")
        found.setdefault(named, []).append(_meant(questions[named], text))
    left = [one for one in asked.questions if one.id not in found]
    if texts and len(left) == 1:
        found[left[0].id] = [_meant(left[0], text) for text in texts]
    elif texts and len(left) == len(texts):
        found |= {one.id: [_meant(one, text)] for one, text in zip(left, texts, strict=True)}
    elif texts:
        raise Complaint(
            f"{len(texts)} answers do not fit {len(left)} questions; use --to ID=ANSWER: {_ids(asked)}"
        )
    return _complete(asked, found)


def ask_here(request: OpenRequest, asked: Question) -> Answers:
    """Ask on the terminal. Complains where there is nobody to ask, with what could be answered."""
    from orchestrd.views.request_page import page_of_request

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        options = "; ".join(
            f"{number} {one_line(option.label, 40)}"
            for number, option in enumerate(asked.questions[0].options, 1)
        )
        told = f": {options}" if options and len(asked.questions) == 1 else ""
        raise Complaint(f"no answer is given, and there is no terminal to ask on{told}")
    print(page_of_request(request).partition("\n\nTo answer:")[0], end="\n\n")
    return {one.id: _ask(one, len(asked.questions) > 1) for one in asked.questions}


def _ask(question: AskedQuestion, is_one_of_many: bool) -> list[str]:
    named = f"[{one_line(question.id, 40)}] " if is_one_of_many else ""
    how = "numbers with commas" if question.multiple else "a number"
    prompt = f"{named}{how}, or your own words: " if question.options else f"{named}your answer: "
    while True:
        try:
            text = input(prompt).strip()
        except EOFError:
            raise Complaint("nothing was answered", 1) from None
        if text:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            numbers = bool(parts) and all(part.isdecimal() for part in parts)
            try:
                return [
                    _meant(question, part) for part in (parts if numbers and question.multiple else [text])
                ]
            except Complaint as complaint:
                print(complaint)


def _meant(question: AskedQuestion, text: str) -> str:
    """An option's label where its number or its label is given (in any case), else the words as they are."""
    text = text.strip()
    if not text:
        raise Complaint(f"an empty answer to {one_line(question.text, 60)}")
    same = next(
        (option.label for option in question.options if option.label.casefold() == text.casefold()), None
    )
    if same is not None or not question.options or not (text.isascii() and text.isdecimal()):
        return same or text
    number = int(text[:9])
    if not 1 <= number <= len(question.options):
        raise Complaint(
            f"there is no option {text}: 1 to {len(question.options)}, or words of your own that are no number"
        )
    return question.options[number - 1].label


def _complete(asked: Question, found: Answers) -> Answers:
    """Demand one answer to each question, several only where several may be given."""
    for one in asked.questions:
        answers = list(dict.fromkeys(found.get(one.id, [])))
        if not answers:
            raise Complaint(
                f"no answer to {plain(one.id)} ({one_line(one.text, 60)}): --to {plain(one.id)}=…"
            )
        if len(answers) > 1 and not one.multiple:
            raise Complaint(
                f"{one_line(one.text, 60)} takes one answer, and {len(answers)} were given; quote one text"
            )
        found[one.id] = answers
    return {one.id: found[one.id] for one in asked.questions}


def _ids(asked: Question) -> str:
    return ", ".join(plain(one.id) for one in asked.questions)
