"""`orchestrd rehearse PLAN`: any plan with the real Claude Code and a scripted model, on a copy of its project."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handoff.client import submit
from handoff.document_error import FieldError
from handoff.formats import Format, dump, read_document
from handoff.plan import Plan
from handoff.root import plan_id_of
from orchestrd.config import Config, config_file
from orchestrd.inbound.intake import Accepted, check_plan
from orchestrd.rehearsal import load_script
from orchestrd.runs.library import library_of
from orchestrd.stage.person import Person
from orchestrd.stage.stage import Stage, StageBroken, set_stage
from orchestrd.stage.story import follow_plan
from orchestrd.views.looking import plan_folder, read_result
from orchestrd.views.page import page_of_rehearsal
from orchestrd.views.words import plain
from orchestrd.workspaces.git import GitFailed, GitMissing, run_git


class NoPlan(Exception):
    """What is to be rehearsed is no plan that would be carried out."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def rehearse_plan(
    raw: bytes, name: str, script: Path | None, config: Config, *, keep: bool, as_json: bool
) -> int:
    """Rehearse a plan; returns the exit code: 0 succeeded, 1 otherwise. Raises NoPlan and ScriptError.

    The copy, the root and what else was needed are removed unless `keep`.
    """
    wanted = load_script(script) if script else None
    plan = plan_id_of(name)
    file_format = Format.of(name)
    accepted = check_plan(raw, file_format, plan, config.limits, library_of(os.environ))
    if not isinstance(accepted, Accepted):
        raise NoPlan(accepted.errors)
    folder = Path(tempfile.mkdtemp(prefix="orchestrd-rehearsal-")).resolve()
    try:
        project = _copy_project(accepted.project, folder / "project", in_place=accepted.in_place)
        # A workflow of the project is made out before: the copy is a project that nobody trusts.
        written = accepted.plan if accepted.workflow else read_document(Plan, raw, file_format)
        content = dump(_moved(written, project), file_format)
        with set_stage(folder, wanted, config.claude.command, _settings()) as stage:
            seconds = (accepted.plan.limits.timeout or config.limits.timeout) * 4
            person = Person(
                stage.root, wanted.answers if wanted else (), is_there=sys.stdin.isatty() and not as_json
            )
            result = _run(stage, content, name, seconds, person, quiet=as_json)
            if as_json:
                print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
            else:
                kept = plan_folder(stage.root, plan) if keep else None
                print(f"\n{page_of_rehearsal(plan, result, kept)}")
                _show_diff(stage.root.path, result)
    except (StageBroken, TimeoutError, GitMissing, GitFailed) as error:
        said = error.last_line() if isinstance(error, GitFailed) else error
        print(f"orchestrd: {plain(said)}", file=sys.stderr)
        return 1
    finally:
        if keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if result.get("status") == "succeeded" else 1


def _run(
    stage: Stage, content: bytes, name: str, seconds: float, person: Person, *, quiet: bool
) -> dict[str, Any]:
    plan = submit(stage.root, content, name)
    for line in follow_plan(stage.root, plan, seconds, stage.daemon, person.look):
        if not quiet:
            print(line, flush=True)
    # The key that the run had is made up: nobody is billed for it.
    return (read_result(stage.root, plan) or {}) | {"payer": "nobody"}


def _moved(written: Plan, project: Path) -> Plan:
    """The plan on the copy, and at once: what it would wait for is not here."""
    return written.model_copy(
        update={"project": str(project), "key": None, "after": (), "not_before": None, "expires": None}
    )


def _settings() -> dict[str, str]:
    """The user's own settings hold in a rehearsal too, but for the root."""
    file = config_file()
    return {"ORCHESTRD_CONFIG": str(file)} if file.is_file() else {}


def _copy_project(project: Path, copy: Path, *, in_place: bool) -> Path:
    """Copy what the run would see; returns the project's place in the copy. No remote is left to push to."""
    if in_place:
        shutil.copytree(project, copy, symlinks=True)
        return copy
    top = Path(_git(project, "rev-parse", "--show-toplevel").strip())
    _git(top, "clone", "--quiet", "--no-hardlinks", "--", str(top), str(copy))
    _git(copy, "fetch", "--quiet", "--update-head-ok", "origin", "+refs/heads/*:refs/heads/*")
    _git(copy, "remote", "remove", "origin")
    return copy / project.relative_to(top)


def _show_diff(root: Path, result: dict[str, Any]) -> None:
    patch = (result.get("changes") or {}).get("patch")
    if patch and (root / patch).is_file():
        print()
        print(plain((root / patch).read_text("utf-8", "replace")).rstrip())


def _git(where: Path, *words: str) -> str:
    return run_git(words, where, lock=None).decode("utf-8", "replace")
