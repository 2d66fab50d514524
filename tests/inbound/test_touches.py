"""A plan that says that it touches a folder touches what lies in it."""

from __future__ import annotations

from pathlib import Path

from orchestrd.core.overlap import overlaps
from orchestrd.inbound.touches import name_folders


def test_a_folder_stands_for_all_that_lies_in_it_and_a_file_for_itself(tmp_path: Path) -> None:
    (tmp_path / "src" / "api").mkdir(parents=True)
    (tmp_path / "README.md").write_text("")
    written = ["src", "src/api", "src/", "README.md", "new.py", "sr[c]", "src/**", "a" * 300]

    touches = name_folders(written, tmp_path)

    assert touches == ("src/", "src/api/", "src/", "README.md", "new.py", "sr[c]", "src/**", "a" * 300)
    assert overlaps(touches[:1], ["src/api/limits.py"])
    assert not overlaps(touches[3:4], ["**/*.py"])


def test_a_name_that_cannot_be_looked_at_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert name_folders(["file/below", "with\0nul"], tmp_path) == ("file/below", "with\0nul")
