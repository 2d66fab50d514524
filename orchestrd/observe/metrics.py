"""`status/metrics.prom`: the present and the totals, for Prometheus (PROTOCOL 8). It is given all values.

A scraper reads the file as it is (node_exporter's textfile collector, or any web server). Totals count from the
daemon's start: Prometheus knows counters that begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrd.observe.exposition import Family, Labels, Value, counter, expose, gauge
from orchestrd.observe.usage import DaemonUsage, MachineUsage, TreeUsage

STATES = ("running", "paused", "draining", "stopped")
NO_LABELS: Labels = {}


@dataclass(frozen=True, slots=True)
class Totals:
    """What was used up by all runs that have ended since the daemon's start."""

    runs: int = 0
    cost_usd: float = 0.0
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Present:
    """Everything that is told."""

    version: str
    state: str
    """One of `STATES`."""
    started: float
    """Seconds since 1970, as is `heartbeat`."""
    heartbeat: float
    plans: Mapping[str, int] = field(default_factory=dict)
    """How many plans are in each state (`waiting`, `running`, ...)."""
    settled: Mapping[str, int] = field(default_factory=dict)
    """How many plans were settled since the start, by their status."""
    max_parallel: int | None = None
    problems: Sequence[str] = ()
    """Their words."""
    ignored: int = 0
    """Files in the lanes that are left alone."""
    totals: Totals = Totals()
    daemon: DaemonUsage | None = None
    machine: MachineUsage | None = None
    runs: Mapping[tuple[str, str], TreeUsage] = field(default_factory=dict)
    """The runs that are alive, by plan and step."""


def render(present: Present) -> str:
    """Write everything in the Prometheus text format."""
    families = [*_daemon_state(present), *_plans(present), *_totals(present.totals)]
    if present.daemon is not None:
        families += _daemon(present.daemon)
    if present.machine is not None:
        families += _machine(present.machine)
    return expose([*families, *_runs(present.runs)])


def _daemon_state(present: Present) -> list[Family]:
    words = sorted(set(present.problems))
    return [
        gauge("orchestrd_info", "Which version this is.", ({"version": present.version}, 1)),
        gauge(
            "orchestrd_state",
            "1 for the state that the daemon is in.",
            *(({"state": state}, int(state == present.state)) for state in STATES),
        ),
        _single("start_time_seconds", "When the daemon was started, since 1970.", present.started),
        _single("heartbeat_time_seconds", "When the daemon was last alive, since 1970.", present.heartbeat),
        gauge(
            "orchestrd_problem", "1 for each thing that is wrong.", *(({"word": word}, 1) for word in words)
        ),
        _single("ignored_files", "Files in the lanes that are left alone.", present.ignored),
    ]


def _plans(present: Present) -> list[Family]:
    return [
        gauge("orchestrd_plans", "Plans in work.", *_by("state", present.plans)),
        _single("max_parallel_runs", "How many runs there may be at once.", present.max_parallel),
        counter(
            "orchestrd_plans_settled_total", "Plans that have a result.", *_by("status", present.settled)
        ),
    ]


def _totals(totals: Totals) -> list[Family]:
    tokens = {
        "input": totals.input_tokens,
        "output": totals.output_tokens,
        "cache_read": totals.cache_read_tokens,
        "cache_write": totals.cache_write_tokens,
    }
    return [
        _total("runs_ended_total", "Runs that have ended.", totals.runs),
        _total("cost_usd_total", "US dollars, of runs that have ended.", totals.cost_usd),
        _total("turns_total", "Turns of the model, of runs that have ended.", totals.turns),
        counter("orchestrd_tokens_total", "Tokens, of runs that have ended.", *_by("kind", tokens)),
        _total("runs_cpu_seconds_total", "CPU time of runs that have ended.", totals.cpu_seconds),
    ]


def _daemon(usage: DaemonUsage) -> list[Family]:
    return [
        _total("daemon_cpu_seconds_total", "CPU time of the daemon.", usage.cpu_seconds),
        _single("daemon_resident_memory_bytes", "Resident memory of the daemon.", usage.memory_bytes),
        _single("daemon_threads", "Threads of the daemon.", usage.threads),
        _single("daemon_open_fds", "Descriptors that the daemon has open.", usage.open_files),
    ]


def _machine(usage: MachineUsage) -> list[Family]:
    return [
        _single("machine_cores", "Cores of the machine.", usage.cores),
        _single("machine_busy_cores", "How many cores are busy.", _cores(usage.cpu_percent)),
        _single("machine_memory_total_bytes", "Memory of the machine.", usage.memory_total_bytes),
        _single("machine_memory_available_bytes", "Memory to be had.", usage.memory_available_bytes),
        _single("machine_load", "Load over a minute.", usage.load),
        gauge(
            "orchestrd_machine_pressure_ratio",
            "Part of the last 10 s in which something waited for it.",
            *(({"resource": name}, round(value / 100, 6)) for name, value in usage.pressure),
        ),
    ]


def _runs(runs: Mapping[tuple[str, str], TreeUsage]) -> list[Family]:
    labelled = [({"plan": plan, "step": step}, usage) for (plan, step), usage in sorted(runs.items())]

    def each(value: str) -> list[tuple[Labels, Value]]:
        return [(labels, getattr(usage, value)) for labels, usage in labelled]

    return [
        counter("orchestrd_run_cpu_seconds_total", "CPU time of a run's process tree.", *each("cpu_seconds")),
        gauge(
            "orchestrd_run_busy_cores",
            "How many cores a run's process tree keeps busy.",
            *((labels, _cores(usage.cpu_percent)) for labels, usage in labelled),
        ),
        gauge("orchestrd_run_resident_memory_bytes", "Resident memory, summed.", *each("memory_bytes")),
        gauge("orchestrd_run_proportional_memory_bytes", "Memory, what is shared once.", *each("pss_bytes")),
        counter("orchestrd_run_read_bytes_total", "Read from disks.", *each("read_bytes")),
        counter("orchestrd_run_written_bytes_total", "Written to disks.", *each("written_bytes")),
        gauge("orchestrd_run_processes", "Processes of a run.", *each("processes")),
        gauge("orchestrd_run_threads", "Threads of a run.", *each("threads")),
    ]


def _single(name: str, help: str, value: Value) -> Family:  # noqa: A002 - the format's word
    return gauge(f"orchestrd_{name}", help, (NO_LABELS, value))


def _total(name: str, help: str, value: Value) -> Family:  # noqa: A002 - the format's word
    return counter(f"orchestrd_{name}", help, (NO_LABELS, value))


def _by(label: str, values: Mapping[str, int]) -> list[tuple[Labels, Value]]:
    return [({label: name}, value) for name, value in sorted(values.items())]


def _cores(cpu_percent: float | None) -> float | None:
    return None if cpu_percent is None else round(cpu_percent / 100, 4)
