"""The stand-in for pyxis: compiled for the cluster's Slurm, and installed while a test needs it; and its images."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import Cluster, config, tree
from tests.cluster.fixtures import outcome
from tests.environments import cache

SOURCES = Path(__file__).parent / "pyxis"
FLAGS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")


def plugin(suite: str) -> Path:
    """Return the shared library. Slurm loads only plugins that were compiled with the header of its own version."""
    if not shutil.which("gcc"):
        raise outcome("no gcc: apt-get install --no-install-recommends gcc libc6-dev")
    source, headers = SOURCES / "plugin.c", tree.path(suite) / "usr/include/slurm"
    digest = hashlib.sha256(source.read_bytes() + str((FLAGS, headers)).encode()).hexdigest()[:8]

    def fill(job: cache.Job) -> None:
        job.run("headers", "ln", "-s", headers, "slurm")  # only that Slurm's headers: the tree also has those of another libc
        job.run("gcc", "gcc", *FLAGS, "-I", ".", "-o", "pyxis.so", source)

    return cache.build_once(cache.root() / f"pyxis-{digest}", "pyxis.so", fill)


@contextmanager
def plugged(cluster: Cluster) -> Iterator[None]:
    """Install the plugin. srun and slurmstepd read the file at every start, so no daemon has to be reconfigured."""
    assert cluster.variant.suite
    stack = cluster.directory / "etc/plugstack.conf"
    stack.write_text(f"required {plugin(cluster.variant.suite)} runtime={SOURCES / 'runtime'} data={config.SPOOL}/tmp\n")
    try:
        yield
    finally:
        stack.unlink()


def squashed(cluster: Cluster, folder: Path, target: Path) -> Path:
    """Return the image as enroot expects it: one file. mksquashfs is in the cluster's /usr."""
    fast = ("-quiet", "-no-progress", "-noI", "-noD", "-noF", "-noX")
    done = cluster.run("srun", "--ntasks=1", "mksquashfs", str(folder), str(target), *fast)
    assert done.returncode == 0, done.stderr
    return target
