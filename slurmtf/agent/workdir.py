"""The working directory: the run's private copy of the source."""

import os
import shutil
import tarfile

from .layout import RunLayout


def prepare(layout: RunLayout) -> None:
    """Unpack the snapshot into ``work/``, with ``outputs`` and ``logs`` in it; once, also when the job is requeued.

    The copy appears under its name when it is whole, so that a job that is killed half way starts over.
    """
    if os.path.isdir(layout.work):
        return
    partial = "{}.partial-{}".format(layout.work, os.urandom(4).hex())
    os.mkdir(partial, 0o700)
    try:
        _unpack(layout.source, partial)
        for name in ("outputs", "logs"):
            os.symlink(os.path.join("..", name), os.path.join(partial, name))
        os.rename(partial, layout.work)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if not os.path.isdir(layout.work):
            raise


def _unpack(path: str, folder: str) -> None:
    with tarfile.open(path) as archive:
        if hasattr(tarfile, "fully_trusted_filter"):  # Python 3.12 on; our own snapshot may hold any link
            archive.extraction_filter = tarfile.fully_trusted_filter
        archive.extractall(folder)  # noqa: S202
