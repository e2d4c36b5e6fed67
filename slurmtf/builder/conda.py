"""A conda environment, by micromamba, mamba or conda."""

import os
from typing import Any, Dict, List

from . import pip
from .work import BuildError, StepError, Work, find

PROGRAMS = ("micromamba", "mamba", "conda")


def program(wish: str) -> str:
    """Return the program that makes conda environments. Raises BuildError when there is none."""
    given = [wish] if wish else [os.environ.get("MAMBA_EXE", ""), *PROGRAMS, os.environ.get("CONDA_EXE", "")]
    found = next((path for path in map(find, filter(None, given)) if path), "")
    if not found:
        what = "there is no {} in PATH".format(wish or "micromamba, mamba or conda")
        raise BuildError(what, "load its module, or name it in the profile (environments.conda)")
    return found


def make(work: Work, spec: Dict[str, Any]) -> Dict[str, Any]:
    """Make the environment of a spec, pip packages after conda's, and return what is in it."""
    tool = program(spec["conda"]["program"])
    name = os.path.basename(tool)
    try:
        work.run("making a conda environment ({})".format(name), _command(work, spec["conda"], tool))
    except StepError as err:
        raise pip.explained(err)
    found = pip.fill(work, spec, pip.Installer(work, spec))
    explicit = work.run("looking what is there", [tool, "list", "--prefix", work.folder, "--explicit", "--md5"])
    return dict(found, tool=name, conda_lock=[line for line in explicit.splitlines() if line.strip()])


def _command(work: Work, conda: Dict[str, Any], tool: str) -> List[str]:
    """Return the command. ``conda env create`` takes files, ``conda create`` packages; micromamba's ``create`` takes both."""
    if not conda["file"]:
        channels = [word for channel in conda["channels"] for word in ("--channel", channel)]
        return [tool, "create", "--yes", "--prefix", work.folder, *channels, *conda["packages"]]
    path = os.path.join(work.layout.specs, work.name + ".yml")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(conda["file"])
    verb = ["create", "--yes"] if os.path.basename(tool) == "micromamba" else ["env", "create"]
    return [tool, *verb, "--prefix", work.folder, "--file", path]
