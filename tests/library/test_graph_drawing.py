"""A graph of steps as a picture."""

from __future__ import annotations

from orchestrd.library.drawing import draw, draw_text
from tests.builders import a_plan

STEPS = [
    {"id": "look", "prompt": "x", "agent": "reviewer", "permissions": {"mode": "plan"}},
    {"id": "left", "prompt": "x", "needs": ["look"]},
    {"id": "right", "prompt": "x", "needs": ["look"], "expands": True},
    {"id": "test", "run": ["make", "test"], "needs": ["left", "right"]},
]


def test_a_plans_steps_as_mermaid():
    plan = a_plan(steps=STEPS)

    assert draw(plan.steps, plan.accept.checks) == (
        "flowchart TD\n"
        '    s0("<b>look</b><br/>reviewer<br/>reads only")\n'
        '    s1("<b>left</b>")\n'
        '    s2[/"<b>right</b><br/>makes further steps"/]\n'
        '    s3[["<b>test</b><br/>$ make test"]]\n'
        "    s0 --> s1\n"
        "    s0 --> s2\n"
        "    s1 --> s3\n"
        "    s2 --> s3\n"
    )


def test_a_workflows_steps_as_mermaid():
    steps = [{"id": "a", "prompt": "x"}, {"id": "b", "run": "{{test}}", "when": "test", "needs": ["a"]}]

    assert draw(steps, ["{{test}}"]) == (
        "flowchart TD\n"
        '    s0("<b>a</b>")\n'
        '    s1[["<b>b</b><br/>$ {{test}}<br/>only with test"]]:::optional\n'
        '    s2[["<b>(checks)</b><br/>$ {{test}}"]]\n'
        "    s0 --> s1\n"
        "    s1 --> s2\n"
        "    classDef optional stroke-dasharray: 4 4\n"
    )


def test_text_is_no_markup():
    assert '"<b>a</b><br/>$ echo #34;#60;b#62;#34;#59; #35;1"' in draw(
        [{"id": "a", "run": ["echo", '"<b>";', "#1"]}]
    )


def test_steps_as_lines_of_text():
    assert draw_text(STEPS) == (
        "●    look   reviewer · reads only\n"
        "├─╮\n"
        "● │  left\n"
        "│ ●  right  makes further steps\n"
        "├─╯\n"
        "●    test   $ make test\n"
    )


def test_steps_in_another_order_and_with_rails_that_cross():
    steps = [
        {"id": "end", "needs": ["b", "d"]},
        {"id": "a"},
        {"id": "b", "needs": ["a"]},
        {"id": "c", "needs": ["a"]},
        {"id": "d", "needs": ["a"]},
        {"id": "f", "needs": ["c"]},
    ]

    assert draw_text(steps) == (
        "●      a\n├─┬─╮\n● │ │  b\n│ ● │  c\n│ │ ●  d\n├─┼─╯\n● │    end\n  ●    f\n"
    )


def test_a_circle_or_a_step_that_is_not_there_is_drawn_as_far_as_it_can_be():
    assert draw_text([{"id": "a", "needs": ["b"]}, {"id": "b", "needs": ["a", "x"]}])
    assert draw([{"id": "a", "needs": ["x"]}]) == 'flowchart TD\n    s0("<b>a</b>")\n'


def test_of_two_steps_with_one_id_one_is_drawn():
    steps = [{"id": "a", "prompt": "x", "when": "yes"}, {"id": "a", "run": ["true"], "when": "not yes"}]

    assert draw_text(steps) == "●  a  only with yes · or · $ true · only without yes\n"


def test_nothing_is_nothing():
    assert draw_text([]) == ""
    assert draw([]) == "flowchart TD\n"
