"""Build the working directory: the run's private copy of the source."""

import glob
import os
import shutil
import tarfile
from typing import Callable, Iterable, Iterator

from ..contract.layout import RunLayout, to_native
from ..contract.snapshot import is_whole
from ..contract.system.private import make_private

Pulse = Callable[[], None]


def _ignore_pulse() -> None:
    return


def prepare(layout: RunLayout, snapshot: str, pulse: Pulse = _ignore_pulse) -> None:
    """Unpack the snapshot into ``work/``, with ``outputs`` and ``logs`` in it; only once, even if the job is requeued."""
    unpack(layout, snapshot, layout.work, "..", pulse)


def unpack(layout: RunLayout, snapshot: str, work: str, run: str, pulse: Pulse = _ignore_pulse) -> None:
    """Unpack the snapshot of that id into the folder ``work``, from which the path to the run's folder is ``run``.

    ``pulse`` is called before each of its files; what it raises ends the unpacking. The copy gets its name when it is complete,
    so a job that is killed halfway starts over. Raises OSError, also if ``source.tar`` no longer holds that snapshot.
    """
    partial_name = work + ".partial-"
    if os.path.isdir(work):
        return
    if snapshot and not is_whole(layout.source, snapshot):
        raise OSError("{} is not what was submitted: it has changed since. Submit the run again".format(layout.source))
    partial = partial_name + os.urandom(4).hex()
    os.mkdir(partial, 0o700)
    try:
        _unpack(layout.source, partial, pulse)
        for name in ("outputs", "logs"):
            os.symlink(os.path.join(run, name), os.path.join(partial, name))
        os.rename(partial, work)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if not os.path.isdir(work):
            raise
    for left in glob.glob(glob.escape(partial_name) + "*"):  # by an attempt that was killed
        shutil.rmtree(left, ignore_errors=True)


def link(source: str, work: str, layout: RunLayout) -> None:
    """Build a working directory for a launch with a folder of its own: links to the source's entries, with its own ``outputs``
    and ``logs``.

    It gets its name when it is complete. Raises OSError.
    """
    if os.path.isdir(work):
        return
    for folder in (layout.outputs, layout.metrics, layout.logs):
        make_private(folder)
    partial = "{}.partial-{}".format(work, os.urandom(4).hex())
    make_private(partial)
    links = {name: os.path.join(source, name) for name in os.listdir(source)}
    for name, target in dict(links, outputs=layout.outputs, logs=layout.logs).items():
        os.symlink(target, os.path.join(partial, name))
    try:
        os.rename(partial, work)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not os.path.isdir(work):  # another task of the launch was first
            raise


class _Archive(tarfile.TarFile):
    def utime(self, tarinfo: tarfile.TarInfo, targetpath: object) -> None:
        """Do not set times: the snapshot has none, and scratch file systems delete what looks old."""


def _unpack(path: str, folder: str, pulse: Pulse) -> None:
    with _Archive.open(path) as archive:
        members = archive.getmembers()
        for member in members:
            member.name, member.linkname = to_native(member.name), to_native(member.linkname)
        if hasattr(tarfile, "fully_trusted_filter"):  # Python 3.12 on; our own snapshot may hold any link
            archive.extraction_filter = tarfile.fully_trusted_filter
        archive.extractall(folder, _iterate_members(members, pulse))  # noqa: S202


def _iterate_members(members: Iterable[tarfile.TarInfo], pulse: Pulse) -> Iterator[tarfile.TarInfo]:
    for member in members:
        pulse()
        yield member
