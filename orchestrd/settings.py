"""The settings: names, types and defaults, as `config.toml` has them. Where they come from is told by `config.py`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, Strict, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from handoff.fields import problem
from handoff.platform import PLATFORM
from handoff.quantities import Duration, Size

PREFIX = "ORCHESTRD_"

DEFAULT_SECRETS = (
    "*KEY*",
    "*TOKEN*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*CREDENTIAL*",
    "ANTHROPIC_CUSTOM_HEADERS",
)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _half_the_cores() -> int:
    return min(4, max(1, (os.cpu_count() or 1) // 2))


def _settle_default() -> float:
    # Without a lease nothing proves that a writer is done; then only a longer quiet speaks for it.
    return 0.25 if PLATFORM.lease else 2.0


Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""Strict: `true` would pass for a dollar, and text for a number. Variables are text: see `strict_kinds`."""
Seconds = Annotated[Real, Field(gt=0)]
Percent = Annotated[Real, Field(gt=0, le=100)]
Dollars = Annotated[Real, Field(gt=0, le=1e9)]


class Claude(_Group):
    """How Claude Code is started."""

    command: str | None = None
    """The binary; None: `claude` on PATH, else the one that the `claude` extra carries."""
    args: tuple[str, ...] = ()
    """Added to every run's arguments."""
    env_pass: tuple[str, ...] = ()
    """Further variables that runs are given."""


class Limits(_Group):
    """What holds where a plan says nothing (durations in seconds)."""

    max_parallel: Annotated[Whole, Field(ge=1, le=256)] = Field(default_factory=_half_the_cores)
    timeout: Annotated[Duration, Field(gt=0)] = 3600.0
    silence: Annotated[Duration, Field(gt=0)] = 900.0
    first_event: Annotated[Duration, Field(gt=0)] = 60.0
    attempts: Annotated[Whole, Field(ge=1, le=100)] = 3
    api_retries: Annotated[Whole, Field(ge=0, le=100)] = 2
    max_parked: Annotated[Duration, Field(gt=0)] = 86_400.0
    """How long a plan waits at most for the account's usage limit to be over."""
    near_limit_priority: Annotated[Whole, Field(ge=0, le=100)] = 80
    """While the limit is near, no plan of a lower priority begins; 0: all do."""
    max_steps: Annotated[Whole, Field(ge=1, le=1000)] = 20
    """Of a plan with a step that expands: all its steps together."""


class Lanes(_Group):
    """How the inbox, the replies and the orders are watched."""

    settle_seconds: Annotated[Real, Field(gt=0)] = Field(default_factory=_settle_default)
    patience_seconds: Seconds = 10.0
    scan_seconds: Seconds = 5.0
    polling: Flag = False


class Budget(_Group):
    """What may be spent on one day (UTC), in US dollars; None: as much as the plans themselves allow."""

    per_day_usd: Dollars | None = None
    """By all plans together."""
    per_project_usd: Dollars | None = None
    """By the plans of one project."""


class Pressure(_Group):
    """When the machine is so short of memory or CPU that no run is started."""

    enabled: Flag = True
    memory_some: Percent = 20.0
    """In per cent of the last 10 s something waited for memory (PSI)."""
    memory_full: Percent = 40.0
    """In per cent of the last 10 s everything did: the machine is dying, and a run is made to yield."""
    memory_available: Annotated[Size, Field(ge=0)] | None = None
    """So many bytes have to be available; None: 5 % of the memory, at least 128 MiB and at most 1 GiB."""
    cpu_some: Percent = 95.0
    """In per cent of the last 10 s something waited for a core (PSI), and"""
    cpu_load: Annotated[Real, Field(gt=0)] = 16.0
    """so many processes for each core wanted to run, on average over a minute."""
    enter_seconds: Annotated[Real, Field(ge=0)] = 5.0
    """Pressure is believed in after so long."""
    leave_seconds: Annotated[Real, Field(ge=0)] = 15.0
    """It is over when it was clearly less for so long."""
    procfs: Path | None = None
    """Where the kernel's figures are read; None: /proc, where there is one."""


class Sampling(_Group):
    """How often usage is measured while a run is alive."""

    interval_seconds: Annotated[Real, Field(ge=0.1)] = 1.0


class Log(_Group):
    """The daemon's own log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    rotation: Annotated[Size, Field(ge=4096)] = 10 * 1024 * 1024
    """A file that has grown to this many bytes is put aside."""
    retention: Annotated[Whole, Field(ge=0)] = 5
    """So many files that were put aside are kept."""


class Archive(_Group):
    """What `orchestrd clean` may remove."""

    keep: Annotated[Duration, Field(gt=0)] = 90 * 24 * 3600.0
    """Settled plans are kept at least this long."""


ToldOf = Literal[
    "approval", "question", "docs", "succeeded", "failed", "cancelled", "rejected", "expired", "duplicate"
]
"""What somebody may be told of: kinds of requests, and how a plan has ended."""


class Notify(_Group):
    """Who is told that a plan asks something, and how."""

    on: tuple[ToldOf, ...] = ("approval", "question", "docs")
    """Of what."""
    desktop: Flag | Literal["auto"] = "auto"
    """On this desktop; auto: where there seems to be one, and where that fails nothing is said of it."""
    command: tuple[str, ...] = ()
    """A command that is started; none: none."""
    webhook: str | None = None
    """An address to which JSON is posted."""
    webhook_header: str = "Authorization"
    """The header that carries what `webhook_header_env` holds."""
    webhook_header_env: str | None = None
    """The variable that holds a header's whole value, which stands in no file."""
    include_input: Flag = False
    """Whether the webhook is also told what a tool would be given, and what is asked: it may hold secrets."""
    timeout: Annotated[Duration, Field(gt=0, le=600)] = 20.0
    """How long a command, or the webhook, may take."""

    @field_validator("desktop", mode="before")
    @classmethod
    def _wish(cls, wish: object) -> object:
        if not isinstance(wish, bool) and wish != "auto":
            raise problem('is neither true, false nor "auto"', 'true or false without quotes, or "auto"')
        return wish

    @field_validator("command")
    @classmethod
    def _startable(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if command and not command[0].strip():
            raise problem("names no program", 'a list: ["notify-me", "--loud"]')
        if any("\0" in word for word in command):
            raise problem("holds a NUL character", "words that a program can be given")
        return command

    @field_validator("webhook")
    @classmethod
    def _address(cls, webhook: str | None) -> str | None:
        if webhook is None:
            return None
        try:
            parts = urlsplit(webhook)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and webhook.isprintable()
            is_one = is_one and (parts.port is None or parts.port > 0) and " " not in webhook
        except ValueError:
            is_one = False
        if not is_one:
            raise problem("is no address", "one that begins with https:// or http:// and names a host")
        if parts.username is not None or parts.password is not None:
            raise problem("holds a name or password", "a header: `webhook_header_env` names the variable")
        return webhook

    @field_validator("webhook_header")
    @classmethod
    def _header(cls, name: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is None:
            raise problem("is no name of a header", "one like Authorization or X-Token")
        return name


class Context(_Group):
    """What is known of each project: `context/NAME.md`."""

    keep: Flag = True
    """The daemon keeps it from the results of plans."""
    hand_over: Flag = True
    """Runs are told of it."""
    max_bytes: Annotated[Size, Field(ge=1024, le=256 * 1024)] = 16 * 1024
    """What the daemon writes into one takes up at most so many bytes; what people write does not count."""


class Secrets(_Group):
    """Which variables hold secrets: their values are written nowhere."""

    names: tuple[str, ...] = DEFAULT_SECRETS
    """Shell patterns, compared without regard to case."""


class Config(BaseSettings):
    """All settings in force. Made by `load_config`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=False
    )

    root: Path = Path("~/handoff")
    claude: Claude = Claude()
    limits: Limits = Field(default_factory=Limits)
    budget: Budget = Budget()
    pressure: Pressure = Pressure()
    lanes: Lanes = Field(default_factory=Lanes)
    sampling: Sampling = Sampling()
    log: Log = Log()
    archive: Archive = Archive()
    notify: Notify = Notify()
    context: Context = Context()
    secrets: Secrets = Secrets()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("root")
    @classmethod
    def _full_path(cls, root: Path) -> Path:
        try:
            where = root.expanduser()
        except RuntimeError:
            raise problem("begins with a user whom nobody knows here", "a full path, or ~/handoff") from None
        if "\0" in str(where):
            raise problem("holds a NUL character", "a path that a folder can have")
        return Path(os.path.abspath(where))  # not resolved: links may change

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load_config` has put together and nothing else."""
        return (init_settings,)


@cache
def strict_kinds() -> dict[str, Any]:
    """Return the path of every setting, in the file's order: with the type of those that are strict, None for others.

    In the file a strict setting is a number, or true or false, and nothing that would pass for it.
    """
    return {path: _strict_kind(field) for path, field in _fields(Config)}


def _fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{above}{name}.")
        else:
            yield above + name, field


def _strict_kind(field: FieldInfo) -> Any:
    kinds: list[tuple[Any, Any]] = [(field.annotation, field.metadata)]
    # Of one that may be left out the marks are those within the union.
    inner = [one for one in get_args(field.annotation) if get_origin(one) is Annotated]
    kinds += [(one.__origin__, one.__metadata__) for one in inner]
    return next((kind for kind, marks in kinds if any(isinstance(mark, Strict) for mark in marks)), None)
