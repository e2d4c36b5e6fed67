"""Find existing software: an interpreter, a virtual or conda environment, modules."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from slurmtf.environments.software import FOREIGN_VARIABLES, Software
from slurmtf.errors import SpecError, suggest
from slurmtf.estimator import Environment
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.paths import is_file, is_folder, to_absolute

Kind = Literal["", "venv", "conda"]
CONDA_ROOTS = ("MAMBA_ROOT_PREFIX", var.CONDA_ROOT)
CONDA_ACTIVE = ("CONDA_PREFIX_1", var.CONDA_PREFIX)
"""Variables that name the active environments, which may include 'base'."""
CONDA_HOMES = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".local/share/mamba")
"""Where installers put conda in a home folder by default; the last two are micromamba's, before and since 2.0."""


def find_existing(wish: Environment, of_version: bool = False) -> Software:
    """Return the software that a user names, or else the Python that submits.

    Modules that the user names, and the site's for a framework_version (``of_version``), provide their own Python.
    Raises SpecError if a named interpreter or environment does not exist.
    """
    modules = tuple(wish.modules)
    if wish.conda is not None:
        return _use_folder(find_conda_environment(wish.conda), modules, wish.variables)
    if wish.python is None and (modules or of_version):
        return Software("python3", modules, wish.variables)
    if wish.python is None:
        return Software(sys.executable, modules, wish.variables)
    named = Path(to_absolute(wish.python) if "/" in wish.python else wish.python)
    if is_folder(named):
        return _use_folder(named, modules, wish.variables)
    if named.parent.name == "bin" and is_file(named) and detect_kind(named.parents[1]):
        return replace(_use_folder(named.parents[1], modules, wish.variables), python=str(named))
    is_path = "/" in wish.python or not (modules or of_version or _is_command(wish.python))
    if is_path and not is_file(named):
        folder = "name an interpreter, or an environment's folder, that the compute nodes see too"
        remedy = (
            folder if "/" in wish.python else f"{folder}, or an environment of conda's by `environment_definition.conda=...`"
        )
        raise SpecError(Finding("python-missing", "environment_definition.python", f"{named} does not exist", remedy))
    return Software(str(named), modules, wish.variables)


def _is_command(name: str) -> bool:
    """Return whether a name may be a Python in the PATH of a job: it is a command here, or is named like a Python."""
    return name.startswith("python") or shutil.which(name) is not None


def _use_folder(folder: Path, modules: tuple[str, ...], variables: dict[str, str]) -> Software:
    prefix = Path(to_absolute(folder))
    kind = detect_kind(prefix)
    if not kind:
        what = f"{prefix} is neither a virtual nor a conda environment"
        raise SpecError(
            Finding(
                "not-an-environment", "environment_definition.python", what, "name a folder that holds pyvenv.cfg or conda-meta"
            )
        )
    python = str(prefix / "bin" / "python")
    return Software(python, modules, variables, prefix=str(prefix), kind=kind, unset=FOREIGN_VARIABLES)


def detect_kind(folder: Path) -> Kind:
    """Return which kind of environment a folder holds; empty if it holds none."""
    if is_folder(folder / "conda-meta"):
        return "conda"
    return "venv" if is_file(folder / "pyvenv.cfg") else ""


def find_conda_environment(name: str) -> Path:
    """Return the folder of a conda environment, without calling conda, which takes seconds. Raises SpecError if there is
    none."""
    if "/" in name:
        return Path(name).expanduser()
    roots = [root for root in _iterate_conda_roots() if detect_kind(root) == "conda"]
    known = {folder.name: folder for folder in reversed(list(_iterate_conda_environments()))}
    known |= {"base": roots[0]} if roots else {}
    if name not in known:
        remedy = suggest(name, known) or f"known are: {', '.join(sorted(known)) or 'none'}; or set its folder"
        raise SpecError(
            Finding("unknown-conda", "environment_definition.conda", f"there is no conda environment {name!r}", remedy)
        )
    return known[name]


def _iterate_conda_environments() -> Iterable[Path]:
    """Yield the environments in the places where conda, mamba and micromamba keep them (docs.conda.io, "Managing
    environments")."""
    listed = Path.home() / ".conda" / "environments.txt"  # conda lists each environment that it creates
    if is_file(listed):
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (Path(line) for line in lines if detect_kind(Path(line)) == "conda")
    for folder in _iterate_environment_folders():
        yield from (path for path in sorted(folder.glob("*")) if detect_kind(path) == "conda")


def _iterate_environment_folders() -> Iterable[Path]:
    yield from (Path(part) for part in os.environ.get(var.CONDA_ENVS_PATH, "").split(os.pathsep) if part)
    yield from _read_configured_folders()
    yield from (root / "envs" for root in _iterate_conda_roots())
    yield Path.home() / ".conda" / "envs"


def _iterate_conda_roots() -> Iterable[Path]:
    """Yield where conda itself may be installed, which is the environment 'base'."""
    if os.environ.get(var.CONDA_EXE):
        yield Path(os.environ[var.CONDA_EXE]).parents[1]
    yield from (Path(os.environ[name]) for name in CONDA_ROOTS if os.environ.get(name))
    active = [Path(os.environ[name]) for name in CONDA_ACTIVE if os.environ.get(name)]
    yield from (path for path in active if is_folder(path / "condabin"))
    programs = (shutil.which(name) for name in ("conda", "mamba"))  # a module may set only PATH
    yield from (Path(os.path.realpath(program)).parents[1] for program in programs if program)
    yield from (Path.home() / name for name in CONDA_HOMES)
    if os.environ.get(var.XDG_DATA_HOME):  # for ~/.local/share (libmamba, default root prefix)
        yield Path(os.environ[var.XDG_DATA_HOME], "mamba")


def _read_configured_folders() -> Iterable[Path]:
    """Yield ``envs_dirs`` of conda's configuration (docs.conda.io, "Searching for .condarc")."""
    import yaml  # noqa: PLC0415 - only if a conda environment is named

    own = [Path(os.environ[var.CONDARC])] if os.environ.get(var.CONDARC) else []
    places = [root / ".condarc" for root in _iterate_conda_roots()]
    places += [Path("/etc/conda/.condarc"), Path.home() / ".config/conda/.condarc", Path.home() / ".conda/.condarc"]
    for path in (*own, Path.home() / ".condarc", *reversed(places)):
        try:
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        listed = settings.get("envs_dirs") or settings.get("envs_path") if isinstance(settings, dict) else None
        names = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
        yield from (Path(os.path.expandvars(str(name))).expanduser() for name in names)
