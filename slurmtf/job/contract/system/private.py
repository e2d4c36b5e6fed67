"""Files and folders that are private to their user from the beginning, whatever the umask; files appear complete."""

import contextlib
import os
from typing import IO, Iterator, List


def make_private(folder: str) -> None:
    """Create a folder that only its user can enter, and any missing folders above it. Raises OSError.

    os.makedirs gives its mode to the last folder only.
    """
    missing: List[str] = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):  # by another process meanwhile; if it is a file, what follows fails
            os.mkdir(each, 0o700)
    if missing and not os.path.isdir(folder):
        raise NotADirectoryError(20, os.strerror(20), folder)


def add_private(folder: str) -> None:
    """Create a folder that only its user can enter, in an existing one: a run folder that is removed while its job runs must
    not come back with this one folder in it. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


@contextlib.contextmanager
def open_private(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing under a temporary name in its folder, and rename it when it is complete. Raises OSError."""
    folder, name = os.path.split(path)
    partial = os.path.join(folder, ".{}.{}".format(name, os.urandom(4).hex()))
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
        raise


def write_private(path: str, data: bytes) -> None:
    """Write a file under a temporary name in its folder, then rename it. Raises OSError."""
    with open_private(path) as file:
        file.write(data)
