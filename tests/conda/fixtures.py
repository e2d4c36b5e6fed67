"""A channel and the command that builds environments of it; neither a network nor a conda has a part in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = '#!/bin/sh\nexec {} "$@"\n'


@dataclass(frozen=True)
class Conda:
    """The program ``micromamba``, and the address of the channel."""

    program: Path
    channel: str

    @property
    def cache(self) -> Path:
        """Where it keeps what it has unpacked."""
        return self.program.parents[1] / "cache"

    def create(self, prefix: Path, *packages: str) -> None:
        command = [str(self.program), "create", "--yes", "--prefix", str(prefix), "--channel", self.channel, *packages]
        subprocess.run(command, check=True, env={**os.environ, "CONDA_PKGS_DIRS": str(self.cache)})


@pytest.fixture(scope="session")
def built_conda(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    from . import channel, micromamba  # they need py-rattler, and most tests do not

    folder = tmp_path_factory.mktemp("conda")
    program = folder / "bin" / "micromamba"
    program.parent.mkdir()
    command = shlex.join([sys.executable, "-I", micromamba.__file__])
    program.write_text(PROGRAM.format(command))
    program.chmod(0o755)
    return Conda(program, channel.make(folder / "channel"))


@pytest.fixture
def conda(built_conda: Conda, monkeypatch: pytest.MonkeyPatch) -> Conda:
    """The same, with micromamba first in PATH, and what it has unpacked kept for all tests."""
    monkeypatch.delenv("MAMBA_EXE", raising=False)
    monkeypatch.setenv("PATH", str(built_conda.program.parent), prepend=os.pathsep)
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(built_conda.cache))
    return built_conda
