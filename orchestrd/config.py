"""The configuration: one documented file, each setting also an environment variable, and where each came from.

It knows names, defaults and places, and nothing of what the settings do. A setting that nobody knows is an error with
the nearest name that is known: a limit that is silently inert is worse than none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_settings import EnvSettingsSource

from handoff.document_error import MOST_ERRORS, DocumentError, Lines, line_at, path_parts
from handoff.reading import read_toml, text_of
from orchestrd.settings import DEFAULT_SECRETS, PREFIX, Config, Limits, strict_kinds

__all__ = [
    "DEFAULT_SECRETS",
    "PREFIX",
    "READ_FIRST",
    "Config",
    "ConfigError",
    "Limits",
    "Setting",
    "checkouts_folder",
    "config_file",
    "config_folder",
    "default_text",
    "load_config",
    "log_folder",
    "origins",
    "root_name",
    "setting_names",
    "state_folder",
    "trust_file",
    "workflows_folder",
]

READ_FIRST = ("ORCHESTRD_ROOT", "ORCHESTRD_CONFIG", "ORCHESTRD_CLAUDE", "ORCHESTRD_PORTABLE")
"""Variables that are no settings of the file, and are read on their own."""
MARKS = (
    "ORCHESTRD_RUN",
    "ORCHESTRD_REQUEST",
    "ORCHESTRD_KIND",
    "ORCHESTRD_PLAN",
    "ORCHESTRD_TITLE",
    "ORCHESTRD_TEXT",
    "ORCHESTRD_PATH",
    "ORCHESTRD_COUNT",
)
"""What the daemon writes into the environment of a run, or of a command that it tells something (`[notify]`): an
`orchestrd` that is called there has to bear it."""


class ConfigError(Exception):
    """Settings that cannot be used: one line each, with place, what was wrong and what to do."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force and where it came from: `default`, FILE:LINE, a variable's name, or `--root`."""

    path: str
    value: object
    origin: str
    written: object
    """The value as the file would have it: `1h` where the value is 3600."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    values: dict[str, Any]
    find_lines: Callable[[], Lines]

    def line(self, path: str) -> int:
        """Where a setting stands, or what encloses it."""
        return line_at(self.find_lines(), path_parts(path))

    def place(self, path: str) -> str:
        return f"{self.path}:{self.line(path)}"


def load_config(root: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Put the settings together: `root` (of `--root`) over variables over the file over defaults.

    Raises ConfigError with every problem at once.
    """
    file = _read_file(config_file(environ), named="ORCHESTRD_CONFIG" in environ)
    from_environ, names, problems = _read_environ(environ)
    if root is not None:
        from_environ["root"] = root
        names["root"] = "--root"
    origins = {path: file.place(path) for path in _leaves(file.values)} | names
    try:
        config = Config(**_merge(file.values, from_environ))
    except ValidationError as error:
        problems.extend(_explain(error, file, names))
    if problems:
        raise ConfigError(tuple(problems))
    config._origins.update(origins)  # noqa: SLF001 - a private attribute is how pydantic keeps what is no field
    return config


def origins(config: Config) -> list[Setting]:
    """Every setting in force with where it came from, in the file's order."""
    known = config._origins  # noqa: SLF001
    written = config.model_dump()
    return [
        Setting(
            path,
            _value(config, path),
            next((known[at] for at in _upwards(path) if at in known), "default"),
            _at(written, path),
        )
        for path in setting_names()
    ]


def setting_names() -> tuple[str, ...]:
    """Every setting's path: `limits.max_parallel`."""
    return tuple(strict_kinds())


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the configuration lies, whether there is one or not."""
    named = environ.get("ORCHESTRD_CONFIG")
    return Path(named).expanduser() if named else config_folder() / "config.toml"


def default_text() -> str:
    """Return the documented default file: every setting, commented out, at its default."""
    return (Path(__file__).parent / "config.default.toml").read_text("utf-8")


def config_folder() -> Path:
    """Where the platform keeps configuration: `config.toml`, `trusted.json` and `workflows/`."""
    return platformdirs.user_config_path("orchestrd", appauthor=False)


def state_folder() -> Path:
    """Where the platform keeps a program's state."""
    return platformdirs.user_state_path("orchestrd", appauthor=False)


def log_folder() -> Path:
    """Where the platform keeps logs."""
    return platformdirs.user_log_path("orchestrd", appauthor=False)


def checkouts_folder(root: Path) -> Path:
    """Where the checkouts of a root's plans lie: outside the root, so that no agent sees the lanes beside its work."""
    return state_folder() / "checkouts" / root_name(root)


def root_name(root: Path) -> str:
    """Return a short name by which folders and units of several roots are told apart."""
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:12]


def trust_file() -> Path:
    """Where `orchestrd trust` keeps the projects that it was told."""
    return config_folder() / "trusted.json"


def workflows_folder() -> Path:
    """Where the user keeps workflows of their own."""
    return config_folder() / "workflows"


def _read_file(path: Path, *, named: bool) -> _File:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if named:
            raise ConfigError((f"{path}: there is no such file (named by ORCHESTRD_CONFIG)",)) from None
        return _File(path, {}, dict)
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror}",)) from error
    try:
        reading = read_toml(text_of(raw))
    except DocumentError as error:
        told = error.errors[0]
        raise ConfigError((f"{path}:{told.line}: {told.message} — {told.hint}",)) from None
    # Found once: with a thousand settings that nobody knows, looking anew for each would take minutes.
    return _File(path, reading.tree, cache(reading.find_lines))


def _read_environ(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Return the values that variables give, the name behind each path, and the problems."""
    names = {_variable(path): path for path in setting_names() if path != "root"}
    given, problems, behind = {}, [], {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in (*READ_FIRST, *MARKS):
            continue
        if name in names:
            given[name.lower()] = environ[name]
            behind[names[name]] = name
        else:
            # Without what all of them begin with: it would make any two look alike.
            known = {one.removeprefix(PREFIX): one for one in (*names, *READ_FIRST)}
            near = [known[one] for one in get_close_matches(name.removeprefix(PREFIX), known, n=1)]
            hint = f"did you mean {near[0]}?" if near else "`orchestrd config` lists the settings"
            problems.append(f"{name}: no such setting — {hint}")
    values = _environ_values(given, behind, problems)
    for path, name in (("root", "ORCHESTRD_ROOT"), ("claude.command", "ORCHESTRD_CLAUDE")):
        if environ.get(name):
            values = _merge(values, _nested(path, environ[name]))
            behind[path] = name
    return values, behind, problems


def _environ_values(given: dict[str, str], behind: dict[str, str], problems: list[str]) -> dict[str, Any]:
    source = EnvSettingsSource(Config)
    values: dict[str, Any] = {}
    # One at a time: a list that is no JSON is then that variable's problem, not the problem of all.
    for path, name in behind.items():
        source.env_vars = {name.lower(): given[name.lower()]}
        try:
            values = _merge(values, _numbers_of(path, source()))
        except ValueError:
            hint = f"""write a JSON list: {name}='["one", "two"]'"""
            problems.append(f"{name}: {path} cannot be read — {hint}")
    return values


def _numbers_of(path: str, given: dict[str, Any]) -> dict[str, Any]:
    """A variable is text: make a number, or true and false, of it where its setting is one. What is none stays text."""
    kind = strict_kinds()[path]
    if kind is None:
        return given
    try:
        return _nested(path, TypeAdapter(kind).validate_python(_at(given, path)))
    except ValidationError:
        return given


def _explain(error: ValidationError, file: _File, names: Mapping[str, str]) -> list[str]:
    """One line each: those of variables by name, then those of the file by line."""
    from handoff.document_error import path_text
    from handoff.plain_errors import explain

    unknown = {path_text(one["loc"]) for one in error.errors() if one["type"] == "extra_forbidden"}
    told = []
    for one in explain(Config, error, {})[:MOST_ERRORS]:
        named = next((names[at] for at in _upwards(one.path) if at in names), None)
        line = 0 if named else file.line(one.path)
        place = named or file.place(one.path)
        message = "no such setting" if one.path in unknown else one.message
        hint = _nearest(one.path) if one.path in unknown else one.hint
        if named and hint:
            hint = hint.removesuffix(", without quotes")  # a variable has none
        told.append((line, f"{place}: {one.path}: {message}" + (f" — {hint}" if hint else "")))
    return [text for _, text in sorted(told)]


def _nearest(path: str) -> str:
    above, _, last = path.rpartition(".")
    siblings = [name for name in setting_names() if name.rpartition(".")[0] == above]
    groups = {name.partition(".")[0] for name in setting_names()} if not above else set()
    near = get_close_matches(last, [*(name.rpartition(".")[2] for name in siblings), *groups], n=1)
    near = near or [name for name in setting_names() if name.rpartition(".")[2] == last]
    return f"did you mean {near[0]}?" if near else "`orchestrd config` lists the settings"


def _variable(path: str) -> str:
    return PREFIX + path.replace(".", "__").upper()


def _at(values: Mapping[str, Any], path: str) -> object:
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def _value(config: BaseModel, path: str) -> object:
    found: object = config
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _upwards(path: str) -> Iterator[str]:
    """Yield `a.b.c`, `a.b`, `a`: an error inside a list is placed at the list."""
    path = path.partition("[")[0]
    while path:
        yield path
        path = path.rpartition(".")[0]


def _nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)  # noqa: S101 - a path has at least one part
    return value


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name
