"""Files that appear complete or not at all, and whose first writer wins, even among processes on several machines."""

import json
import os
from typing import List, Mapping


def publish(facts: Mapping[str, object], path: str) -> bool:
    """Write a file unless it exists; return whether it is ours. Raises OSError."""
    folder, name = os.path.split(path)
    partial = os.path.join(folder, ".{}.{}".format(name, os.urandom(6).hex()))
    write(facts, partial)
    try:
        return link(partial, path)
    finally:
        os.remove(partial)


def write(facts: Mapping[str, object], path: str) -> None:
    """Write a file that nobody else writes. Raises OSError, also if it exists."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(json.dumps(facts).encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def link(own: str, path: str) -> bool:
    """Link a file to a name unless that is taken; return whether the name is ours. NFS may report an error although it made the
    link: the inode tells."""
    try:
        os.link(own, path)
    except FileExistsError:
        return _is_same(own, path)
    except OSError:
        if not _is_same(own, path):
            raise
    return True


def list_names(folder: str) -> List[str]:
    """Return the names in a folder; none if there is no such folder."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _is_same(own: str, path: str) -> bool:
    try:
        return os.path.samefile(own, path)
    except OSError:
        return False
