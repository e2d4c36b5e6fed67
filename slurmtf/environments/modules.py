"""Find environment modules that do not exist, using this machine's ``module``, if the site's modules can be loaded here."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from slurmtf.environments.shell import build_module_commands
from slurmtf.environments.software import Software
from slurmtf.estimator import Estimator
from slurmtf.findings import Finding, build_warning
from slurmtf.sites import Site

TIMEOUT_S = 20
WHERE_NODES_HAVE_IT = "where compute nodes have it, set `silence[]=unknown-module`"
UNKNOWN = re.compile(
    r"Unable to locate a modulefile for|The following module\(s\) are unknown|ModuleCmd_Load\.c\(\d+\):ERROR:105"
)
"""Messages of Environment Modules (5, 3.2) and Lmod about a module that does not exist."""


def find_unknown_modules(
    site: Site, modules: Iterable[str], version: str | None, environment: Mapping[str, str], folder: str | Path
) -> frozenset[str]:
    """Return which of a job's modules ``module`` does not know here; none if its output is not conclusive.

    All are loaded one after the other in one shell, each between two marks, so that a missing one hides no other.
    """
    lines = build_module_commands(site, modules, version)
    names = [line[2] for line in lines if line[:2] == ("module", "load")]
    script = [shlex.join(line) for line in lines if line[:2] != ("module", "load")]
    for name in names:
        script += ["printf '\\n@@@\\n' >&2", shlex.join(("module", "load", name))]
    try:
        done = subprocess.run(
            ["bash", "-lc", "\n".join(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            cwd=folder,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(
        name for name, error in zip(names, done.stderr.split("\n@@@\n")[1:], strict=False) if UNKNOWN.search(error)
    )


def check_modules(estimator: Estimator, site: Site, software: Software) -> Iterable[Finding]:
    """Yield what is known about the job's modules here, unless it is silenced: an error for a module that the user names, a
    warning for the profile's own, which may exist only on compute nodes."""
    yield from (finding for finding in _check_modules(estimator, site, software) if finding.code not in estimator.silence)


def _check_modules(estimator: Estimator, site: Site, software: Software) -> Iterable[Finding]:
    by_version = site.modules.tensorflow.get(getattr(estimator, "framework_version", None) or "", [])
    named, unknown = estimator.environment.modules, software.unknown_modules
    yield from _check_unknown(unknown.intersection(named), "environment_definition.modules")
    yield from _check_unknown(unknown.intersection(by_version).difference(named), "framework_version")
    of_profile = ", ".join(sorted(unknown.difference(named, by_version)))
    if of_profile:
        yield build_warning("unknown-module", f"'module' does not know {of_profile} here, which the profile {site.name} loads")
    init = site.modules.init
    if (
        init
        and build_module_commands(site, software.modules, getattr(estimator, "framework_version", None))
        and not _is_file(init)
    ):
        what = f"{init}, which defines 'module' in a job, does not exist"
        yield Finding("modules-init-missing", f"site {site.name}: modules.init", what, "set modules.init in the profile")


def _check_unknown(names: Collection[str], where: str) -> Iterable[Finding]:
    if names:
        remedy = f"'module spider NAME' or 'module avail' lists what there is; {WHERE_NODES_HAVE_IT}"
        yield Finding("unknown-module", where, f"'module' does not know {', '.join(sorted(names))} here", remedy)


def _is_file(path: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(path).is_file()
    return False
