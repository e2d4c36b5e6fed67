"""Pack an environment into one file, once per content, which every node of a job unpacks or mounts on its own disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments.existing import detect_kind
from slurmtf.environments.software import Software
from slurmtf.environments.store import EnvironmentStore
from slurmtf.files import read_json
from slurmtf.job.contract.environments.claim import Claim
from slurmtf.job.contract.environments.packs import PARTIAL, select_own_folders

DIGEST_DIGITS = 12


@dataclass(frozen=True)
class Pack:
    """The environment in ``prefix`` as the file ``path``; ``modules`` must be loaded for its Python."""

    prefix: str
    path: str
    modules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return Path(self.path).stem

    def is_current(self) -> bool:
        """Return whether the file exists, and nothing has been installed into the environment since."""
        try:
            packed = Path(self.path).stat().st_mtime
        except FileNotFoundError:
            return False
        return all(folder.stat().st_mtime <= packed for folder in Path(self.prefix).glob("lib/python*/site-packages"))

    def to_dict(self) -> dict[str, str]:
        """Return the pack in the form that the builder reads."""
        return {"prefix": self.prefix, "pack": self.path}


def locate_pack(software: Software, store: EnvironmentStore, form: str = "tar") -> tuple[Pack | None, str]:
    """Return the pack of a run's environment, existing or not, or else why it can't have one (empty: it needs none).

    An environment that slurmtf has not built is identified by the names, sizes and times of its files, which have to be read.
    """
    if software.image:
        return None, ""
    prefix = Path(software.prefix) if software.prefix else Path(software.python).parent.parent
    kind = software.kind or (detect_kind(prefix) if os.sep in software.python else "")
    if not kind:
        return None, f"{software.python} belongs to no virtual or conda environment"
    name = (
        software.spec.name
        if software.spec
        else f"{prefix.name}-{_compute_digest([str(prefix)])}-{_compute_digest(_iterate_contents(prefix))}"
    )
    return Pack(str(prefix), store.layout.pack(name, form), software.modules), ""


def find_outdated(store: EnvironmentStore) -> list[Path]:
    """Return the packs of environments that are gone, or that have a newer pack, and what killed packers have left."""
    newest: dict[Path, Path] = {}
    whole = [path for path in Path(store.layout.packs).glob("*") if PARTIAL not in path.name]
    packs = sorted(whole, key=lambda path: (path.stat().st_mtime, path.name))
    newest.update((_find_packed(path, store), path) for path in packs)
    current = {path for prefix, path in newest.items() if (prefix / "bin" / "python").exists()}
    return [path for path in packs if path not in current] + _find_unfinished(store)


def _find_packed(pack: Path, store: EnvironmentStore) -> Path:
    """Return the environment that a pack was made from; a build job packs the environment that it builds, without a spec."""
    return Path(read_json(store.layout.spec(f"{pack.stem}.pack")).get("prefix") or store.folder(pack.stem))


def _find_unfinished(store: EnvironmentStore) -> list[Path]:
    found = [(path, Path(path.name.partition(PARTIAL)[0]).stem) for path in Path(store.layout.packs).glob(f"*{PARTIAL}*")]
    return [path for path, name in found if not Claim(store.layout.claim(f"{name}.pack")).is_alive()]


def _compute_digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:DIGEST_DIGITS]


def _iterate_contents(prefix: Path) -> Iterator[str]:
    """Yield what distinguishes one content of an environment from another. Bytecode, which changes by itself, is left out."""
    for folder, folders, files in os.walk(prefix):
        folders[:] = sorted(name for name in select_own_folders(str(prefix), folder, folders) if name != "__pycache__")
        for name in sorted(files):
            found = os.lstat(f"{folder}/{name}")
            yield f"{folder}/{name} {found.st_size} {found.st_mtime_ns}"
