"""Build an environment on this machine: the builder is a separate process, whose steps are reported as they happen."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from slurmtf.archives import build_job_archive
from slurmtf.environments.packing import Pack
from slurmtf.environments.shell import wrap_in_shell
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.environments.store import EnvironmentStore
from slurmtf.errors import SoftwareError
from slurmtf.files import convert_write_errors, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.sites import Site

Tell = Callable[[str], None]
DIGEST_DIGITS = 12
ANOTHER_STORE = "another folder for environments (the profile's environments.folder, $SLURMTF_ENVIRONMENTS)"
FETCHING = ".fetch"
OWN_WORDS = "slurmtf: "
"""The prefix of the builder's report of a failure, which its failure record has too."""


def build(
    spec: EnvironmentSpec,
    store: EnvironmentStore,
    site: Site,
    tell: Tell,
    lock: Iterable[str] = (),
    secrets: Mapping[str, str] | None = None,
) -> None:
    """Build an environment, unless it exists.

    ``tell`` is called with each step. ``lock`` holds the versions of an earlier build. ``secrets`` are variables of the
    builder's process, which are never stored. Raises SoftwareError with the reason if it can't be built, and then leaves
    nothing behind.
    """
    if store.record(spec.name):
        return
    path = write_spec(spec, store, lock)
    _run(["build", path], spec.name, spec.modules, store, site, tell, secrets or {})


def write_spec(
    spec: EnvironmentSpec, store: EnvironmentStore, lock: Iterable[str] = (), wheelhouse: str = "", pack: Pack | None = None
) -> str:
    """Write the spec for the builder and return the file's path."""
    return _write_spec(store, {**spec.to_dict(store.root, lock, wheelhouse), **(pack.to_dict() if pack else {})})


def _write_spec(store: EnvironmentStore, spec: Mapping[str, object]) -> str:
    path = store.layout.spec(str(spec["name"]))
    with convert_write_errors(store.root, ANOTHER_STORE):
        store.layout.prepare()
        write_json(path, spec)
    return path


def install_builder(store: EnvironmentStore) -> str:
    """Put the builder into the store, once for each version of it, and return its path."""
    data = build_job_archive()
    path = store.root / f".agent-{hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]}.pyz"
    if not path.is_file():
        write_private(path, data)
    return str(path)


def build_horovod(python: str, requirement: str, install: bool, store: EnvironmentStore, tell: Tell) -> str:
    """Compile Horovod for the TensorFlow of an interpreter's environment, and install it there if ``install``.

    Returns the wheel. Raises SoftwareError with the reason if it can't be compiled.
    """
    name = f"horovod-{hashlib.sha256(python.encode()).hexdigest()[:DIGEST_DIGITS]}"
    variables = {name: value for name, value in os.environ.items() if name.startswith("HOROVOD_")}
    spec = EnvironmentSpec(kind="horovod", python=python, horovod=requirement, variables=variables)
    path = _write_spec(store, {**spec.to_dict(store.root), "name": name, "install": install})
    lines = _run(["horovod", path], name, (), store, None, tell, {})
    return lines[-1]


def fetch(spec: EnvironmentSpec, store: EnvironmentStore, site: Site, tell: Tell, lock: Iterable[str] = ()) -> str:
    """Fetch the packages into the store, for a job on nodes without a network. Returns their folder. Raises SoftwareError."""
    if site.arch not in (None, platform.machine()):
        what = f"can't be fetched: this machine is {platform.machine()}, and the site's nodes are {site.arch}"
        raise SoftwareError(
            Finding(
                "other-machine", spec.name, what, "submit from a machine of that kind, or use an image or software of the site"
            )
        )
    name = f"{spec.name}{FETCHING}"
    path = _write_spec(store, {**spec.to_dict(store.root, lock), "name": name, "environment": spec.name})
    _run(["fetch", path], name, spec.modules, store, site, tell, {})
    return store.layout.download(spec.name)


def build_pack(pack: Pack, store: EnvironmentStore, site: Site, tell: Tell) -> None:
    """Pack an environment into one file, unless the file exists. Raises SoftwareError if that fails.

    The environment's own Python packs it, because it compiles modules that have no bytecode.
    """
    if pack.is_current():
        return
    Path(pack.path).unlink(missing_ok=True)
    name = f"{pack.name}.pack"
    path = _write_spec(store, {**pack.to_dict(), "name": name, "root": str(store.root)})
    python = str(Path(pack.prefix, "bin", "python"))
    _run(["pack", path], name, pack.modules, store, site, tell, {}, python)


def _run(
    words: list[str],
    name: str,
    modules: Iterable[str],
    store: EnvironmentStore,
    site: Site | None,
    tell: Tell,
    secrets: Mapping[str, str],
    python: str = sys.executable,
) -> list[str]:
    """Run the builder and return its report. Raises SoftwareError if it fails."""
    command = [python, "-I", install_builder(store), *words]
    Path(store.layout.failure(name)).unlink(missing_ok=True)
    with subprocess.Popen(
        wrap_in_shell(command, modules, site) if site else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **secrets},
    ) as process:
        lines: list[str] = []
        in_own_words = False
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip("\n"))
                in_own_words = in_own_words or line.startswith(OWN_WORDS)
                if not in_own_words:
                    tell(lines[-1])
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise SoftwareError(_describe_failure(name, store, lines))
    return lines


def _describe_failure(name: str, store: EnvironmentStore, lines: list[str]) -> Finding:
    """Return why a build failed; ``lines`` is the builder's output, used if it reported no reason."""
    failure = store.failure(name)
    name = name.removesuffix(FETCHING)
    if failure is None:
        return Finding(
            "build-failed", name, "could not be built: " + ("\n".join(lines[-5:]) or "the builder was killed"), "try again"
        )
    return Finding(
        "build-failed",
        name,
        f"could not be built: {failure.what}",
        "; ".join(filter(None, (failure.remedy, f"the whole log: {failure.log}"))),
    )
