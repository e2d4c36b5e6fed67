"""Which folders and files are trusted: those of the user and of root that nobody else can change.

The rule is that of sshd's StrictModes (sshd_config(5)): a folder belongs to everybody who can write to it. NFSv4 access lists
are not considered.
"""

import grp
import os
import pwd
import stat
from typing import Iterator, Set

MOST_LINKS = 40
"""The most links that the kernel follows on the way to one file (path_resolution(7))."""


def find_fault(path: str) -> str:
    """Return why the file or folder at ``path`` can't be trusted; empty if it can. Raises OSError.

    It and every folder and link on the way to it must belong to the user or to root, and nobody else may write to them, except
    to folders above whose sticky bit protects what belongs to others.
    """
    steps = list(_walk_steps(path))
    return next(filter(None, (_find_step_fault(step, above=step is not steps[-1]) for step in steps)), "")


def find_parent_fault(path: str) -> str:
    """Return why a folder of ours is not safe in the folder ``path``; empty if it is. Raises OSError."""
    return next(filter(None, (_find_step_fault(step, above=True) for step in _walk_steps(path))), "")


def find_own_fault(path: str) -> str:
    """Return why ``path`` is not a folder that belongs to us alone; empty if it is, or does not exist. Raises OSError."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    if not stat.S_ISDIR(found.st_mode):
        return "{} is {}".format(path, "a link" if stat.S_ISLNK(found.st_mode) else "not a folder")
    if found.st_uid != os.getuid():
        return "{} belongs to {}".format(path, get_user_name(found.st_uid))
    return _find_step_fault(path, above=False)


def find_local_fault(path: str) -> str:
    """Return why users other than us and root can write to ``path``, ignoring the folders above. Raises OSError."""
    return _find_step_fault(path, above=False)


def get_user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "user {}".format(uid)


def _walk_steps(path: str) -> Iterator[str]:
    """Yield every folder and link on the way to ``path``, and its final target, as the kernel resolves it."""
    parts = os.path.abspath(path).split("/")[:0:-1]
    place, links = "/", 0
    yield place
    while parts:
        name = parts.pop()
        here = os.path.dirname(place) if name == ".." else os.path.normpath(os.path.join(place, name))
        yield here
        if not os.path.islink(here):
            place = here
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError("{}: too many links".format(path))
        target = os.readlink(here)
        place = "/" if target.startswith("/") else place
        parts += [part for part in reversed(target.split("/")) if part]


def _find_step_fault(path: str, above: bool) -> str:
    found = os.lstat(path)
    if found.st_uid not in _find_trusted(above):
        return "{} belongs to {}".format(path, get_user_name(found.st_uid))
    if stat.S_ISLNK(found.st_mode) or (above and found.st_mode & stat.S_ISVTX):
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "everybody can write to {}".format(path)
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid):
        return "the group {} can write to {}".format(_get_group_name(found.st_gid), path)
    return ""


def _find_trusted(above: bool) -> Set[int]:
    """Return the users whose files are trusted. For folders ``above``, an owner unknown to a container counts as root: in a
    user namespace without root, the host's root appears as the overflow user (user_namespaces(7))."""
    ours = {os.getuid(), 0}
    return ours | _read_overflow_users() if above else ours


def _read_overflow_users() -> Set[int]:
    try:
        with open("/proc/self/uid_map", encoding="ascii") as known:
            first = [int(line.split()[0]) for line in known]
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as number:
            return set() if 0 in first else {int(number.read())}
    except (OSError, ValueError, IndexError):
        return set()


def _is_private(gid: int) -> bool:
    """Return whether a group has no members but the user and root: many systems give each user a group of the same name."""
    if gid == 0:
        return True
    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return (group.gr_name, gid) == (user.pw_name, user.pw_gid) and set(group.gr_mem) <= {user.pw_name}


def _get_group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
