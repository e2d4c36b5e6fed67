"""What an environment lacks or has wrong, in words, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slurmtf.environments.recipe import TENSORFLOW
from slurmtf.environments.software import Software
from slurmtf.errors import Problem

DISTRIBUTIONS = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "absl": "absl-py",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "gitpython",
    "grpc": "grpcio",
    "hydra": "hydra-core",
    "keras": "tensorflow",
    "mpl_toolkits": "matplotlib",
    "netCDF4": "netcdf4",
    "pkg_resources": "setuptools",
    "ruamel": "ruamel.yaml",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""The package on PyPI that brings a module, where the names differ."""


CPU_ONLY = "tensorflow_cpu"


def distribution(module: str) -> str:
    """Return the name of the package that brings a module."""
    return DISTRIBUTIONS.get(module, module.replace("_", "-"))


def missing_module(module: str, where: str, software: Software, needed: Iterable[str], place: str = "") -> Problem:
    """Say that a script can't run because a module is not there.

    ``needed`` are the modules that the script needs from outside its source, ``place`` is a file in the source of that name.
    """
    what = f"imports {module}, which is not in {home(software)}"
    if place:
        folder = place.removesuffix("/__init__.py").rpartition("/")[0]
        return Problem(where, what, f"there is {place}: move it, or give environment_variables={{'PYTHONPATH': '{folder}'}}")
    return Problem(where, what, _remedy(module, software, needed))


def tensorflow_of(software: Software) -> str:
    """Return the version of TensorFlow, or that which will be made; empty when there is none, or that is not known."""
    there = next((software.packages[name] for name in TENSORFLOW if name in software.packages), "")
    return software.recipe.tensorflow[1] if software.recipe and software.is_to_make else there


def home(software: Software) -> str:
    """Return where the packages of a software are, as a person calls it."""
    if software.recipe and not software.image:
        return f"the environment {software.recipe.name} ({software.recipe.summary})"
    named = software.python if "/" in software.python else software.executable or software.python
    return software.image or software.prefix or named


def _remedy(module: str, software: Software, needed: Iterable[str]) -> str:
    package = distribution(module)
    if software.image:
        return f"build {package} into the image, or take one that has it"
    if software.recipe:
        is_conda = software.recipe.kind == "conda"
        return f"add {package} to conda_packages, or to their file" if is_conda else f"add pip_packages=['{package}']"
    packages = sorted({package, *map(distribution, needed), *(["tensorflow"] if package == "horovod" else [])})
    made = f"have an environment made of all that it needs: pip_packages={packages}"
    if "/" not in software.python:
        return f"load a module that brings {package}, or {made}"
    return f"install it there: {_installing(package, software)}; or {made}"


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
    return f"framework_version is {asked!r}, but {home(software)} has TensorFlow {found}"


def tensorflow_version(software: Software) -> tuple[int, ...] | None:
    """Return major and minor version of TensorFlow; None when there is none, or that is not known."""
    return _minor(tensorflow_of(software))


def _minor(version: str) -> tuple[int, ...] | None:
    numbers = version.split(".")[:2]
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def foreign_horovod(software: Software) -> Problem | None:
    """Say that Horovod was compiled for another TensorFlow than the one beside it: it can't be loaded then."""
    if software.horovod is None:
        return None
    ours = tensorflow_version(software)
    built = _minor(software.horovod.tensorflow)
    if ours is None or built is None or ours == built:
        return None
    release = software.packages.get("horovod", "").partition("+")[0]
    what = f"Horovod {release} in {home(software)} was built for TensorFlow {software.horovod.tensorflow}"
    return Problem("", f"{what}, and there is {tensorflow_of(software)}", _rebuilt(software))


def _rebuilt(software: Software) -> str:
    if software.image:
        return "take an image whose Horovod goes with its TensorFlow"
    return f"build it again: {_installing('horovod', software)}"


def cpu_only(software: Software) -> str:
    """Say that TensorFlow can't use GPUs; empty when it can, or that is not known."""
    asked = software.recipe.tensorflow[0] if software.recipe and software.is_to_make else ""
    if software.gpu_build is not False and asked != CPU_ONLY:
        return ""
    what = f"GPUs are asked for, but TensorFlow {tensorflow_of(software)} in {home(software)} was built without them"
    return f"{what}: install 'tensorflow[and-cuda]' instead, or leave use_gpu out"
