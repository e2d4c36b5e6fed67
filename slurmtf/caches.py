"""Cache what can be recomputed: the user's cache, and a folder on this machine's own disk."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from slurmtf._version import __version__
from slurmtf.files import make_private, write_private
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.system import mounts
from slurmtf.job.contract.system.trust import find_fault

MOST_FILES = 100
"""The number of files, the newest, that stay in one room of the user's cache."""
DIGEST_BYTES = 32


def get_or_build(room: str, key: object, build: Callable[[], bytes]) -> bytes:
    """Return the result of ``build``, which the user's cache keeps under ``key``: see :func:`recall`."""
    data = recall(room, key)
    if data is None:
        data = build()
        keep(room, key, data)
    return data


def recall(room: str, key: object) -> bytes | None:
    """Return the data kept under ``key``, plain data that names everything on which the result depends; None if there is none.

    A file counts as missing if somebody else could have written it, or if it is damaged.
    """
    path = _get_entry_path(room, key)
    with contextlib.suppress(OSError):
        data = b"" if find_fault(str(path)) else path.read_bytes()
        digest, content = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        return content if _compute_digest(content) == digest else None
    return None


def keep(room: str, key: object, data: bytes) -> None:
    """Keep ``data`` under ``key``, if the cache is writable."""
    path = _get_entry_path(room, key)
    with contextlib.suppress(OSError):
        make_private(path.parent)
        write_private(path, _compute_digest(data) + data)
        for old in sorted(path.parent.iterdir(), key=_get_mtime)[:-MOST_FILES]:
            old.unlink()


def read_stamps(paths: Iterable[str | Path]) -> list[tuple[int, ...]]:
    """Return the time and size of each file, by which Python, too, decides whether a compiled file is current."""
    return [(status.st_mtime_ns, status.st_size) for status in map(os.stat, paths)]


def _get_entry_path(room: str, key: object) -> Path:
    content = json.dumps([__version__, key], sort_keys=True, default=repr)
    return get_cache_folder() / room / _compute_digest(content.encode("utf-8", "surrogatepass")).hex()[:32]


def _compute_digest(data: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - OpenSSL takes longer to load than most commands need

    return hashlib.sha256(data).digest()


def _get_mtime(path: Path) -> float:
    return path.stat().st_mtime


def get_cache_folder() -> Path:
    """Return the user's cache folder of slurmtf (XDG base directory specification)."""
    return Path(os.environ.get(var.XDG_CACHE_HOME) or Path("~/.cache").expanduser(), "slurmtf")


def find_local_cache() -> Path | None:
    """Return a private folder on a disk of this machine, for locks and a database, which are not safe on a shared file system:
    the user's cache, else ``$XDG_RUNTIME_DIR``, else the machine's temporary folder. None if there is no such folder.
    """
    known = mounts.read_mounts()
    for folder in _iterate_candidates():
        found = mounts.find_mount(str(folder), known)
        if found is None or found.shared:
            continue
        with contextlib.suppress(OSError):
            make_private(folder)
            if not find_fault(str(folder)):
                return folder
    return None


def _iterate_candidates() -> Iterator[Path]:
    yield get_cache_folder()
    if os.environ.get(var.XDG_RUNTIME_DIR):
        yield Path(os.environ[var.XDG_RUNTIME_DIR], "slurmtf")
    import tempfile  # noqa: PLC0415 - seldom needed, but this module is always imported

    yield Path(tempfile.gettempdir(), f"slurmtf-{os.getuid()}")
