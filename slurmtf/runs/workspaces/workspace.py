"""Find workspaces, and the run that a user means."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf.errors import RunNotFoundError, SiteError, SpecError, WorkspaceError, suggest
from slurmtf.files import get_config_folder
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.layout import PLAN
from slurmtf.paths import to_absolute
from slurmtf.trusted import check_own

DEFAULT = "~/slurmtf-runs"
NOT_RUNS = (".", "-")
"""The first characters of folder names that are never runs: in a command to paste, '-' would make it an option."""
JOB_NAME = re.compile(r"[0-9]+(_[0-9]+)?")
SAY_NOTHING = ("job", "sweep")
"""File names that do not name an experiment, because they are common."""
EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,35}")


def resolve_workspace(of_site: str | None, given: str | Path | None = None) -> Path:
    """Return the workspace: the one given, else ``$SLURMTF_WORKSPACE``, else the site's, else ``~/slurmtf-runs``.

    A leading '~' is the home folder in all of them. Variables are expanded where no shell does so: in the site's and in
    ``$SLURMTF_WORKSPACE``. Raises WorkspaceError if a variable is unset, or if Slurm can't handle the path.
    """
    text = str(given) if given else _expand(os.environ.get(var.SLURMTF_WORKSPACE) or of_site or DEFAULT)
    return _check_path(Path(to_absolute(text)))


def _expand(text: str) -> str:
    expanded = os.path.expandvars(text)
    unset = re.search(r"\$\{?(\w+)", expanded)
    if unset:
        remedy = "set it, or use another workspace (--workspace, $SLURMTF_WORKSPACE)"
        raise WorkspaceError(Finding("variable-unset", f"workspace {text}", f"${unset[1]} is not set", remedy))
    return expanded


def _check_path(path: Path) -> Path:
    if not str(path).isprintable() or re.search(r"[%\\]", str(path)):
        what = "holds control characters, '%' or '\\', which Slurm's file names can't carry"
        raise WorkspaceError(Finding("bad-workspace", f"workspace {str(path)!r}", what, "use another folder"))
    return path


def check_experiment(name: str) -> str:
    """Return an experiment's name. Raises SpecError unless it consists of 1 to 36 letters, digits, '_' and '-'."""
    if not EXPERIMENT.fullmatch(name):
        what = f"{name!r} is not a name for an experiment"
        raise SpecError(
            Finding("bad-experiment-name", "experiment", what, "1 to 36 letters, digits, '_' and '-', a letter or digit first")
        )
    return name


def infer_experiment(file: str) -> str:
    """Return the default name of the experiment that a file describes: the file's own name, or that of its folder if the file's
    says nothing (``digits/job.yaml``)."""
    path = Path(to_absolute(file))
    names = (path.parent.name, path.stem) if path.stem in SAY_NOTHING else (path.stem,)
    found = (re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:36] for name in names)
    return next(filter(None, found), "run")


def generate_run_id(experiment: str) -> str:
    """Return a unique id that sorts by time, to 4 ms."""
    now = time.time()
    when = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return f"{experiment}-{when}-{int(now % 1 * 256):02x}{os.urandom(2).hex()}"


def list_workspaces(given: str | Path | None = None) -> list[Path]:
    """Return the workspaces to search: the one given, else those of the default site and of this machine."""
    if given or os.environ.get(var.SLURMTF_WORKSPACE):
        return [resolve_workspace(None, given)]
    if not os.environ.get(var.SLURMTF_SITE) and not (get_config_folder() / "config.yaml").is_file():
        return [Path(DEFAULT).expanduser()]
    from slurmtf.sites.search import THIS_MACHINE, get_default_site, load  # noqa: PLC0415 - 50 ms, only needed if a site was chosen

    found = [Path(DEFAULT).expanduser()]
    try:
        if get_default_site() != THIS_MACHINE:
            found.insert(0, resolve_workspace(load(get_default_site()).storage.workspace))
    except (SiteError, WorkspaceError):
        pass  # a run can be examined without the profile that started it
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Listing:
    """The folders of runs, newest first, and the folders that could not be read."""

    paths: list[str]
    unreadable: list[Path]

    @property
    def folders(self) -> list[Path]:
        return list(map(Path, self.paths))


Known = Callable[[Sequence[str]], Container[str]]
"""Returns the given folders that are known to be runs."""


def _select_none(folders: Sequence[str]) -> Container[str]:  # noqa: ARG001
    return ()


def list_runs(workspaces: list[Path], experiment: str | None = None, known: Known = _select_none) -> Listing:
    """Return the run folders of workspaces, newest first. Unreadable folders do not hide the others."""
    unreadable: list[Path] = []
    found = [path for workspace in workspaces for path in _iterate_runs(str(workspace), experiment, known, unreadable)]
    return Listing(sorted(found, key=lambda path: path.rpartition("/")[2][-22:], reverse=True), unreadable)


def list_run_folders(workspaces: list[Path], experiment: str | None = None) -> list[Path]:
    """Return the run folders, newest first."""
    return list_runs(workspaces, experiment).folders


def _iterate_runs(workspace: str, experiment: str | None, known: Known, unreadable: list[Path]) -> Iterator[str]:
    wanted = (series for series in _iterate_folders(workspace, unreadable) if experiment in (None, series.rpartition("/")[2]))
    folders = [folder for series in wanted for folder in _iterate_folders(os.path.realpath(series), unreadable)]
    runs = known(folders)
    for folder in folders:
        if folder in runs or _has_plan(folder):
            yield folder
        elif is_unreadable(folder):
            unreadable.append(Path(folder))


def _iterate_folders(parent: str, unreadable: list[Path]) -> Iterator[str]:
    try:
        entries = list(os.scandir(parent))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        unreadable.append(Path(parent))
        return
    yield from (entry.path for entry in entries if not entry.name.startswith(NOT_RUNS) and entry.is_dir())


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run's. This must be fast: lists check thousands."""
    return not folder.name.startswith(NOT_RUNS) and _has_plan(str(folder))


def _has_plan(folder: str) -> bool:
    return os.path.isfile(f"{folder}/{PLAN}")  # noqa: PTH113 - raises nothing


def is_unreadable(folder: Path | str) -> bool:
    """Return whether a folder exists but can't be read."""
    return os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK)  # noqa: PTH112 - raises nothing


def check_ours(folder: Path) -> None:
    """Raise WorkspaceError for a run of another user, before anything acts on the content of its files."""
    check_own(folder, "only its user may do that")


def find_run(name: str, workspaces: list[Path]) -> Path:
    """Return the folder of the run that ``name`` means: an id, the end of an id, a job id, ``last``, or a path with a slash.

    Raises RunNotFoundError if there is no such run, or more than one.
    """
    if "/" in name:
        return _resolve_run_path(Path(name).expanduser())
    listing = list_runs(workspaces)
    folders = listing.folders
    if name == "last" and folders:
        return folders[0]
    found = [folder for folder in folders if folder.name == name] or _find_meant(name, folders)
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(folder.name for folder in found[:5])
        raise RunNotFoundError(Finding("ambiguous-run", name, f"means {len(found)} runs: {several}", "use more of the id"))
    searched = ", ".join(map(str, workspaces))
    if listing.unreadable:
        searched += f" (without what can't be read: {', '.join(map(str, listing.unreadable[:5]))})"
    if not folders:
        remedy = "start one with 'slurmtf run SCRIPT', or name another workspace (--workspace)"
        raise RunNotFoundError(Finding("no-runs", name, f"there are no runs in {searched}", remedy))
    hint = suggest(name, (folder.name for folder in folders)) or f"'slurmtf ls' lists the runs in {searched}"
    raise RunNotFoundError(Finding("unknown-run", name, "there is no such run", hint))


def _resolve_run_path(folder: Path) -> Path:
    if is_run(folder):
        return folder.resolve()
    what = "can't be read" if is_unreadable(folder) else "is not a run folder"
    raise RunNotFoundError(Finding("not-a-run", str(folder), what, "name the folder that holds plan.json"))


def _find_meant(name: str, folders: list[Path]) -> list[Path]:
    """Return the runs whose id ends with ``name``, or that have or had the job called ``name``."""
    of_job = set[Path]()
    if JOB_NAME.fullmatch(name):
        from slurmtf.runs.workspaces.index import find_by_job  # noqa: PLC0415 - only needed for a job id

        of_job = find_by_job(name, folders)
    return [folder for folder in folders if folder in of_job or (len(name) >= 4 and folder.name.endswith(name))]
