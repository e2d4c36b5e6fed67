"""Software that is already there: an interpreter, a virtual or conda environment, modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from slurmtf.environments.software import OF_OTHER_ENVIRONMENTS, Software
from slurmtf.errors import Problem, SpecError, did_you_mean
from slurmtf.estimator import Environment

Kind = Literal["", "venv", "conda"]
CONDA_ROOTS = ("MAMBA_ROOT_PREFIX", "CONDA_ROOT", "CONDA_PREFIX_1", "CONDA_PREFIX")


def existing(wish: Environment, of_version: bool = False) -> Software:
    """Return the software that a user names; else the Python that submits.

    Modules bring a Python of their own: those that the user names, and the site's for a framework_version (``of_version``).

    Raises SpecError when an interpreter or an environment is named and not there.
    """
    modules = tuple(wish.modules)
    if wish.conda is not None:
        return _activated(conda_folder(wish.conda), modules, wish.variables)
    if wish.python is None and (modules or of_version):
        return Software("python3", modules, wish.variables)
    named = Path(wish.python).expanduser() if wish.python else Path(sys.executable)
    if named.is_dir():
        return _activated(named, modules, wish.variables)
    if "/" in (wish.python or "") and not named.is_file():
        remedy = "give the path of an interpreter, or of an environment's folder, that the compute nodes see too"
        raise SpecError(Problem("environment_definition.python", f"{named} does not exist", remedy))
    return Software(str(named), modules, wish.variables)


def _activated(folder: Path, modules: tuple[str, ...], variables: dict[str, str]) -> Software:
    prefix = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow the links of a site
    kind = kind_of(prefix)
    if not kind:
        what = f"{prefix} is neither a virtual nor a conda environment"
        raise SpecError(Problem("environment_definition", what, "give a folder that holds pyvenv.cfg or conda-meta"))
    python = str(prefix / "bin" / "python")
    return Software(python, modules, variables, prefix=str(prefix), kind=kind, unset=OF_OTHER_ENVIRONMENTS)


def kind_of(folder: Path) -> Kind:
    """Return what kind of environment a folder holds; empty when it holds none."""
    if (folder / "conda-meta").is_dir():
        return "conda"
    return "venv" if (folder / "pyvenv.cfg").is_file() else ""


def conda_folder(name: str) -> Path:
    """Return the folder of a conda environment. conda is not asked: it takes seconds. Raises SpecError when there is none."""
    if "/" in name:
        return Path(name).expanduser()
    known = {folder.name: folder for folder in reversed(list(_conda_environments()))}
    if name not in known:
        remedy = did_you_mean(name, known) or f"known are: {', '.join(sorted(known)) or 'none'}; or give its folder"
        raise SpecError(Problem("environment_definition.conda", f"there is no conda environment {name!r}", remedy))
    return known[name]


def _conda_environments() -> Iterable[Path]:
    """Yield the environments where conda, mamba and micromamba keep them (docs.conda.io, "Managing environments")."""
    listed = Path.home() / ".conda" / "environments.txt"  # conda writes each environment down that it makes
    if listed.is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (Path(line) for line in lines if kind_of(Path(line)) == "conda")
    for folder in _conda_folders():
        yield from (path for path in sorted(folder.glob("*")) if kind_of(path) == "conda")


def _conda_folders() -> Iterable[Path]:
    yield from (Path(part) for part in os.environ.get("CONDA_ENVS_PATH", "").split(os.pathsep) if part)
    yield from (Path(os.environ[name], "envs") for name in CONDA_ROOTS if os.environ.get(name))
    if os.environ.get("CONDA_EXE"):
        yield Path(os.environ["CONDA_EXE"]).parents[1] / "envs"
    yield from (Path.home() / name / "envs" for name in (".conda", "miniforge3", "miniconda3", "anaconda3", "micromamba"))
