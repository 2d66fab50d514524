"""`orchestrd rehearse PLAN`: any plan with the real Claude Code and a scripted model, on a copy of its project."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from handoff.client import submit
from handoff.formats import Format, dump, read_document
from handoff.plan import Plan
from handoff.root import PlanId, plan_id_of
from orchestrd.config import Config, config_file
from orchestrd.inbound.intake import Accepted, check_plan
from orchestrd.rehearsal import ScriptError, load_script
from orchestrd.runs.git import GitFailed, GitMissing, run_git
from orchestrd.stage import Stage, StageBroken, set_stage
from orchestrd.story import follow_plan
from orchestrd.views.looking import read_result
from orchestrd.views.page import page_of_result
from orchestrd.views.words import plain


def rehearse_plan(file: Path, script: Path | None, config: Config, *, keep: bool, as_json: bool) -> int:
    """Rehearse the plan in `file`; returns the exit code: 0 succeeded, 1 otherwise, 2 for a plan that is no good.

    The copy, the root and what else was needed are removed unless `keep`.
    """
    try:
        raw = file.read_bytes()
        wanted = load_script(script) if script else None
    except (OSError, ScriptError) as error:
        print(f"orchestrd: {plain(error)}", file=sys.stderr)
        return 2
    plan = plan_id_of(file.name)
    accepted = check_plan(raw, Format.of(file.name), plan, config.limits)
    if not isinstance(accepted, Accepted):
        for fault in accepted.errors:
            print(f"{file}:{fault.line or ''}: {fault.path}: {fault.message} — {fault.hint}", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="orchestrd-rehearsal-")).resolve()
    try:
        project = _copy_project(accepted.project, folder / "project", in_place=accepted.in_place)
        content = dump(_moved(read_document(Plan, raw, Format.of(file.name)), project), Format.TOML)
        with set_stage(folder, wanted, config.claude.command, _settings()) as stage:
            seconds = (accepted.plan.limits.timeout or config.limits.timeout) * 4
            result = _run(stage, content, plan, seconds, quiet=as_json)
            if as_json:
                print(json.dumps(result, indent=2, ensure_ascii=False, default=str))
            else:
                print(page_of_result(stage.root, plan, result))
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


def _run(stage: Stage, content: bytes, plan: PlanId, seconds: float, *, quiet: bool) -> dict[str, Any]:
    submit(stage.root, content, f"{plan}.toml")
    for line in follow_plan(stage.root, plan, seconds, stage.daemon):
        if not quiet:
            print(line, flush=True)
    return read_result(stage.root, plan) or {}


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
