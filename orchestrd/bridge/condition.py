"""`daemon_status`: whether the daemon is there, what it does, and what troubles it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from orchestrd.bridge.answers import Answer
from orchestrd.bridge.desk import Desk
from orchestrd.bridge.in_work import count_in_work
from orchestrd.bridge.open_requests import open_requests
from orchestrd.views.present import read_daemon
from orchestrd.views.words import one_line, read_json

_MOST_LISTED = 20


class Trouble(BaseModel):
    """A condition of the machine that somebody has to look at."""

    word: str = Field(description="A word to switch on.")
    message: str = Field(description="What is wrong.")
    remedy: str | None = Field(default=None, description="What to do.")


class LeftAlone(BaseModel):
    """A file in a lane that the daemon leaves alone."""

    file: str = Field(description="Its lane and name.")
    why: str = Field(description="Why it is left alone.")


class DaemonStatus(Answer):
    """The daemon, which carries plans out."""

    state: str = Field(
        description="running, paused, draining; stalled or stopped by a signal; or not running."
    )
    remedy: str | None = Field(default=None, description="What a person can do where it is not running.")
    root: str = Field(description="The handoff root: the folder through which everything goes.")
    version: str | None = Field(default=None, description="Its version.")
    started: str | None = Field(default=None, description="When it was started.")
    heartbeat: str | None = Field(default=None, description="When it was heard of last.")
    in_work: int = Field(default=0, description="How many plans are in work.")
    open_requests: int = Field(default=0, description="How many requests wait for an answer.")
    counts: dict[str, Any] = Field(default_factory=dict, description="How many plans there are of each kind.")
    limits: dict[str, Any] = Field(default_factory=dict, description="The limits in force.")
    budget: dict[str, Any] = Field(
        default_factory=dict, description="What was spent today, where that is capped."
    )
    problems: list[Trouble] = Field(default_factory=list, description="While there are some, nothing starts.")
    ignored: list[LeftAlone] = Field(
        default_factory=list, description="Files in the lanes that are left alone."
    )
    machine: dict[str, Any] = Field(default_factory=dict, description="What the machine's load is.")


def daemon_status(desk: Desk) -> DaemonStatus:
    """Say whether the daemon, which carries plans out, is there; its limits, its troubles, what it spent today.

    Use it when plans do not start, or when an answer's `daemon` says that it is away. Where it is not running, tell the
    person `remedy`: it cannot be started from here. Everything handed in meanwhile is kept.
    """
    root = desk.root
    daemon = read_daemon(root)
    status = daemon.status
    usage = read_json(root.status / "usage.json") if daemon.alive else {}
    return DaemonStatus(
        state=daemon.state,
        remedy=None if daemon.alive else daemon.remedy,
        root=str(root.path),
        version=status.get("version"),
        started=status.get("started"),
        heartbeat=status.get("heartbeat"),
        in_work=count_in_work(root),
        open_requests=len(open_requests(root)),
        counts=dict(status.get("counts") or {}),
        limits=dict(status.get("limits") or {}),
        budget=dict(status.get("budget") or {}),
        problems=[
            Trouble(word=str(one.get("word")), message=str(one.get("message")), remedy=one.get("remedy"))
            for one in (status.get("problems") or ())[:_MOST_LISTED]
        ],
        ignored=[
            LeftAlone(file=one_line(one.get("file"), 200), why=one_line(one.get("why"), 300))
            for one in (status.get("ignored") or ())[:_MOST_LISTED]
        ],
        machine=dict(usage.get("machine") or {}),
    )
