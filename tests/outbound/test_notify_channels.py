"""The ways on which somebody is told: real programs, a real server, a real bus."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from handoff.root import Root, create_root
from orchestrd.outbound import channels
from orchestrd.outbound.bounded import Ended, end_all, run_bounded
from orchestrd.outbound.channels import ChannelFailed, Command, Desktop, Webhook, channels_of
from orchestrd.outbound.news import News, news_of_request
from orchestrd.settings import Notify
from tests.cli.commands import CommandLine
from tests.outbound.hooks import a_hook
from tests.requesting import a_docs_request, a_question, an_approval, ask
from tests.waiting import wait_until

SECRETS = ("*TOKEN*", "*KEY*")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return create_root(tmp_path / "handoff")


def news_of(root: Root, request, number: int = 1) -> News:
    news = news_of_request(root, ask(root.requests, request, number))
    assert news is not None
    return news


def a_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def the_command(root: Root, *words: str, environ=os.environ, **more) -> Command:
    (found,) = channels_of(root, Notify(desktop=False, command=words, **more), environ, SECRETS)
    assert isinstance(found, Command)
    return found


def the_webhook(root: Root, url: str, environ=os.environ, **more) -> Webhook:
    (found,) = channels_of(root, Notify(desktop=False, webhook=url, **more), environ, SECRETS)
    assert isinstance(found, Webhook)
    return found


def failure_of(channel, news) -> ChannelFailed:
    with pytest.raises(ChannelFailed) as caught:
        channel.tell(news)
    assert caught.value.remedy
    return caught.value


# -- a command ----------------------------------------------------------------------------------------------------


def test_a_command_is_told_in_its_environment_and_on_standard_input(root, tmp_path):
    (root.active / "fix-login").mkdir()
    (root.active / "fix-login/accepted.json").write_text('{"title": "Fix\\u001b[2J the login"}')
    program = a_program(tmp_path, "tell", f'cat > "{tmp_path}/in"; env | grep ^ORCHESTRD_ > "{tmp_path}/env"')

    the_command(root, str(program)).tell([news_of(root, an_approval())])

    told = json.loads((tmp_path / "in").read_text())
    name = "fix-login.main.1.1.approval.toml"
    assert (told["kind"], told["request"], told["tool"], told["plan"]) == (
        "approval",
        name,
        "Bash",
        "fix-login",
    )
    assert told["input_json"] == '{"command": "rm -rf build"}'
    lines = set((tmp_path / "env").read_text().splitlines())
    assert {
        f"ORCHESTRD_REQUEST={name}",
        "ORCHESTRD_KIND=approval",
        "ORCHESTRD_PLAN=fix-login",
        "ORCHESTRD_TITLE=Fix [2J the login",
        f"ORCHESTRD_PATH={root.requests / name}",
        f"ORCHESTRD_ROOT={root.path}",
    } <= lines


def test_a_command_may_call_orchestrd_for_the_same_root(root, tmp_path):
    program = a_program(tmp_path, "tell", f'{sys.executable} -m orchestrd deny "$ORCHESTRD_REQUEST" -m no')
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    the_command(root, str(program), environ=environ).tell([news_of(root, an_approval())])

    assert json.loads((root.replies / "fix-login.main.1.1.approval.json").read_text())["decision"] == "deny"


@pytest.mark.parametrize(
    "script, said",
    [
        ("echo some words >&2; echo last words >&2; exit 3", "ended with 3: last words"),
        ("kill -9 $$", "was ended by signal 9"),
        ("sleep 60", "took longer than 0.3 s and was ended"),
        ("trap '' TERM; exec 0<&- 2>&-; sleep 60", "took longer than 0.3 s and was ended"),
        ("yes >&2", "took longer than 0.3 s and was ended"),
        ('echo "my $A_TOKEN is out" >&2; exit 1', "my [secret:A_TOKEN] is out"),
    ],
)
def test_a_command_that_fails_says_how_and_never_a_secret(root, tmp_path, script, said):
    environ = {**os.environ, "A_TOKEN": "hush-hush-4711"}
    command = the_command(root, str(a_program(tmp_path, "tell", script)), environ=environ, timeout=0.3)

    began = time.monotonic()
    failed = failure_of(command, [news_of(root, an_approval())])

    assert said in failed.message
    assert "hush-hush" not in failed.message
    assert time.monotonic() - began < 8


def test_a_command_that_is_not_there_is_told(root):
    failed = failure_of(the_command(root, "/no/such/program"), [news_of(root, an_approval())])

    assert "/no/such/program cannot be started: No such file or directory" in failed.message


def test_what_a_command_leaves_running_is_not_waited_for_and_what_does_not_read_is_no_failure(tmp_path):
    script = a_program(tmp_path, "leaves", f"sleep 30 & echo $! > {tmp_path}/pid; exit 0")

    began = time.monotonic()
    ended = run_bounded([str(script)], b"x" * (1 << 20), os.environ, 10)

    assert ended.code == 0
    assert time.monotonic() - began < 5
    os.kill(int((tmp_path / "pid").read_text()), 9)  # it was left alone


def test_what_is_under_way_when_the_daemon_leaves_is_ended(tmp_path):
    script = a_program(tmp_path, "hangs", f"echo $$ > {tmp_path}/pid; sleep 60")
    ended: list[Ended] = []
    telling = threading.Thread(target=lambda: ended.append(run_bounded([str(script)], b"", os.environ, 60)))
    telling.start()
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())

    end_all()
    telling.join(10)

    assert [one.code for one in ended] == [-9]


# -- a webhook ----------------------------------------------------------------------------------------------------


def test_a_webhook_is_posted_json_with_the_secret_header_and_without_what_may_be_secret(root):
    environ = {**os.environ, "HOOK": "Bearer hush-hush-4711"}
    news = news_of(root, an_approval())

    with a_hook() as hook:
        the_webhook(root, f"{hook.url}/a?b=c", environ, webhook_header_env="HOOK").tell([news])
        the_webhook(root, hook.url, include_input=True).tell([news])

    (_, headers, body), (_, _, more) = hook.heard
    assert headers["Authorization"] == "Bearer hush-hush-4711"
    assert headers["Content-Type"] == "application/json"
    assert body["text"] == "fix-login: asks to use Bash"
    assert (body["id"], body["request"]) == (news.id, "fix-login.main.1.1.approval.toml")
    assert "rm -rf" not in json.dumps(body)
    assert more["input_json"] == '{"command": "rm -rf build"}'


@pytest.mark.parametrize("request_of", [an_approval, a_question, a_docs_request])
def test_nothing_that_a_model_wrote_reaches_a_webhook_unless_it_is_to(root, request_of):
    more = {
        an_approval: {
            "description": "SECRET",
            "reason": "SECRET",
            "rule": "SECRET",
            "input_json": '{"a": "SECRET"}',
        },
        a_question: {"questions": [{"id": "q", "text": "SECRET", "options": [{"label": "SECRET"}]}]},
        a_docs_request: {"about": "SECRET", "text": "SECRET"},
    }[request_of]
    news = news_of(root, request_of(**more))

    with a_hook() as hook:
        the_webhook(root, hook.url).tell([news])

    assert "SECRET" not in json.dumps(hook.heard)


@pytest.mark.parametrize("status, said", [(500, "HTTP 500"), (404, "HTTP 404"), (302, "HTTP 302")])
def test_what_is_not_2xx_is_a_failure_and_a_redirection_is_not_followed(root, status, said):
    environ = {**os.environ, "HOOK": "hush-hush-4711"}

    with a_hook(status) as hook:
        webhook = the_webhook(root, f"{hook.url}/secret-path", environ, webhook_header_env="HOOK")
        failed = failure_of(webhook, [news_of(root, an_approval())])

    assert failed.message == f"webhook: {hook.url}: {said}"
    assert len(hook.heard) == 1


def test_a_webhook_that_does_not_answer_or_is_not_there_has_only_so_long(root):
    news = [news_of(root, an_approval())]

    with a_hook(0) as hook:
        began = time.monotonic()
        hanging = failure_of(the_webhook(root, f"{hook.url}/secret", timeout=1.6), news)
        assert time.monotonic() - began < 8
    gone = failure_of(the_webhook(root, f"{hook.url}/secret"), news)
    unset = failure_of(the_webhook(root, hook.url, {}, webhook_header_env="HOOK"), news)

    assert "timed out" in hanging.message
    assert "refused" in gone.message
    assert "HOOK, which [notify] webhook_header_env names, is not set" in unset.message
    assert "secret" not in hanging.message + gone.message


# -- the desktop --------------------------------------------------------------------------------------------------


@pytest.fixture
def without_library(monkeypatch):
    monkeypatch.setattr(channels, "_has_library", lambda: False)


def test_where_the_library_is_not_installed_notify_send_shows_it(root, tmp_path, without_library):
    record = f'for word in "$@"; do echo "<$word>"; done > "{tmp_path}/shown"'
    a_program(tmp_path / "bin", "notify-send", record)
    environ = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    desktop = Desktop(environ, is_wish=False)

    desktop.tell([news_of(root, an_approval(input_json='{"command": "a <b> & --c"}'))])

    assert (tmp_path / "shown").read_text().splitlines() == [
        "<--app-name=orchestrd>",
        "<-->",
        "<orchestrd: a yes is wanted>",
        "<fix-login: asks to use Bash",
        "a &lt;b&gt; &amp; --c>",
    ]
    assert desktop.way == "notify-send"


def test_on_a_mac_osascript_shows_it_and_text_is_no_script(root, tmp_path, without_library):
    record = f'for word in "$@"; do echo "<$word>"; done > "{tmp_path}/shown"'
    a_program(tmp_path / "bin", "osascript", record)
    question = {"questions": [{"id": "q", "text": '" & do shell script "id'}]}

    Desktop({"PATH": f"{tmp_path}/bin:/bin:/usr/bin"}, is_wish=False).tell(
        [news_of(root, a_question(**question))]
    )

    shown = (tmp_path / "shown").read_text()
    assert "<display notification (item 2 of argv) with title (item 1 of argv)>" in shown
    assert shown.endswith(
        '<-->\n<orchestrd: a question>\n<fix-login: asks a question\n" & do shell script "id>\n'
    )


def test_where_nothing_can_show_it_that_is_said_with_what_to_install(root, without_library, tmp_path):
    failed = failure_of(Desktop({"PATH": str(tmp_path)}, is_wish=False), [news_of(root, an_approval())])

    assert failed.message == "desktop: nothing here can show a notification"
    assert "orchestrd[desktop]" in failed.remedy


def test_a_bus_that_is_not_there_is_a_failure_and_then_the_next_way_is_taken(root, tmp_path):
    environ = {"PATH": str(tmp_path / "bin"), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus"}
    failed = failure_of(Desktop(environ, is_wish=False), [news_of(root, an_approval())])
    a_program(tmp_path / "bin", "notify-send", f"echo shown > {tmp_path}/shown")

    Desktop(environ, is_wish=False).tell([news_of(root, an_approval())])

    assert "desktop-notifier: ended with 1" in failed.message
    assert (tmp_path / "shown").exists()


NOTIFICATIONS = """
import asyncio, sys
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, method

class Notifications(ServiceInterface):
    @method()
    def GetCapabilities(self) -> "as":
        return ["body"]
    @method()
    def GetServerInformation(self) -> "ssss":
        return ["test", "test", "1", "1.2"]
    @method()
    def CloseNotification(self, id: "u"):
        pass
    @method()
    def Notify(self, app: "s", id: "u", icon: "s", title: "s", text: "s", actions: "as", hints: "a{sv}", t: "i") -> "u":
        print(app, title, text, sep="|", flush=True)
        return 1

async def main():
    bus = await MessageBus().connect()
    bus.export("/org/freedesktop/Notifications", Notifications("org.freedesktop.Notifications"))
    await bus.request_name("org.freedesktop.Notifications")
    print("ready", flush=True)
    await bus.wait_for_disconnect()

asyncio.run(main())
"""


def test_the_library_shows_it_by_the_bus_of_the_session(root, tmp_path):
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("there is no dbus-daemon")
    words = [daemon, "--session", "--nofork", "--print-address=1", f"--address=unix:dir={tmp_path}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as bus:
        try:
            environ = {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}
            command = [sys.executable, "-c", NOTIFICATIONS]
            with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as shower:
                try:
                    assert shower.stdout.readline() == "ready\n"
                    desktop = Desktop(environ, is_wish=False)
                    desktop.tell([news_of(root, an_approval(input_json='{"command": "a < b"}'))])

                    shown = shower.stdout.readline()
                    assert shown == "orchestrd|orchestrd: a yes is wanted|fix-login: asks to use Bash\n"
                    assert shower.stdout.readline() == "a &lt; b\n"
                    assert desktop.way == "desktop-notifier"
                finally:
                    shower.kill()
        finally:
            bus.kill()


@pytest.mark.parametrize(
    "desktop, environ, expected",
    [
        ("auto", {}, []),
        ("auto", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}, ["desktop"]),
        ("auto", {"XDG_RUNTIME_DIR": "/no/such/folder"}, []),
        (True, {}, ["desktop"]),
        (False, {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}, []),
    ],
)
def test_a_desktop_is_told_where_there_seems_to_be_one_or_where_it_is_wanted(
    root, tmp_path, desktop, environ, expected
):
    found = channels_of(root, Notify(desktop=desktop), {"PATH": str(tmp_path), **environ}, SECRETS)

    assert [one.name for one in found] == expected
    assert all(one.is_wish is (desktop == "auto") for one in found)


# -- trying it out -----------------------------------------------------------------------------------------------


def test_each_way_is_tried_at_once_and_the_doctor_names_them(root, tmp_path):
    orchestrd = CommandLine(tmp_path)
    tell = a_program(tmp_path, "tell", f'echo "$ORCHESTRD_KIND" > "{tmp_path}/told"')
    nobody = orchestrd("notify-test")
    quiet = orchestrd("doctor").out
    with a_hook(500) as hook:
        orchestrd.environ |= {
            "ORCHESTRD_NOTIFY__COMMAND": json.dumps([str(tell)]),
            "ORCHESTRD_NOTIFY__WEBHOOK": f"{hook.url}/hush-hush",
        }
        said = orchestrd("notify-test")
        named = orchestrd("doctor").out

    assert nobody.code == 1
    assert "nobody is told that a plan asks something" in nobody.err
    assert "nobody is told that a plan asks something" in quiet
    assert said.code == 1
    assert said.out.splitlines()[0] == f"command: told ({tell})"
    assert said.out.splitlines()[1].startswith(f"webhook: {hook.url}: HTTP 500 — ")
    assert (tmp_path / "told").read_text() == "test\n"
    assert f"command: {tell}; webhook: {hook.url} (`orchestrd notify-test` tries it)" in named
    assert "hush-hush" not in said.out + said.err + named


# -- many ---------------------------------------------------------------------------------------------------------


def test_many_are_told_as_one_summary(root, tmp_path, without_library):
    news = [news_of(root, an_approval(), number) for number in range(1, 100)]
    news.append(news_of(root, a_question()))
    a_program(tmp_path / "bin", "notify-send", f'echo "$4" >> "{tmp_path}/shown"')
    tell = a_program(tmp_path, "tell", f'echo "$ORCHESTRD_KIND $ORCHESTRD_COUNT" > "{tmp_path}/told"')
    environ = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    Desktop(environ, is_wish=False).tell(news)
    the_command(root, str(tell)).tell(news)
    with a_hook() as hook:
        the_webhook(root, hook.url).tell(news)

    assert (tmp_path / "shown").read_text() == (
        "100 requests wait for an answer: 99 approvals, 1 question\norchestrd requests\n"
    )
    assert (tmp_path / "told").read_text() == "summary 100\n"
    (body,) = hook.took()
    assert (body["kind"], body["count"], len(body["news"]), body["more"]) == ("summary", 100, 50, 50)
