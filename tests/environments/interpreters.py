"""The Python that an environment is made from."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.patience import HANG_S

from .cache import BuildError, build_environ

MINORS = tuple(f"3.{minor}" for minor in range(6, 14))
"""Every Python that our programs in a job must run on, oldest first."""

# The real path: an environment built from a venv's python would break with that venv.
QUESTION = "import os, platform, sys; print(os.path.realpath(sys.executable)); print(platform.python_version())"


class NoInterpreter(BuildError):
    """None of the Pythons that the environment runs on is on this machine."""


@dataclass(frozen=True)
class Interpreter:
    path: Path
    version: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


def find(minors: Sequence[str]) -> Interpreter:
    """The running Python if its version is among them, else the first that PATH has and that works."""
    running = Interpreter(Path(sys.executable).resolve(), platform.python_version())
    if running.minor in minors:
        return running
    for minor in minors:
        found = installed(minor)
        if found is not None:
            return found
    raise NoInterpreter(f"no working python{' or python'.join(minors)} in PATH")


@functools.cache
def installed(minor: str) -> Interpreter | None:
    answers = (ask(file) for file in candidates(minor) if os.access(file, os.X_OK))
    return next((answer for answer in answers if answer and answer.minor == minor), None)


def candidates(minor: str) -> Iterator[Path]:
    for folder in map(Path, os.get_exec_path()):
        if folder.name == "shims":  # pyenv: the shim of a version that is not activated fails, the version itself works
            yield from sorted(folder.parent.glob(f"versions/{minor}.*/bin/python{minor}"))
        yield folder / f"python{minor}"


def ask(python: Path) -> Interpreter | None:
    try:
        question = [str(python), "-I", "-S", "-c", QUESTION]
        answer = subprocess.run(question, check=True, capture_output=True, text=True, timeout=HANG_S, env=build_environ())
    except (OSError, subprocess.SubprocessError):
        return None
    path, version, *_ = answer.stdout.split("\n")
    return Interpreter(Path(path), version)
