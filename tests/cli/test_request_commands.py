"""What waits for an answer, and answering it by hand: all of it files, with the daemon away."""

from __future__ import annotations

import json
import os
import pty
import shlex
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handoff.formats import Format, read_document
from handoff.request import ApprovalReply, AskedQuestion, Option, QuestionReply, ReplyProblem
from tests.requesting import a_docs_request, a_question, an_approval, ask
from tests.waiting import wait_until


@pytest.fixture
def root(orchestrd):
    assert orchestrd("init").code == 0
    return orchestrd.root


def reply_in(root: Path, model=ApprovalReply):
    (file,) = (root / "replies").iterdir()
    return read_document(model, file.read_bytes(), Format.of(file.name))


def text_in(root: Path) -> str:
    (file,) = (root / "replies").iterdir()
    return file.read_text()


# -- looking ------------------------------------------------------------------------------------------------------


def test_what_waits_is_listed_with_what_it_is_about_and_why_the_last_answer_did_not_fit(orchestrd, root):
    expires = datetime.now(UTC) + timedelta(hours=3)
    problem = ReplyProblem(reply="x.toml", time=datetime.now(UTC), message="`decision` is missing")
    approval = ask(root / "requests", an_approval(expires=expires, problem=problem))
    ask(root / "requests", a_question("other", step="choose"))
    ask(root / "requests", a_docs_request("third"))
    (root / "active/fix-login").mkdir()
    (root / "active/fix-login/accepted.json").write_text('{"title": "Fix the login"}')

    said = orchestrd("requests")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "PLAN", "STEP", "SINCE", "EXPIRES", "ABOUT"]
    line = next(line for line in lines if line.startswith(approval))
    assert "Fix the login: Bash: rm -rf build" in line
    assert "in 2 h 59 m" in line or "in 3 h 0 m" in line
    assert any("other" in line and "choose" in line and "Which colour?" in line for line in lines)
    assert any("third.docs.md" in line and "Operators need to know" in line for line in lines)
    assert f"  ! {approval}: the last answer did not fit: `decision` is missing" in lines


def test_what_waits_as_json_for_programs(orchestrd, root):
    assert json.loads(orchestrd("requests", "--json").out) == []
    name = ask(root / "requests", an_approval(), ending="json")

    (found,) = json.loads(orchestrd("requests", "--json").out)
    whole = json.loads(orchestrd("requests", name, "--json").out)

    assert (found["name"], found["kind"], found["plan"]) == (name, "approval", "fix-login")
    assert (root / "requests" / name).samefile(found["path"])
    assert whole["request"]["input_json"] == '{"command": "rm -rf build"}'


def test_nothing_waits(orchestrd, root):
    assert orchestrd("requests").out == "nothing waits for an answer\n"
    assert "for an answer" not in orchestrd("ps").out


def test_whoever_looks_what_runs_is_told_that_something_waits_for_them(orchestrd, root):
    ask(root / "requests", an_approval())
    assert "\n1 request waits for an answer: orchestrd requests\n" in orchestrd("ps").out
    ask(root / "requests", a_question())
    assert "\n2 requests wait for an answer: orchestrd requests\n" in orchestrd("ps").out


def test_an_approval_is_shown_whole_with_commands_to_copy(orchestrd, root):
    name = ask(
        root / "requests", an_approval(input_json=json.dumps({"file_path": "a", "content": "x\ny: z\n"}))
    )

    said = orchestrd("requests", "fix-login")

    assert "Tool: Bash" in said.out
    assert "Why it asks: It is not among what is allowed" in said.out
    assert "  file_path: a\n  content:\n    | x\n    | y: z\n" in said.out
    assert f"  orchestrd approve {name} --plan-wide\n" in said.out
    assert f"  orchestrd deny {name} --message " in said.out
    assert f"orchestrd --root {root} approve" in orchestrd("--root", str(root), "requests", name).out


def test_the_commands_to_copy_do_what_they_say(orchestrd, root):
    ask(root / "requests", an_approval())
    shown = orchestrd("requests", "fix-login").out
    command = next(line for line in shown.splitlines() if "--input" in line).partition("#")[0]

    assert orchestrd(*shlex.split(command)[1:]).code == 0

    assert json.loads(reply_in(root).input_json) == {"command": "rm -rf build"}


def test_what_could_drive_the_terminal_is_escaped_everywhere(orchestrd, root):
    evil = "\x1b]0;owned\x07\u202e"
    ask(
        root / "requests",
        an_approval(
            tool=f"B{evil}",
            description=evil,
            reason=f"a\n{evil}",
            rule=evil,
            input_json=json.dumps({evil: evil}),
        ),
    )
    question = AskedQuestion(id="q", text=evil, options=(Option(label=evil, description=evil),))
    ask(root / "requests", a_question("two", questions=(question,)))
    ask(root / "requests", a_docs_request("three", text=evil, about=evil, branch=evil))
    (root / "requests/\x1bfour.docs.md").write_text("no front matter")
    (root / "requests/five.odd.toml").write_text(evil)

    said = [orchestrd("requests")] + [
        orchestrd("requests", one) for one in ("fix-login", "two", "three", "five")
    ]
    said.append(orchestrd("approve", f"{evil}"))
    said.append(orchestrd("answer", "two"))

    for one in said:
        assert "\x1b" not in one.out + one.err
        assert "\x07" not in one.out + one.err
        assert "\u202e" not in one.out + one.err
    assert "\\x1b" in said[0].out


def test_what_cannot_be_read_is_listed_and_does_not_hide_the_rest(orchestrd, root):
    name = ask(root / "requests", an_approval())
    (root / "requests/broken.main.1.1.approval.toml").write_text("tool = ")
    (root / "requests/link.docs.md").symlink_to("/etc/passwd")
    (root / "requests/.new.docs.md.tmp").write_text("half")

    said = orchestrd("requests")

    assert name in said.out
    assert "! broken.main.1.1.approval.toml: cannot be read" in said.out
    assert "! link.docs.md: cannot be read: is a symbolic link" in said.out
    assert ".new" not in said.out
    assert orchestrd("approve", "broken").code == 2
    assert not list((root / "replies").iterdir())


# -- names --------------------------------------------------------------------------------------------------------


def test_a_request_is_named_by_its_beginning_or_by_its_plan_where_one_of_it_fits(orchestrd, root):
    ask(root / "requests", an_approval("add"))
    ask(root / "requests", an_approval("add-login"))
    ask(root / "requests", a_question("add-login"))
    ask(root / "requests", an_approval("both"), 1)
    ask(root / "requests", an_approval("both"), 2)

    assert orchestrd("approve", "add").code == 0
    assert orchestrd("deny", "add-login").code == 0
    several = orchestrd("approve", "both")

    assert sorted(path.name for path in (root / "replies").iterdir()) == [
        "add-login.main.1.1.approval.json",
        "add.main.1.1.approval.json",
    ]
    assert (several.code, several.out) == (2, "")
    assert "2 requests fit: both.main.1.1.approval.toml, both.main.1.2.approval.toml" in several.err
    assert orchestrd("approve", "both.main.1.2").code == 0


def test_another_plan_is_not_meant_by_a_name_that_is_a_plans_own_nor_by_none(orchestrd, root):
    ask(root / "requests", an_approval("api-2"))
    (root / "archive/2026-11/api").mkdir(parents=True)

    nothing_asked = orchestrd("approve", "api")
    unnamed = orchestrd("approve", "")

    assert (nothing_asked.code, unnamed.code) == (2, 2)
    assert "did you mean api-2.main.1.1.approval.toml?" in nothing_asked.err
    assert "no request is named" in unnamed.err
    assert list((root / "replies").iterdir()) == []
    assert orchestrd("approve", "api-").code == 0


@pytest.mark.parametrize(
    "words, said",
    [
        (["approve", "fix-loign"], "did you mean fix-login.main.1.1.approval.toml?"),
        (["requests", "zzzzz"], "`orchestrd requests` lists them"),
        (["deny", "two"], "is no approval; it is answered by: orchestrd answer two.main.1.1.question.toml"),
        (
            ["document", "fix-login", "--nothing"],
            "is no request for documentation; it is answered by: orchestrd approve",
        ),
        (["approve", "../../etc/passwd"], "no such request"),
    ],
)
def test_a_name_that_is_wrong_is_told_the_nearest(orchestrd, root, words, said):
    ask(root / "requests", an_approval())
    ask(root / "requests", a_question("two"))

    found = orchestrd(*words)

    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert not list((root / "replies").iterdir())


# -- approvals ----------------------------------------------------------------------------------------------------


def test_an_approval_is_answered_with_all_that_can_be_said(orchestrd, root, tmp_path):
    name = ask(root / "requests", an_approval())
    (tmp_path / "input.json").write_text('{"command": "rm -r build"}')

    said = orchestrd("approve", name, "--plan-wide", "--input", f"@{tmp_path}/input.json", "-m", "gently")

    assert said.code == 0
    assert said.out == f"{name}: allowed for the whole plan; the answer lies in replies/{name[:-5]}.json\n"
    assert "no daemon serves this root now; a run that is alive takes it by itself" in said.err
    found = reply_in(root)
    assert (found.decision, found.scope, found.message) == ("allow", "plan", "gently")
    assert json.loads(found.input_json) == {"command": "rm -r build"}


def test_a_no_says_why(orchestrd, root):
    ask(root / "requests", an_approval())

    assert orchestrd("deny", "fix-login", "--message", "use make clean").code == 0

    found = reply_in(root)
    assert (found.decision, found.message) == ("deny", "use make clean")


def test_a_no_can_hold_for_the_whole_plan(orchestrd, root):
    ask(root / "requests", an_approval(rule="Bash(make *)"))

    assert "denied for the whole plan" in orchestrd("deny", "fix-login", "--plan-wide").out

    found = reply_in(root)
    assert (found.decision, found.scope) == ("deny", "plan")


@pytest.mark.parametrize(
    "words, said",
    [
        (["--input", "{"], "--input is no JSON"),
        (["--input", "[1]"], "a JSON object"),
        (["--input", "@/no/such/file"], "No such file"),
        (["--plan-wide"], "says no rule"),
    ],
)
def test_an_answer_that_would_not_fit_is_not_handed_over(orchestrd, root, words, said):
    ask(root / "requests", an_approval(rule=None))
    found = orchestrd("approve", "fix-login", *words)

    assert found.code == 2
    assert said in found.err
    assert not list((root / "replies").iterdir())


def test_what_is_answered_already_is_not_answered_beside_it(orchestrd, root):
    name = ask(root / "requests", an_approval())
    (root / "replies" / name).write_text('decision = "deny"\n')

    found = orchestrd("approve", name)

    assert found.code == 2
    assert f"is answered: replies/{name} was not taken yet" in found.err
    assert f"{name}: answered" in orchestrd("requests").out
    assert [path.name for path in (root / "replies").iterdir()] == [name]


# -- questions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, answer",
    [(["2"], "Blue"), (["red"], "Red"), (["a warm green"], "a warm green"), (["--to", "colour=1"], "Red")],
)
def test_a_question_is_answered_by_number_by_label_or_in_words_of_ones_own(orchestrd, root, words, answer):
    ask(root / "requests", a_question())

    assert orchestrd("answer", "fix-login", *words).code == 0

    assert reply_in(root, QuestionReply).answers == {"colour": (answer,)}


TWO = (
    AskedQuestion(id="a", text="Which?", multiple=True, options=(Option(label="X"), Option(label="Y"))),
    AskedQuestion(id="b", text="What?"),
)


@pytest.mark.parametrize(
    "words, answers",
    [
        (["--to", "a=1", "--to", "a=Y", "--to", "b=that"], {"a": ("X", "Y"), "b": ("that",)}),
        (["y", "that"], {"a": ("Y",), "b": ("that",)}),
        (["--to", "b=that", "1", "2"], {"a": ("X", "Y"), "b": ("that",)}),
    ],
)
def test_several_questions_each_get_their_answers(orchestrd, root, words, answers):
    ask(root / "requests", a_question(questions=TWO))

    assert orchestrd("answer", "fix-login", *words).code == 0

    assert reply_in(root, QuestionReply).answers == answers


@pytest.mark.parametrize(
    "words, said",
    [
        (["--to", "a=1"], "no answer to b"),
        (["--to", "c=1"], "--to c=1: expected ID=ANSWER, with one of a, b"),
        (["--to", "b=1", "--to", "b=2", "--to", "a=1"], "takes one answer, and 2 were given"),
        (["1", "2", "3"], "3 answers do not fit 2 questions"),
        (["--to", "a=7", "--to", "b=x"], "there is no option 7: 1 to 2"),
        ([], "no terminal to ask on"),
    ],
)
def test_answers_that_do_not_fit_the_questions_are_not_handed_over(orchestrd, root, words, said):
    ask(root / "requests", a_question(questions=TWO))

    found = orchestrd("answer", "fix-login", *words)

    assert found.code == 2
    assert said in found.err
    assert not list((root / "replies").iterdir())


def test_on_a_terminal_a_question_is_asked(orchestrd, root):
    ask(root / "requests", a_question(questions=TWO))
    ours, theirs = pty.openpty()

    command = [sys.executable, "-m", "orchestrd", "answer", "fix-login"]
    with subprocess.Popen(
        command, env=orchestrd.environ, stdin=theirs, stdout=theirs, stderr=theirs
    ) as asking:
        os.close(theirs)
        os.write(ours, b"9\n1,2\nwords of my own\n")
        said = b""
        while chunk := _read_terminal(ours):
            said += chunk
        assert asking.wait(20) == 0
    os.close(ours)

    assert b"  2. Y" in said
    assert b"there is no option 9" in said
    assert reply_in(root, QuestionReply).answers == {"a": ("X", "Y"), "b": ("words of my own",)}


def _read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end was closed
        return b""


# -- documentation ------------------------------------------------------------------------------------------------


def test_one_document_that_is_asked_for_is_the_whole_answer(orchestrd, root, tmp_path):
    ask(root / "requests", a_docs_request(write_to=("docs/limits.md",)))
    (tmp_path / "any.md").write_text("# Limits\n")

    assert orchestrd("document", "fix-login", str(tmp_path / "any.md")).code == 0

    assert text_in(root) == "# Limits\n"


def test_documents_are_named_as_they_lie_in_the_project_or_as_it_is_said(orchestrd, root, project, tmp_path):
    ask(root / "requests", a_docs_request(project=str(project)))
    (project / "docs").mkdir()
    (project / "docs/a.md").write_text("# A\n")
    (tmp_path / "draft.md").write_text("# B\r\n")

    said = orchestrd(
        "document", "fix-login", str(project / "docs/a.md"), "--as", f"docs/b.md={tmp_path}/draft.md"
    )

    assert said.out.startswith("fix-login.docs.md: documented in docs/b.md, docs/a.md; the answer lies in ")
    assert text_in(root) == "<!-- file: docs/b.md -->\n# B\n\n<!-- file: docs/a.md -->\n# A\n"


def test_a_whole_answer_comes_from_standard_input_and_a_no_by_a_word(orchestrd, root):
    ask(root / "requests", a_docs_request())
    ask(root / "requests", a_docs_request("other"))
    whole = "<!-- file: docs/a.md -->\n# A\n\n<!-- file: docs/b.md -->\n# B\n"

    assert orchestrd("document", "fix-login", "-", stdin=whole).code == 0
    assert orchestrd("document", "other", "--nothing").code == 0

    assert (root / "replies/fix-login.docs.md").read_text() == whole
    assert (root / "replies/other.docs.md").read_text() == "<!-- nothing to document -->\n"


@pytest.mark.parametrize(
    "write_to, words, stdin, said",
    [
        (("docs/**",), ["-"], "# A\n", "needs a name in the project: --as docs/x.md=-"),
        (("docs/**",), ["/etc/hostname"], "", "lies outside the project"),
        (
            ("docs/**",),
            ["--as", "docs/x.md=-"],
            "# A\n<!-- file: docs/y.md -->\n",
            "would begin another document",
        ),
        (("docs/a.md",), ["-"], " \n", "is empty"),
        (("docs/a.md",), ["-"], "x" * (1 << 20) + "y", "larger than 1 MiB"),
        (("docs/a.md",), ["--as", "docs/b.md=-"], "x", "may not be written (the plan allows docs/a.md)"),
        (("docs/**",), ["--as", "../b.md=-"], "x", "the path is not a plain one"),
        (("docs/**",), ["--as", "src/b.md=-"], "x", "the plan allows docs/**"),
        (("docs/a.md",), ["a.md", "-"], "x", "what standard input holds needs a name"),
        (("docs/**",), [], "", "one of them"),
        (("docs/**",), ["--nothing", "--edit"], "", "one of them"),
        (("docs/**",), ["--as", "docs/x.md"], "", "expected PATH=FILE"),
    ],
)
def test_documentation_that_would_not_fit_is_not_handed_over(orchestrd, root, write_to, words, stdin, said):
    ask(root / "requests", a_docs_request(write_to=write_to))

    found = orchestrd("document", "fix-login", *words, stdin=stdin)

    assert found.code == 2
    assert said in found.err
    assert not list((root / "replies").iterdir())


def an_editor(folder: Path, script: str) -> Path:
    editor = folder / "editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    return editor


def test_what_is_written_in_the_editor_is_the_answer_without_the_words_above_it(orchestrd, root, tmp_path):
    ask(root / "requests", a_docs_request(about="for --> operators"))
    orchestrd.environ["EDITOR"] = f"{an_editor(tmp_path, 'sed -i s/EXAMPLE/real/ $1; echo Text >> $1')}"

    said = orchestrd("document", "fix-login", "--edit")

    assert said.code == 0
    assert text_in(root) == "<!-- file: docs/real.md -->\nText\n"


def test_an_editor_that_is_left_without_a_word_answers_nothing_and_bad_text_is_kept(
    orchestrd, root, tmp_path
):
    ask(root / "requests", a_docs_request())
    orchestrd.environ["TMPDIR"] = str(tmp_path)
    orchestrd.environ["EDITOR"] = "true"
    left = orchestrd("document", "fix-login", "--edit")
    orchestrd.environ["EDITOR"] = str(an_editor(tmp_path, "echo 'Long work' > $1"))
    bad = orchestrd("document", "fix-login", "--edit")

    assert (left.code, left.err) == (1, "orchestrd: nothing was written, so nothing is answered\n")
    assert bad.code == 2
    kept = bad.err.partition("what you wrote is in ")[2].partition(":")[0]
    assert Path(kept).read_text() == "Long work\n"
    assert not list((root / "replies").iterdir())


# -- waiting ------------------------------------------------------------------------------------------------------


def taker(root: Path, name: str, do) -> threading.Thread:
    """Stands in for whoever takes answers: when one lies there, `do` is called."""

    def take() -> None:
        reply = wait_until(lambda: next((root / "replies").glob("[!.]*"), None), 20, "an answer")
        do(reply, root / "requests" / name)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_waiting_ends_when_the_answer_is_taken_or_did_not_fit_or_the_time_is_over(orchestrd, root):
    first, second, third = (ask(root / "requests", an_approval(), number) for number in (1, 2, 3))

    def take(reply, request):
        reply.unlink()
        request.unlink()

    thread = taker(root, first, take)
    taken = orchestrd("approve", first, "--wait")
    thread.join()

    def refuse(reply, request):
        problem = ReplyProblem(reply=reply.name, time=datetime.now(UTC), message="no such input")
        reply.unlink()
        ask(root / "requests", an_approval(problem=problem), 2)

    thread = taker(root, second, refuse)
    refused = orchestrd("approve", second, "--wait")
    thread.join()
    late = orchestrd("approve", third, "--timeout", "0.1")

    assert (taken.code, taken.out.splitlines()[-1]) == (0, f"{first}: taken")
    assert refused.code == 1
    assert f"{second}: it did not fit: no such input" in refused.err
    assert late.code == 124


@pytest.mark.parametrize("kind", ["approval", "docs"])
def test_whoever_waits_is_not_told_that_an_answer_was_taken_which_came_too_late(
    orchestrd, root, tmp_path, kind
):
    folder = root / "active/fix-login"
    (folder / "replies").mkdir(parents=True)
    name = ask(root / "requests", an_approval() if kind == "approval" else a_docs_request())
    file = tmp_path / "x.md"
    file.write_text("# X\n")
    words = ["approve", name] if kind == "approval" else ["document", name, "--as", f"docs/x.md={file}"]

    def withdraw(reply, request):
        request.unlink()
        record = {"seq": 1, "event": "reply-refused", "reply": reply.name, "message": "no request is open"}
        (folder / "journal.jsonl").write_text(json.dumps(record) + "\n")
        reply.rename(folder / "replies" / reply.name)

    thread = taker(root, name, withdraw)
    said = orchestrd(*words, "--wait")
    thread.join()

    assert said.code == 1
    assert "the answer came too late: no request is open" in said.err


def test_an_answer_that_is_being_carried_out_is_shown_and_none_is_put_beside_it(orchestrd, root):
    problem = ReplyProblem(reply="x.md", time=datetime.now(UTC), message="the last one")
    name = ask(root / "requests", a_docs_request(problem=problem))
    (root / ".orchestrd/replies").mkdir()
    (root / ".orchestrd/replies" / name).write_text("<!-- file: docs/x.md -->\n# X\n")

    listed, shown, more = (
        orchestrd(*words) for words in (("requests",), ("requests", name), ("document", name, "--nothing"))
    )

    assert f"  {name}: answered; the answer is being carried out" in listed.out
    assert "the last answer did not fit" not in listed.out
    assert "answered: the answer is being carried out" in shown.out
    assert more.code == 2
    assert f"{name} is answered: the answer is being carried out" in more.err
    assert list((root / "replies").iterdir()) == []
