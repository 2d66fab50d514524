"""A runner asks: requests go out, replies come in, whatever these are. Claude Code is a small program here."""

from __future__ import annotations

import json
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from handoff.formats import Format, read_document
from handoff.request import Approval, Question
from orchestrd.runs.asking.ledger import granted_rules, read_asked
from orchestrd.runs.launch import Asking
from orchestrd.runs.watch import RunWatch
from tests.runs.stand import Ended, Stand
from tests.waiting import wait_until

SUGGESTED = [
    {
        "type": "addRules",
        "rules": [{"toolName": "Bash", "ruleContent": "npm run *"}],
        "behavior": "allow",
        "destination": "localSettings",
    }
]
QUESTION = {
    "question": "Which?",
    "header": "Kind",
    "options": [{"label": "A", "description": "a"}, {"label": "B"}],
}


class Asker:
    """A stand that is a root, too, and an agent that asks."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.root = stand.folder
        for lane in ("requests", "replies"):
            (self.root / lane).mkdir(mode=0o700)

    def start(self, *requests: dict[str, Any], then: str = "", number: int = 1, **options: Any) -> RunWatch:
        """Start a run whose agent asks these, all at once, waits for as many answers, and goes on."""
        lines = [json.dumps(one) for one in requests]
        (self.stand.checkout / f"ask.{number}").write_text("\n".join(lines) + "\n")
        launch = {
            name: options.pop(name) for name in ("secrets", "timeout", "silence", "memory") if name in options
        }
        hear = options.pop("hear", len(requests))
        first = options.pop("first", "")
        given = {
            "root": str(self.root),
            "plan": "plan",
            "step": "main",
            "number": number,
            "format": "toml",
            "timeout_seconds": None,
            "settle_seconds": 0.05,
            "unproved_seconds": 0.1,
            "patience_seconds": 0.3,
            "polling": False,
            **options,
        }
        prompt = f"{first} [send ask.{number}] [hear {hear}] {then}"
        # A mark of its own: runs side by side must not be ended with one another.
        mark = f"{self.stand.mark}.{number}" if number > 1 else self.stand.mark
        started = self.stand.start(prompt, number=number, mark=mark, asking=Asking(**given), **launch)
        return RunWatch.of(started)

    def name(self, nth: int = 1, *, number: int = 1, kind: str = "approval", ending: str = "toml") -> str:
        """What a request is called."""
        return f"plan.main.{number}.{nth}.{kind}.{ending}"

    def asked(self, name: str) -> dict[str, Any]:
        """Wait for a request, and read it."""
        path = self.root / "requests" / name
        wait_until(path.exists, 10, name)
        text = path.read_text()
        return tomllib.loads(text) if name.endswith(".toml") else json.loads(text)

    def problem(self, name: str, holds: str) -> dict[str, Any]:
        """Wait until a request says what is wrong with an answer."""
        return wait_until(
            lambda: (told := self.asked(name).get("problem")) and holds in told["message"] and told,
            10,
            f"a problem that says {holds!r}",
        )

    def reply(self, name: str, content: bytes | None = None, **fields: Any) -> None:
        """Answer the right way."""
        temporary = self.root / "replies" / f".{name}.part"
        temporary.write_bytes(tomli_w.dumps(fields).encode() if content is None else content)
        temporary.rename(self.root / "replies" / name)

    def open(self) -> list[str]:
        """The requests that are there."""
        return sorted(os.listdir(self.root / "requests"))

    def kept(self) -> list[str]:
        """The answers that the plan keeps."""
        folder = self.stand.plan_folder / "replies"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def events(self, number: int = 1) -> list[str]:
        """What was written down."""
        return [record["event"] for record in read_asked(self.stand.run_folder(number))]


def wants(
    tool: str = "Bash", nth: int = 1, given: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """What Claude Code says when it wants a yes."""
    request = {
        "subtype": "can_use_tool",
        "tool_name": tool,
        "input": {"command": "npm run x"} if given is None else given,
    }
    return {"type": "control_request", "request_id": f"r{nth}", "request": {**request, **fields}}


def heard(ended: Ended) -> list[dict[str, Any]]:
    """What the agent was answered, in order."""
    return [json.loads(text)["response"] for text in ended.texts() if text.startswith("{")]


@pytest.fixture
def asker(stand: Stand) -> Asker:
    return Asker(stand)


@pytest.fixture
def native(native_stand: Stand) -> Asker:
    return Asker(native_stand)


def test_what_it_asks_is_a_request_and_the_reply_its_answer(asker: Asker) -> None:
    watch = asker.start(
        wants(permission_suggestions=SUGGESTED, description="Builds", decision_reason="Needs a yes")
    )

    raw = wait_until(
        lambda: (asker.asked(asker.name()), (asker.root / "requests" / asker.name()).read_bytes())[1]
    )
    request = read_document(Approval, raw, Format.TOML)
    assert (request.plan, request.step, request.tool, request.description) == (
        "plan",
        "main",
        "Bash",
        "Builds",
    )
    assert json.loads(request.input_json) == {"command": "npm run x"}
    assert request.rule == "Bash(npm run *)"
    assert request.reason is not None
    assert request.reason.startswith("Needs a yes. ")
    assert 'permissions.allow = ["Bash(npm run *)"]' in request.reason
    asker.reply(asker.name(), decision="allow")
    ended = asker.stand.end_of(watch)

    assert heard(ended) == [
        {
            "subtype": "success",
            "request_id": "r1",
            "response": {"behavior": "allow", "updatedInput": {"command": "npm run x"}},
        }
    ]
    assert ended.exit["why"] == "ended"
    assert (asker.open(), asker.kept()) == ([], [asker.name()])
    assert os.listdir(asker.root / "replies") == []
    assert asker.events() == ["asked", "answered"]


def test_several_are_asked_at_once_and_answered_in_any_order(native: Asker) -> None:
    watch = native.start(
        wants(nth=1), wants(nth=2), wants(tool="AskUserQuestion", nth=3, given={"questions": [QUESTION]})
    )

    question = native.asked(native.name(3, kind="question"))
    assert question["questions"] == [
        {"id": "kind", "text": "Which?", "multiple": False, "options": QUESTION["options"]}
    ]
    native.reply(native.name(3, kind="question"), answer="B")
    wait_until(lambda: native.open() == [native.name(1), native.name(2)])
    native.reply(native.name(2), decision="deny", message="Never.")
    wait_until(lambda: native.open() == [native.name(1)])
    native.reply(
        native.name(1, ending="json"), b'{"decision": "allow", "input_json": "{\\"command\\": \\"ls\\"}"}'
    )
    first, second, third = heard(native.stand.end_of(watch))

    assert first["response"]["updatedInput"] == {"questions": [QUESTION], "answers": {"Which?": "B"}}
    assert second["response"] == {"behavior": "deny", "message": "Never."}
    assert third["response"] == {"behavior": "allow", "updatedInput": {"command": "ls"}}


def test_a_plan_in_json_is_asked_in_json(native: Asker) -> None:
    watch = native.start(
        wants(tool="AskUserQuestion", given={"questions": [QUESTION]}), format="json", timeout_seconds=60.0
    )

    name = native.name(kind="question", ending="json")
    native.asked(name)
    request = read_document(Question, (native.root / "requests" / name).read_bytes(), Format.JSON)
    assert request.expires is not None
    assert (request.expires - request.created).total_seconds() == 60
    native.reply(native.name(kind="question"), answers={"kind": ["my own"]})

    (response,) = heard(native.stand.end_of(watch))
    assert response["response"]["updatedInput"]["answers"] == {"Which?": "my own"}


def test_what_claude_code_wants_to_know_no_longer_is_taken_back(native: Asker) -> None:
    cancel = {"type": "control_cancel_request", "request_id": "r1"}
    watch = native.start(wants(), hear=0, then="[sleep 0.4] [send cancel]")
    (native.stand.checkout / "cancel").write_text(json.dumps(cancel) + "\n")
    native.asked(native.name())

    ended = native.stand.end_of(watch)

    assert (ended.exit["why"], native.open(), native.events()) == ("ended", [], ["asked", "withdrawn"])


def test_a_run_that_ends_while_it_asks_takes_it_back(native: Asker) -> None:
    native.stand.end_of(native.start(wants(), hear=0, then="[sleep 0.3] [no-result]"))

    assert (native.open(), native.events()) == ([], ["asked", "withdrawn"])


def test_a_request_that_somebody_removes_is_there_again(native: Asker) -> None:
    watch = native.start(wants())
    native.asked(native.name())

    (native.root / "requests" / native.name()).unlink()
    wait_until(lambda: native.open() == [native.name()])
    native.reply(native.name(), decision="allow")
    native.stand.end_of(watch)

    assert native.open() == []


def test_a_run_that_is_stopped_while_it_asks_takes_it_back(asker: Asker) -> None:
    watch = asker.start(wants())
    asker.asked(asker.name())

    watch.stop()
    ended = asker.stand.end_of(watch)

    assert ended.exit["why"] == "stopped"
    assert (asker.open(), asker.events()) == ([], ["asked", "withdrawn"])


def test_without_an_answer_in_time_the_run_is_ended_for_that(asker: Asker) -> None:
    ended = asker.stand.end_of(asker.start(wants(), timeout_seconds=1.0))

    assert ended.exit["why"] == "unanswered"
    assert asker.name() in ended.exit["message"]
    assert (asker.open(), asker.events()) == ([], ["asked", "unanswered"])


def test_while_it_asks_its_clocks_stand_still_and_then_go_on(native: Asker) -> None:
    watch = native.start(wants(), timeout=1.2, silence=0.6, then="[say on] [sleep 0.1] [say on] [block]")
    native.asked(native.name())
    time.sleep(1.5)  # longer than it may be silent, or run at all: that nothing comes of it is what is tested
    assert not watch.is_over()
    native.reply(native.name(), decision="allow")
    began = time.monotonic()
    ended = native.stand.end_of(watch)

    assert ended.texts()[-2:] == ["on", "on"]
    assert ended.exit["why"] in {"timeout", "silence"}
    assert time.monotonic() - began < 5


def test_what_memory_it_may_hold_holds_while_it_asks(native: Asker) -> None:
    ended = native.stand.end_of(native.start(wants(), first="[eat 150]", memory=100 << 20))

    assert ended.exit["why"] == "memory"
    assert native.open() == []


def test_no_secret_gets_into_a_request_and_the_tool_is_given_it_all_the_same(native: Asker) -> None:
    given = {"command": 'login "sk-canary\\1"', "list": ["sk-canary\\1"]}
    watch = native.start(
        wants(given=given, description="uses sk-canary\\1"), secrets={"TOKEN": "sk-canary\\1"}
    )

    request = native.asked(native.name())
    assert json.loads(request["input_json"]) == {
        "command": 'login "[secret:TOKEN]"',
        "list": ["[secret:TOKEN]"],
    }
    assert request["description"] == "uses [secret:TOKEN]"
    assert "rule" not in request, "a rule without its secret would grant something else"
    native.reply(native.name(), decision="allow", input_json=request["input_json"])
    native.problem(native.name(), "mark of a secret that was not shown")
    native.reply(native.name(), decision="allow")
    ended = native.stand.end_of(watch)

    assert heard(ended)[0]["response"]["updatedInput"]["list"] == ["[secret:TOKEN]"], "as the log shows it"
    for path in native.stand.plan_folder.rglob("*"):
        if path.is_file() and path.name != "launch.json":
            assert b"sk-canary" not in path.read_bytes(), path


def test_an_input_that_is_too_long_is_shown_with_what_is_cut_marked_and_carried_out_whole(
    native: Asker,
) -> None:
    content = "x" * 200_000
    watch = native.start(wants(tool="Write", given={"file_path": "/a/b.txt", "content": content}))

    request = native.asked(native.name())
    shown = json.loads(request["input_json"])
    assert len(request["input_json"]) < 64 * 1024
    assert shown["content"].endswith("[cut here: 198000 more letters]")
    assert "active/plan/runs/main.1/events.jsonl" in request["description"]
    native.reply(native.name(), decision="allow", input_json=request["input_json"])
    native.problem(native.name(), "mark of a text that was cut")
    native.reply(native.name(), decision="allow")

    assert heard(native.stand.end_of(watch))[0]["response"]["updatedInput"]["content"] == content


def test_what_is_allowed_for_the_plan_is_asked_no_more_in_this_run_and_in_others(native: Asker) -> None:
    asked = [wants(nth=nth, permission_suggestions=SUGGESTED) for nth in (1, 2)]
    other = native.start(wants(permission_suggestions=SUGGESTED), number=2)
    native.asked(native.name(number=2))
    watch = native.start(*asked)
    native.asked(native.name(2))

    native.reply(native.name(1), decision="allow", scope="plan")
    first, second = heard(native.stand.end_of(watch))
    (third,) = heard(native.stand.end_of(other))

    update = {
        "type": "addRules",
        "rules": [{"toolName": "Bash", "ruleContent": "npm run *"}],
        "behavior": "allow",
        "destination": "session",
    }
    assert first["response"]["updatedPermissions"] == [update]
    assert second["response"]["behavior"] == third["response"]["behavior"] == "allow"
    assert native.open() == []
    later = native.start(wants(permission_suggestions=SUGGESTED), number=3)
    assert heard(native.stand.end_of(later))[0]["response"]["behavior"] == "allow"
    assert native.events(3) == ["settled"]
    assert granted_rules(native.stand.plan_folder / "runs") == ("Bash(npm run *)",)


def test_what_is_refused_for_the_plan_is_asked_no_more_either(native: Asker) -> None:
    watch = native.start(wants(permission_suggestions=SUGGESTED))
    native.asked(native.name())
    native.reply(native.name(), decision="deny", scope="plan", message="Not here.")
    native.stand.end_of(watch)

    later = native.start(wants(permission_suggestions=SUGGESTED), number=2)

    assert heard(native.stand.end_of(later))[0]["response"] == {"behavior": "deny", "message": "Not here."}
    assert granted_rules(native.stand.plan_folder / "runs") == ()


def test_what_reaches_out_of_its_folder_is_asked_though_its_rule_was_granted(native: Asker) -> None:
    watch = native.start(wants(permission_suggestions=SUGGESTED))
    native.asked(native.name())
    native.reply(native.name(), decision="allow", scope="plan")
    native.stand.end_of(watch)

    further = native.start(
        wants(
            given={"command": "npm run y > /etc/x"}, permission_suggestions=SUGGESTED, blocked_path="/etc/x"
        ),
        number=2,
    )
    native.asked(native.name(number=2))
    native.reply(native.name(number=2), decision="deny")
    native.stand.end_of(further)

    assert native.events(2) == ["asked", "answered"]


def test_where_there_is_no_rule_nothing_can_hold_for_the_plan(native: Asker) -> None:
    danger = wants(
        given={"command": "rm -rf ."}, suppress_always_allow_rule=True, decision_reason_type="safetyCheck"
    )
    watch = native.start(danger)
    assert "rule" not in native.asked(native.name())

    native.reply(native.name(), decision="allow", scope="plan")
    native.problem(native.name(), "there is no rule")
    native.reply(native.name(), decision="allow")
    native.stand.end_of(watch)

    assert native.events() == ["asked", "refused", "answered"]


def make_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (make_link, "a symbolic link"),
        (make_fifo, "a FIFO"),
        (Path.mkdir, "a directory"),
        (Path.touch, "is empty"),
    ],
)
def test_what_is_no_regular_file_is_left_where_it_lies_and_told(
    native: Asker, put: Callable[[Path], None], said: str
) -> None:
    watch = native.start(wants())
    native.asked(native.name())

    put(native.root / "replies" / native.name())
    native.problem(native.name(), said)
    native.reply(native.name(ending="json"), b'{"decision": "allow"}')
    native.stand.end_of(watch)

    assert os.listdir(native.root / "replies") == [native.name()]
    assert native.events().count("refused") == 1


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"decision = ", 0o600, "not TOML"),
        (b"\xff\x00binary", 0o600, "is not UTF-8"),
        (b'decision = "allow"\nmesage = "x"', 0o600, "is no field here"),
        (b'decision = "allow"', 0o666, "writable by everybody"),
        (b"#" * (2 << 20), 0o600, "too large"),
    ],
)
def test_an_answer_that_does_not_fit_is_kept_and_told_and_the_request_stays_open(
    native: Asker, content: bytes, mode: int, said: str
) -> None:
    watch = native.start(wants())
    native.asked(native.name())

    temporary = native.root / "replies" / ".part"
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.rename(native.root / "replies" / native.name())
    assert native.problem(native.name(), said)["reply"] == native.name()
    assert native.kept() == [native.name()]
    native.reply(native.name(), decision="allow")
    native.stand.end_of(watch)

    assert native.kept() == [native.name().replace(".toml", ".2.toml"), native.name()]


def test_what_was_there_before_it_was_asked_answers_nothing(native: Asker) -> None:
    native.reply(native.name(), decision="allow")
    watch = native.start(wants())

    native.problem(native.name(), "before this was asked")
    native.reply(native.name(), decision="deny", message="Now that I see it")
    ended = native.stand.end_of(watch)

    assert heard(ended)[0]["response"] == {"behavior": "deny", "message": "Now that I see it"}
    assert len(native.kept()) == 2


def test_an_answer_that_is_written_in_place_is_waited_for(asker: Asker) -> None:
    watch = asker.start(wants(), patience_seconds=20.0)
    asker.asked(asker.name())

    with (asker.root / "replies" / asker.name()).open("wb", buffering=0) as file:
        file.write(b'decision = "allow"\n')
        file.write(b"message = ")
        time.sleep(0.3)  # a slow writer: that it is not taken meanwhile is what is tested
        assert "problem" not in asker.asked(asker.name())
        file.write(b'"Go on."\n')
    asker.stand.end_of(watch)

    assert asker.events() == ["asked", "answered"]


def test_names_that_are_not_its_own_are_never_touched(native: Asker) -> None:
    others = ["other.main.1.1.approval.toml", native.name(2), native.name(number=2), "plan.docs.md", "x.txt"]
    watch = native.start(wants())
    native.asked(native.name())
    for name in others:
        native.reply(name, decision="allow")
    native.reply(native.name(), decision="allow")
    native.stand.end_of(watch)

    assert sorted(os.listdir(native.root / "replies")) == sorted(others)


def test_what_no_host_of_this_kind_can_answer_is_refused_at_once(native: Asker) -> None:
    watch = native.start(
        {"type": "control_request", "request_id": "h", "request": {"subtype": "hook_callback"}}
    )

    (response,) = heard(native.stand.end_of(watch))
    assert (response["subtype"], response["request_id"]) == ("error", "h")


def test_a_run_that_is_to_ask_nobody_does_not(native: Asker) -> None:
    (native.stand.checkout / "ask").write_text(json.dumps(wants()) + "\n")

    native.stand.run("[send ask]")

    assert native.open() == []
    assert not (native.stand.run_folder() / "asked.jsonl").exists()
