"""`orchestrd demo`: the whole way of a plan, as a story for somebody who sees it for the first time.

Everything is real but the model: Claude Code, git, the daemon, the files. It ends with exit 0 only if all that it told
was so.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from handoff.client import reply, submit
from handoff.root import PlanId, Root
from orchestrd.carried import carried
from orchestrd.rehearsal import load_script
from orchestrd.stage.stage import Stage, set_stage
from orchestrd.stage.story import follow_plan
from orchestrd.views.looking import plan_folder, read_result
from orchestrd.views.words import plain
from orchestrd.workspaces.git import GitFailed, GitMissing, run_git

PLAN_SECONDS = 120.0
ANSWER_SECONDS = 30.0
PLAN_NAME = "say-goodbye.plan.md"
_ADA = {"NAME": "Ada", "EMAIL": "ada@localhost"}


class NotSo(Exception):
    """Something that the story tells is not so."""


def tell() -> int:
    """Tell it; returns the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrd-demo-")).resolve()
    examples = carried("examples/demo")
    began = time.monotonic()
    try:
        project = _make_project(folder, examples / "project")
        with set_stage(folder, load_script(examples / "script.toml"), None) as stage:
            _tell_beginning(stage, project)
            plan, result = _tell_life(stage, examples, project)
            _tell_result(stage.root, plan, result)
            _tell_branch(project, result)
            _tell_request(stage.root, plan, result)
            _tell_document(stage, examples, project, plan, result)
    except (NotSo, TimeoutError, GitMissing, GitFailed) as error:
        print(f"\nThe demo failed: {plain(error)}\nWhat the daemon said lies in {folder}/daemon.log.")
        return 1
    _tell_end(folder, time.monotonic() - began)
    return 0


def _make_project(folder: Path, template: Path) -> Path:
    project = folder / "greeting"
    shutil.copytree(template, project, ignore=shutil.ignore_patterns("__pycache__"))
    # Not among the examples themselves: there it would hold for this repository too.
    (project / ".gitignore").write_text("__pycache__/\n", "utf-8")
    _git(project, "init", "--quiet", "--initial-branch=main")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", "A library that greets people")
    return project


def _tell_beginning(stage: Stage, project: Path) -> None:
    version = ".".join(str(part) for part in stage.claude.version or ()) or "of unknown version"
    print("A plan is dropped into a folder. The real Claude Code carries it out in a checkout of its own;")
    print(
        "a result and a request for documentation come back, and what answers that is committed on the same"
    )
    print(
        "branch. Only the model is a script on this machine: nothing is billed, nothing leaves it, and your own"
    )
    print("Claude configuration is not touched.")
    _head("What there is")
    print(f"  a project       {project}  (git, one commit)")
    print(f"  a folder        {stage.root.path}  (the handoff root)")
    print(f"  Claude Code     {version}, {stage.claude.path}")
    print(f"  the daemon      pid {stage.daemon.pid}, ready after {stage.started_seconds:.1f} s")


def _tell_life(stage: Stage, examples: Path, project: Path) -> tuple[PlanId, dict[str, Any]]:
    text = (examples / "add-farewell.plan.md").read_text("utf-8").replace("PROJECT", str(project))
    _head(f"The plan, as anybody may write one: inbox/{PLAN_NAME}")
    print(_quoted(text))
    _head("What becomes of it")
    plan = submit(stage.root, text, PLAN_NAME)
    for line in follow_plan(stage.root, plan, PLAN_SECONDS, stage.daemon):
        print(line, flush=True)
    result = read_result(stage.root, plan)
    if result is None:
        raise NotSo("there is no result")
    _demand(result.get("status") == "succeeded", f"the plan {result.get('status')}: {result.get('reason')}")
    return plan, result


def _tell_result(root: Root, plan: PlanId, result: dict[str, Any]) -> None:
    _head(f"The result: results/{plan}.toml (for programs) and results/{plan}.md (for you)")
    usage = result.get("usage", {})
    peak = usage.get("peak_memory_bytes", 0) / (1 << 20)
    print(f"  {result['status']}, {result.get('verdict')}")
    print(_quoted(str(result.get("summary", ""))))
    print(f"  would have cost ${usage.get('cost_usd', 0):.4f} in {usage.get('turns')} turns, ", end="")
    print(f"{usage.get('input_tokens')} tokens in, {usage.get('output_tokens')} out")
    print(f"  used {usage.get('cpu_seconds', 0):.1f} s of CPU and {peak:.0f} MiB of memory at most, ", end="")
    print(f"all its processes together, in {usage.get('wall_seconds', 0):.1f} s")
    for name in ("cost_usd", "turns", "output_tokens", "cpu_seconds", "peak_memory_bytes"):
        _demand(usage.get(name, 0) > 0, f"the result names no {name}")
    _demand((root.results / f"{plan}.md").is_file(), f"there is no results/{plan}.md")


def _tell_branch(project: Path, result: dict[str, Any]) -> None:
    changes = result.get("changes", {})
    branch = changes.get("branch", "")
    _head(f"The work: branch {branch} of the project; the project's own checkout is as it was")
    _demand(bool(branch) and changes.get("files_changed") == 2, "the branch does not change two files")
    print(_quoted(_git(project, "log", "--format=%h %an: %s", f"main..{branch}")))
    print(_quoted(_git(project, "diff", f"main...{branch}")))
    _demand("farewell" in _git(project, "show", f"{branch}:greeting.py"), "the branch has no farewell()")
    _demand(not _git(project, "status", "--porcelain").strip(), "the project's own checkout was changed")
    _demand(
        "farewell" not in (project / "greeting.py").read_text("utf-8"), "the project's own file was changed"
    )


def _tell_request(root: Root, plan: PlanId, result: dict[str, Any]) -> None:
    named = result.get("docs", {}).get("request", "")
    request = root.path / named
    _demand(bool(named) and request.is_file(), "there is no request for documentation")
    _head(f"The request for documentation, for whoever writes it (Claude Desktop, you): {named}")
    text = request.read_text("utf-8")
    told, mark, difference = text.partition("\n## The difference")
    print(_quoted(told))
    print("  │ … and the difference, as above")
    _demand(bool(mark) and "def farewell" in difference, "the request does not hold what was done")
    _demand(not root.plan_folder(plan).exists(), "the plan was not put into the archive")
    print(f"\n  every event, sample and word of the run: {plan_folder(root, plan)}")


def _tell_document(stage: Stage, examples: Path, project: Path, plan: PlanId, result: dict[str, Any]) -> None:
    text = (examples / "answer.docs.md").read_text("utf-8")
    _head(f"The answer, as Claude Desktop or you would write it: replies/{plan}.docs.md")
    print(_quoted(text))
    reply(stage.root, f"{plan}.docs.md", text)
    docs = _await_commit(stage, plan)
    branch = result["changes"]["branch"]
    _head(f"The document, committed on {branch} and named in the result; the request is gone")
    print(_quoted(_git(project, "log", "--format=%h %an: %s", f"main..{branch}")))
    print(_quoted(_git(project, "diff", "--stat", f"{docs['commit']}^", docs["commit"])))
    _demand(_git(project, "show", f"{branch}:README.md") == text, "the document is not on the branch")
    _demand(docs.get("files") == ["README.md"], "the result does not name the document")
    _demand(not (stage.root.requests / f"{plan}.docs.md").exists(), "the request is still there")


def _await_commit(stage: Stage, plan: PlanId) -> dict[str, Any]:
    """Wait until the result names the commit of the documents and the request is gone; return its `docs`."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline and stage.daemon.poll() is None:
        docs: dict[str, Any] = (read_result(stage.root, plan) or {}).get("docs", {})
        if docs.get("commit") and not (stage.root.requests / f"{plan}.docs.md").exists():
            return docs
        time.sleep(0.03)
    raise NotSo(f"the answer was not taken in {ANSWER_SECONDS:g} s")


def _tell_end(folder: Path, seconds: float) -> None:
    _head("All of that was so")
    print(f"  It took {seconds:.1f} s. Everything is left for you to look at in {folder}")
    print(f"  (when you have: rm -rf {folder}).")
    print("  Now with the real model: `orchestrd serve` in one terminal; in another, a plan of your own:")
    print(
        "  `orchestrd submit my.plan.md`, `orchestrd wait ID`, `orchestrd show ID`. README.md has one to copy."
    )
    print("  With Claude Desktop: `orchestrd desktop install`.")


def _head(text: str) -> None:
    print(f"\n── {text}", flush=True)


def _quoted(text: str) -> str:
    return "\n".join(f"  │ {line}".rstrip() for line in plain(text).strip().splitlines())


def _demand(so: bool, otherwise: str) -> None:  # noqa: FBT001 - a claim and its denial
    if not so:
        raise NotSo(otherwise)


def _git(project: Path, *words: str) -> str:
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _ADA.items()}
    return run_git(words, project, lock=None, extra=identity).decode("utf-8", "replace")
