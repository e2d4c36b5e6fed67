"""A software environment, resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.job.contract import variables as var

FOREIGN_VARIABLES = (
    var.PYTHONHOME,
    var.PYTHONPATH,
    var.VIRTUAL_ENV,
    var.CONDA_PREFIX,
    var.CONDA_DEFAULT_ENV,
    var.CONDA_SHLVL,
)
"""Variables of the environment that is active at submission, which must not leak into the job's."""


@dataclass(frozen=True)
class HorovodBuild:
    """What an installed Horovod was compiled for."""

    tensorflow: str = ""
    """The version of TensorFlow; empty if it is not known."""
    features: tuple[str, ...] = ()
    """Which of mpi, gloo and nccl it can use; empty if unknown."""


@dataclass(frozen=True)
class Software:
    """An interpreter, and how a batch script sets it up."""

    python: str
    """The interpreter of the script; in a container, the container's."""
    modules: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    """The version of each installed package; empty if they are not known."""
    executable: str = ""
    """The path of that interpreter, as it reports it; empty if it can't be run here."""
    missing: frozenset[str] = frozenset()
    """The modules that the script needs and that are not installed."""
    unknown_modules: frozenset[str] = frozenset()
    """The environment modules that ``module`` does not know on this machine."""
    gpu_build: bool | None = None
    """Whether its TensorFlow can use GPUs; None if unknown."""
    horovod: HorovodBuild | None = None
    """Its Horovod; None if there is none, or if that is unknown."""
    prefix: str = ""
    """The folder of the environment to activate; empty if none."""
    kind: Literal["", "venv", "conda"] = ""
    unset: tuple[str, ...] = ()
    """Variables that are removed from the job's environment first."""
    spec: EnvironmentSpec | None = None
    """What has to be built; None if the software exists already."""
    image: str = ""
    """The container image, a path or a name in a registry; empty: no container."""
    runtime: str = ""
    """The container runtime."""
    host_python: str = ""
    """The interpreter that runs slurmtf's own program outside of the container; empty: the script's."""

    @property
    def is_to_build(self) -> bool:
        """Whether the software has yet to be built."""
        return self.spec is not None and not (self.packages or self.executable)

    @property
    def is_unknown(self) -> bool:
        """Whether it stands for software that could not be determined: everything else is checked, and nothing is reported
        about it."""
        return self.image == UNKNOWN


UNKNOWN = "?"


def build_unknown_software(modules: Iterable[str] = ()) -> Software:
    return Software("python3", tuple(modules), image=UNKNOWN)
