"""The extension for Claude Desktop: the official tool takes it, and what is packed starts our server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import pack, put_together
from bundle.manifest import Offered, manifest
from bundle.server import command_line
from tests.node_tools import node_tool

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    node_tool("mcpb")
    files = tmp_path_factory.mktemp("files")
    put_together(files)
    made = tmp_path_factory.mktemp("made") / "orchestrd.mcpb"
    pack(files, made)
    return made


@pytest.fixture(scope="module")
def unpacked(bundle, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(folder)
    return folder


def read_manifest(unpacked: Path) -> dict[str, Any]:
    return json.loads((unpacked / "manifest.json").read_text("utf-8"))


def test_it_is_valid_small_and_whole_and_names_no_place_of_this_machine(unpacked):
    checked = subprocess.run(
        [node_tool("mcpb"), "validate", unpacked], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout
    names = {path.name for path in unpacked.iterdir()}
    (wheel,) = [name for name in names if name.endswith(".whl")]
    assert names == {"manifest.json", "pyproject.toml", "server.py", "README.md", "LICENSE", wheel}
    texts = [path.read_text("utf-8") for path in unpacked.iterdir() if path.suffix != ".whl"]
    assert not [text for text in texts if str(Path.cwd()) in text or "http://" in text]
    assert f'orchestrd = {{ path = "{wheel}" }}' in (unpacked / "pyproject.toml").read_text("utf-8")


def test_its_tools_and_prompts_are_those_of_the_server(unpacked):
    found = read_manifest(unpacked)

    assert {"submit_plan", "plan_status", "answer_request"} <= {one["name"] for one in found["tools"]}
    assert all(one["description"] for one in found["tools"] + found["prompts"])
    for prompt in found["prompts"]:
        assert all("${arguments." + name + "}" in prompt["text"] for name in prompt.get("arguments", []))


@pytest.mark.skipif(UV is None, reason="uv is not installed")
def test_what_is_packed_starts_our_server_as_the_manifest_says(unpacked, tmp_path):
    folder = shutil.copytree(unpacked, tmp_path / "extension")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRD_")}
    environ |= {"HOME": str(tmp_path), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
    environ |= {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_LINK_MODE": "hardlink"}
    installed = subprocess.run(
        [str(UV), "sync", "--directory", folder], env=environ, capture_output=True, text=True, check=False
    )
    if "Failed to fetch" in installed.stderr:
        pytest.skip("the registry cannot be reached")
    assert installed.returncode == 0, installed.stderr
    found = read_manifest(unpacked)
    config = found["server"]["mcp_config"]
    assert config["command"] == "uv"
    # As the official code fills it in: what stands in the value of a default is not filled in once more.
    filled = {"${__dirname}": str(folder), "${user_config.root}": found["user_config"]["root"]["default"]}
    words = [filled.get(word, word) for word in config["args"]]

    tools, status = asyncio.run(_ask([str(UV), *words], environ | {"UV_OFFLINE": "1"}))

    assert tools == [one["name"] for one in found["tools"]]
    assert str(tmp_path / "handoff") in json.dumps(status)


async def _ask(command: list[str], environ: dict[str, str]) -> tuple[list[str], object]:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    server = StdioServerParameters(command=command[0], args=command[1:], env=environ)
    async with asyncio.timeout(60), Client(stdio_client(server)) as client:
        tools = [one.name for one in (await client.list_tools()).tools]
        status = await client.call_tool("daemon_status", {})
        return tools, [one.model_dump() for one in status.content]


@pytest.mark.parametrize(
    "words, environ, called",
    [
        (["/srv/handoff"], {}, ["--root", "/srv/handoff", "mcp"]),
        (["${HOME}/handoff"], {}, ["--root", "/home/ada/handoff", "mcp"]),
        (["~/handoff"], {}, ["--root", "/home/ada/handoff", "mcp"]),
        ([], {"ORCHESTRD_ROOT": "/srv/handoff"}, ["--root", "/srv/handoff", "mcp"]),
        (["${user_config.root}"], {}, ["mcp"]),
        ([""], {}, ["mcp"]),
        ([], {}, ["mcp"]),
    ],
)
def test_whatever_a_host_makes_of_the_chosen_folder_the_server_starts(monkeypatch, words, environ, called):
    monkeypatch.setenv("HOME", "/home/ada")

    assert command_line(words, environ) == called


def test_a_description_for_a_model_becomes_one_for_a_list():
    project = {
        "name": "x",
        "version": "1",
        "description": "",
        "license": "MIT",
        "keywords": (),
        "requires-python": "",
    }
    tool = {"name": "t", "description": "Hand a plan in. It is run.\n\nMore, for models."}
    long = {"name": "u", "description": "word " * 100}

    told = manifest(project, Offered([tool, long], []))["tools"]

    assert told[0]["description"] == "Hand a plan in."
    assert len(told[1]["description"]) == 240
