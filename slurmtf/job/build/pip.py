"""An environment of pip packages: by uv where it is there, else by venv and pip."""

import json
import os
import re
from typing import Any, Dict, List, Sequence, Tuple

from . import horovod
from .work import BuildError, StepError, Work, find, wheels_in

MEANINGS = (
    (r"Temporary failure in name resolution|Name or service not known|Connection refused|Network is unreachable|dns error|"
     r"Failed to establish a new connection|error sending request|Connection timed out",
     "the package index can't be reached from here", "make it where there is a network: 'slurmtf env build' on a login node"),
    (r"No space left on device|Disk quota exceeded",
     "the disk or your quota is full", "free some space, or keep environments elsewhere (the profile's environments.folder)"),
    (r"No matching distribution found for|was not found in the (?:package registry|provided)|there (?:is|are) no version",
     "a package, or that version of it, does not exist", "is it spelled rightly, and is there one for this Python version?"),
    (r"No solution found|ResolutionImpossible|conflicting dependencies|because .* depends on .* and .* unsatisfiable",
     "the packages do not go together", "loosen or change the versions; the log says which two disagree"),
    (r"ensurepip is not|No module named '?(venv|ensurepip)", "this Python can't make virtual environments",
     "install python3-venv, or name another Python"),
    (r"error: command '?\S*(gcc|g\+\+|cc)|unable to execute|CMake Error|Failed to build|failed building wheel|"
     r"Collecting [^\n]+\n(?:(?!\s*(?:Collecting |Building wheel))[^\n]*\n)*?[^\n]*subprocess-exited-with-error",
     "a package has no ready-made wheel here and could not be compiled", "load a compiler (modules), or take another version"),
)  # fmt: skip
"""What installers print, what it means, and what to do."""
FACTS = """
import json, platform, sys
from importlib import metadata
found = {}
for distribution in metadata.distributions():
    name = distribution.metadata["Name"]
    if name:
        found.setdefault(name.lower().replace("-", "_").replace(".", "_"), (name, distribution.version))
print(json.dumps({"python": platform.python_version(), "packages": {key: value[1] for key, value in found.items()},
                  "lock": sorted("{}=={}".format(*value) for value in found.values())}))
"""
FACTS_37 = (
    FACTS.replace("from importlib import metadata", "import pkg_resources")
    .replace("metadata.distributions()", "pkg_resources.working_set")
    .replace('distribution.metadata["Name"]', "distribution.project_name")
)


class Installer:
    """Puts packages into the environment of a work, by uv or by pip."""

    def __init__(self, work: Work, spec: Dict[str, Any], python: str = "") -> None:
        """``python`` is that of another environment, when it is not the one that is being made."""
        self._work = work
        self._uv = spec["uv"] if os.access(spec["uv"], os.X_OK) else find("uv")
        self._fetched = bool(spec["wheelhouse"])
        self.python = python or os.path.join(work.folder, "bin", "python")

    @property
    def tool(self) -> str:
        return "uv" if self._uv else "pip"

    def make(self, base: str) -> None:
        """Make an empty environment."""
        if self._uv:
            command = [self._uv, "venv", "--no-project", "--no-config", "--python", base, self._work.folder]
        else:
            command = [base, "-m", "venv", self._work.folder]
        self._told("making a virtual environment of {}".format(base), command)

    def install(self, title: str, arguments: Sequence[str]) -> None:
        """Install what ``arguments`` of ``pip install`` name: files, all that is needed, when packages have been fetched."""
        offline = ["--no-index", "--no-deps"] if self._fetched else []
        if self._uv:
            command = [self._uv, "pip", "install", "--no-config", "--compile-bytecode", "--python", self.python]
        else:
            command = [self.python, "-m", "pip", "install", "--no-warn-script-location"]
        self._told("{} ({})".format(title, self.tool), [*command, *offline, *arguments])

    def _told(self, title: str, command: List[str]) -> None:
        try:
            self._work.run(title, command)
        except StepError as err:
            raise explained(err)


def make(work: Work, spec: Dict[str, Any]) -> Dict[str, Any]:
    """Make the environment of a spec, and return what is in it."""
    installer = Installer(work, spec)
    installer.make(_base(spec))
    return fill(work, spec, installer)


def _base(spec: Dict[str, Any]) -> str:
    base = find(spec["python"])
    if not base:
        raise BuildError(
            "there is no {} to make an environment with".format(spec["python"]), "name another Python, or its module"
        )
    return base


def fill(work: Work, spec: Dict[str, Any], installer: Installer) -> Dict[str, Any]:
    """Install the packages of a spec, Horovod last: it is compiled against the TensorFlow that is there then."""
    if spec["wheelhouse"]:
        wheels = fetched(spec["wheelhouse"])
        installer.install("installing {} packages that were fetched".format(len(wheels)), wheels)
    else:
        _install(work, spec, installer)
    built = {}
    if spec["horovod"]:
        built = horovod.install(work, spec, installer)
    return dict(facts(work, installer.python), tool=installer.tool, **built)


def _install(work: Work, spec: Dict[str, Any], installer: Installer) -> None:
    if spec["requirements"]:
        installer.install("installing {} requirement(s)".format(len(spec["requirements"])), _listed(work.folder, spec))
    if spec["bare"]:
        installer.install(
            "installing {} without what it asks for".format(", ".join(spec["bare"])), ["--no-deps", *spec["bare"]]
        )


def fetched(folder: str) -> List[str]:
    """Return the wheels that were brought into a folder. Raises BuildError when they have been removed."""
    found = wheels_in(folder)
    if not found:
        raise BuildError("the packages that were fetched for it are gone from {}".format(folder), "submit the run again")
    return found


def _listed(folder: str, spec: Dict[str, Any]) -> List[str]:
    """Write requirements and constraints down, and return the arguments that name them."""
    arguments: List[str] = []
    for option, kind in (("-r", "requirements"), ("-c", "constraints")):
        if spec[kind]:
            path = os.path.join(folder, kind + ".txt")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write("\n".join(spec[kind]) + "\n")
            arguments += [option, path]
    return arguments


def facts(work: Work, python: str) -> Dict[str, Any]:
    """Return the version of the Python and of each package, and the list that brings them about again."""
    try:
        text = work.run("looking what is there", [python, "-c", FACTS])
    except StepError:  # Python 3.7 and earlier
        text = work.run("looking what is there", [python, "-c", FACTS_37])
    found: Dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def explained(err: StepError, meanings: Sequence[Tuple[str, str, str]] = MEANINGS) -> BuildError:
    """Return a failed step in a sentence, with the line of its output that says it; the log has the rest."""
    for pattern, what, remedy in meanings:
        match = re.search(pattern, err.output, re.IGNORECASE)
        if match:
            line = next(line for line in err.output.splitlines() if match.group(0).splitlines()[0] in line).strip()
            return BuildError("{} ({})".format(what, line[:300]), remedy)
    return err


def download(work: Work, spec: Dict[str, Any], folder: str) -> None:
    """Bring all packages of a spec into a folder, as wheels, for a machine without a network.

    What there are only sources of is compiled here: what compiles it can't be had there. uv can't fetch, and its
    environments have no pip.
    """
    python = os.path.join(work.folder, "bin", "python")
    wheel = [python, "-m", "pip", "wheel", "-w", folder]
    wanted = dict(spec, requirements=[*spec["requirements"], *horovod.needs(spec)])
    try:
        work.run("preparing to fetch", [_base(spec), "-m", "venv", work.folder])
        work.run("fetching the packages", [*wheel, *_listed(work.folder, wanted)])
        if spec["bare"]:
            work.run("fetching {}".format(", ".join(spec["bare"])), [*wheel, "--no-deps", *spec["bare"]])
        if spec["horovod"]:
            horovod.fetch(work, python, spec["horovod"], folder)
    except StepError as err:
        raise explained(err)
