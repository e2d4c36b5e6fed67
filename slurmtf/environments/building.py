"""An environment is made on this machine: by the builder, a process of its own, whose steps are told as they come."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from slurmtf.archives import archive
from slurmtf.environments.recipe import Recipe
from slurmtf.environments.shell import in_shell
from slurmtf.environments.store import EnvironmentStore
from slurmtf.errors import Problem, SoftwareError
from slurmtf.files import write_json, write_private
from slurmtf.sites import Site

Tell = Callable[[str], None]
DIGEST_DIGITS = 12


def build(
    recipe: Recipe,
    store: EnvironmentStore,
    site: Site,
    tell: Tell,
    lock: Iterable[str] = (),
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Make an environment, unless it is there. Each step is told. ``lock`` holds the versions of an earlier making.

    ``secrets`` are variables of the builder's process, written nowhere.

    Raises SoftwareError with the reason when it can't be made, and then nothing is left of it.
    """
    if store.record(recipe.name):
        return
    spec = write_spec(recipe, store, lock)
    _run(["build", spec], recipe, store, site, tell, secrets or {})


def write_spec(recipe: Recipe, store: EnvironmentStore, lock: Iterable[str] = (), wheelhouse: str = "") -> str:
    """Write down what shall be made, for the builder, and return the file's path."""
    store.layout.prepare()
    path = store.layout.spec(recipe.name)
    write_json(path, recipe.spec(store.root, lock, wheelhouse))
    return path


def program(store: EnvironmentStore) -> str:
    """Put the builder into the store, and return its path; each version of it once."""
    data = archive("builder")
    path = store.root / f".builder-{hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]}.pyz"
    if not path.is_file():
        write_private(path, data)
    return str(path)


def fetch(recipe: Recipe, store: EnvironmentStore, site: Site, tell: Tell) -> str:
    """Bring the packages into the store, for a job on nodes without a network. Returns their folder. Raises SoftwareError."""
    spec = write_spec(recipe, store)
    _run(["fetch", spec], recipe, store, site, tell, {})
    return store.layout.download(recipe.name)


def _run(words: list[str], recipe: Recipe, store: EnvironmentStore, site: Site, tell: Tell, secrets: Mapping[str, str]) -> None:
    command = in_shell([sys.executable, "-I", program(store), *words], recipe.modules, site)
    Path(store.layout.failure(recipe.name)).unlink(missing_ok=True)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, **secrets},
    ) as process:  # fmt: skip
        lines = []
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip("\n"))
                tell(lines[-1])
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise SoftwareError(problem(recipe, store, lines))


def problem(recipe: Recipe, store: EnvironmentStore, lines: list[str]) -> Problem:
    """Return why an environment could not be made; ``lines`` is what its maker said, should it not have come to a reason."""
    failure = store.failure(recipe.name)
    if failure is None:
        return Problem(recipe.name, "can't be made: " + ("\n".join(lines[-5:]) or "its maker was killed"), "try again")
    remedy = "; ".join(filter(None, (failure.remedy, f"the whole log: {failure.log}")))
    return Problem(recipe.summary or recipe.name, f"can't be installed: {failure.what}", remedy)
