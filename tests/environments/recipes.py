"""The environments that the tests' jobs run in, and their making."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from . import interpreters
from .cache import BuildError, Job, once, root, say
from .horovod import WITHOUT_XLA, Horovod
from .interpreters import Interpreter

RECIPE = "1"  # part of every key: raise it when the steps below change what they make
UV = "uv==0.13.8"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Environment:
    name: str
    pythons: tuple[str, ...]
    requirements: tuple[Path, ...]
    no_deps: tuple[Path, ...] = ()
    horovod: Horovod | None = None

    def folder(self, python: Interpreter) -> Path:
        """The final one, for venvs can't be moved."""
        texts = [file.read_text() for file in (*self.requirements, *self.no_deps)]
        machine = [python.version, sysconfig.get_platform(), *platform.libc_ver()]
        horovod = self.horovod.identity(python.minor) if self.horovod else ""
        key = hashlib.sha256("\0".join([RECIPE, *texts, *machine, horovod]).encode()).hexdigest()[:12]
        return root() / "venvs" / f"{self.name}-py{python.minor}-{key}"

    def build(self) -> Path:
        """Its python, at once if some earlier call has built it."""
        python = interpreters.find(self.pythons)
        return once(self.folder(python), "bin/python", lambda job: self._fill(job, python))

    def _fill(self, job: Job, interpreter: Interpreter) -> None:
        uv = find_uv()
        seed = ["--without-pip"] if uv else []
        job.run(f"venv of {interpreter.path}", interpreter.path, "-m", "venv", *seed, job.folder)
        python = job.folder / "bin" / "python"
        install = installer(uv, python)
        if self.requirements:
            job.run("installing", *install, *listed(self.requirements))
        if self.no_deps:
            job.run("installing without dependencies", *install, "--no-deps", *listed(self.no_deps))
        if self.horovod:
            wheel = self.horovod.wheel(python, interpreter.minor)
            job.run("installing Horovod", *install, "--no-deps", wheel)


def pins(name: str) -> Path:
    return HERE / f"{name}.txt"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment(
            "newest",
            ("3.11", "3.12", "3.13", "3.10"),
            (pins("newest"), pins("horovod")),
            (pins("newest-no-deps"),),
            Horovod("2.21.0", (WITHOUT_XLA,)),
        ),
        Environment(
            "classic",
            ("3.11", "3.10", "3.9"),
            (pins("classic"), pins("horovod")),
            horovod=Horovod("2.15.1"),
        ),
        Environment("tf1", ("3.7",), (pins("tf1"),)),
    )
}


def build(name: str) -> Path:
    """The path of the named environment's python; the first call takes minutes."""
    return ENVIRONMENTS[name].build()


def listed(files: tuple[Path, ...]) -> list[str | Path]:
    return [part for file in files for part in ("-r", file)]


def installer(uv: Path | None, python: Path) -> list[str | Path]:
    if uv:
        return [uv, "pip", "install", "--compile-bytecode", "--python", python]
    return [python, "-m", "pip", "install", "--disable-pip-version-check"]


def find_uv() -> Path | None:
    """From PATH, else from a venv of its own in the cache; None where neither can be had."""
    found = shutil.which("uv")
    if found and subprocess.run([found, "--version"], check=False, capture_output=True).returncode == 0:
        return Path(found)
    try:
        return once(root() / "tools" / UV.replace("==", "-"), "bin/uv", install_uv)
    except BuildError as error:
        say(f"no uv, so pip, which is slower: {error}")
        return None


def install_uv(job: Job) -> None:
    python = interpreters.find(("3.13", "3.12", "3.11", "3.10"))
    job.run("venv", python.path, "-m", "venv", job.folder)
    job.run("installing", job.folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", UV)
