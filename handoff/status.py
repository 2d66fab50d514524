"""What is happening now: the daemon, the plans in work, what they use (PROTOCOL 8)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt

from handoff.fields import Count, Document, Instant, Number, Positive
from handoff.result import Payer
from handoff.version import Version

BEAT_SECONDS = 5
"""The daemon's status is rewritten at least this often; older than three beats means: gone or stalled."""


class DaemonState(StrEnum):
    """What the daemon does."""

    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    STOPPED = "stopped"


class PlanState(StrEnum):
    """Where a plan in work is."""

    WAITING = "waiting"
    RUNNING = "running"
    ASKING = "asking"
    SETTLING = "settling"


class WaitingFor(StrEnum):
    """What a plan waits for."""

    PLANS = "plans"
    TIME = "time"
    LIMIT = "limit"
    BUDGET = "budget"
    PRESSURE = "pressure"
    OVERLAP = "overlap"
    SLOT = "slot"
    RETRY = "retry"
    CLAUDE = "claude"
    SPACE = "space"
    PAUSE = "pause"


class Ignored(Document):
    """A file in a lane that is left alone."""

    file: str
    """Its lane and name."""
    why: str
    """Why it is left alone."""


class MachineProblem(Document):
    """A condition of the machine that somebody has to look at."""

    word: str
    """A word to switch on."""
    message: str
    """What is wrong."""
    remedy: str
    """What to do."""
    since: Instant
    """Since when."""


class ProjectSpending(Document):
    """What the plans of one project have cost today."""

    project: str
    """The project."""
    spent_today_usd: Number
    """US dollars that its runs have cost on this day (UTC)."""
    reserved_usd: Number = 0.0
    """US dollars that its plans at work may still cost."""


class Spending(Document):
    """What was spent today of the caps in `limits`."""

    spent_today_usd: Number
    """US dollars that runs have cost on this day (UTC)."""
    reserved_usd: Number = 0.0
    """US dollars that plans at work may still cost."""
    projects: tuple[ProjectSpending, ...] = ()
    """By project, those that have spent most, 20 at most."""


class DaemonStatus(Document):
    """`status/daemon`: is it there, what does it do, what is wrong."""

    handoff: Version = 1
    """The version of the protocol: 1."""
    version: str
    """The daemon's version."""
    pid: Positive
    """Its process id."""
    started: Instant
    """When it was started."""
    heartbeat: Instant
    """When this was written."""
    beat_seconds: Number = float(BEAT_SECONDS)
    """It is rewritten at least this often."""
    state: DaemonState
    """What it does."""
    why: str | None = None
    """Why, where there is a reason."""
    counts: dict[str, StrictInt] = Field(default_factory=dict)
    """How many plans there are of each kind."""
    limits: dict[str, StrictInt | StrictFloat | str] = Field(default_factory=dict)
    """The limits in force."""
    budget: Spending | None = None
    """What was spent today, where a day's spending has a limit."""
    ignored: tuple[Ignored, ...] = ()
    """Files in the lanes that are left alone."""
    problems: tuple[MachineProblem, ...] = ()
    """What is wrong with the machine."""


class Asks(Document):
    """A request that a run waits for."""

    request: str
    """Its name in `requests/`; the answer is `replies/` with the same name."""
    until: Instant | None = None
    """How long it waits; left out: without end."""


class RunStatus(Document):
    """A run that is alive."""

    step: str
    """The step."""
    attempt: Positive
    """The attempt."""
    since: Instant
    """When it was started."""
    turns: Count | None = None
    """Turns of the model so far."""
    cost_usd: Number | None = None
    """US dollars so far."""
    last_words: str | None = None
    """What the model said last."""
    asks: tuple[Asks, ...] = ()
    """What it asks a person, and waits for."""
    log: str | None = None
    """Its stream; relative to the root."""


class PlanStatus(Document):
    """A plan in work."""

    id: str
    """Its id."""
    title: str | None = None
    """Its title."""
    project: str | None = None
    """Its project."""
    state: PlanState
    """Where it is."""
    waiting_for: WaitingFor | None = None
    """What it waits for."""
    until: Instant | None = None
    """Until when, where that is known."""
    why: str | None = None
    """For a person: of a budget which one, what is left of it, and who has the rest."""
    since: Instant
    """Since when it is in this state."""
    priority: Annotated[Count, Field(le=100)] | None = None
    """Its priority."""
    payer: Payer | None = None
    """Who is billed."""
    cost_usd: Number | None = None
    """US dollars so far."""
    runs: tuple[RunStatus, ...] = ()
    """Its runs that are alive."""


class PlansStatus(Document):
    """`status/plans`: the plans in work, the running ones first, 1,000 at most."""

    handoff: Version = 1
    """The version of the protocol: 1."""
    more: Count = 0
    """How many there are besides."""
    plans: tuple[PlanStatus, ...] = ()
    """The plans."""


class TreeUsage(Document):
    """What a process tree uses now, or the whole machine."""

    cpu_percent: Number | None = None
    """Of one core."""
    cpu_seconds: Number | None = None
    """So far."""
    memory_bytes: Count | None = None
    """Resident memory."""
    pss_bytes: Count | None = None
    """Proportional memory, measured rarely."""
    memory_total_bytes: Count | None = None
    """Of the machine."""
    memory_available_bytes: Count | None = None
    """Of the machine."""
    read_bytes: Count | None = None
    """Read from disks so far."""
    written_bytes: Count | None = None
    """Written to disks so far."""
    processes: Count | None = None
    """How many processes."""
    cores: Count | None = None
    """Of the machine."""
    load: Number | None = None
    """Of the machine, over a minute."""


class RunUsage(TreeUsage):
    """What a run's process tree uses."""

    plan: str
    """The plan."""
    step: str
    """The step."""


class UsageStatus(Document):
    """`status/usage`: what is used now."""

    handoff: Version = 1
    """The version of the protocol: 1."""
    time: Instant
    """When it was measured."""
    daemon: TreeUsage | None = None
    """The daemon."""
    machine: TreeUsage | None = None
    """The machine."""
    runs: tuple[RunUsage, ...] = ()
    """Each run's process tree."""
