"""Nearly empty environments, built from wheels that the tests write, without a network."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from slurmtf.environments import EnvironmentSpec, EnvironmentStore
from slurmtf.environments.building import build, fetch, install_builder, write_spec
from slurmtf.environments.spec import build_package_spec
from slurmtf.estimator import Environment
from slurmtf.job.build.installer import explain_failure
from slurmtf.job.build.work import StepError
from slurmtf.sites import load

LOCAL = load("local")
ROOT = Path(__file__).parents[3]
_AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
UNCONNECTED = ("unshare", *_AS_ROOT, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""The words before a command that shall have no network but its machine's own: Open MPI's compilers want that."""
# Builds an environment in a process of its own: the store, the folder of the wheels, the packages.
DRIVER = """
import sys
from pathlib import Path
from slurmtf.errors import SlurmtfError
from tests.integration.environments.support import Lab
try:
    print(Lab(Path(sys.argv[1]), Path(sys.argv[2])).build(*sys.argv[3:]))
except SlurmtfError as err:
    sys.exit(str(err))
"""

# Builds a wheel without any tool, as setup.py does with many (PEP 517).
BACKEND = """
import os, pathlib, time, zipfile
INFO = "{name}-{version}.dist-info"
FILES = {{"METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
         "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n", "RECORD": ""}}

def prepare_metadata_for_build_wheel(folder, settings=None):
    os.mkdir(os.path.join(folder, INFO))
    for name, text in FILES.items():
        pathlib.Path(folder, INFO, name).write_text(text)
    return INFO

def build_wheel(folder, settings=None, metadata=None):
    {compiler}
    wheel = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        archive.writestr("{name}.py", "version = '{version}'\\n")
        for name, text in FILES.items():
            archive.writestr(INFO + "/" + name, text)
    return wheel
"""


def write_wheel(folder: Path, name: str, version: str = "1.0", *, needs: str = "", filler: int = 0) -> Path:
    """Write a wheel with one module, named after the package, that holds its version."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(f"{name}.bin", bytes(filler))
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def write_sources(folder: Path, name: str, version: str = "1.0", *, compiler: str = "pass") -> Path:
    """Write a package as sources only; ``compiler`` is the statement that compiles them."""
    sources = folder / f"{name}-{version}.tar.gz"
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    backend = BACKEND.format(name=name, version=version, compiler=compiler)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with tarfile.open(sources, "w:gz") as archive:
        for file, text in {"pyproject.toml": project, "backend.py": backend, "PKG-INFO": metadata}.items():
            member = tarfile.TarInfo(f"{name}-{version}/{file}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return sources


def meant(printed: str) -> str:
    """Return the builder's explanation of an installer's output."""
    return explain_failure(StepError("installing", 1, printed)).what.partition(" (")[0]


NO_PACKAGE = meant("No matching distribution found for x")
CONFLICT = meant("ResolutionImpossible")
NOT_COMPILED = meant("Failed to build x")


@dataclass
class Lab:
    """A store, wheels, and the messages printed so far."""

    root: Path
    wheels: Path
    messages: list[str] = field(default_factory=list)

    @property
    def store(self) -> EnvironmentStore:
        return EnvironmentStore(self.root)

    def spec(self, *packages: str) -> EnvironmentSpec:
        wish = Environment(pip_packages=["--no-index", f"--find-links {self.wheels}", *packages])
        return build_package_spec(wish, LOCAL, self.wheels)

    def build(self, *packages: str, lock: tuple[str, ...] = ()) -> Path:
        """Build an environment and return its folder."""
        spec = self.spec(*packages)
        build(spec, self.store, LOCAL, self.messages.append, lock)
        return self.store.folder(spec.name)

    def start(self, *packages: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a build in another process, in its own session."""
        return subprocess.Popen(
            [*before, sys.executable, "-c", DRIVER, str(self.root), str(self.wheels), *packages],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fetch(self, *packages: str, lock: tuple[str, ...] = ()) -> Path:
        """Fetch packages and return their folder."""
        return Path(fetch(self.spec(*packages), self.store, LOCAL, self.messages.append, lock))

    def start_fetched(self, *packages: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start building an environment from fetched packages, as a job does; return the builder process."""
        spec = self.spec(*packages)
        path = write_spec(spec, self.store, wheelhouse=self.store.layout.download(spec.name))
        command = [*before, sys.executable, "-I", install_builder(self.store), "build", path]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def builds(self) -> list[str]:
        """Return what is in the folder where environments are built."""
        return sorted(path.name for path in Path(self.store.layout.built).iterdir())


def version_of(folder: Path, module: str) -> str:
    command = [str(folder / "bin" / "python"), "-c", f"import {module}; print({module}.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
