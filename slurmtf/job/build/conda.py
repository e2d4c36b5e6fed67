"""Build a conda environment with micromamba, mamba or conda."""

import glob
import json
import os
import re
import textwrap
from typing import Dict, List

from ..contract import variables as var
from . import pip
from .installer import Installer, explain_failure
from .work import BuildError, Spec, StepError, Work, find

PROGRAMS = ("micromamba", "mamba", "conda")
UNSOLVED = re.compile(
    r"(?:Could not solve for environment specs\n|Encountered problems while solving:\n"
    r"|PackagesNotFoundError: |UnsatisfiableError: )(.*)",
    re.DOTALL,
)
"""What precedes a solver's reasons, in micromamba and mamba, and in conda."""
MISSING = re.compile(r"does not exist|[Nn]o candidates were found|nothing provides|not available from current channels")
REASON_LINES = 10
SECRETS = re.compile(r"(?<=://)[^/@]+@|/t/[^/]+(?=/)")
"""A login or a token in the URL of a channel."""
PIP_LINE = re.compile(r"\s+-\s+[\"']?(-.*?)[\"']?\s*$")


def find_program(wish: str) -> str:
    """Return the program that builds conda environments. Raises BuildError if there is none."""
    given = [wish] if wish else [os.environ.get(var.MAMBA_EXE, ""), *PROGRAMS, os.environ.get(var.CONDA_EXE, "")]
    found = next((path for path in map(find, filter(None, given)) if path), "")
    if not found:
        what = "there is no {} in PATH".format(wish or "micromamba, mamba or conda")
        raise BuildError(what, "load its module, or set environments.conda in the profile")
    return found


def build(work: Work, spec: Spec) -> Dict[str, object]:
    """Build the environment of a spec, pip packages after conda's, and return its content."""
    tool = find_program(spec["conda"]["program"])
    name = os.path.basename(tool)
    installer = Installer(work, spec)
    try:
        work.run("creating a conda environment ({})".format(name), _build_command(work, spec, tool))
    except StepError as err:
        raise _explain(err)
    if spec["explicit"] and spec["conda"]["file"]:
        _add_pip_section(work, spec, installer)
    found = pip.fill(work, spec, installer)
    return dict(found, tool=name, lock=[*_list_packages(work.folder), *found["lock"]])


def _build_command(work: Work, spec: Spec, tool: str) -> List[str]:
    """Return the command. ``conda env create`` takes files, ``conda create`` packages; micromamba's ``create`` takes both."""
    conda, create = spec["conda"], [tool, "create", "--yes", "--prefix", work.folder]
    if spec["explicit"]:
        return [*create, "--file", _write(work, ".txt", "\n".join(["@EXPLICIT", *spec["explicit"]]) + "\n")]
    if not conda["file"]:
        channels = [word for channel in conda["channels"] for word in ("--channel", channel)]
        return [*create, *channels, *conda["packages"]]
    path = _write(work, ".yml", conda["file"])
    if os.path.basename(tool) == "micromamba":
        return [*create, "--file", path]
    return [tool, "env", "create", "--prefix", work.folder, "--file", path]


def _write(work: Work, suffix: str, text: str) -> str:
    path = os.path.join(work.layout.specs, work.name + suffix)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _add_pip_section(work: Work, spec: Spec, installer: Installer) -> None:
    """Install what pip had brought by a conda file: of all versions written down, those that conda has not brought now."""
    options = [match.group(1) for match in map(PIP_LINE.match, spec["conda"]["file"].splitlines()) if match]
    path = _write(work, ".pip.txt", "\n".join([*options, *spec["constraints"]]) + "\n")
    installer.install("installing what pip had brought", ["--no-deps", "-r", path])


def _list_packages(prefix: str) -> List[str]:
    """Return the packages as conda's explicit lists have them; modules, which a Python is needed to link, at the end."""
    records = []
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        with open(path, encoding="utf-8") as file:
            records.append(json.load(file))
    records.sort(key=lambda record: (bool(record.get("noarch")), record["name"]))
    urls = [SECRETS.sub("", record["url"]) for record in records]
    return ["{}#{}".format(url, record["md5"]) if record.get("md5") else url for url, record in zip(urls, records)]


def _explain(err: StepError) -> BuildError:
    """Describe a failed step in a few lines: the solver's reasons, if it gives any."""
    match = UNSOLVED.search(err.output)
    if not match:
        return explain_failure(err)
    lines = [line for line in match.group(1).splitlines() if line.strip() and "Could not solve for" not in line]
    lines = textwrap.dedent("\n".join(lines)).splitlines()
    reason = "\n".join(lines[:REASON_LINES] + ["..."] * (len(lines) > REASON_LINES))
    if MISSING.search(reason):
        what, remedy = (
            "does not exist in these channels",
            "is it spelled correctly, and in which channel is it? (conda_channels)",
        )
        return BuildError("a package, or that version of it, {}:\n{}".format(what, reason), remedy)
    return BuildError("the packages conflict:\n{}".format(reason), "loosen or change the versions")
