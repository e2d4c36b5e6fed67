"""Find, list and remove built environments."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmtf.errors import InputError, suggest
from slurmtf.files import expand, read_json
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.environments.store import StoreLayout
from slurmtf.job.contract.interchange import JsonObject, JsonView
from slurmtf.paths import is_folder
from slurmtf.sites import Site
from slurmtf.trusted import check_shared, locate_own_folder

FOLDER = "environments"
"""The folder of environments in a workspace, unless the site has another place for them."""


@dataclass(frozen=True)
class Failure:
    """Why a build failed."""

    what: str
    remedy: str
    log: str


def resolve_store(site: Site, workspace: Path) -> EnvironmentStore:
    """Return the store of a site: ``$SLURMTF_ENVIRONMENTS``, the profile's, or else one in the workspace.

    Raises WorkspaceError if a variable in its path is unset, or somebody else could have put programs into it.
    """
    given = os.environ.get(var.SLURMTF_ENVIRONMENTS) or site.environments.folder
    if not given:
        return get_workspace_store(workspace)
    root = expand(given, FOLDER)
    check_shared(root, "set environments.folder of the profile or $SLURMTF_ENVIRONMENTS to a folder of yours")
    return EnvironmentStore(root)


def get_workspace_store(workspace: Path) -> EnvironmentStore:
    """Return the store in a workspace. Raises WorkspaceError if others can write to it."""
    return EnvironmentStore(locate_own_folder(workspace, FOLDER))


def find_environment(plan: JsonView) -> Path | None:
    """Return the folder of the environment that was built for a run, by its plan; None if none was."""
    if not plan.get("provenance", {}).get("environment_spec"):
        return None
    shell = plan["batch"]["shell"]
    return Path((shell["activation"] or {"prefix": ""})["prefix"] or Path(shell["image"]).parent)


class EnvironmentStore:
    """A folder of environments that all nodes see. Reading from one that does not exist finds nothing, and writes nothing."""

    def __init__(self, root: str | Path) -> None:
        self.layout = StoreLayout(str(root))
        self.root = Path(self.layout.root)

    def folder(self, name: str) -> Path:
        """Return the folder of an environment, which exists once it is complete."""
        return Path(self.layout.folder(name))

    def image(self, name: str) -> Path:
        return Path(self.layout.image(name))

    def record(self, name: str) -> JsonObject:
        """Return the content of an environment and how it was built; empty if it has not been built, or is no longer
        complete."""
        return read_json(self.layout.record(name)) if self.layout.is_whole(name) else {}

    def failure(self, name: str) -> Failure | None:
        """Return why its last build failed; None if it has not failed, or if the environment has been built since."""
        facts = {} if self.record(name) else read_json(self.layout.failure(name))
        return Failure(**facts) if facts else None

    def note_use(self, name: str) -> None:
        """Record that an environment is used now."""
        with contextlib.suppress(OSError):
            os.utime(self.layout.record(name))

    def last_use(self, name: str) -> float:
        return Path(self.layout.record(name)).stat().st_mtime

    def list_names(self) -> list[str]:
        """Return the names of all complete environments."""
        if not is_folder(self.root):
            return []
        return sorted(path.name for path in self.root.iterdir() if not path.name.startswith(".") and self.record(path.name))

    def find(self, name: str) -> str:
        """Return the full name for ``name``: a name, the beginning or the end of one, or a label. Raises InputError if there is
        none, or more than one."""
        names = self.list_names()
        labels = {known: self.record(known)["spec"]["label"] for known in names}
        found = [known for known in names if known == name] or [
            known for known in names if name and (known.startswith(name) or known.endswith(name) or labels[known] == name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                Finding(
                    "ambiguous-environment",
                    name,
                    f"means {len(found)} environments: {', '.join(found)}",
                    "use more of the name",
                )
            )
        hint = suggest(name, [*names, *filter(None, labels.values())]) or "'slurmtf env list' lists them"
        raise InputError(Finding("unknown-environment", name, f"there is no such environment in {self.root}", hint))

    def size(self, name: str) -> int:
        """Return the size of an environment on the disk, in bytes."""
        return sum(_iterate_sizes(self.folder(name).resolve()))

    def remove(self, name: str) -> None:
        """Remove an environment: it is gone at once, its files soon after."""
        target = self.folder(name).resolve()
        self.folder(name).unlink(missing_ok=True)
        for folder in (self.layout.packs, self.layout.specs, self.layout.failures, self.layout.jobs, self.layout.logs):
            for path in Path(folder).glob(f"{name}.*"):
                shutil.rmtree(path, ignore_errors=True) if is_folder(path) else path.unlink(missing_ok=True)
        built = [target] if target.parent == Path(self.layout.built).resolve() else []  # else it is somebody's own link
        for folder_of_it in (Path(self.layout.download(name)), *built):
            shutil.rmtree(folder_of_it, ignore_errors=True)

    def find_leftovers(self) -> list[Path]:
        """Return what killed builds have left behind: no environment links to it, and no build is using it."""
        built = Path(self.layout.built)
        linked = {self.folder(name).resolve() for name in self.list_names()}
        found = [path for path in built.iterdir() if path.resolve() not in linked] if is_folder(built) else []
        return [path for path in found if not self._is_claimed(path.name)]

    def find_needless_downloads(self) -> list[Path]:
        """Return downloads for environments that have been built since, or that could not be built from them."""
        folder = Path(self.layout.downloads)
        found = sorted(folder.iterdir()) if is_folder(folder) else []
        return [path for path in found if self.record(path.name) or self.failure(path.name)]

    def _is_claimed(self, left: str) -> bool:
        claims = Path(self.layout.claims).glob("*")
        return any(left.startswith(f"{claim.name}-") and Claim(str(claim)).is_alive() for claim in claims)


def describe_build_failure(plan: JsonView) -> str:
    """Return why the environment for a run could not be built, by the run's plan; empty if nothing is known."""
    folder = find_environment(plan)
    if folder is None:
        return ""
    store = EnvironmentStore(folder.parent)
    failure, unfit = store.failure(folder.name), store.failure(plan["provenance"]["build_task"])
    if failure:
        return f"its environment could not be built: {failure.what}\n{failure.remedy}; the log: {failure.log}"
    return "\n".join(filter(None, (unfit.what, unfit.remedy))) if unfit else ""


def _iterate_sizes(folder: Path) -> Iterator[int]:
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                yield Path(place, name).lstat().st_size
