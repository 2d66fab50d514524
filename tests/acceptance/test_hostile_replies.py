"""Hostile answers and orders: each is refused as the protocol says, and nothing is written outside."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from handoff.formats import Format, read_document
from handoff.request import DocsRequest, ReplyProblem
from tests.acceptance.stage import drop_plan, git, orders
from tests.faults.fingerprints import fingerprint
from tests.serving import Serving
from tests.waiting import wait_until

WRITE_TO = ["docs/**", "linked/**"]


def under(path: str) -> str:
    """An answer that names a file."""
    return f"<!-- file: {path} -->\n# A text\n"


ANSWERS: dict[str, str | bytes] = {
    "up": under("../x.md"),
    "down and up": under("docs/../../x.md"),
    "up inside": under("docs/../docs/x.md"),
    "absolute": under("/tmp/x.md"),
    "home": under("~/x.md"),
    "a drive": under("C:/x.md"),
    "backslashes": under("docs\\..\\..\\x.md"),
    "a hook": under(".git/hooks/post-commit"),
    "git below": under("docs/.git/config"),
    "git in capitals": under("docs/.GIT/config"),
    "git as NTFS shortens it": under("docs/GIT~1/config"),
    "git as NTFS cuts it": under("docs/.git. ./config"),
    "git as HFS reads it": under("docs/.g\u200cit/config"),
    "a stream": under("docs/.git::$INDEX_ALLOCATION/config"),
    "through a linked folder": under("linked/x.md"),
    "over a link": under("docs/link.md"),
    "over a folder": under("docs/folder"),
    "below a file": under("docs/file.md/x.md"),
    "an unknown file": under("src/x.md"),
    "settings": under(".claude/settings.json"),
    "no name": under(""),
    "a long name": under("docs/" + "x" * 300 + ".md"),
    "a deep name": under("docs/" + "x/" * 600 + "x.md"),
    "an escape in the name": under("docs/\x1b[2J.md"),
    "a turned name": under("docs/\u202edm.x"),
    "one file twice": under("docs/x.md") * 2,
    "a file and a folder": under("docs/x") + under("docs/x/y.md"),
    "one of two outside": under("docs/x.md") + under("../x.md"),
    "text before": "Sure!\n" + under("docs/x.md"),
    "no file": "# A text\n",
    "an empty document": under("docs/x.md") + "<!-- file: docs/y.md -->\n",
    "thousands": under("docs/x.md") * 20_000,
    "NUL": under("docs/x.md") + "\x00",
    "binary": os.urandom(64) + b"\xff\xfe",
    "no UTF-8": under("docs/x.md").encode() + b"\xc3(",
    "5 MB": b"x" * 5_000_000,
}


def by_everybody(lane: Path, name: str) -> None:
    temporary = lane / f".{name}"
    temporary.write_text(under("docs/x.md"))
    temporary.chmod(0o666)
    temporary.rename(lane / name)


def twice(lane: Path, name: str) -> None:
    temporary = lane / f".{name}"
    temporary.write_text(under("docs/x.md"))
    os.link(temporary, lane / name)


BAD_FILES: dict[str, Callable[[Path, str], None]] = {"writable by everybody": by_everybody, "twice": twice}


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(path.parent)  # for its name may be longer than a socket's may be
        try:
            listening.bind(path.name)
        finally:
            os.chdir(here)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "linked.docs.md": lambda path: path.symlink_to("/etc/hostname"),
    "fifo.docs.md": os.mkfifo,
    "folder.docs.md": Path.mkdir,
    "socket.docs.md": a_socket,
    "unknown.docs.md": lambda path: drop(path, under("docs/x.md")),
    "hello.md": lambda path: drop(path, under("docs/x.md")),
    "api.docs.txt": lambda path: drop(path, under("docs/x.md")),
}
"""What is left where it lies, and shown."""

OF_OTHERS = (
    "other.docs.md",
    "other.main.1.1.approval.toml",
    "API.docs.md",
    "api.DOCS.md",
    "api.main.9.9.question.json",
)
"""Answers of which no request is open."""

ORDERS: dict[str, str | bytes] = {
    "up.toml": 'action = "cancel"\nplan = "../../etc"',
    "absolute.toml": 'action = "retry"\nplan = "/etc/passwd"',
    "nul.toml": 'action = "retry"\nplan = "a\\u0000b"',
    "no-action.toml": 'plan = "api"',
    "odd.json": '{"action": "explode"}',
    "more.toml": 'action = "cancel"\nplan = "api"\nrun = ["rm", "-rf", "/"]',
    "no-toml.toml": "action = [",
    "binary.json": b"\x00\xff\xfe",
    "large.toml": b'action = "drain"\n# ' + b"x" * 5_000_000,
    "deep.json": "[" * 100_000,
}


def drop(path: Path, content: str | bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.rename(path)


def problem(here: Serving) -> ReplyProblem | None:
    return read_document(
        DocsRequest, (here.root.requests / "api.docs.md").read_bytes(), Format.MARKDOWN
    ).problem


def refused_after(here: Serving, before: ReplyProblem | None, what: str) -> ReplyProblem:
    """Wait for another problem of the request."""

    def told() -> ReplyProblem | None:
        found = problem(here)
        return found if found is not None and found != before else None

    return wait_until(told, 15, f"a problem, of {what}; the daemon said: {here.said()}")


def test_every_one_of_them_is_refused_and_nothing_is_written_outside(
    here: Serving, project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.md").write_text("not yours\n")
    (project / "docs/folder").mkdir(parents=True)
    (project / "docs/folder/x.md").write_text("x\n")
    (project / "docs/file.md").write_text("x\n")
    (project / "docs/link.md").symlink_to(outside / "file.md")
    (project / "linked").symlink_to(outside)
    git(project, "add", "-A")
    git(project, "-c", "user.name=Ann", "-c", "user.email=ann@localhost", "commit", "-q", "-m", "Links")
    here.start(LANES__PATIENCE_SECONDS="0.5", LANES__SCAN_SECONDS="0.25")
    drop_plan(here, "api", project, "[write work.txt done]", docs={"request": True, "write_to": WRITE_TO})
    drop_plan(here, "other", project, "[write work.txt done]")
    for plan in ("api", "other"):
        wait_until(lambda plan=plan: list(here.root.archive.glob(f"*/{plan}")), 15, "it to be archived")  # type: ignore[misc]
    head = git(project, "rev-parse", "handoff/api")
    before = [fingerprint(place) for place in (project, outside)]

    last = None
    for what, content in ANSWERS.items():
        here.reply("api.docs.md", content)
        last = refused_after(here, last, what)
    for what, make in BAD_FILES.items():
        make(here.root.replies, "api.docs.md")
        last = refused_after(here, last, what)
        assert last.message.startswith("the file "), what
    for name, make_it in NO_FILES.items():
        make_it(here.root.replies / name)
    for name in OF_OTHERS:
        drop(here.root.replies / name, 'decision = "allow"\n')
    for name, order in ORDERS.items():
        drop(here.root.control / name, order)

    wait_until(lambda: len(orders(here)) == len(ORDERS), 15, f"the orders to be told of; {here.said()}")
    shown = wait_until(
        lambda: (
            (found := here.status("daemon").get("ignored", [])) and len(found) == len(NO_FILES) + 1 and found
        ),
        15,
        "what is left to be shown",
    )
    folders = {plan: here.plan_folder(plan) / "replies" for plan in ("api", "other")}
    wait_until(
        lambda: len(os.listdir(folders["api"])) == len(ANSWERS) + len(BAD_FILES) + 2, 10, "all to be kept"
    )
    wait_until(lambda: len(os.listdir(folders["other"])) == 2, 10, "those of the other plan to be kept")
    assert {one["file"] for one in shown} == {f"replies/{name}" for name in (*NO_FILES, "API.docs.md")}
    assert {one["outcome"] for one in orders(here)} == {"refused"}
    assert [fingerprint(place) for place in (project, outside)] == before
    assert git(project, "rev-parse", "handoff/api") == head
    assert not (tmp_path / "x.md").exists()
    assert len(ANSWERS) + len(BAD_FILES) + len(NO_FILES) + len(OF_OTHERS) + len(ORDERS) > 40
    assert all(
        (here.root.replies / name).exists() or (here.root.replies / name).is_symlink() for name in NO_FILES
    )

    here.reply("api.docs.md", under("docs/file.md"))
    docs = wait_until(
        lambda: (found := here.result("api")["docs"]) and found.get("reply") and found, 10, "a good one"
    )
    assert git(project, "show", f"{docs['commit']}:docs/file.md") == "# A text"
