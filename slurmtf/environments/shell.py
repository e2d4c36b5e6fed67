"""The shell commands that set up a job's software: the same for the batch script, for a build, and for a check."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from slurmtf.sites import Site


def build_module_commands(site: Site, modules: Iterable[str], version: str | None = None) -> tuple[tuple[str, ...], ...]:
    """Return the commands that load modules: the site's own, those of a framework version, the requested ones."""
    of_site = site.modules
    load = [*of_site.load, *of_site.tensorflow.get(version or "", []), *modules]
    lines: list[tuple[str, ...]] = [tuple(of_site.reset.split())] if of_site.reset else []
    lines += [("module", "use", folder) for folder in of_site.use]
    lines += [("module", "load", name) for name in load]
    init = [("source", str(of_site.init))] if lines and of_site.init is not None else []
    return (*init, *lines)


def wrap_in_shell(command: Sequence[str], modules: Iterable[str], site: Site, version: str | None = None) -> list[str]:
    """Return a command that runs another one with modules loaded; the command itself if there are none to load."""
    lines = build_module_commands(site, modules, version)
    if not lines:
        return list(command)
    script = " && ".join([*(shlex.join(line) for line in lines), "exec " + shlex.join(command)])
    return ["bash", "-lc", script]
