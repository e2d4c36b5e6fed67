"""What an environment lacks or has wrong, in words, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slurmtf.environments.distributions import ELSEWHERE, distribution
from slurmtf.environments.software import Software
from slurmtf.environments.spec import TENSORFLOW
from slurmtf.findings import Finding
from slurmtf.snapshot.script import Import

CPU_ONLY = "tensorflow_cpu"


def missing_module(found: Import, software: Software, needed: Iterable[Import], place: str = "") -> Finding:
    """Say that a script can't run because a module is not there.

    ``needed`` are the imports that the script needs from outside its source, ``place`` is a file in the source of that name.
    """
    what = f"imports {found.module}, which is not in {home(software)}"
    if place:
        folder = place.removesuffix("/__init__.py").rpartition("/")[0]
        remedy = f"there is {place}: move it, or set `environment_variables[PYTHONPATH]={folder}`"
    elif found.beside:
        remedy = f"it lies in {found.beside}: set `source_directory={found.beside}`"
    elif not distribution(found.module, found.name):
        remedy = ELSEWHERE.get(found.module) or _unknown(found, software)
    else:
        remedy = _remedy(found, software, needed)
    return Finding("missing-import", found.where, what, remedy)


def _unknown(found: Import, software: Software) -> str:
    """Return what to do about a module of which nobody here knows the package: a guess may install a stranger's."""
    where = "build it into the image" if software.image else "install it there"
    if software.spec and not software.image:
        where = "add it to `conda_packages`" if software.spec.kind == "conda" else "add it to `pip_packages`"
    name = found.name or found.module
    return f"find the package that brings {name} (its name may differ) and {where}, or move your own {name} into the source"


def tensorflow_of(software: Software) -> str:
    """Return the version of TensorFlow, or that which will be built; empty when there is none, or that is not known."""
    there = next((software.packages[name] for name in TENSORFLOW if name in software.packages), "")
    return software.spec.tensorflow[1] if software.spec and software.is_to_build else there


def home(software: Software) -> str:
    """Return where the packages of a software are, as a person calls it."""
    if software.spec and not software.image:
        return f"the environment {software.spec.name} ({software.spec.summary})"
    named = software.python if "/" in software.python else software.executable or software.python
    return software.image or software.prefix or named


def _remedy(found: Import, software: Software, needed: Iterable[Import]) -> str:
    package = distribution(found.module, found.name)
    if software.image:
        return f"build {package} into the image, or take one that has it"
    if software.spec:
        is_conda = software.spec.kind == "conda"
        return f"add `{'conda' if is_conda else 'pip'}_packages[]={package}`"
    known = {distribution(one.module, one.name) for one in needed}
    packages = sorted({package, *filter(None, known), *(["tensorflow"] if package == "horovod" else [])})
    built = f"have an environment built with all that it needs: `pip_packages[]={','.join(packages)}`"
    if "/" not in software.python:
        return f"load a module that brings {package}, or {built}"
    return f"install it there: {_installing(package, software)}; or {built}"


def _installing(package: str, software: Software) -> str:
    if package == "horovod":  # pip would compile it without a word about what for
        return f"slurmtf env build-horovod {software.python} --install"
    return f"{software.python} -m pip install {package}"


def other_version(asked: str, software: Software) -> str:
    """Say that a TensorFlow is not of the version that was asked for; empty when it is, or that is not known."""
    found = tensorflow_of(software)
    number = re.match(r"\d+(\.\d+)*", asked)
    if not found or number is None or re.match(re.escape(number[0]) + r"(?!\d)", found):
        return ""
    return f"`framework_version` is {asked!r}, but {home(software)} has TensorFlow {found}"


def tensorflow_version(software: Software) -> tuple[int, ...] | None:
    """Return major and minor version of TensorFlow; None when there is none, or that is not known."""
    return _minor(tensorflow_of(software))


def _minor(version: str) -> tuple[int, ...] | None:
    numbers = version.split(".")[:2]
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def foreign_horovod(software: Software) -> Finding | None:
    """Say that Horovod was compiled for another TensorFlow than the one beside it: it can't be loaded then."""
    if software.horovod is None:
        return None
    ours = tensorflow_version(software)
    built = _minor(software.horovod.tensorflow)
    if ours is None or built is None or ours == built:
        return None
    release = software.packages.get("horovod", "").partition("+")[0]
    what = f"Horovod {release} in {home(software)} was built for TensorFlow {software.horovod.tensorflow}"
    return Finding("horovod-build", "", f"{what}, and there is {tensorflow_of(software)}", _rebuilt(software))


def _rebuilt(software: Software) -> str:
    if software.image:
        return "take an image whose Horovod goes with its TensorFlow"
    return f"build it again: {_installing('horovod', software)}"


def cpu_only(software: Software) -> str:
    """Say that TensorFlow can't use GPUs; empty when it can, or that is not known."""
    asked = software.spec.tensorflow[0] if software.spec and software.is_to_build else ""
    if software.gpu_build is not False and asked != CPU_ONLY:
        return ""
    what = f"GPUs are asked for, but TensorFlow {tensorflow_of(software)} in {home(software)} was built without them"
    return f"{what}: install 'tensorflow[and-cuda]' instead, or leave `use_gpu` out"
