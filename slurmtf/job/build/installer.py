"""Install packages into an environment: with uv if available, else with venv and pip."""

import json
import os
import pkgutil
import re
from typing import Dict, List, Sequence, Tuple

from ..contract.interchange import JsonObject
from .work import BuildError, Spec, StepError, Work, find, list_wheels

MEANINGS = (
    (r"Temporary failure in name resolution|Name or service not known|Connection refused|Network is unreachable|dns error|"
     r"Failed to establish a new connection|error sending request|Connection timed out",
     "the package index can't be reached from here", "build it where there is a network: 'slurmtf env build' on a login node"),
    (r"No space left on device|Disk quota exceeded",
     "the disk or your quota is full", "free some space, or keep environments elsewhere (the profile's environments.folder)"),
    (r"No matching distribution found for|was not found in the (?:package registry|provided)|there (?:is|are) no version",
     "a package, or that version of it, does not exist", "is it spelled correctly, and is there one for this Python version?"),
    (r"No solution found|ResolutionImpossible|conflicting dependencies|because .* depends on .* and .* unsatisfiable",
     "the packages conflict", "loosen or change the versions; the log says which two disagree"),
    (r"ensurepip is not|No module named '?(venv|ensurepip)", "this Python can't create virtual environments",
     "install python3-venv, or name another Python"),
    (r"error: command '?\S*(gcc|g\+\+|cc)|unable to execute|CMake Error|Failed to build|failed building wheel|"
     r"Collecting [^\n]+\n(?:(?!\s*(?:Collecting |Building wheel))[^\n]*\n)*?[^\n]*subprocess-exited-with-error",
     "a package has no ready-made wheel here and could not be compiled", "load a compiler (modules), or use another version"),
)  # fmt: skip
"""Messages of installers, their meaning, and what to do."""


class Installer:
    """Installs packages into the environment of a build, with uv or pip."""

    def __init__(self, work: Work, spec: Spec, python: str = "") -> None:
        """``python`` is that of another environment, when it is not the one that is being built."""
        self._work = work
        self._uv = spec["uv"] if os.access(spec["uv"], os.X_OK) else find("uv")
        self._fetched = bool(spec["wheelhouse"])
        self.python = python or os.path.join(work.folder, "bin", "python")

    @property
    def tool(self) -> str:
        return "uv" if self._uv else "pip"

    def create(self, base: str) -> None:
        """Create an empty environment."""
        if self._uv:
            command = [self._uv, "venv", "--no-project", "--no-config", "--python", base, self._work.folder]
        else:
            command = [base, "-m", "venv", self._work.folder]
        self._run("creating a virtual environment with {}".format(base), command)

    def install(self, title: str, arguments: Sequence[str]) -> None:
        """Install what ``arguments`` of ``pip install`` name: files, all that is needed, when packages have been fetched."""
        offline = ["--no-index", "--no-deps"] if self._fetched else []
        if self._uv:
            command = [self._uv, "pip", "install", "--no-config", "--compile-bytecode", "--python", self.python]
        else:
            command = [self.python, "-m", "pip", "install", "--no-warn-script-location"]
        self._run("{} ({})".format(title, self.tool), [*command, *offline, *arguments])

    def list_contents(self, title: str) -> JsonObject:
        """Return what the environment holds: see :mod:`inventory`."""
        program = (pkgutil.get_data(str(__package__), "inventory.py") or b"").decode("utf-8")
        text = self._work.run(title, [self.python, "-c", program])
        found: Dict[str, object] = json.loads(text.strip().splitlines()[-1])
        return found

    def _run(self, title: str, command: List[str]) -> None:
        try:
            self._work.run(title, command)
        except StepError as err:
            raise explain_failure(err)


def find_wheels(folder: str) -> List[str]:
    """Return the wheels that were fetched into a folder. Raises BuildError if they have been removed."""
    found = list_wheels(folder)
    if not found:
        raise BuildError("the packages that were fetched for it are gone from {}".format(folder), "submit the run again")
    return found


def explain_failure(err: StepError, meanings: Sequence[Tuple[str, str, str]] = MEANINGS) -> BuildError:
    """Describe a failed step in one sentence, with the decisive line of its output; the log has the rest."""
    for pattern, what, remedy in meanings:
        match = re.search(pattern, err.output, re.IGNORECASE)
        if match:
            line = next(line for line in err.output.splitlines() if match.group(0).splitlines()[0] in line).strip()
            return BuildError("{} ({})".format(what, line[:300]), remedy)
    return err
