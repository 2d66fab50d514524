"""Whether a server on this machine answers: real HTTP on loopback, well-behaved and not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from orchestrd.desktop.answering import Answers, ask
from orchestrd.desktop.entries import Proxied
from tests.desktop.local_server import LocalServer, serving

TOKEN = "canary"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving(TOKEN) as made:
        yield made


def proxied(server: LocalServer, path: str, transport: str = "streamablehttp") -> Proxied:
    return Proxied(server.at(path), transport, "")


@pytest.mark.parametrize(
    "path, transport, token, word",
    [
        ("/json", "streamablehttp", "", Answers.YES),
        ("/events", "streamablehttp", "", Answers.YES),
        ("/sse", "sse", "", Answers.YES),
        ("/secret/json", "streamablehttp", "canary", Answers.YES),
        ("/secret/json", "streamablehttp", "other", Answers.UNAUTHORIZED),
        ("/secret/sse", "sse", "", Answers.UNAUTHORIZED),
        ("/page", "streamablehttp", "", Answers.OTHERWISE),
        ("/page", "sse", "", Answers.OTHERWISE),
        ("/none", "streamablehttp", "", Answers.OTHERWISE),
    ],
)
def test_how_it_answers_is_told_in_a_word(server, path, transport, token, word):
    answer = ask(proxied(server, path, transport), token)

    assert answer.word is word
    assert "canary" not in answer.said


def test_the_session_that_was_begun_is_ended(server):
    ask(proxied(server, "/json"), "canary")

    assert server.asked == [
        ("POST", "Bearer canary"),
        ("DELETE", "Bearer canary"),
    ]


def test_a_token_is_sent_nowhere_else(server):
    answer = ask(proxied(server, "/moved"), "canary")

    assert answer.word is Answers.OTHERWISE
    assert "example.org" in answer.said
    assert len(server.asked) == 1


@pytest.mark.parametrize("drip", [b"", b"X-Slow: 1\r\n"])
def test_one_that_is_silent_or_dawdles_holds_nobody_up(drip):
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def dawdle() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n" if drip else b"")
                while not stop.wait(0.02):
                    connection.sendall(drip)

        thread = threading.Thread(target=dawdle)
        thread.start()
        began = time.monotonic()

        answer = ask(Proxied(f"http://127.0.0.1:{listening.getsockname()[1]}/", "sse", ""), "", 0.3)

        took = time.monotonic() - began
        stop.set()
        thread.join()
    assert (answer.word, answer.said) == (Answers.NO, "no answer within 0.3 s")
    assert took < 2


def test_where_nobody_listens_that_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    answer = ask(Proxied(f"http://127.0.0.1:{port}/mcp", "streamablehttp", ""), "")

    assert (answer.word, answer.said) == (Answers.NO, "Connection refused")
