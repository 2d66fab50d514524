"""Where Claude Desktop's configuration lies, on systems that this one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrd.desktop.error import DesktopError
from orchestrd.desktop.places import configuration_file, desktop_folder


@pytest.mark.parametrize(
    "system, environ, folder",
    [
        ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Application Support/Claude"),
        ("linux", {"HOME": "/home/ada"}, "/home/ada/.config/Claude"),
        ("linux", {"HOME": "/home/ada", "XDG_CONFIG_HOME": "/etc/ada"}, "/etc/ada/Claude"),
        ("linux", {"HOME": "/home/ada", "XDG_CONFIG_HOME": ""}, "/home/ada/.config/Claude"),
        ("windows", {"APPDATA": "/c/ada/Roaming"}, "/c/ada/Roaming/Claude"),
        ("windows", {"USERPROFILE": "/c/ada"}, "/c/ada/AppData/Roaming/Claude"),
    ],
)
def test_each_system_has_its_folder(system, environ, folder):
    assert desktop_folder(environ, system) == Path(folder)


def test_where_desktop_has_never_been_it_is_said_what_to_do(tmp_path):
    with pytest.raises(DesktopError, match=r"never been started here.*--config"):
        configuration_file(None, {"HOME": str(tmp_path)})


def test_a_named_file_need_not_be_there_but_its_folder(tmp_path):
    assert configuration_file(tmp_path / "x.json") == tmp_path / "x.json"
    with pytest.raises(DesktopError, match="no such folder"):
        configuration_file(tmp_path / "none" / "x.json")
