"""Files and folders that are private to their user from their first moment, whatever the umask; files appear whole."""

import contextlib
import os
from typing import IO, Iterator, List


def make_private(folder: str) -> None:
    """Create a folder that only its user can enter, and those above it that are not there. Raises OSError.

    os.makedirs gives its mode to the last folder only.
    """
    missing: List[str] = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):  # by another process meanwhile; or it is a file: the next one says so
            os.mkdir(each, 0o700)
    if missing and not os.path.isdir(folder):
        raise NotADirectoryError(20, os.strerror(20), folder)


def add_private(folder: str) -> None:
    """Create a folder that only its user can enter, in one that is there: a run folder that somebody removed while its job
    runs does not come back with one folder in it. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


@contextlib.contextmanager
def writing_private(path: str) -> Iterator[IO[bytes]]:
    """Open a file to write under a temporary name beside it, and rename it when all is written. Raises OSError."""
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
    """Write a file under a temporary name beside it, then rename it. Raises OSError."""
    with writing_private(path) as file:
        file.write(data)
