"""Mount an environment instead of unpacking it: one file on the node's disk, whose content is read where it is needed.

A separate process serves the mount, and ends when it is unmounted: when the node's last task leaves. What a killed job has left
mounted, our next job there unmounts.
"""

import contextlib
import json
import os
import shutil
import subprocess
from typing import Dict, List, Optional, Set

from ..contract.environments import packs
from ..contract.layout import to_native
from ..contract.system import mounts
from ..contract.system.private import make_private
from . import relocation

MOUNT = "mounted"
TIMEOUT_S = 60


def mount_environment(pack: str, target: str) -> None:
    """Copy a pack to this disk, mount it, and build an environment from it whose files have its new path. Raises OSError."""
    if os.path.isdir(target):  # by a task of the node that was killed before it could say so
        return
    folder, copy = os.path.dirname(target), target + packs.SUFFIXES["squashfs"]
    unmount(folder)
    try:
        shutil.copyfile(pack, copy)
        _mount(copy, os.path.join(folder, MOUNT), target)
    except OSError:
        unmount(folder)
        with contextlib.suppress(OSError):
            os.remove(copy)
        raise


def _mount(copy: str, mount: str, target: str) -> None:
    partial = target + ".partial"
    make_private(mount)
    _run([_find_server(), copy, mount])
    with open(os.path.join(mount, packs.NOTE), encoding="ascii") as file:
        note = json.load(file)
    relocation.check_room(note, target)
    shutil.rmtree(partial, ignore_errors=True)
    _link(mount, partial, {to_native(path) for path in [*note["texts"], *note["programs"]]})
    relocation.relocate(partial, note, target)
    os.rename(partial, target)


def _link(source: str, target: str, changing: Set[str]) -> None:
    """Build a folder of links into another; files that will change are copied, and so are programs, which look beside
    themselves."""
    os.mkdir(target, 0o700)
    inside: Dict[str, Set[str]] = {}
    for path in changing:
        first, _, rest = path.partition(os.sep)
        inside.setdefault(first, set()).add(rest)
    for entry in os.scandir(source):
        _link_entry(entry, os.path.join(target, entry.name), inside.get(entry.name))


def _link_entry(entry: "os.DirEntry[str]", place: str, changing: Optional[Set[str]]) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), place)
    elif entry.name == "bin":
        shutil.copytree(entry.path, place, symlinks=True)
    elif changing is None:
        os.symlink(entry.path, place)
    elif entry.is_dir():
        _link(entry.path, place, changing)
    else:
        shutil.copy2(entry.path, place)


def _find_server() -> str:
    """Return the program that serves a mount. Raises OSError if this node has none."""
    found = next(filter(None, map(shutil.which, mounts.SERVERS)), None)
    if found is None:
        raise OSError("squashfuse is not on this node")
    return found


def _run(command: List[str]) -> None:
    try:
        done = subprocess.run(  # noqa: PLW1510
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as err:
        raise OSError(str(err)) from None
    if done.returncode:
        output = done.stdout.decode("utf-8", "replace").strip()
        raise OSError("{}: {}".format(os.path.basename(command[0]), output or "status {}".format(done.returncode)))


def unmount(folder: str) -> None:
    """Unmount whatever is mounted in a node's folder, even if nothing serves it any more."""
    mount = os.path.join(folder, MOUNT)
    with contextlib.suppress(OSError):
        if MOUNT not in os.listdir(folder):
            return
    for command in (["fusermount3", "-uz"], ["fusermount", "-uz"], ["umount", "-l"]):
        with contextlib.suppress(OSError):
            _run([*command, mount])
            return
