"""An environment of pip packages."""

import os
from typing import Dict, List

from ..contract.interchange import JsonObject
from . import horovod
from .installer import Installer, explain_failure, find_wheels
from .work import BuildError, Spec, StepError, Work, find


def build(work: Work, spec: Spec) -> Dict[str, object]:
    """Build the environment of a spec, and return what is in it."""
    installer = Installer(work, spec)
    installer.create(_find_python(spec))
    return fill(work, spec, installer)


def _find_python(spec: Spec) -> str:
    base = find(spec["python"])
    if not base:
        raise BuildError(
            "there is no {} to build an environment with".format(spec["python"]), "name another Python, or its module"
        )
    return base


def fill(work: Work, spec: Spec, installer: Installer) -> JsonObject:
    """Install the packages of a spec, Horovod last: it is compiled against the TensorFlow that is there then."""
    if spec["wheelhouse"]:
        wheels = find_wheels(spec["wheelhouse"])
        installer.install("installing {} packages that were fetched".format(len(wheels)), wheels)
    else:
        _install(work, spec, installer)
    built = {}
    if spec["horovod"]:
        built = horovod.install(work, spec, installer)
    return dict(installer.list_contents("listing what is installed"), tool=installer.tool, **built)


def _install(work: Work, spec: Spec, installer: Installer) -> None:
    if spec["requirements"]:
        installer.install("installing {} requirement(s)".format(len(spec["requirements"])), _write_lists(work.folder, spec))
    if spec["bare"]:
        installer.install(
            "installing {} without its dependencies".format(", ".join(spec["bare"])), ["--no-deps", *spec["bare"]]
        )


def _write_lists(folder: str, spec: Spec) -> List[str]:
    """Write requirements and constraints down, and return the arguments that name them."""
    arguments: List[str] = []
    for option, kind in (("-r", "requirements"), ("-c", "constraints")):
        if spec[kind]:
            path = os.path.join(folder, kind + ".txt")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write("\n".join(spec[kind]) + "\n")
            arguments += [option, path]
    return arguments


def download(work: Work, spec: Spec, folder: str) -> None:
    """Bring all packages of a spec into a folder, as wheels, for a machine without a network.

    What there are only sources of is compiled here: what compiles it can't be had there. uv can't fetch, and its
    environments have no pip.
    """
    python = os.path.join(work.folder, "bin", "python")
    wheel = [python, "-m", "pip", "wheel", "-w", folder]
    wanted = dict(spec, requirements=[*spec["requirements"], *horovod.list_requirements(spec)])
    try:
        work.run("preparing to fetch", [_find_python(spec), "-m", "venv", work.folder])
        work.run("fetching the packages", [*wheel, *_write_lists(work.folder, wanted)])
        if spec["bare"]:
            work.run("fetching {}".format(", ".join(spec["bare"])), [*wheel, "--no-deps", *spec["bare"]])
        if spec["horovod"]:
            horovod.fetch(work, python, spec["horovod"], folder)
    except StepError as err:
        raise explain_failure(err)
