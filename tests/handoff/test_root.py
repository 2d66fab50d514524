"""The root: names and ids, and what makes a folder safe to be one."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from handoff import filesystems
from handoff.root import LANES, NameKind, PlanId, RootError, create_root, kind_of, open_root, plan_id_of


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("add-login.plan.md", "add-login"),
        ("Add Login.TOML", "add-login"),
        ("x.PLAN.Json", "x"),
        ("a__b..c.md", "a-b-c"),
        ("plan.toml", "plan"),
        ("...plan.md", "plan"),
        ("x.plan.plan.md", "x-plan"),
        ("äöü.md", "plan"),
        ("Äpfel.md", "pfel"),
        ("\u212aelvin.md", "elvin"),  # the Kelvin sign lower-cases to k, but it is no ASCII letter
        ("\udcff\udcfe.toml", "plan"),
        ("-rf.toml", "rf"),
        ("new\nline.toml", "new-line"),
        ("a" * 79 + "--b.md", "a" * 79),
        ("b" * 200 + ".md", "b" * 80),
        ("x" + "!" * 90 + "y.md", "x-y"),
        ("x!" * 60 + ".md", ("x-" * 40)[:79]),
        ("no-ending", "no-ending"),
    ],
)
def test_an_id_follows_from_the_name(name: str, plan: str) -> None:
    assert plan_id_of(name) == plan


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.toml", NameKind.TOML),
        ("a.JSON", NameKind.JSON),
        ("a.plan.Md", NameKind.MARKDOWN),
        (".a.toml", NameKind.TEMPORARY),
        ("a.toml.tmp", NameKind.TEMPORARY),
        ("a.part", NameKind.TEMPORARY),
        ("a.txt", NameKind.OTHER),
        ("toml", NameKind.OTHER),
        ("a.toml ", NameKind.OTHER),
        ("a.toml\n", NameKind.OTHER),
        ("a.markdown", NameKind.OTHER),
    ],
)
def test_a_name_says_what_it_is(name: str, kind: NameKind) -> None:
    assert kind_of(name) is kind


def test_a_new_root_is_private_and_has_all_its_lanes(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = create_root(tmp_path / "deep" / "handoff")
    finally:
        os.umask(old)

    folders = [
        made.path,
        *(made.path / lane for lane in LANES),
        made.active,
        made.archive,
        made.private,
        made.orders,
    ]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    assert open_root(made.path) == made


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o750, 0o500])
def test_a_folder_that_was_there_is_made_private(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "handoff"
    folder.mkdir()
    folder.chmod(mode)

    create_root(folder)

    assert folder.stat().st_mode & 0o7777 == 0o700


def test_a_folder_that_others_can_write_to_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "handoff"
    folder.mkdir()
    folder.chmod(0o775)

    with pytest.raises(RootError, match="others can write to it"):
        create_root(folder)

    assert folder.stat().st_mode & 0o777 == 0o775


def test_the_reserve_is_really_allocated(tmp_path: Path) -> None:
    made = create_root(tmp_path / "h")

    assert made.reserve.stat().st_size == 1 << 20
    assert made.reserve.stat().st_blocks * 512 >= 1 << 20


def test_making_a_root_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    made = create_root(tmp_path / "h")
    (made.inbox / "a.toml").write_text("x")
    made.control.rmdir()

    create_root(tmp_path / "h")

    assert (made.inbox / "a.toml").read_text() == "x"
    assert made.control.is_dir()


def test_a_root_inside_a_checkout_is_fine(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    assert create_root(tmp_path / "handoff").inbox.is_dir()


def test_no_root_is_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")

    with pytest.raises(RootError, match=r"letters\.txt"):
        create_root(tmp_path)


@pytest.mark.parametrize("place", ["h", "h/inbox", "h/active", "above"])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_what_others_can_write_to_is_refused_with_the_remedy(tmp_path: Path, place: str, bits: int) -> None:
    above = tmp_path / "above"
    made = create_root(above / "h")
    where = above if place == "above" else above / place
    where.chmod(0o700 | bits)

    with pytest.raises(RootError) as refused:
        open_root(made.path)

    assert refused.value.remedy == f"chmod go-w {where}"
    assert refused.value.where == where


def test_a_sticky_folder_above_is_safe(tmp_path: Path) -> None:
    above = tmp_path / "above"
    made = create_root(above / "h")
    above.chmod(0o1777)

    assert open_root(made.path) == made


def test_a_root_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    made = create_root(tmp_path / "h")
    os.chown(made.path, 65534, 65534)

    with pytest.raises(RootError, match="belongs to user 65534"):
        open_root(made.path)


def test_a_folder_that_is_no_root_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RootError, match=r"orchestrd --root .* init"):
        open_root(tmp_path)
    with pytest.raises(RootError, match=r"orchestrd --root .* init"):
        open_root(tmp_path / "none")


def test_a_lane_that_is_a_link_is_refused(tmp_path: Path) -> None:
    made = create_root(tmp_path / "h")
    made.inbox.rmdir()
    made.inbox.symlink_to(tmp_path)

    with pytest.raises(RootError, match="is not a folder"):
        open_root(made.path)


def test_a_network_file_system_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_root(tmp_path / "h")
    monkeypatch.setattr(filesystems, "network_filesystem", lambda _path: "nfs4")

    with pytest.raises(RootError, match=r"network file system \(nfs4\)"):
        open_root(made.path)

    assert open_root(made.path, allow_network=True) == made


def test_the_deepest_mount_names_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = str(tmp_path).replace(" ", "\\040")
    table = (
        "21 1 8:1 / / rw - ext4 /dev/sda rw\n"
        f"30 21 0:40 / {point} rw,relatime shared:1 - nfs4 server:/x rw\n"
        f"31 21 0:41 / {point}x rw - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(filesystems, "_mounts", lambda: filesystems.parse_mountinfo(table))

    assert filesystems.network_filesystem(tmp_path / "inside") == "nfs4"
    assert filesystems.filesystem_type("/etc") == "ext4"
    assert filesystems.network_filesystem("/etc") is None


def test_blanks_in_a_mount_point_are_read() -> None:
    line = "30 21 0:40 / /mnt/a\\040b\\134c rw - cifs //x rw\n"

    assert filesystems.parse_mountinfo(line) == [("/mnt/a b\\c", "cifs")]


def test_this_disk_is_a_local_one(tmp_path: Path) -> None:
    assert filesystems.network_filesystem(tmp_path) is None


def test_an_archived_plan_lies_in_its_month_in_utc(tmp_path: Path) -> None:
    made = create_root(tmp_path / "h")
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2)))

    assert made.archive_folder(PlanId("x"), late) == made.archive / "2026-12" / "x"
    assert (
        made.archive_folder(PlanId("x"), datetime(2026, 1, 2, tzinfo=UTC)) == made.archive / "2026-01" / "x"
    )


@pytest.mark.parametrize(("format", "ending"), [("toml", "toml"), ("md", "toml"), ("json", "json")])
def test_a_result_answers_in_the_language_of_the_question(tmp_path: Path, format: str, ending: str) -> None:  # noqa: A002
    made = create_root(tmp_path / "h")

    assert made.result_path(PlanId("x"), format) == made.results / f"x.{ending}"


@pytest.mark.parametrize(("name", "expected"), [("reserve", "a file"), ("spare", "a folder")])
def test_what_lies_in_the_place_of_the_reserve_is_told_with_what_should(
    tmp_path: Path, name: str, expected: str
) -> None:
    made = create_root(tmp_path / "h")
    place = made.private / name
    if place.is_dir():
        shutil.rmtree(place)
        place.touch()
    else:
        place.unlink()
        place.mkdir()

    with pytest.raises(RootError) as refused:
        create_root(made.path)

    assert refused.value.where == place
    assert refused.value.expected.startswith(expected)
    assert f"move {place} away" in refused.value.remedy
