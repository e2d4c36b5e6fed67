"""Files that are there whole or not at all, and whose first writer wins: also among processes of several machines."""

import json
import os
from typing import List, Mapping


def publish(facts: Mapping[str, object], path: str) -> bool:
    """Write a file, unless there is one; return whether it is ours. Raises OSError."""
    folder, name = os.path.split(path)
    partial = os.path.join(folder, ".{}.{}".format(name, os.urandom(6).hex()))
    write(facts, partial)
    try:
        return link(partial, path)
    finally:
        os.remove(partial)


def write(facts: Mapping[str, object], path: str) -> None:
    """Write a file that nobody else writes. Raises OSError, also where there is one."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(json.dumps(facts).encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def link(own: str, path: str) -> bool:
    """Link a file under a name unless that is taken; return whether it is ours. NFS may answer with an error and have done it:
    the inode tells."""
    try:
        os.link(own, path)
    except FileExistsError:
        return _is_same(own, path)
    except OSError:
        if not _is_same(own, path):
            raise
    return True


def names(folder: str) -> List[str]:
    """Return what lies in a folder; nothing where there is none."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _is_same(own: str, path: str) -> bool:
    try:
        return os.path.samefile(own, path)
    except OSError:
        return False
