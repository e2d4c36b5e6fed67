"""Horovod has no wheels: it is compiled against one TensorFlow and this machine's MPI, minutes long, and kept."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .cache import BuildError, Job, once, root

VERSION = "0.28.1"
UNISOLATED = ("--no-deps", "--no-build-isolation")  # the build must find the environment's TensorFlow

XLA_SOURCE = "horovod/tensorflow/xla_mpi_ops.cc"
XLA_GUARD = "#if TENSORFLOW_VERSION >= 2006000000\n"


@dataclass(frozen=True)
class Patch:
    file: str
    old: str
    new: str

    def apply(self, source: Path) -> None:
        target = source / self.file
        text = target.read_text()
        if text.count(self.old) != 1:
            raise BuildError(f"the patch of {self.file} does not fit Horovod {VERSION}")
        target.write_text(text.replace(self.old, self.new))


# The file holds GPU code only, but includes, GPU or not, XLA headers that TensorFlow 2.19 and later ship no more.
WITHOUT_XLA = Patch(XLA_SOURCE, XLA_GUARD, XLA_GUARD.replace("\n", " && HAVE_GPU\n"))


@dataclass(frozen=True)
class Horovod:
    tensorflow: str
    patches: tuple[Patch, ...] = ()

    def identity(self, minor: str) -> str:
        return repr((VERSION, self, minor, mpi(), sysconfig.get_platform()))

    def wheel(self, python: Path, minor: str) -> Path:
        """Built with `python`, in whose environment TensorFlow and the build tools are."""
        key = hashlib.sha256(self.identity(minor).encode()).hexdigest()[:12]
        folder = root() / "wheels" / f"horovod-{VERSION}-tf{self.tensorflow}-py{minor}-{key}"
        return once(folder, "*.whl", lambda job: self._build(job, python))

    def _build(self, job: Job, python: Path) -> None:
        if not shutil.which("mpicxx"):
            raise BuildError("Horovod needs MPI's compiler: no mpicxx in PATH (Debian: openmpi-bin libopenmpi-dev)")
        with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
            source = self._source(job, python, Path(scratch))
            wheel = ("wheel", *UNISOLATED, "--no-cache-dir", "-w", job.folder, source)
            job.run("compiling, 2 to 5 minutes", python, "-m", "pip", *wheel, environ=self._options())

    def _source(self, job: Job, python: Path, scratch: Path) -> Path:
        download = ("download", *UNISOLATED, "--no-binary=:all:", "-d", scratch, f"horovod=={VERSION}")
        job.run("fetching the source", python, "-m", "pip", *download)
        shutil.unpack_archive(next(scratch.glob("horovod-*.tar.gz")), scratch)
        source = scratch / f"horovod-{VERSION}"
        for patch in self.patches:
            patch.apply(source)
        return source

    def _options(self) -> dict[str, str]:
        return {
            "HOROVOD_WITH_TENSORFLOW": "1",
            "HOROVOD_WITHOUT_PYTORCH": "1",
            "HOROVOD_WITHOUT_MXNET": "1",
            "HOROVOD_WITH_MPI": "1",
            "HOROVOD_WITH_GLOO": "1",
            "HOROVOD_LOCAL_VERSION": f"tf{self.tensorflow}.mpi",
            "MAKEFLAGS": "-j2",  # Horovod's own default is -j8, with 1.7 GB for each compiler
        }


@functools.cache
def mpi() -> str:
    """The MPI's name and version, as it says itself."""
    try:
        answer = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"Horovod needs MPI: mpirun --version: {error}") from error
    return answer.stdout.strip().splitlines()[0]
