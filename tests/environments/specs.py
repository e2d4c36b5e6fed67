"""The environments that the tests' jobs run in: made by slurmtf's own builder, which is proven by that."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments import EnvironmentSpec, EnvironmentStore, building
from slurmtf.environments.spec import build_package_spec
from slurmtf.errors import SoftwareError
from slurmtf.estimator import Environment as Wish
from slurmtf.files import write_private
from slurmtf.findings import Finding
from slurmtf.sites import load
from tests.integration.environments.support import UNCONNECTED

from . import interpreters
from .cache import root, say

HERE = Path(__file__).parent
LOCAL = load("local")


@dataclass(frozen=True)
class Environment:
    name: str
    pythons: tuple[str, ...]
    packages: tuple[str, ...] = ()
    of: str = ""
    """The environment whose requirements it has, where it is not its own."""
    unconnected: bool = False
    """Made as for nodes that have no network: fetched first, then made without one."""

    @property
    def requirements(self) -> Path:
        return HERE / f"{self.of or self.name}.txt"

    def spec(self) -> EnvironmentSpec:
        python = interpreters.find(self.pythons)
        wish = Wish(
            python=str(python.path),
            pip_requirements_file=self.requirements.name,
            pip_packages=list(self.packages),
            name=self.name,
        )
        return build_package_spec(wish, LOCAL, HERE)

    def build(self) -> Path:
        """Its python, at once if some earlier call has built it."""
        spec, store = self.spec(), EnvironmentStore(root() / "environments")
        if not self.unconnected:
            building.build(spec, store, LOCAL, self.say)
        elif not store.record(spec.name):
            path = building.write_spec(spec, store, wheelhouse=building.fetch(spec, store, LOCAL, self.say))
            self.build_unconnected(building.install_builder(store), path)
        folder = store.folder(spec.name)
        _collect_rarely(folder)
        return folder / "bin" / "python"

    def build_unconnected(self, builder: str, path: str) -> None:
        command = [*UNCONNECTED, sys.executable, "-I", builder, "build", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                self.say(line.rstrip())
        if process.returncode:
            why = f"status {process.returncode} of {shlex.join(command)}; its last words are above"
            raise SoftwareError(
                Finding("build-failed", self.name, f"can't be made without a network: {why}", "unshare(1) may need root")
            )

    def say(self, step: str) -> None:
        say(f"{self.name}: {step}")


def _collect_rarely(environment: Path) -> None:
    """A sixth of the time in which TensorFlow is imported, by hundreds of processes in a test run, is the collector's."""
    for packages in environment.glob("lib/python*/site-packages"):
        file = packages / "collect_rarely.pth"
        if not file.exists():
            write_private(file, "import gc; gc.set_threshold(50_000, 20, 100)\n")


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("newest", ("3.11", "3.12", "3.13", "3.10"), ("horovod==0.28.1",)),
        Environment("classic", ("3.11", "3.10", "3.9"), ("horovod==0.28.1",), unconnected=True),
        Environment("tf1", ("3.7",), ("horovod==0.21.3",)),
        Environment("jax", ("3.11", "3.12", "3.13")),
        Environment("jax-3.13", ("3.13",), of="jax"),
        Environment("mlflow", ("3.11", "3.12", "3.13")),
    )
}


def build(name: str) -> Path:
    """The path of the named environment's python; the first call takes minutes."""
    return ENVIRONMENTS[name].build()
