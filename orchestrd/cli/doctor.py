"""What this machine has of what orchestrd needs: one finding a line, each with what to do about it.

It looks and starts nothing but `--version`s: no prompt is ever sent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrd.cli.calling import Call
from orchestrd.cli.doctor_desktop import examine_desktop
from orchestrd.cli.doctor_notify import examine_notify
from orchestrd.cli.finding import Finding
from orchestrd.views.present import read_daemon

if TYPE_CHECKING:
    from orchestrd.runs.claude import ClaudeCommand

OLDEST_GIT = (2, 17)
"""`git worktree remove` came with it."""
MERGING_GIT = (2, 38)
"""`git merge-tree` came with it."""
SPACE_WANTED = 2 << 30
WATCHES_WANTED = 1024


def examine(call: Call) -> list[Finding]:
    """Look at everything."""
    return [
        _python(),
        _git(),
        *_claude(call),
        _root(call),
        *_platform(),
        *_inotify(),
        _service(),
        *_space(call),
        examine_notify(call),
        *examine_desktop(),
    ]


def _python() -> Finding:
    return Finding("ok", "Python", f"{sys.version.split()[0]} ({sys.executable})")


def _git() -> Finding:
    path = shutil.which("git")
    if path is None:
        return Finding(
            "missing", "git", "not on PATH", "install git; without it plans run in place only, unmeasured"
        )
    words = _output(path, "--version").split()
    text = words[2] if len(words) > 2 else "?"
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if version < OLDEST_GIT:
        return Finding("missing", "git", f"{text} ({path})", "worktrees need git 2.17 or newer")
    if version < MERGING_GIT:
        remedy = "plans whose steps work side by side need git 2.38 or newer: it merges what they leave"
        return Finding("note", "git", f"{text} ({path})", remedy)
    return Finding("ok", "git", f"{text} ({path})")


def _claude(call: Call) -> Iterator[Finding]:
    from orchestrd.runs.claude import OLDEST_VERSION, ClaudeMissing, find_claude

    try:
        claude: ClaudeCommand = find_claude(call.config.claude.command, os.environ)
    except ClaudeMissing as error:
        yield Finding("missing", "Claude Code", error.message, error.remedy)
        return
    text = ".".join(str(part) for part in claude.version or ())
    found = f"{text or 'of unknown version'} ({claude.path}, by {claude.source})"
    if claude.version is None:
        yield Finding(
            "missing", "Claude Code", found, f"`{claude.path} --version` says nothing useful; install it anew"
        )
    elif claude.version < OLDEST_VERSION:
        oldest = ".".join(str(part) for part in OLDEST_VERSION)
        yield Finding(
            "note", "Claude Code", found, f"older than {oldest}, with which nothing was tried; update it"
        )
    else:
        yield Finding("ok", "Claude Code", found)
    yield _payer(call)


def _payer(call: Call) -> Finding:
    from handoff.result import Payer
    from orchestrd.runs.environment import foresee_payer, run_environment

    passed = run_environment(os.environ, env_pass=call.config.claude.env_pass, api_retries=0)
    payer = foresee_payer(passed)
    if payer is Payer.NOBODY:
        return Finding(
            "missing", "billed", "nobody: there is no login and no key", "run `claude` once and /login"
        )
    if payer is Payer.API_KEY and _has_subscription(passed):
        remedy = "there is a subscription's login too; unset ANTHROPIC_API_KEY to have that one used"
        return Finding("note", "billed", "the API key, for every run", remedy)
    return Finding(
        "ok",
        "billed",
        {Payer.API_KEY: "the API key", Payer.CLOUD: "the cloud account"}.get(payer, "the subscription"),
    )


def _has_subscription(passed: dict[str, str]) -> bool:
    from handoff.result import Payer
    from orchestrd.runs.environment import foresee_payer

    keys = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    return (
        foresee_payer({name: value for name, value in passed.items() if name not in keys})
        is Payer.SUBSCRIPTION
    )


def _root(call: Call) -> Finding:
    from handoff.root import RootError, open_root

    path = call.root_path
    if not path.exists():
        return Finding("note", "root", f"{path}: not there yet", "orchestrd init (serve makes it too)")
    try:
        root = open_root(path)
    except RootError as error:
        return Finding("missing", "root", f"{error.where}: {error.what}", error.remedy)
    daemon = read_daemon(root)
    if daemon.alive:
        return Finding("ok", "root", f"{path}, served by pid {daemon.status.get('pid')} ({daemon.state})")
    if daemon.stalled_pid is not None:
        return Finding("missing", "root", f"{path}, its daemon is {daemon.state}", daemon.remedy)
    return Finding(
        "note", "root", f"{path}, served by nobody", "orchestrd serve, or orchestrd service install"
    )


def _platform() -> Iterator[Finding]:
    from handoff.platform import PLATFORM

    ways = (
        ("lease", "proof that a writer is done", "a file is taken after a longer quiet"),
        ("renameat2", "one-step moves", "moves take two steps"),
        ("pidfd", "exact signals", "pids are compared with start times"),
        ("subreaper", "orphans come to the runner", "orphans are found by a mark in their environment"),
        ("inotify", "told of changes", "the lanes are polled"),
    )
    absent = [f"{without}" for name, _, without in ways if not getattr(PLATFORM, name)]
    present = [what for name, what, _ in ways if getattr(PLATFORM, name)]
    yield Finding("ok", "platform", "; ".join(present) or "portable ways only")
    if absent:
        why = (
            "ORCHESTRD_PORTABLE is set"
            if os.environ.get("ORCHESTRD_PORTABLE")
            else "this system has no other way"
        )
        yield Finding("note", "platform", "; ".join(absent), why)


def _inotify() -> Iterator[Finding]:
    try:
        watches = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
        instances = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text("ascii"))
    except (OSError, ValueError):
        return
    if watches < WATCHES_WANTED or instances < 16:
        remedy = "raise fs.inotify.max_user_watches and max_user_instances by sysctl, or set [lanes] polling = true"
        yield Finding("note", "inotify", f"{watches} watches, {instances} instances", remedy)
    else:
        yield Finding("ok", "inotify", f"{watches} watches, {instances} instances")


def _service() -> Finding:
    from orchestrd.service import ServiceError, service_manager

    try:
        runs, lines = service_manager().status()
    except ServiceError as error:
        return Finding("note", "service", "cannot be asked", str(error))
    if runs:
        return Finding("ok", "service", "; ".join(lines[:1] + lines[-1:]))
    return Finding("note", "service", "does not run", lines[0])


def _space(call: Call) -> Iterator[Finding]:
    from orchestrd.config import state_folder

    for what, path in (("space: root", call.root_path), ("space: checkouts", state_folder())):
        there = path
        while not there.exists():
            there = there.parent
        free = shutil.disk_usage(there).free
        found = f"{free / (1 << 30):.1f} GiB free at {there}"
        yield (
            Finding("ok", what, found)
            if free >= SPACE_WANTED
            else Finding("note", what, found, "make some room")
        )


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
