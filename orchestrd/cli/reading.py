"""Looking at plans and their runs: ps, ls, show, logs. Reads the root and prints; nothing is changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrd.cli.calling import Call, Complaint, plan_named, show_json
from orchestrd.views.present import read_daemon, read_more, read_plans
from orchestrd.views.words import how_long, one_line, plain, read_time, table, until

if TYPE_CHECKING:
    from handoff.root import Root
    from orchestrd.views.present import Daemon

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
Plan = Annotated[str, typer.Argument(metavar="ID", help="The plan's id.", show_default=False)]
LOOK_SECONDS = 0.2
MOST_AT_ONCE = 1000
"""Lines that are printed at a time."""
MOST_IGNORED = 10
MOST_LINES = 200
"""So many lines of each output of a command are shown on a terminal."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (ps, ls, show, logs):
        app.command()(command)


def ps(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what runs and what waits, and for what."""
    from orchestrd.views.request_names import request_names

    root = context.obj.root
    daemon = read_daemon(root)
    found, more = read_plans(root), read_more(root)
    if as_json:
        stalled = {} if daemon.stalled_pid is None else {"stalled_pid": daemon.stalled_pid}
        show_json({"daemon": daemon.status | {"alive": daemon.alive} | stalled, "plans": found})
        return
    why = f" ({plain(daemon.status['why'])})" if daemon.alive and daemon.status.get("why") else ""
    print(f"daemon: {daemon.state}{why}, root {root.path}")
    if daemon.alive:
        _tell_daemon(daemon)
    elif daemon.stalled_pid is not None:
        print(f"  ! {daemon.remedy}")
    if found:
        head = ("ID", "STATE", "SINCE", "WAITING FOR / LAST WORDS", "TURNS", "COST", "BILLED")
        print(table([_row(root, plan, found) for plan in found], head))
    else:
        print("no plans in work")
    if more:
        print(f"and {more} more")
    asked = len(request_names(root))
    if asked:
        print(
            f"{asked} requests wait" if asked > 1 else "1 request waits", "for an answer: orchestrd requests"
        )


def ls(
    context: typer.Context,
    as_json: AsJson = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="At most so many, the newest first.", min=1)
    ] = 20,
) -> None:
    """List plans, the newest first."""
    from orchestrd.cli.listing import list_plans

    rows = list_plans(context.obj.root, limit)
    if as_json:
        show_json(rows)
    elif rows:
        head = ("ID", "STATUS", "SETTLED", "COST", "TITLE")
        print(table([_listed(row) for row in rows], head))
    else:
        print("no plans yet; hand one in: orchestrd submit FILE")


def show(context: typer.Context, plan: Plan, as_json: AsJson = False) -> None:
    """Show a plan: its result, or where it stands."""
    from orchestrd.views.looking import read_result
    from orchestrd.views.page import page_of_result, page_of_work

    root = context.obj.root
    plan_id = plan_named(root, plan)
    result = read_result(root, plan_id)
    if result is not None:
        if as_json:
            show_json(result)
        else:
            print(page_of_result(root, plan_id, result))
        return
    plans = read_plans(root)
    # What was taken just now, or is one of very many, is not among those that the daemon has told of.
    place = "accepted" if root.plan_folder(plan_id).is_dir() else "offered"
    work = next((one for one in plans if one.get("id") == plan_id), {"id": plan_id, "state": place})
    if as_json:
        show_json(work)
    else:
        print(page_of_work(root, plan_id, work, plans))


def logs(
    context: typer.Context,
    plan: Annotated[
        str | None, typer.Argument(metavar="ID", help="A plan; none: the daemon.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="The daemon's last so many lines.", min=0)] = 50,
    whole: Annotated[
        bool,
        typer.Option(
            "--all", help="All that commands printed, on a terminal too; else its end is shown there."
        ),
    ] = False,
) -> None:
    """Show what Claude said and did for a plan. Without one: the daemon's own log."""
    if plan is None:
        from orchestrd.cli.daemon_log import tell_log

        for line in tell_log(context.obj.root_path, lines, follow=follow):
            print(line, flush=follow)
        return
    most_lines = MOST_LINES if sys.stdout.isatty() and not whole else None
    told = _tell_plan(context.obj, plan, follow=follow, most_lines=most_lines)
    # Whoever follows reads each line as it comes; of a long log that is over each would be a call of the system.
    while batch := list(islice(told, 1 if follow else MOST_AT_ONCE)):
        print("\n".join(batch), flush=follow)


def _tell_plan(call: Call, text: str, *, follow: bool, most_lines: int | None) -> Iterator[str]:
    from orchestrd.views.following import Streams
    from orchestrd.views.looking import read_result

    root = call.root
    plan = plan_named(root, text)
    streams = Streams(root, plan, most_lines=most_lines)
    told = False
    while True:
        # Looked at before the streams are read: what was written before the result is then not missed.
        result = read_result(root, plan)
        for line in streams.fresh():
            told = True
            yield line
        if result is not None or not follow:
            break
        time.sleep(LOOK_SECONDS)
    if told:
        return
    if result is None:
        raise Complaint(f"{plan}: nothing has run yet", 1)
    ending = plain(result.get("status")) + (f" ({plain(result['reason'])})" if result.get("reason") else "")
    raise Complaint(f"{plan}: nothing ran: {ending}; `orchestrd show {plan}` says more", 1)


def _tell_daemon(daemon: Daemon) -> None:
    """Print what was spent today where that is capped, what troubles it, what lies in the lanes and is left there."""
    from orchestrd.views.money import spent_today

    for line in spent_today(daemon.status):
        print(f"  {line}")
    for problem in daemon.status.get("problems", []):
        print(f"  ! {plain(problem.get('message'))} — {plain(problem.get('remedy'))}")
    ignored = daemon.status.get("ignored", [])
    for one in ignored[:MOST_IGNORED]:
        print(f"  ignored: {one_line(one.get('file'), 60)} — {plain(one.get('why'))}")
    if len(ignored) > MOST_IGNORED:
        print(f"  and {len(ignored) - MOST_IGNORED} more that are ignored; see status/daemon.toml")


def _row(root: Root, plan: dict[str, Any], all_plans: list[dict[str, Any]]) -> tuple[str, ...]:
    from orchestrd.outbound.words import BILLED
    from orchestrd.views.looking import asked_of, waits_for
    from orchestrd.views.steps import step_name

    runs = plan.get("runs") or []
    now, since, free = datetime.now(UTC), read_time(plan.get("since")), read_time(plan.get("until"))
    waiting = waits_for(root, plan, all_plans)
    words = [waiting.partition(" (")[0]] if waiting else []
    words += [f"asks {name}" for name, _ in asked_of(plan)]
    words += [until(free, now)] if free else []
    for run in runs:
        # Of several steps it matters which is at work, also before it has said anything.
        said = [part for part in (step_name(run.get("step")), str(run.get("last_words") or "")) if part]
        words += [": ".join(said)] if said else []
    turns = sum(int(run.get("turns") or 0) for run in runs)
    cost, payer = plan.get("cost_usd"), str(plan.get("payer") or "")
    return (
        str(plan.get("id")),
        str(plan.get("state")),
        how_long((now - since).total_seconds()) if since else "",
        one_line(" · ".join(words), 60 if runs else 110),
        str(turns) if turns else "",
        f"${float(cost):.2f}" if cost else "",
        plain(BILLED.get(payer, payer)),
    )


def _listed(row: dict[str, Any]) -> tuple[str, ...]:
    settled = read_time(row.get("settled"))
    cost = row.get("cost_usd")
    status = str(row.get("status") or row.get("state") or "")
    if row.get("reason") and row["reason"] != status:
        status += f" ({row['reason']})"
    return (
        str(row.get("id")),
        status,
        f"{settled.astimezone():%Y-%m-%d %H:%M}" if settled else "",
        f"${float(cost):.2f}" if cost else "",
        one_line(row.get("title") or "", 50),
    )
