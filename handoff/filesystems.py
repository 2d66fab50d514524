"""Which kind of file system a path lies on: those over a network keep neither locks nor syncs nor events reliably."""

from __future__ import annotations

import os

from handoff import platform

_NETWORK = frozenset(
    (
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "davfs2",
        "fuse.ceph",
        "fuse.cifs",
        "fuse.curlftpfs",
        "fuse.davfs2",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
    )
)


def network_filesystem(path: str | os.PathLike[str]) -> str | None:
    """Name the network file system that `path` lies on; None: it is a local one, or nobody can say."""
    kind = filesystem_type(path)
    return kind if kind in _NETWORK else None


def filesystem_type(path: str | os.PathLike[str]) -> str | None:
    """Name the file system that `path` lies on, as the mount table does; None where there is no telling."""
    place = os.path.realpath(path)
    best: tuple[int, str] | None = None
    for point, kind in _mounts():
        inside = point in ("/", place) or place.startswith(point + "/")
        # Later mounts hide earlier ones at the same point.
        if inside and (best is None or len(point) >= best[0]):
            best = (len(point), kind)
    return best[1] if best else None


def _mounts() -> list[tuple[str, str]]:
    if not platform.PLATFORM.proc:
        import psutil

        return [(mount.mountpoint, mount.fstype) for mount in psutil.disk_partitions(all=True)]
    return parse_mountinfo(_mount_table())


def _mount_table() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """Read (mount point, type) of each line of /proc/self/mountinfo."""
    mounts = []
    for line in text.split("\n"):
        before, _, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) > 4 and after:
            # Blanks, tabs, newlines and backslashes in a mount point are written in octal.
            point = words[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
            mounts.append((point.encode("latin-1").decode("utf-8", "surrogateescape"), after.split(" ")[0]))
    return mounts
