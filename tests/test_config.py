"""The configuration: what is in force, where it came from, and what a mistake in it is told."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest

from orchestrd.config import Config, ConfigError, default_text, load_config, origins, setting_names


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str) -> dict[str, str]:
        file = tmp_path / "config.toml"
        file.write_text(text)
        return {"ORCHESTRD_CONFIG": str(file)}

    return write_file


def problems_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(environ=environ)
    return caught.value.problems


def origin_of(config: Config, path: str) -> str:
    return next(one.origin for one in origins(config) if one.path == path)


def test_without_a_file_and_variables_everything_is_at_its_default(write):
    config = load_config(environ=write(""))

    assert config.limits.timeout == 3600
    assert config.root == Path.home() / "handoff"
    assert {one.origin for one in origins(config)} == {"default"}


def test_a_variable_wins_over_the_file_and_the_option_over_both(write, tmp_path):
    environ = write('root = "/from/file"\n[limits]\nmax_parallel = 7\ntimeout = "45m"\n')
    environ |= {"ORCHESTRD_LIMITS__MAX_PARALLEL": "3", "ORCHESTRD_ROOT": "/from/environ"}

    config = load_config(tmp_path, environ)

    assert (config.limits.max_parallel, config.limits.timeout, config.root) == (3, 2700, tmp_path)
    assert origin_of(config, "limits.max_parallel") == "ORCHESTRD_LIMITS__MAX_PARALLEL"
    assert origin_of(config, "limits.timeout") == f"{environ['ORCHESTRD_CONFIG']}:4"
    assert origin_of(config, "root") == "--root"
    assert load_config(environ=environ).root == Path("/from/environ")


def test_the_binary_named_by_its_own_variable_is_shown_as_the_setting_in_force(write):
    config = load_config(environ=write("") | {"ORCHESTRD_CLAUDE": "/opt/claude"})

    assert config.claude.command == "/opt/claude"
    assert origin_of(config, "claude.command") == "ORCHESTRD_CLAUDE"


def test_an_unknown_key_is_an_error_with_its_line_and_the_nearest_name(write):
    environ = write('[limits]\ntimeout = "1h"\nmax_paralel = 3\n[sampling]\nlevel = "x"\n')

    problems = problems_of(environ)

    file = environ["ORCHESTRD_CONFIG"]
    assert problems[0].startswith(
        f"{file}:3: limits.max_paralel: no such setting — did you mean max_parallel?"
    )
    assert problems[1].startswith(f"{file}:5: sampling.level: no such setting — did you mean log.level?")


def test_an_unknown_variable_is_an_error_with_the_nearest_name(write):
    problems = problems_of(write("") | {"ORCHESTRD_LIMITS__MAX_PARALEL": "3", "ORCHESTRD_ROOTS": "/x"})

    assert problems == (
        "ORCHESTRD_LIMITS__MAX_PARALEL: no such setting — did you mean ORCHESTRD_LIMITS__MAX_PARALLEL?",
        "ORCHESTRD_ROOTS: no such setting — did you mean ORCHESTRD_ROOT?",
    )


def test_a_variable_that_is_like_no_setting_is_not_taken_for_one(write):
    (problem,) = problems_of(write("") | {"ORCHESTRD_FOO": "1"})

    assert "did you mean" not in problem


def test_problems_come_in_the_order_of_the_lines_with_the_form_that_was_expected(write):
    environ = write('[log]\nrotation = "big"\n[limits]\nsilence = "soon"\n[claude]\nargs = ["x", 3]\n')

    problems = problems_of(environ)

    file = environ["ORCHESTRD_CONFIG"]
    assert [problem.partition(": ")[0] for problem in problems] == [f"{file}:{line}" for line in (2, 4, 6)]
    assert 'a size is written like "512MiB"' in problems[0]
    assert 'a duration is written like "90s", "45m"' in problems[1]
    assert "claude.args[1]" in problems[2]


@pytest.mark.parametrize(
    "text, said",
    [
        ("[limits]\nmax_parallel = 0\n", ":2: limits.max_parallel"),
        ('[limits]\nsilence = "soon"\n', ":2: limits.silence"),
        ('[log]\nlevel = "chatty"\n', ":2: log.level"),
        ("[limits\n", "is not TOML"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_its_place(write, text, said):
    (problem,) = problems_of(write(text))

    assert said in problem


STRICT = {
    "a number, without quotes": [
        "budget.per_day_usd",
        "budget.per_project_usd",
        "pressure.memory_some",
        "pressure.memory_full",
        "pressure.cpu_some",
        "pressure.cpu_load",
        "pressure.enter_seconds",
        "pressure.leave_seconds",
        "lanes.settle_seconds",
        "lanes.patience_seconds",
        "lanes.scan_seconds",
        "sampling.interval_seconds",
    ],
    "a whole number, without quotes": [
        "limits.max_parallel",
        "limits.attempts",
        "limits.api_retries",
        "limits.near_limit_priority",
        "limits.max_steps",
        "log.retention",
    ],
    "true or false, without quotes": ["pressure.enabled", "lanes.polling", "notify.include_input"],
}


@pytest.mark.parametrize(
    "wanted, path", [(wanted, path) for wanted, paths in STRICT.items() for path in paths]
)
def test_what_is_no_number_and_neither_true_nor_false_is_not_taken_for_one(write, wanted, path):
    group, _, name = path.partition(".")
    for written in (
        '"3"',
        '"true"',
        "1" if wanted.startswith("true") else "true",
        "nan" if "number" in wanted else "0",
    ):
        environ = write(f"[{group}]\n{name} = {written}\n")

        (problem,) = problems_of(environ)

        assert problem.startswith(f"{environ['ORCHESTRD_CONFIG']}:2: {path}: ")
        assert wanted in problem or written == "nan"


def test_a_dollar_that_is_true_or_stands_in_quotes_is_told_with_what_was_expected(write):
    environ = write('[budget]\nper_day_usd = true\nper_project_usd = "3"\n')

    file = environ["ORCHESTRD_CONFIG"]
    assert problems_of(environ) == (
        f"{file}:2: budget.per_day_usd: true is true or false — a number, without quotes",
        f'{file}:3: budget.per_project_usd: "3" is text — a number, without quotes',
    )


def test_variables_are_text_and_give_numbers_all_the_same(write):
    environ = write("[budget]\nper_project_usd = 2\n") | {
        "ORCHESTRD_BUDGET__PER_DAY_USD": "3",
        "ORCHESTRD_LIMITS__ATTEMPTS": "7",
        "ORCHESTRD_LIMITS__SILENCE": "2m",
        "ORCHESTRD_LANES__POLLING": "true",
        "ORCHESTRD_PRESSURE__ENABLED": "0",
        "ORCHESTRD_PRESSURE__CPU_LOAD": "2.5",
    }

    config = load_config(environ=environ)

    assert (config.budget.per_day_usd, config.budget.per_project_usd) == (3.0, 2.0)
    assert (config.limits.attempts, config.limits.silence) == (7, 120)
    assert (config.lanes.polling, config.pressure.enabled, config.pressure.cpu_load) == (True, False, 2.5)


def test_a_variable_that_is_no_number_is_told_with_what_was_expected(write):
    problems = problems_of(
        write("") | {"ORCHESTRD_BUDGET__PER_DAY_USD": "true", "ORCHESTRD_LIMITS__ATTEMPTS": "2.5"}
    )

    assert set(problems) == {
        'ORCHESTRD_BUDGET__PER_DAY_USD: budget.per_day_usd: "true" is text — a number',
        'ORCHESTRD_LIMITS__ATTEMPTS: limits.attempts: "2.5" is text — a whole number',
    }


def test_a_wrong_value_in_a_variable_names_the_variable(write):
    problems = problems_of(write("") | {"ORCHESTRD_LIMITS__ATTEMPTS": "few", "ORCHESTRD_CLAUDE__ARGS": "--x"})

    assert any(problem.startswith("ORCHESTRD_LIMITS__ATTEMPTS: limits.attempts: ") for problem in problems)
    assert any(
        problem.startswith("ORCHESTRD_CLAUDE__ARGS: claude.args cannot be read") for problem in problems
    )


def test_lists_are_written_as_json_in_variables(write):
    environ = write("") | {"ORCHESTRD_CLAUDE__ARGS": '["--debug", "x"]'}

    assert load_config(environ=environ).claude.args == ("--debug", "x")


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path):
    (problem,) = problems_of({"ORCHESTRD_CONFIG": str(tmp_path / "none.toml")})

    assert "there is no such file (named by ORCHESTRD_CONFIG)" in problem


def test_the_default_file_holds_every_setting_at_its_default():
    text = re.sub(r"^# (?=\w+ = )", "", default_text(), flags=re.MULTILINE)
    given = tomllib.loads(text)
    left_out = {
        "claude": ["command"],
        "budget": ["per_day_usd", "per_project_usd"],
        "pressure": ["memory_available", "procfs"],
        "notify": ["command", "webhook", "webhook_header_env"],
    }
    for group, names in left_out.items():
        for name in names:
            del given[group][name]
    paths = {f"{group}.{name}" for group, names in given.items() if isinstance(names, dict) for name in names}

    config = Config(**given)

    without = {f"{group}.{name}" for group, names in left_out.items() for name in names}
    assert paths | {"root"} | without == set(setting_names())
    machine = {"limits": {"max_parallel"}, "lanes": {"settle_seconds"}}
    assert config.model_dump(exclude=machine) == Config().model_dump(exclude=machine)


def test_settings_cannot_be_changed_afterwards(write):
    config = load_config(environ=write(""))

    with pytest.raises(Exception, match="frozen"):
        config.limits.attempts = 9  # type: ignore[misc]


def test_thousands_of_settings_that_nobody_knows_are_told_soon(write):
    began = time.thread_time()

    problems = problems_of(write("".join(f"k{number} = 1\n" for number in range(3000))))

    assert len(problems) == 100
    assert time.thread_time() - began < 2
