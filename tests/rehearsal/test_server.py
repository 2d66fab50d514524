from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrd.rehearsal import Rehearsal, parse_script
from orchestrd.rehearsal.stream import events_of
from tests.waiting import wait_until

ONE_TEXT = (
    "[[conversations]]\n[[conversations.turns]]\ntext = 'A text that is longer than one piece of a stream'\n"
)


def ask(model: Rehearsal, prompt: str = "hi", path: str = "/v1/messages", **more: Any) -> tuple[int, bytes]:
    """Ask the model as a client would and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=10)
    body = {"model": "some-model", "messages": [{"role": "user", "content": prompt}], **more}
    connection.request(
        "POST", path, json.dumps(body), {"x-api-key": "very-secret", "Authorization": "Bearer secret"}
    )
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def streamed(raw: bytes) -> list[dict[str, Any]]:
    """The data of every event in a stream."""
    return [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: ")]


def test_a_reply_comes_whole_or_as_a_stream_and_says_the_same():
    with Rehearsal(parse_script(ONE_TEXT)) as model:
        _, whole = ask(model)
        _, stream = ask(model, stream=True)

    message, events = json.loads(whole), streamed(stream)
    pieces = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert message["model"] == "some-model"
    assert "".join(pieces) == message["content"][0]["text"]
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"


def test_a_stream_rebuilds_every_kind_of_block():
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "Write", "input": {"a": [1, "ü"]}},
    ]
    usage = {"input_tokens": 1, "output_tokens": 2}
    message = {"content": content, "usage": usage, "stop_reason": "tool_use", "stop_sequence": None}

    deltas = [fields["delta"] for name, fields in events_of(message) if name == "content_block_delta"]

    assert [delta["type"] for delta in deltas] == ["thinking_delta", "signature_delta", "input_json_delta"]
    assert json.loads(deltas[2]["partial_json"]) == {"a": [1, "ü"]}


def test_an_error_has_the_status_the_body_and_the_headers_of_the_script():
    script = "[[conversations]]\n[[conversations.turns]]\nerror = { status = 529, message = 'Busy' }"
    with Rehearsal(parse_script(script)) as model:
        status, body = ask(model)

    assert status == 529
    assert json.loads(body)["error"] == {"type": "overloaded_error", "message": "Busy"}


def test_a_stream_that_is_cut_is_no_complete_response():
    script = "[[conversations]]\n[[conversations.turns]]\ncut = { after_events = 2 }"
    with Rehearsal(parse_script(script)) as model, pytest.raises(http.client.IncompleteRead) as caught:
        ask(model, stream=True)

    assert len(streamed(caught.value.partial)) == 2


def test_a_connection_that_is_hung_up_on_gives_no_response():
    script = "[[conversations]]\n[[conversations.turns]]\nhang_up = {}"
    with Rehearsal(parse_script(script)) as model, pytest.raises(ConnectionError):
        ask(model)


def test_nobody_listens_where_connections_are_refused():
    with Rehearsal(parse_script("refuse_connections = true")) as model, pytest.raises(ConnectionRefusedError):
        ask(model)


def test_closing_hangs_up_on_whoever_waits_and_leaves_no_thread():
    script = "[[conversations]]\n[[conversations.turns]]\nsilent = {}"
    before = threading.active_count()
    ends: list[BaseException] = []

    def wait_in_vain(model: Rehearsal) -> None:
        try:
            ask(model)
        except (OSError, http.client.HTTPException) as error:
            ends.append(error)

    with Rehearsal(parse_script(script)) as model:
        waiting = threading.Thread(target=wait_in_vain, args=(model,))
        waiting.start()
        wait_until(lambda: model.messages, what="the request")
        model.close()
    waiting.join(5)

    assert len(ends) == 1
    wait_until(lambda: threading.active_count() == before, 5, "the end of every thread")


def test_a_client_that_leaves_frees_its_thread():
    script = "[[conversations]]\n[[conversations.turns]]\nsilent = {}"
    with Rehearsal(parse_script(script)) as model:
        before = threading.active_count()
        with socket.create_connection(("127.0.0.1", model.port)) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            wait_until(lambda: model.messages, what="the request")

        wait_until(lambda: threading.active_count() == before, 5, "the end of the connection's thread")


def test_requests_are_recorded_without_credentials(tmp_path: Path):
    record = tmp_path / "requests.jsonl"
    with Rehearsal(record=record) as model:
        ask(model, "What is this?")
        ask(model, path="/v1/messages/count_tokens")
        asked = model.requests

    lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert [line["path"] for line in lines] == ["/v1/messages", "/v1/messages/count_tokens"]
    assert lines[0]["body"]["messages"][0]["content"] == "What is this?"
    assert asked[0].credential == "api-key+token"
    assert "secret" not in record.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("HEAD", "/api/hello", 200),
        ("POST", "/api/event_logging/batch", 200),
        ("GET", "/v1/models?limit=1000", 200),
        ("GET", "/favicon.ico", 404),
    ],
)
def test_everything_else_is_answered_harmlessly(method: str, path: str, status: int):
    with Rehearsal() as model:
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=10)
        connection.request(method, path)
        response = connection.getresponse()
        response.read()

        assert response.status == status
        assert model.messages == []
        connection.close()


def test_a_body_that_is_no_json_does_not_stop_the_model():
    with Rehearsal() as model:
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=10)
        connection.request("POST", "/v1/messages", b"\xff\x00{")
        first = connection.getresponse()
        first.read()
        connection.close()

        assert first.status == 200
        assert ask(model)[0] == 200


def test_many_conversations_at_once_keep_their_own_turns():
    script = "[[conversations]]\n[[conversations.turns]]\nerror = { status = 500, times = 1 }\ntext = 'for {prompt}'"
    answers: dict[int, list[tuple[int, bytes]]] = {}
    with Rehearsal(parse_script(script)) as model:

        def twice(number: int) -> None:
            answers[number] = [ask(model, f"p{number}"), ask(model, f"p{number}")]

        threads = [threading.Thread(target=twice, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    for number, (first, second) in answers.items():
        assert first[0] == 500
        assert json.loads(second[1])["content"][0]["text"] == f"for p{number}"
    assert len(answers) == 16


def test_by_hand_it_prints_what_to_export_and_ends_on_a_signal(tmp_path: Path):
    port_file = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrd.rehearsal", "--port-file", port_file],
        stdout=subprocess.PIPE,
        text=True,
    )
    port = wait_until(
        lambda: port_file.exists() and port_file.read_text(encoding="utf-8").strip(), 10, "its port"
    )
    with socket.create_connection(("127.0.0.1", int(port))):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert f"export ANTHROPIC_BASE_URL=http://127.0.0.1:{port}\n" in output
    assert "export ANTHROPIC_API_KEY=" in output


def test_by_hand_a_bad_script_is_told_and_ends_with_2(tmp_path: Path):
    script = tmp_path / "bad.toml"
    script.write_text("conversation = []\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "orchestrd.rehearsal", "--script", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert (
        done.stderr == f"{script}: conversation: is not a field of a script (did you mean conversations?)\n"
    )
