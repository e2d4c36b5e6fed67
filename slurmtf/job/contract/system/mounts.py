"""Find the file system of a path, and whether other nodes can see it (proc(5), mountinfo)."""

import os
import re
from typing import List, NamedTuple, Optional

MOUNTS = "/proc/self/mountinfo"
SHARED = re.compile(
    r"nfs|lustre|gpfs|beegfs|ceph|afs$|cifs|smb|panfs|pvfs|orangefs|wekafs|daos|gluster|9p|virtiofs|fuse|autofs"
)
"""Kinds of file systems that other nodes can see, or may see for all we know."""
MEMORY = ("tmpfs", "ramfs")
SERVERS = ("squashfuse_ll", "squashfuse")
"""Programs that serve a mounted environment to the tasks of a node."""


class Mount(NamedTuple):
    """A mounted file system: its mount point, device ('8:1') and kind ('ext4')."""

    point: str
    device: str
    kind: str

    @property
    def shared(self) -> bool:
        return bool(SHARED.search(self.kind))

    @property
    def in_memory(self) -> bool:
        return self.kind in MEMORY


def parse(text: str) -> List[Mount]:
    """Return the mounts that ``/proc/self/mountinfo`` lists, in its order."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split(" ", 1)[0]
        if len(fields) > 4 and kind:
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), fields[4])
            found.append(Mount(point, fields[2], kind))
    return found


def read_mounts() -> List[Mount]:
    """Return this machine's mounts; none if they can't be read."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            return parse(file.read())
    except OSError:
        return []


def find_mount(path: str, known: List[Mount]) -> Optional[Mount]:
    """Return the mount on which a path is, or would be: the deepest one above it, or the last of several at the same place."""
    whole = os.path.realpath(path)
    above = [mount for mount in known if whole == mount.point or whole.startswith(mount.point.rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount.point)) if above else None


def is_mount_server(pid: int) -> bool:
    """Return whether a process serves a mount (proc(5), comm), and so was not left behind by a script."""
    try:
        with open("/proc/{}/comm".format(pid), encoding="ascii", errors="replace") as file:
            return file.read().strip() in SERVERS
    except OSError:
        return False
