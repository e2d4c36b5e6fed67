"""Describe what is wrong with an environment, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection

from slurmtf.environments.software import Software
from slurmtf.environments.versions import TENSORFLOW, Release, parse_release
from slurmtf.findings import Finding

CPU_ONLY = "tensorflow_cpu"


def get_tensorflow_version(software: Software) -> str:
    """Return the version of TensorFlow that is installed or will be; empty if there is none, or it is not known."""
    there = next((software.packages[name] for name in TENSORFLOW if name in software.packages), "")
    return software.spec.tensorflow[1] if software.spec and software.is_to_build else there


def describe_location(software: Software) -> str:
    """Return where the software's packages are, for a message."""
    if software.spec and not software.image:
        return f"the environment {software.spec.name} ({software.spec.summary})"
    named = software.python if "/" in software.python else software.executable or software.python
    return software.image or software.prefix or named


def format_install_commands(packages: Collection[str], software: Software) -> str:
    """Return the commands that install packages. Horovod has its own, because pip would compile it for whatever it finds."""
    by_pip = [package for package in packages if package != "horovod"]
    commands = [f"{software.python} -m pip install {' '.join(by_pip)}"] if by_pip else []
    if "horovod" in packages:
        commands.append(f"slurmtf env build-horovod {software.python} --install")
    return " && ".join(commands)


def describe_version_mismatch(asked: str, software: Software) -> str:
    """Report that TensorFlow does not have the requested version; empty if it has, or its version is not known."""
    found = get_tensorflow_version(software)
    number = re.match(r"\d+(\.\d+)*", asked)
    if not found or number is None or re.match(re.escape(number[0]) + r"(?!\d)", found):
        return ""
    return f"`framework_version` is {asked!r}, but {describe_location(software)} has TensorFlow {found}"


def get_tensorflow_release(software: Software) -> Release | None:
    """Return major and minor version of TensorFlow; None if there is none, or it is not known."""
    return parse_release(get_tensorflow_version(software)) or None


def check_horovod_build(software: Software) -> Finding | None:
    """Report that Horovod was compiled for another TensorFlow than the one installed with it: it can't be loaded then."""
    if software.horovod is None:
        return None
    ours = get_tensorflow_release(software)
    built = parse_release(software.horovod.tensorflow)
    if not ours or not built or ours == built:
        return None
    release = software.packages.get("horovod", "").partition("+")[0]
    what = f"Horovod {release} in {describe_location(software)} was built for TensorFlow {software.horovod.tensorflow}"
    return Finding("horovod-build", "", f"{what}, and there is {get_tensorflow_version(software)}", _advise_rebuild(software))


def _advise_rebuild(software: Software) -> str:
    if software.image:
        return "use an image whose Horovod matches its TensorFlow"
    return f"build it again: {format_install_commands(['horovod'], software)}"


def describe_cpu_build(software: Software) -> str:
    """Report that TensorFlow can't use GPUs; empty if it can, or that is not known."""
    asked = software.spec.tensorflow[0] if software.spec and software.is_to_build else ""
    if software.gpu_build is not False and asked != CPU_ONLY:
        return ""
    found = f"TensorFlow {get_tensorflow_version(software)} in {describe_location(software)}"
    what = f"GPUs are requested, but {found} was built without them"
    return f"{what}: install 'tensorflow[and-cuda]' instead, or ask for no GPUs"
