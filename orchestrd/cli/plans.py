"""Handing a plan in, checking one before, waiting for its result."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrd.cli.calling import Call, Complaint, plan_named, show_json, warn_when_nobody_serves
from orchestrd.cli.refusing import MAX_PLAN_BYTES, line_of, tell_errors
from orchestrd.views.present import read_plans
from orchestrd.views.words import how_long, one_line, plain, read_time, until

if TYPE_CHECKING:
    from handoff.root import PlanId, Root

TIMED_OUT = 124
_TITLE = re.compile(rb"""(?:^|[{,])\s*"?title"?\s*[:=]\s*["']?([^"'\r\n]+)""", re.MULTILINE)

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A plan: .toml, .json or .md; - is standard input.", show_default=False
    ),
]
Plan = Annotated[str, typer.Argument(metavar="ID", help="The plan's id.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (submit, wait, check):
        app.command()(command)


def submit(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A plan: .toml, .json or .md; - is standard input. None with --workflow.",
            show_default=False,
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Make the plan of this workflow.", show_default=False),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A parameter of it; @FILE: what FILE holds."
        ),
    ] = None,
    project: Annotated[
        Path | None, typer.Option(help="The project of it; none: this folder.", show_default=False)
    ] = None,
) -> None:
    """Hand a plan in and print its id."""
    from handoff.client import is_known
    from handoff.client import submit as hand_in
    from handoff.root import plan_id_of

    call: Call = context.obj
    if (file is None) == (workflow is None):
        raise Complaint("a plan is a FILE, or made of a --workflow: give one of them")
    if file is not None and (params or project):
        raise Complaint("--param and --project belong to --workflow; a FILE says such things itself")
    root = call.root
    if workflow is not None:
        raw, name = _plan_of_workflow(call, workflow, params or [], project or Path())
    else:
        raw, name = read_plan(str(file))
    # Where the id is free, the file's own name gives it; otherwise something random makes it certain.
    unique = workflow is not None or file == "-" or is_known(root, plan_id_of(name))
    print(hand_in(root, raw, name, unique=unique))
    warn_when_nobody_serves(root)


def _plan_of_workflow(call: Call, workflow: str, params: list[str], project: Path) -> tuple[bytes, str]:
    """Write the plan, and check it as the daemon will: what it would refuse is not handed in."""
    from handoff.formats import Format
    from handoff.root import plan_id_of
    from orchestrd.cli.workflows import plan_of_workflow
    from orchestrd.inbound.intake import Refused, check_plan

    raw, name = plan_of_workflow(call.library, workflow, params, project)
    found = check_plan(raw, Format.of(name), plan_id_of(name), call.config.limits, call.library)
    if isinstance(found, Refused):
        # Nobody has seen the lines of this plan.
        tell_errors(f"--workflow {workflow}", [replace(error, line=None) for error in found.errors])
        raise typer.Exit(2)
    return raw, name


def wait(
    context: typer.Context,
    plan: Plan,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds; without it: as long as it takes.", min=0)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Wait for a plan's result. Exit 0 succeeded, 1 any other ending, 2 unknown id, 124 timed out."""
    from orchestrd.views.looking import read_result

    root = context.obj.root
    plan_id = plan_named(root, plan)
    deadline = None if timeout is None else time.monotonic() + timeout
    progress = _Progress()
    while (result := read_result(root, plan_id)) is None:
        if deadline is not None and time.monotonic() >= deadline:
            progress.clear()
            raise Complaint(f"{plan_id}: no result after {how_long(timeout or 0)}", TIMED_OUT)
        progress.show(root, plan_id)
        time.sleep(0.05)
    progress.clear()
    if as_json:
        show_json(result)
    else:
        reason = f" ({result['reason']})" if result.get("reason") else ""
        print(f"{plan_id}: {result['status']}{reason}")
    raise typer.Exit(0 if result["status"] == "succeeded" else 1)


def check(
    context: typer.Context,
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="The errors as JSON.")] = False,
) -> None:
    """Check a plan without handing it in. The errors are those that a refusal would name; exit 0 or 2."""
    from handoff.formats import Format
    from orchestrd.inbound.intake import Refused, check_plan

    call: Call = context.obj
    raw, name = read_plan(file)
    found = check_plan(raw, Format.of(name), _id_to_be(call, name), call.config.limits, call.library)
    errors = sorted(found.errors, key=line_of) if isinstance(found, Refused) else []
    if as_json:
        fields = ("path", "line", "message", "hint")
        show_json(
            {
                "accepted": not errors,
                "errors": [{one: getattr(error, one) for one in fields} for error in errors],
            }
        )
    else:
        tell_errors(file, errors)
    if isinstance(found, Refused):
        raise typer.Exit(2)
    if not as_json:
        print(f"{file}: a valid plan for {plain(found.project)}")


def _id_to_be(call: Call, name: str) -> PlanId:
    """Foresee the id that a plan would get: another one than its file's name says where the root has had that."""
    from handoff.client import foresee
    from handoff.root import RootError, plan_id_of

    try:
        return foresee(call.root, name)
    except RootError:
        return plan_id_of(name)


def read_plan(file: str) -> tuple[bytes, str]:
    """Return a plan's bytes and the name under which it would be handed in."""
    from handoff.root import kind_of

    if file == "-":
        raw = sys.stdin.buffer.read(MAX_PLAN_BYTES + 1)
        _check_size(raw, "standard input")
        return raw, f"{_name_from(raw)}{_ending_of(raw)}"
    try:
        with open(file, "rb") as opened:
            raw = opened.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise Complaint(f"{plain(file)}: {error.strerror}") from error
    _check_size(raw, file)
    name = Path(file).name
    if not kind_of(name).is_document:
        raise Complaint(
            f"{plain(file)}: the name of a plan ends in .toml, .json or .md and begins with no dot"
        )
    return raw, name


def _check_size(raw: bytes, what: str) -> None:
    if not raw.strip():
        raise Complaint(f"{plain(what)}: empty")
    if len(raw) > MAX_PLAN_BYTES:
        raise Complaint(f"{plain(what)}: larger than 1 MiB; a plan names large things, it does not hold them")


def _ending_of(raw: bytes) -> str:
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return ".json"
    return ".md" if start.startswith((b"+++", b"---")) else ".toml"


def _name_from(raw: bytes) -> str:
    from handoff.root import plan_id_of

    found = _TITLE.search(raw)
    return str(plan_id_of(found[1].decode("utf-8", "replace")))[:60].rstrip("-") if found else "plan"


class _Progress:
    """One line on a terminal that says what a plan is doing; nothing where no person looks."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._next = 0.0
        self._began = time.monotonic()

    def show(self, root: Root, plan: PlanId) -> None:
        """Say it again, twice a second at most."""
        if not self._wanted or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.5
        found: dict[str, Any] = next((one for one in read_plans(root) if one.get("id") == plan), {})
        words = [str(found.get("state", "offered"))]
        if found.get("waiting_for"):
            words.append(f"for {found['waiting_for']}")
            free = read_time(found.get("until"))
            words += [until(free, datetime.now(UTC))] if free else []
        words += [str(run["last_words"]) for run in found.get("runs", []) if run.get("last_words")]
        elapsed = how_long(time.monotonic() - self._began)
        sys.stderr.write(f"\r\x1b[K{plan}: {one_line(' · '.join((*words, elapsed)), 78 - len(plan))}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._wanted:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
