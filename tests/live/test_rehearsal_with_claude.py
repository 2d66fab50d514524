"""What the real Claude Code makes of what a script can say, as far as the table of endings does not show it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrd.rehearsal import Rehearsal, load_script
from tests.live.conftest import ClaudeCode
from tests.live.real import await_transcript
from tests.waiting import wait_until

Rehearse = Callable[..., Rehearsal]
ACCEPT_EDITS = ("--permission-mode", "acceptEdits")
EXAMPLES = Path(__file__).parents[2] / "examples" / "rehearsals"


def a_script(*turns: str, match: str = "") -> str:
    """A script of one conversation, a TOML text for each turn."""
    told = "".join(f"[[conversations.turns]]\n{turn}\n" for turn in turns)
    return f"[[conversations]]\nmatch = '{match}'\n{told}"


def test_a_text_comes_back_as_the_result_with_the_scripts_usage(claude: ClaudeCode, rehearse: Rehearse):
    usage = "usage = { input_tokens = 1000, output_tokens = 200, cache_read_input_tokens = 30 }"
    model = rehearse(a_script(f'text = "In {{cwd}} you said: {{prompt}}"\nthinking = "Hm."\n{usage}'))

    ended = claude.run(model, "Good morning")

    assert ended.exit_code == 0
    assert ended.result["result"] == f"In {claude.project} you said: Good morning"
    assert ended.result["total_cost_usd"] > 0
    told = ended.result["usage"]
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    assert [told[name] for name in names] == [1000, 200, 30]


@pytest.mark.parametrize("asked", ["opus", "haiku"])
def test_every_usual_model_costs_something(claude: ClaudeCode, rehearse: Rehearse, asked: str):
    model = rehearse()

    ended = claude.run(model, "What is this?", "--model", asked)

    assert ended.exit_code == 0
    assert ended.result["total_cost_usd"] > 0
    assert asked in model.messages[0].model


def test_a_tool_call_writes_a_file(claude: ClaudeCode, rehearse: Rehearse):
    call = '{ name = "Write", input = { file_path = "{cwd}/new.txt", content = "new {braces}" } }'
    model = rehearse(a_script(f"tools = [{call}]", 'text = "{results}"'))

    ended = claude.run(model, "go", *ACCEPT_EDITS)

    assert (claude.project / "new.txt").read_text(encoding="utf-8") == "new {braces}"
    assert "new.txt" in ended.result["result"]


@pytest.mark.parametrize(
    "turn, token, status, says",
    [
        ("error = { status = 401 }", True, 401, "Not logged in"),
        ("error = { status = 429, message = 'Slowly now' }", False, 429, "Slowly now"),
        ("usage_limit = { resets_in_seconds = 7200 }", False, 429, "usage limit"),
        ("usage_limit = { resets_in_seconds = 7200 }", True, 429, "5-hour limit"),
        ("malformed = { how = 'json' }", False, None, "JSON"),
        ("malformed = { how = 'error-event' }", False, 529, "Overloaded"),
    ],
)
def test_a_trouble_ends_the_run_as_an_error_of_the_api(
    claude: ClaudeCode, rehearse: Rehearse, turn: str, token: bool, status: int | None, says: str
):
    model = rehearse(a_script(turn))

    ended = claude.run(model, "go", token=token)

    assert ended.exit_code == 1
    assert ended.result["is_error"] is True
    assert ended.result["terminal_reason"] == "api_error"
    assert ended.result["api_error_status"] == status
    assert says in ended.result["result"]


def test_a_usage_limit_says_when_it_resets(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(a_script("usage_limit = { resets_in_seconds = 7200 }"))

    ended = claude.run(model, "go", token=True)

    told = next(event["rate_limit_info"] for event in ended.events if event["type"] == "rate_limit_event")
    assert told["status"] == "rejected"
    assert told["rateLimitType"] == "five_hour"
    assert abs(told["resetsAt"] - model.messages[0].time - 7200) < 10


def test_a_limit_that_is_near_is_told_and_the_run_goes_on(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(a_script('text = "x"\nusage_warning = { utilization = 0.97 }'))

    ended = claude.run(model, "go", token=True)

    told = next(event["rate_limit_info"] for event in ended.events if event["type"] == "rate_limit_event")
    assert (ended.exit_code, told["status"], told["utilization"]) == (0, "allowed_warning", 0.97)


def test_a_trouble_with_times_is_over_after_that_many_requests(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(a_script("error = { status = 529, times = 1 }", 'text = "Now it works."'))

    ended = claude.run(model, "go", env={"CLAUDE_CODE_MAX_RETRIES": "2"})

    assert ended.result["result"] == "Now it works."
    assert len(model.messages) == 2


@pytest.mark.parametrize(
    "turn", ["silent = {}", "stall = {}", "slow = { first_byte_seconds = 600 }\ntext = 'x'"]
)
def test_a_model_that_says_nothing_is_left_by_a_killed_client(
    claude: ClaudeCode, rehearse: Rehearse, turn: str
):
    model = rehearse(a_script(turn))
    process = claude.start(model, "go")
    wait_until(lambda: model.messages, 20, "the first request")

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)

    assert process.returncode == 143
    assert '"type":"result"' not in output


def test_a_slow_model_still_comes_to_an_end(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(a_script('text = "slowly"\nslow = { first_byte_seconds = 0.3, between_seconds = 0.05 }'))

    ended = claude.run(model, "go")

    assert ended.result["result"] == "slowly"
    assert ended.result["duration_ms"] > 500


def test_a_structured_output_is_handed_over(claude: ClaudeCode, rehearse: Rehearse):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model = rehearse(a_script("structured = { n = 7 }"))

    ended = claude.run(model, "go", "--json-schema", json.dumps(schema))

    assert ended.result["structured_output"] == {"n": 7}


def test_an_improvised_structured_output_satisfies_its_schema(claude: ClaudeCode, rehearse: Rehearse):
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 5}, "kind": {"enum": ["big", "small"]}},
        "required": ["n", "kind"],
    }
    model = rehearse()

    ended = claude.run(model, "What is it?", "--json-schema", json.dumps(schema))

    assert ended.result["structured_output"] == {"n": 5, "kind": "big"}


def test_a_session_that_was_killed_within_a_tool_is_resumed_where_it_was(
    claude: ClaudeCode, rehearse: Rehearse, claude_home: Path
):
    waits = (
        "python3 -c 'import os, time; open(str(os.getpid()) + chr(46) + str(1), chr(119)); time.sleep(20)'"
    )
    model = rehearse(
        a_script(
            f'tools = [{{ name = "Bash", input = {{ command = "{waits}" }} }}]',
            'text = "Then: {last_prompt}"',
        )
    )
    session = str(uuid4())
    allowed = ("--allowedTools", "Bash")
    process = claude.start(model, "go", "--session-id", session, *allowed)
    pid = int(wait_until(lambda: [*claude.project.glob("*.1")], 20, "the tool to run")[0].stem)
    await_transcript(claude_home, session, b'"tool_use"')
    process.kill()
    process.communicate(timeout=20)
    _make_sure_is_gone(pid)

    ended = claude.run(model, "Go on", "--resume", session, *allowed)

    assert ended.result["result"] == "Then: Go on"
    assert ended.result["session_id"] == session
    assert [request.turn for request in model.messages] == [0, 1]


def test_a_session_that_failed_is_resumed_at_the_turn_that_failed(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(
        a_script(
            'tools = [{ name = "Bash", input = { command = "echo one" } }]',
            'error = { status = 500, times = 1 }\ntext = "second turn after {results}"',
        )
    )
    session = str(uuid4())
    failed = claude.run(model, "go", "--session-id", session)

    resumed = claude.run(model, "Go on", "--resume", session)

    assert failed.result["api_error_status"] == 500
    assert resumed.result["result"] == "second turn after one"


def test_without_a_script_work_is_done_on_the_file_that_the_prompt_names(
    claude: ClaudeCode, rehearse: Rehearse
):
    model = rehearse()

    ended = claude.run(model, "Add a greeting to app.py", *ACCEPT_EDITS)

    content = (claude.project / "app.py").read_text(encoding="utf-8")
    assert content.startswith('print("hello")\n# Written in a rehearsal')
    assert "app.py" in ended.result["result"]


def test_without_a_script_work_makes_a_new_file_named_after_the_prompt(
    claude: ClaudeCode, rehearse: Rehearse
):
    model = rehearse()

    claude.run(model, "Improve the error messages", *ACCEPT_EDITS)

    assert (
        (claude.project / "improve-the-error-messages.md").read_text(encoding="utf-8").startswith("# Improve")
    )


def test_without_a_script_a_question_changes_nothing(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse()

    ended = claude.run(model, "What does app.py write?", *ACCEPT_EDITS)

    assert ended.exit_code == 0
    assert sorted(path.name for path in claude.project.iterdir()) == [".git", "README.md", "app.py"]


def test_what_the_model_was_told_can_be_looked_at(claude: ClaudeCode, rehearse: Rehearse, tmp_path: Path):
    record = tmp_path / "requests.jsonl"
    model = rehearse(record=record)

    claude.run(model, "Hello", "--append-system-prompt", "Speak in riddles.")

    written = record.read_text(encoding="utf-8")
    assert "Speak in riddles." in model.messages[0].system
    assert "Speak in riddles." in written
    assert model.environment()["ANTHROPIC_API_KEY"] not in written


def _make_sure_is_gone(pid: int) -> None:
    """SIGKILL for Claude Code leaves its tools alive; this test has to end what it started."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_a_usage_limit_in_the_middle_of_the_work_lets_the_session_be_resumed(
    claude: ClaudeCode, rehearse: Rehearse
):
    model = rehearse(load_script(EXAMPLES / "usage-limit.toml"))
    session = str(uuid4())

    limited = claude.run(model, "go", "--session-id", session, *ACCEPT_EDITS, token=True)
    resumed = claude.run(model, "Go on", "--resume", session, *ACCEPT_EDITS, token=True)

    assert limited.result["api_error_status"] == 429
    assert resumed.result["result"] == "The limit is over, and so is the work."
    assert (claude.project / "half.txt").exists()


def test_the_example_with_a_sub_agent_does_what_it_says(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(load_script(EXAMPLES / "sub-agent.toml"))

    ended = claude.run(model, "Improve the app", *ACCEPT_EDITS)

    assert "One test, and it passes." in ended.result["result"]
    assert (claude.project / "test_app.py").exists()


def test_the_example_of_success_does_what_it_says(claude: ClaudeCode, rehearse: Rehearse):
    model = rehearse(load_script(EXAMPLES / "success.toml"))

    ended = claude.run(model, "Anything", *ACCEPT_EDITS)

    assert ended.result["result"] == "Done: hello.txt is there."
    assert (claude.project / "hello.txt").read_text(encoding="utf-8") == "Hello from a rehearsal\n"


@pytest.mark.parametrize("token", [False, True])
def test_a_rehearsed_run_speaks_to_nobody_but_the_rehearsal(
    claude: ClaudeCode, rehearse: Rehearse, token: bool
):
    model = rehearse()
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        # Whatever does not go to loopback goes to this proxy, where it can be counted.
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"

        ended = claude.run(
            model, "What is this?", token=token, env={"HTTPS_PROXY": address, "HTTP_PROXY": address}
        )

        assert ended.exit_code == 0
        assert select.select([proxy], [], [], 0)[0] == []


@pytest.mark.parametrize("whose", ["user", "project"])
def test_settings_that_name_another_address_do_not_lead_a_rehearsal_astray(
    claude: ClaudeCode, rehearse: Rehearse, claude_home: Path, whose: str
):
    model, elsewhere = rehearse(), rehearse()
    folder = claude_home / ".claude" if whose == "user" else claude.project / ".claude"
    folder.mkdir(exist_ok=True)
    settings = {"env": {"ANTHROPIC_BASE_URL": elsewhere.url}}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    ended = claude.run(model, "What is this?", "--settings", json.dumps(model.settings()))

    assert ended.exit_code == 0
    assert (len(model.messages), len(elsewhere.messages)) == (1, 0)
