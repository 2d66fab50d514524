"""What a workflow takes: which values fit, what is told of those that do not, and what may be typed."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrd.library.params import Param, check_params, kind_in_words, misfit_of, wanted
from orchestrd.library.typed import NoValue, read_value


def param(kind: str, **more: Any) -> Param:
    return Param.model_validate({"type": kind, "description": "Something", **more})


@pytest.mark.parametrize(
    "declared, value",
    [
        (param("string"), "text"),
        (param("string"), ""),
        (param("string", pattern="[a-z]+"), "abc"),
        (param("string", min=2, max=3), "abc"),
        (param("integer", min=1, max=5), 5),
        (param("integer"), 0),
        (param("number", min=0.5), 1),
        (param("number"), 0.25),
        (param("boolean"), False),
        (param("list"), []),
        (param("list", max=2, pattern="[a-z]"), ["a", "b"]),
        (param("choice", values=["a", "b"]), "b"),
        (param("command"), ["make", ""]),
    ],
)
def test_a_value_that_fits(declared, value):
    assert misfit_of(declared, value) is None


@pytest.mark.parametrize(
    "declared, value, message, hint",
    [
        (param("string"), 1, "1 is a whole number", "text in quotes"),
        (param("string", required=True), "  ", "is empty", "text in quotes"),
        (param("string"), "a\0b", "holds a NUL character", "leave it out"),
        (param("string", pattern="[a-z]+"), "a1", '"a1" does not match the pattern', "matching [a-z]+"),
        (param("string", max=2), "abc", '"abc" with 3 characters is out of range', "of at most 2 characters"),
        (param("integer", min=1, max=5), 6, "6 is out of range", "a whole number from 1 to 5"),
        (param("integer"), True, "true is true or false", "a whole number"),
        (param("integer"), 1.5, "1.5 is a number, and not a whole one", "a whole number"),
        (param("number"), float("nan"), "nan is a number", "a number"),
        (param("boolean"), "true", '"true" is text', "true or false, without quotes"),
        (param("list"), "a", '"a" is text', "a list of texts"),
        (param("list"), ["a", 1], "this is a list of other things than texts", "a list of texts"),
        (param("list", min=1), [], "this with 0 entries is out of range", "at least 1 entries"),
        (param("list", pattern="[a-z]"), ["a", "9"], '"9" does not match the pattern', "[a-z]"),
        (param("choice", values=["expected", "allowed"]), "alowed", '"alowed"', 'did you mean "allowed"?'),
        (param("choice", values=["one", "two"]), "xyz", '"xyz" is not known here', 'one of: "one", "two"'),
        (param("command"), "make test", '"make test" is text', '["make", "test"]'),
        (param("command"), [], "names no program", '["make", "test"]'),
        (param("command"), [" "], "names no program", '["make", "test"]'),
        (param("string"), {"a": 1}, "this is a table", "text in quotes"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_what_would(declared, value, message, hint):
    found = misfit_of(declared, value)

    assert found is not None
    assert message in found.message
    assert hint in found.hint


def test_a_text_that_is_held_against_a_pattern_is_not_endless():
    found = misfit_of(param("string", pattern="(a+)+"), "a" * 10_001)

    assert found is not None
    assert "longer than 10000 characters" in found.message


def test_defaults_are_filled_in_and_what_is_not_given_is_left_out():
    declared = {"a": param("integer", default=3), "b": param("string"), "c": param("list")}

    assert check_params(declared, {"c": ["x"]}) == ({"a": 3, "c": ["x"]}, [])


def test_everything_that_is_wrong_is_told_at_once_with_the_nearest_name():
    declared = {"depth": param("integer"), "description": param("string", required=True)}

    _, problems = check_params(declared, {"dept": 1, "depth": "x", "zzz": 1})

    assert [(one.path, one.message) for one in problems] == [
        (("params", "dept"), 'there is no parameter "dept"'),
        (("params", "zzz"), 'there is no parameter "zzz"'),
        (("params", "depth"), '"x" is text'),
        (("params", "description"), "this parameter is required, and missing"),
    ]
    assert problems[0].hint == "did you mean `depth`?"
    assert problems[1].hint == "the parameters here are: depth, description"
    assert "Something" in problems[3].hint


def test_of_very_many_unknown_parameters_the_rest_is_counted():
    _, problems = check_params({}, {f"x{number}": 1 for number in range(250)})

    assert len(problems) == 101
    assert problems[-1].message == "and 150 more parameters that are not there"


@pytest.mark.parametrize(
    "declared, typed, value",
    [
        (param("string"), ["a=b [x]"], "a=b [x]"),
        (param("choice", values=["a"]), ["a"], "a"),
        (param("integer"), [" 3 "], 3),
        (param("number"), ["2.50"], 2.5),
        (param("number"), ["2"], 2.0),
        (param("boolean"), ["True"], True),
        (param("boolean"), ["false"], False),
        (param("list"), ["a b", "c"], ["a b", "c"]),
        (param("list"), ['["a", "b"]', "c"], ["a", "b", "c"]),
        (param("list"), ["[]"], []),
        (param("list"), [""], []),
        (param("command"), ["make -k 'my test'"], ["make", "-k", "my test"]),
        (param("command"), ['["make", "my test"]'], ["make", "my test"]),
    ],
)
def test_what_is_typed_becomes_what_is_declared(declared, typed, value):
    assert read_value(declared, typed) == value


@pytest.mark.parametrize(
    "declared, typed, said",
    [
        (param("integer"), ["three"], '"three" is no whole number (a whole number, like 1)'),
        (param("integer"), ["1.5"], "a whole number"),
        (param("integer"), ["\u0663"], "a whole number"),
        (param("number"), ["nan"], "a number"),
        (param("boolean"), ["yes"], "true or false"),
        (param("string"), ["a", "b"], "is given more than once"),
        (param("command"), ["make 'test"], "a quote that does not end"),
        (param("command"), ['["make", 1]'], "no JSON list of texts"),
        (param("list"), ["[a]"], "no JSON list of texts"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_was_expected(declared, typed, said):
    with pytest.raises(NoValue) as told:
        read_value(declared, typed)

    assert said in str(told.value)


def test_a_type_is_named_with_its_limits():
    assert kind_in_words(param("integer", min=1, max=5)) == "integer from 1 to 5"
    assert kind_in_words(param("choice", values=["a", "b"])) == "a | b"
    assert kind_in_words(param("list", max=3)) == "list of at most 3 entries"
    assert wanted(param("string", pattern="[a-z]")) == "text in quotes, matching [a-z]"
