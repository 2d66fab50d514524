"""Hostile objects for the lanes: what nobody means well with, each made by a function of its path.

Of each it is told what has to become of it: it is ignored and shown, it is refused, read or unread, it counts as if
nothing were odd, or nobody looks at it at all.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

LARGEST = 1 << 20


class Fate(Enum):
    """What has to become of an object."""

    IGNORED = "left where it lies and shown"
    REFUSED = "taken, and told why it is no plan or order"
    UNREAD = "taken, and told why it was not read"
    TAKEN = "taken; what it says is judged"
    UNSEEN = "nobody looks at it"


class Cannot(Exception):
    """This machine cannot make such an object; the message says why."""


class Holder:
    """What has to stay open as long as an object lies there, and what lies outside the lanes for it."""

    def __init__(self, outside: Path) -> None:
        self.outside = outside
        self._open: list[int | mmap.mmap] = []
        self._immutable: list[Path] = []
        self._mounted: list[Path] = []

    def keep(self, one: int | mmap.mmap) -> None:
        """Keep a descriptor or a map until the end."""
        self._open.append(one)

    def beside(self, content: bytes, name: str = "kept") -> Path:
        """Make a file outside of all lanes."""
        path = self.outside / f"{name}-{len(os.listdir(self.outside))}"
        path.write_bytes(content)
        return path

    def flag(self, path: Path, flag: str) -> None:
        """Set a flag that stops even root."""
        done = subprocess.run(["chattr", f"+{flag}", os.fspath(path)], capture_output=True, check=False)
        if done.returncode:
            path.unlink()
            raise Cannot(f"chattr +{flag}: {done.stderr.decode().strip()}")
        self._immutable.append(path)

    def mount(self, source: Path, path: Path) -> None:
        """Mount one file on another."""
        done = subprocess.run(
            ["mount", "--bind", os.fspath(source), os.fspath(path)], capture_output=True, check=False
        )
        if done.returncode:
            path.unlink()
            raise Cannot(f"mount --bind: {done.stderr.decode().strip()}")
        self._mounted.append(path)

    def close(self) -> None:
        """Let go of all of it, so that the folder can be removed."""
        for one in self._open:
            one.close() if isinstance(one, mmap.mmap) else os.close(one)
        for path in self._mounted:
            subprocess.run(["umount", os.fspath(path)], check=False)
        for path in self._immutable:
            subprocess.run(["chattr", "-ia", os.fspath(path)], capture_output=True, check=False)


Make = Callable[[Path, Holder], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of hostile object."""

    name: str
    fate: Fate
    make: Make
    file_name: bytes = b""
    """What it is called where the name is what is odd; otherwise its number and an ending."""


def _content(content: bytes) -> Make:
    return lambda path, _: path.write_bytes(content)


def _link(target: str) -> Make:
    return lambda path, _: path.symlink_to(target)


def _sized(size: int) -> Make:
    def make(path: Path, _: Holder) -> None:
        with path.open("wb") as file:
            try:
                file.truncate(size)
            except OSError as error:
                raise Cannot(f"a file of {size} bytes: {error.strerror}") from None

    return make


def _with_mode(mode: int) -> Make:
    def make(path: Path, _: Holder) -> None:
        path.write_bytes(b"x = 1\n")
        path.chmod(mode)

    return make


def _dated(at: float) -> Make:
    def make(path: Path, _: Holder) -> None:
        path.write_bytes(b"x = 1\n")
        os.utime(path, (at, at))

    return make


def _device(kind: int, major: int, minor: int) -> Make:
    def make(path: Path, _: Holder) -> None:
        try:
            os.mknod(path, 0o600 | kind, os.makedev(major, minor))
        except PermissionError:
            raise Cannot("making a device is not permitted here") from None

    return make


def _link_to_a_good_file(path: Path, holder: Holder) -> None:
    path.symlink_to(holder.beside(b"x = 1\n"))


def _chain(path: Path, holder: Holder) -> None:
    first = target = holder.beside(b"x = 1\n")
    for number in range(50):
        link = holder.outside / f"{first.name}-chain-{number}"
        link.symlink_to(target)
        target = link
    path.symlink_to(target)


def _socket(path: Path, _: Holder) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _full_folder(path: Path, _: Holder) -> None:
    path.mkdir()
    (path / "a.toml").write_bytes(b"x = 1\n")
    (path / "loop").symlink_to("..")


def _hard_link(path: Path, holder: Holder) -> None:
    os.link(holder.beside(b"x = 1\n"), path)


def _hard_link_beside(path: Path, _: Holder) -> None:
    path.write_bytes(b"x = 1\n")
    os.link(path, path.parent / f".{path.name}.also")


def _of_another(path: Path, _: Holder) -> None:
    if os.geteuid() != 0:
        raise Cannot("only root can give a file away")
    path.write_bytes(b"x = 1\n")
    os.chown(path, 65534, 65534)


def _flagged(flag: str) -> Make:
    def make(path: Path, holder: Holder) -> None:
        path.write_bytes(b"x = 1\n")
        holder.flag(path, flag)

    return make


def _mounted(path: Path, holder: Holder) -> None:
    path.write_bytes(b"x = 1\n")
    holder.mount(holder.beside(b"x = 2\n"), path)


def _open_for_writing(path: Path, holder: Holder) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"x = 1\n")
    holder.keep(fd)


def _mapped(path: Path, holder: Holder) -> None:
    path.write_bytes(b"x = 1\n" * 100)
    with path.open("r+b") as file:
        holder.keep(mmap.mmap(file.fileno(), 0))


def _locked(path: Path, holder: Holder) -> None:
    path.write_bytes(b"x = 1\n")
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    holder.keep(fd)


def _leased(path: Path, holder: Holder) -> None:
    path.write_bytes(b"x = 1\n")
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        os.close(fd)
        raise Cannot(f"a lease: {errno.errorcode[error.errno or 0]}") from None
    holder.keep(fd)


def _with_attributes(path: Path, _: Holder) -> None:
    path.write_bytes(b"x = 1\n")
    try:
        os.setxattr(path, "user.x", b"y" * 1000)
    except OSError as error:
        path.unlink()
        raise Cannot(f"extended attributes: {error.strerror}") from None


def _renamed_while_written(path: Path, holder: Holder) -> None:
    """It comes by a rename, as finished files do, and is written for ever all the same."""
    beside = path.parent / f".{path.name}.tmp"
    _open_for_writing(beside, holder)
    beside.rename(path)


def kinds() -> Iterator[Kind]:
    """All of them."""
    yield from _IGNORED
    yield from _REFUSED
    yield from _UNREAD
    yield from _TAKEN
    yield from _NAMES
    yield from _UNSEEN


RENAMED_WHILE_WRITTEN = "renamed while it is written for ever"
"""Taken at once where its rename is seen; by polling it waits as what is written in its place does."""

_IGNORED = (
    Kind("a link to nothing", Fate.IGNORED, _link("nowhere")),
    Kind("a link to itself", Fate.IGNORED, lambda path, _: path.symlink_to(path)),
    Kind("a link to a file outside", Fate.IGNORED, _link("/etc/passwd")),
    Kind("a link to a good file", Fate.IGNORED, _link_to_a_good_file),
    Kind("a link to a folder", Fate.IGNORED, _link("/")),
    Kind("a link to its own lane", Fate.IGNORED, _link(".")),
    Kind("a link to /dev/zero", Fate.IGNORED, _link("/dev/zero")),
    Kind("a link to a process's memory", Fate.IGNORED, _link("/proc/self/mem")),
    Kind("a link through a descriptor", Fate.IGNORED, _link("/proc/self/fd/0")),
    Kind("a link through fifty links", Fate.IGNORED, _chain),
    Kind("a link of the longest target", Fate.IGNORED, _link("a" * 4095)),
    Kind("a FIFO", Fate.IGNORED, lambda path, _: os.mkfifo(path)),
    Kind("a socket", Fate.IGNORED, _socket),
    Kind("the device zero", Fate.IGNORED, _device(0o020000, 1, 5)),
    Kind("the device full", Fate.IGNORED, _device(0o020000, 1, 7)),
    Kind("a terminal", Fate.IGNORED, _device(0o020000, 5, 0)),
    Kind("a block device", Fate.IGNORED, _device(0o060000, 7, 250)),
    Kind("a folder", Fate.IGNORED, lambda path, _: path.mkdir()),
    Kind("a folder that may not be entered", Fate.IGNORED, lambda path, _: path.mkdir(0)),
    Kind("a full folder", Fate.IGNORED, _full_folder),
    Kind("an empty file", Fate.IGNORED, _content(b"")),
    Kind("an immutable file", Fate.IGNORED, _flagged("i")),
    Kind("an append-only file", Fate.IGNORED, _flagged("a")),
    Kind("a mounted file", Fate.IGNORED, _mounted),
    Kind("no ending", Fate.IGNORED, _content(b"x = 1\n"), b"README"),
    Kind("another ending", Fate.IGNORED, _content(b"x = 1\n"), b"plan.yaml"),
    Kind("an ending behind an ending", Fate.IGNORED, _content(b"x = 1\n"), b"plan.toml.bak"),
    Kind("an ending of other letters", Fate.IGNORED, _content(b"x = 1\n"), "plan.t\u043eml".encode()),
    Kind("a name of a space", Fate.IGNORED, _content(b"x = 1\n"), b" "),
    Kind("a name of bytes that are no text", Fate.IGNORED, _content(b"x = 1\n"), b"\xff\xfe\x80"),
)

_REFUSED = (
    Kind("only white space", Fate.REFUSED, _content(b" \n\t\r\n " * 50)),
    Kind("NUL bytes", Fate.REFUSED, _content(b"\0" * 100)),
    Kind("no UTF-8", Fate.REFUSED, _content(b"\xff\xfe\x80")),
    Kind("UTF-16", Fate.REFUSED, _content("x = 1\n".encode("utf-16"))),
    Kind("another kind of file", Fate.REFUSED, _content(b"\x7fELF" + bytes(range(256)))),
    Kind("the largest that is read, of NUL", Fate.REFUSED, _sized(LARGEST)),
    Kind("the largest that is read, full of values", Fate.REFUSED, _content(b"k = 1\n" * (LARGEST // 6))),
    Kind("nested without end", Fate.REFUSED, _content(b"a = " + b"[" * 500_000)),
    Kind(RENAMED_WHILE_WRITTEN, Fate.REFUSED, _renamed_while_written),
)

_UNREAD = (
    Kind("one byte too many", Fate.UNREAD, _sized(LARGEST + 1)),
    Kind("a sparse terabyte", Fate.UNREAD, _sized(1 << 40)),
    Kind("mode 000", Fate.UNREAD, _with_mode(0)),
    Kind("write only", Fate.UNREAD, _with_mode(0o200)),
    Kind("writable by everybody", Fate.UNREAD, _with_mode(0o666)),
    Kind("setuid and writable by everybody", Fate.UNREAD, _with_mode(0o4777)),
    Kind("of another user", Fate.UNREAD, _of_another),
    Kind("a hard link to a file outside", Fate.UNREAD, _hard_link),
    Kind("a hard link to a file in the lane", Fate.UNREAD, _hard_link_beside),
)

_TAKEN = (
    Kind("setuid", Fate.TAKEN, _with_mode(0o4700)),
    Kind("sticky", Fate.TAKEN, _with_mode(0o1700)),
    Kind("setgid", Fate.TAKEN, _with_mode(0o2700)),
    Kind("read only", Fate.TAKEN, _with_mode(0o400)),
    Kind("dated in the future", Fate.TAKEN, _dated(4e9)),
    Kind("dated before 1970", Fate.TAKEN, _dated(-1000)),
    Kind("locked by somebody", Fate.TAKEN, _locked),
    Kind("leased by somebody", Fate.TAKEN, _leased),
    Kind("with attributes of its own", Fate.TAKEN, _with_attributes),
)


def _named(what: str, name: bytes) -> Kind:
    return Kind(what, Fate.TAKEN, _content(b"x = 1\n"), name)


_NAMES = (
    _named("a line break in its name", b"new\nline.toml"),
    _named("bytes in its name that are no text", b"\xff\xfe.toml"),
    _named("a leading dash", b"-rf.toml"),
    _named("255 bytes of a name", b"n" * 250 + b".toml"),
    _named("255 bytes of letters of three bytes", "\u6f22".encode() * 83 + b"ab.md"),
    _named("an escape sequence in its name", b"\x1b[2J.md"),
    _named("signs of the shell in its name", b"* ; rm $HOME `id`.json"),
    _named("a name that runs backwards", "\u202emd\u2066.toml".encode()),
    _named("spaces only before its ending", b"   .toml"),
    _named("an ending of upper case", b"LOUD.TOML"),
    _named("a name of the root's own", b"journal.jsonl.toml"),
    _named("a name of a device elsewhere", b"CON.toml"),
    _named("the name of a result", b"result.json"),
    _named("a name that ends in a number", b"again-2.toml"),
    _named("backslashes in its name", b"a\\..\\..\\etc.toml"),
    _named("a tilde in its name", b"~root.toml"),
    _named("a percent sign and braces in its name", b"%s{0}{x!r}%n.toml"),
    _named("no letter that an id may have", "\u6f22\u5b57.toml".encode()),
    _named("only endings", b".plan.toml"[1:]),
)

_UNSEEN = (
    Kind("only an ending", Fate.UNSEEN, _content(b"x = 1\n"), b".toml"),
    Kind("two dots and a name", Fate.UNSEEN, _content(b"x = 1\n"), b"..x.toml"),
    Kind("three dots", Fate.UNSEEN, _content(b"x = 1\n"), b"..."),
    Kind("a temporary file", Fate.UNSEEN, _content(b"x = 1\n"), b"x.toml.tmp"),
    Kind("a part", Fate.UNSEEN, _content(b"x = 1\n"), b"x.PART"),
    Kind("a hidden FIFO", Fate.UNSEEN, lambda path, _: os.mkfifo(path), b".fifo.toml"),
    Kind("a hidden terabyte", Fate.UNSEEN, _sized(1 << 40), b".huge.toml"),
)

WRITTEN_FOR_EVER = (
    Kind("open for writing", Fate.UNSEEN, _open_for_writing),
    Kind("mapped for writing", Fate.UNSEEN, _mapped),
)
"""They wait, as a slow writer would; nobody may be kept waiting by them. Without the proof they are taken."""
