"""The run's folder on a node's own disk. It is removed after the last of the node's tasks, however that ends.

<local>/slurmtf-<uid>/<host>/<run>       what was staged
<local>/slurmtf-<uid>/<host>/<run>.lock  locked by each task's agent as long as it lives: the kernel unlocks what is killed
<local>/slurmtf-<uid>/<host>/<run>.kept  which allocation keeps it for its next launch; for a while nobody else removes it

To remove a folder, a process locks it exclusively, renames it, and removes its lock file; a process that has locked a file that
was removed meanwhile tries again.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from typing import Iterator, List, Mapping, Optional, Tuple

from ..common.identity import get_host
from ..contract import variables as var
from ..contract.system import mounts
from ..contract.system.private import make_private
from ..contract.system.trust import find_own_fault, find_parent_fault
from . import squash

LOCK = ".lock"
KEPT = ".kept"
KEPT_S = 600.0
"""Seconds after a launch during which other jobs leave a folder that is kept for the next launch alone."""
DOOMED = ".removed-"


class NodeFolder:
    """The folder of one run on this node. ``allocation`` (wire.ALLOCATION): the allocation whose launches may use it in turn;
    empty: none."""

    def __init__(self, base: str, run_id: str, allocation: str) -> None:
        self._base = base
        self._allocation = allocation
        self.path = os.path.join(base, run_id)
        self._lock_path = self.path + LOCK
        self._kept_path = self.path + KEPT
        self._lock: Optional[int] = None

    def enter(self) -> bool:
        """Hold the folder; returns False if somebody is removing it just now: try again soon.

        What a killed attempt of the same run has left there is removed first.
        """
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        doomed = None
        if _try_lock(lock, fcntl.LOCK_EX) and _has_name(lock, self._lock_path):
            doomed = None if self.is_kept else self._rename_away()
        if not (_try_lock(lock, fcntl.LOCK_SH) and _has_name(lock, self._lock_path)):
            os.close(lock)
            return False
        self._lock = lock
        make_private(self.path)
        remove(doomed)
        return True

    def is_last(self) -> bool:
        """Return whether no other task of the node holds the folder any more. If it returns False, we no longer hold it
        either."""
        last = self._lock is not None and _try_lock(self._lock, fcntl.LOCK_EX) and _has_name(self._lock, self._lock_path)
        if not last:
            self._unlock()
        return last

    @property
    def is_kept(self) -> bool:
        """Return whether an earlier launch of the allocation has left the folder for us."""
        try:
            with open(self._kept_path, encoding="utf-8") as file:
                return bool(self._allocation) and file.read() == self._allocation
        except OSError:
            return False

    def keep(self) -> None:
        """Release the folder, which the job's next launch will need."""
        with open(os.open(self._kept_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(self._allocation)
        self._unlock()

    def clear(self) -> None:
        """Remove a folder that was kept, unless somebody holds it."""
        with contextlib.suppress(OSError):
            self._remove_unheld()

    def give_up(self) -> Optional[str]:
        """Release the folder, which nobody else holds. Returns the paths to remove, which no run needs any more."""
        doomed = self._rename_away()
        for path in (self._kept_path, self._lock_path):
            with contextlib.suppress(OSError):
                os.remove(path)
        self._unlock()
        return doomed

    def remove_leftovers(self) -> None:
        """Remove what our killed jobs have left on this node: the folders that nobody holds."""
        for name in self._list_names():
            other = NodeFolder(self._base, name[: -len(LOCK)], "")
            if name.endswith(LOCK) and other.path != self.path and not other._was_kept_lately():
                other.clear()
            elif DOOMED in name:
                remove(os.path.join(self._base, name))

    def _was_kept_lately(self) -> bool:
        try:
            return time.time() - os.stat(self._kept_path).st_mtime < KEPT_S
        except OSError:
            return False

    def _list_names(self) -> List[str]:
        with contextlib.suppress(OSError):
            return os.listdir(self._base)
        return []

    def _remove_unheld(self) -> None:
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CLOEXEC)
        if self.is_last():
            remove(self.give_up())

    def _rename_away(self) -> Optional[str]:
        doomed = "{}{}{}".format(self.path, DOOMED, os.urandom(4).hex())
        try:
            os.rename(self.path, doomed)
        except OSError:
            return None
        return doomed

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def find_base(local: str, environ: Mapping[str, str]) -> Tuple[str, List[str]]:
    """Return our folder on the node's own disk, and what was wrong with better places. Raises OSError if there is none.

    A place in which somebody else could replace our folder is not used. The places: the site's, else the job's own as set by
    Slurm or the node's administrator, else /tmp.
    """
    troubles: List[str] = []
    for place, chosen in _iterate_places(local, environ):
        try:
            if not chosen:
                _refuse_shared(place)
            make_private(place)
            _refuse(find_parent_fault(place), "recreate it with mode 0700 or the sticky bit, or name another folder")
            ours = _create_private(os.path.join(place, "slurmtf-{}".format(os.getuid())))
            return _create_private(os.path.join(ours, re.sub(r"[^\w.-]", "_", get_host(environ)))), troubles
        except OSError as err:
            troubles.append("{} can't be used: {}".format(place, err.strerror or err))
    raise OSError("no folder on the node's own disk: {}".format("; ".join(troubles)))


def _iterate_places(local: str, environ: Mapping[str, str]) -> Iterator[Tuple[str, bool]]:
    """Yield folders, and whether the site has chosen each: a user may have set $TMPDIR for another machine."""
    given = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda name: environ.get(name[1] or name[2], "\0"), local)
    if given and "\0" not in given:
        yield given, True
    for name in (var.SLURM_TMPDIR, var.TMPDIR):
        if environ.get(name):
            yield environ[name], False
    yield "/tmp", False  # noqa: S108 - what we create in it is checked to be ours


def _refuse_shared(place: str) -> None:
    mount = mounts.find_mount(place, mounts.read_mounts())
    if mount is not None and mount.shared:
        raise OSError("it is on {}, which is not local to the node".format(mount.kind))


def _create_private(folder: str) -> str:
    """Create a folder that only we can enter. Raises OSError if somebody else has created one of that name."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    _refuse(find_own_fault(folder), "remove it, or ask its owner to")
    os.chmod(folder, 0o700)
    return folder


def _refuse(doubt: str, remedy: str) -> None:
    if doubt:
        raise OSError("{}: {}".format(doubt, remedy))


def _try_lock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _has_name(lock: int, path: str) -> bool:
    """Return whether the file that we locked still has that name."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path))
    except OSError:
        return False


def remove(folder: Optional[str]) -> None:
    """Remove a folder that has been given up."""
    if folder is not None:
        squash.unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)
