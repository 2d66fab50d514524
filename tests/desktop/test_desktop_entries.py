"""Our entries: by what they are known again, and what is refused before it could come to stand in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrd.desktop.entries import (
    Proxied,
    check_proxied,
    is_proxy_with_token,
    is_server,
    proxy_entry,
    read_proxy,
    server_entry,
)
from orchestrd.desktop.error import DesktopError

URL = "http://127.0.0.1:8000/mcp"


@pytest.mark.parametrize("command", [("/opt/x/bin/orchestrd",), ("/usr/bin/python3", "-m", "orchestrd")])
def test_our_server_is_known_from_whichever_installation(command):
    entry = server_entry(command, Path("/home/ada/handoff"), {})

    assert is_server(entry.value)
    assert entry.value["args"][-1] == "mcp"
    assert entry.value["env"] == {"ORCHESTRD_ROOT": "/home/ada/handoff"}


def test_where_our_things_lie_is_taken_along_and_nothing_else():
    environ = {"XDG_CONFIG_HOME": "/etc/ada", "ORCHESTRD_CONFIG": "/x/c.toml", "ANTHROPIC_API_KEY": "made-up"}

    entry = server_entry(("/bin/orchestrd",), Path("/r"), environ)

    assert entry.value["env"] == {
        "ORCHESTRD_ROOT": "/r",
        "ORCHESTRD_CONFIG": "/x/c.toml",
        "XDG_CONFIG_HOME": "/etc/ada",
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        "orchestrd mcp",
        {"command": "/bin/other", "args": ["mcp"]},
        {"command": "/bin/orchestrd", "args": ["serve"]},
        {"command": "/bin/orchestrd", "args": "mcp"},
        {"args": ["mcp"]},
        {"url": "http://localhost"},
    ],
)
def test_what_is_somebody_elses_is_not_taken_for_ours(value):
    assert not is_server(value)
    assert not is_proxy_with_token(value)


def test_the_entry_without_a_token_is_the_one_that_everybody_has():
    entry = proxy_entry("local", ("/bin/orchestrd",), ("/bin/mcp-proxy",), Proxied(URL, "streamablehttp", ""))

    assert entry.value == {"command": "/bin/mcp-proxy", "args": ["--transport", "streamablehttp", URL]}
    assert not is_proxy_with_token(entry.value)
    assert read_proxy(entry.value) == Proxied(URL, "streamablehttp", "")


@pytest.mark.parametrize("proxy", [("/bin/mcp-proxy",), ("/bin/uvx", "mcp-proxy")])
def test_with_a_token_only_the_variables_name_stands_there(proxy):
    entry = proxy_entry("local", ("/py", "-m", "orchestrd"), proxy, Proxied(URL, "sse", "MY_TOKEN"))

    assert is_proxy_with_token(entry.value)
    assert "env" not in entry.value
    assert read_proxy(entry.value) == Proxied(URL, "sse", "MY_TOKEN")


def test_entries_of_other_peoples_making_are_understood():
    assert read_proxy({"command": "mcp-proxy", "args": ["http://localhost:1/sse"]}) == Proxied(
        "http://localhost:1/sse", "sse", ""
    )
    assert read_proxy(
        {"command": "uvx", "args": ["mcp-proxy@0.13", "--transport=streamablehttp", URL]}
    ) == Proxied(URL, "streamablehttp", "")
    assert read_proxy({"command": "npx", "args": ["mcp-remote", URL]}) is None


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://localhost:9/sse",
        "https://[::1]:8443/mcp?mode=x",
        "http://127.9.9.9/",
        "http://LOCALHOST/",
    ],
)
def test_what_is_on_this_machine_is_taken(url):
    assert check_proxied(url, None, "", {}).url == url


def test_the_transport_is_seen_by_the_url():
    assert check_proxied("http://localhost/sse/", None, "", {}).transport == "sse"
    assert check_proxied("http://localhost/mcp", None, "", {}).transport == "streamablehttp"
    assert check_proxied("http://localhost/sse", "streamablehttp", "", {}).transport == "streamablehttp"


@pytest.mark.parametrize(
    "url, says",
    [
        ("http://example.org/mcp", "is not this machine"),
        ("http://192.168.1.2/mcp", "is not this machine"),
        ("http://localhost.example.org/", "is not this machine"),
        ("http://0.0.0.0:8000/mcp", "is not this machine"),
        ("http://2130706433/", "is not this machine"),
        ("http://ada:hunter2@localhost/", "--token-env"),
        ("http://localhost/mcp?api_key=hunter2", "--token-env"),
        ("ftp://localhost/", "a URL such as"),
        ("localhost:8000", "a URL such as"),
        ("http://localhost:99999/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://localhost/hunter2", "holds the value of MY_TOKEN"),
    ],
)
def test_what_is_elsewhere_or_would_write_a_token_down_is_refused(url, says):
    with pytest.raises(DesktopError) as raised:
        check_proxied(url, None, "MY_TOKEN", {"MY_TOKEN": "hunter2"})

    assert says in str(raised.value)
    if "api_key" in url or "@" in url:
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("token", ["sk-hunter2", "ghp_hunter2", "hunter2"])
def test_a_token_in_the_place_of_its_variables_name_is_refused_and_not_repeated(token):
    with pytest.raises(DesktopError) as raised:
        check_proxied(URL, None, token, {})

    assert "name of a variable" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_path_that_is_no_text_cannot_be_written():
    with pytest.raises(DesktopError, match="no UTF-8"):
        server_entry(("/bin/orchestrd",), Path(json.loads('"/home/\\udcff"')), {})
