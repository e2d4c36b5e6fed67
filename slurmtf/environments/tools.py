"""Tool environments: slurmtf's own software, with fixed versions, by name. They never change a job's environment.

Conversions were verified with these versions (tests/system/models); those that pip would choose break TensorFlow 2.15 to 2.17
(onnx 1.19 needs a newer ml_dtypes) or the converter. Models saved by 2.16 to 2.20 are converted by the newest
(docs/decisions.md).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurmtf.environments.spec import EnvironmentSpec, build_package_spec
from slurmtf.errors import InputError, SoftwareError, suggest
from slurmtf.estimator import Environment
from slurmtf.findings import Finding
from slurmtf.sites import Site

CONVERTER = ("tf2onnx==1.17.0", "onnxruntime==1.32.0")
X86 = 'platform_machine == "x86_64"'


@dataclass(frozen=True)
class Tool:
    """A tool environment: its packages, and the Pythons for which all of them have wheels, the best first."""

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]


def _pin_tensorflow(version: str) -> tuple[str, ...]:
    """Return TensorFlow without GPUs, under its name on each kind of machine."""
    return f"tensorflow-cpu=={version}; {X86}", f"tensorflow=={version}; {X86.replace('==', '!=')}"


KERAS_2, NEWEST, SCORING, SCORING_GPU, SAMPLER = "onnx-tf2.15-keras2", "onnx-newest", "scoring", "scoring-gpu", "sampler"
"""The first converts models saved by TensorFlow up to 2.15 or by Keras 2, the second all others."""
SCORING_PACKAGES = ("numpy==2.4.6", "pillow==13.0.0", "pyarrow==26.0.1", "waitress==3.0.2")
TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            KERAS_2,
            (*_pin_tensorflow("2.15.1"), "numpy==1.26.4", "protobuf==4.25.9", "setuptools==81.0.0", "onnx==1.18.0", *CONVERTER),
            ("3.11",),
        ),
        Tool(
            NEWEST,
            (*_pin_tensorflow("2.21.0"), "keras==3.15.1", "numpy==2.4.6", "protobuf==7.36.2", "onnx==1.23.2", *CONVERTER),
            ("3.11", "3.12", "3.13"),
        ),
        Tool(
            SCORING,
            ("onnxruntime==1.32.0", *SCORING_PACKAGES),
            ("3.11", "3.12", "3.13"),
        ),
        Tool(
            SCORING_GPU,
            ("onnxruntime-gpu[cuda,cudnn]==1.31.1", *SCORING_PACKAGES),
            ("3.11", "3.12", "3.13"),
        ),
        Tool(SAMPLER, ("optuna==5.0.0",), ("3.11", "3.12", "3.13")),
    )
}


def get_tool(name: str) -> Tool:
    """Return a tool environment by its name. Raises InputError."""
    if name not in TOOLS:
        hint = suggest(name, TOOLS) or f"there are {', '.join(TOOLS)}"
        raise InputError(Finding("unknown-tool", name, "there is no such tool environment", hint))
    return TOOLS[name]


def build_tool_spec(wanted: Tool, site: Site, likely: Sequence[str] = (), more: Sequence[str] = ()) -> EnvironmentSpec:
    """Return the environment spec of a tool.

    ``likely`` are interpreters that are tried last; ``more`` are packages of the user. Raises SoftwareError if no suitable
    Python is found.
    """
    python = _find_python(wanted, likely)
    wish = Environment(python=python, pip_packages=[*wanted.packages, *more], name=wanted.name)
    return build_package_spec(wish, site, Path())


def _find_python(wanted: Tool, likely: Sequence[str]) -> str:
    """Return a Python for a tool: the running one, one in PATH, or else one of ``likely``."""
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if running in wanted.pythons:
        return sys.executable
    found = next((path for minor in wanted.pythons for path in _find_in_path(minor)), None)
    fitting = (python for python in likely if Path(os.path.realpath(python)).name.removeprefix("python") in wanted.pythons)
    found = found or next(fitting, None)
    if found is None:
        names = " or ".join(f"python{minor}" for minor in wanted.pythons)
        remedy = "load a module that brings it, or put it into PATH, and try again"
        raise SoftwareError(Finding("tool-python", wanted.name, f"needs {names}, and none is in PATH", remedy))
    return found


def _find_in_path(minor: str) -> Iterator[str]:
    """Yield the real path of a Python in PATH: pyenv's shim for a version that is not activated would fail."""
    for folder in map(Path, os.get_exec_path()):
        if folder.name == "shims":
            yield from map(str, sorted(folder.parent.glob(f"versions/{minor}.*/bin/python{minor}")))
        elif shutil.which(f"python{minor}", path=str(folder)):
            yield str(folder / f"python{minor}")
