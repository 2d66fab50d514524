from __future__ import annotations

import re

import pytest

from orchestrd.observe.exposition import expose, gauge
from orchestrd.observe.metrics import Present, Totals, render
from orchestrd.observe.usage import DaemonUsage, MachineUsage, TreeUsage

SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?P<labels>[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*)\})?'
    r" (?P<value>\S+)"
)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

TREE = TreeUsage(
    cpu_seconds=12.5,
    cpu_percent=150.0,
    memory_bytes=1 << 30,
    pss_bytes=None,
    read_bytes=4096,
    written_bytes=8192,
    processes=5,
    threads=17,
)


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The format as Prometheus reads it, strictly: HELP and TYPE once before a family's samples, no sample twice."""
    assert text.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    types: dict[str, str] = {}
    current = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in types, f"{current} comes twice"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            types[name] = kind
            assert (kind == "counter") == name.endswith("_total")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match["name"] == current
            pairs = LABEL.findall(match["labels"] or "")
            labels = frozenset((name, re.sub(r"\\.", lambda m: ESCAPED[m[0]], text)) for name, text in pairs)
            assert (current, labels) not in found
            found[current, labels] = float(match["value"])
    return found


def a_present(**fields: object) -> Present:
    some: dict[str, object] = {"version": "1.0", "state": "running", "started": 1e9, "heartbeat": 1e9 + 5}
    return Present(**{**some, **fields})  # type: ignore[arg-type]


def value(text: str, name: str, **labels: str) -> float | None:
    return parse(text).get((name, frozenset(labels.items())))


def test_everything_that_is_told_can_be_read_by_prometheus():
    text = render(
        a_present(
            plans={"waiting": 3, "running": 2},
            settled={"succeeded": 7, "failed": 1},
            problems=["space"],
            totals=Totals(
                runs=8, cost_usd=1.25, turns=40, input_tokens=100, output_tokens=200, cpu_seconds=60.5
            ),
            daemon=DaemonUsage(1.5, 0.1, 50_000_000, 6, 22),
            machine=MachineUsage(2, 50.0, 24 << 30, 20 << 30, 0.5, (("cpu", 12.5),)),
            runs={("api", "main"): TREE},
        )
    )

    assert value(text, "orchestrd_plans", state="waiting") == 3
    assert value(text, "orchestrd_plans_settled_total", status="succeeded") == 7
    assert value(text, "orchestrd_state", state="running") == 1
    assert value(text, "orchestrd_state", state="paused") == 0
    assert value(text, "orchestrd_problem", word="space") == 1
    assert value(text, "orchestrd_cost_usd_total") == 1.25
    assert value(text, "orchestrd_tokens_total", kind="output") == 200
    assert value(text, "orchestrd_daemon_open_fds") == 22
    assert value(text, "orchestrd_machine_busy_cores") == 0.5
    assert value(text, "orchestrd_machine_pressure_ratio", resource="cpu") == 0.125
    assert value(text, "orchestrd_run_cpu_seconds_total", plan="api", step="main") == 12.5
    assert value(text, "orchestrd_run_resident_memory_bytes", plan="api", step="main") == 1 << 30


def test_what_is_not_known_is_left_out_with_its_name():
    text = render(a_present(runs={("api", "main"): TREE}))

    assert "orchestrd_run_proportional_memory_bytes" not in text
    assert "orchestrd_daemon" not in text
    assert "orchestrd_problem" not in text


def test_an_idle_daemon_has_metrics_too():
    assert value(render(a_present()), "orchestrd_runs_ended_total") == 0


def test_two_runs_are_one_family():
    text = render(a_present(runs={("b", "main"): TREE, ("a", "main"): TREE}))

    assert value(text, "orchestrd_run_processes", plan="a", step="main") == 5
    assert value(text, "orchestrd_run_processes", plan="b", step="main") == 5


@pytest.mark.parametrize("text", ['a "quoted" one', "back\\slash", "two\nlines", "ä ∑", 'all\\"\n', "\\n"])
def test_labels_come_back_as_they_were(text: str):
    shown = expose([gauge("orchestrd_problem", "Help.", ({"word": text}, 1))])

    assert value(shown, "orchestrd_problem", word=text) == 1


def test_a_label_that_is_no_unicode_can_still_be_written():
    shown = expose([gauge("orchestrd_problem", "Help.", ({"word": "\udcff"}, 1))])

    assert value(shown, "orchestrd_problem", word=r"\udcff") == 1
    shown.encode("utf-8")


def test_help_stays_in_its_line():
    shown = expose([gauge("orchestrd_x", "two\nlines and a \\", ({}, 1.5))])

    assert shown == "# HELP orchestrd_x two\\nlines and a \\\\\n# TYPE orchestrd_x gauge\norchestrd_x 1.5\n"


@pytest.mark.parametrize(
    "number, shown",
    [(3, "3"), (0.1, "0.1"), (float("inf"), "+Inf"), (True, "1"), (1 << 53, "9007199254740992")],
)
def test_numbers_keep_their_value(number: float, shown: str):
    assert expose([gauge("orchestrd_x", "Help.", ({}, number))]).endswith(f"orchestrd_x {shown}\n")
