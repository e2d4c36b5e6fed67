"""A software environment, resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.job.contract import variables as var

OF_OTHER_ENVIRONMENTS = (
    var.PYTHONHOME,
    var.PYTHONPATH,
    var.VIRTUAL_ENV,
    var.CONDA_PREFIX,
    var.CONDA_DEFAULT_ENV,
    var.CONDA_SHLVL,
)
"""Variables of an environment that is active where a job is submitted: they must not leak into another one."""


@dataclass(frozen=True)
class HorovodBuild:
    """What an installed Horovod was compiled for."""

    tensorflow: str = ""
    """The version of TensorFlow; empty when that is not known."""
    features: tuple[str, ...] = ()
    """Of mpi, gloo and nccl what it can use; empty when that is not known."""


@dataclass(frozen=True)
class Software:
    """An interpreter, and how to bring it about in a batch script."""

    python: str
    """The interpreter of the script; in a container, the container's."""
    modules: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    """The version of each package that is installed; empty when that is not known."""
    executable: str = ""
    """The path of that interpreter, as it tells; empty when it can't be asked."""
    missing: frozenset[str] = frozenset()
    """The modules that the script needs and that are not there."""
    unknown_modules: frozenset[str] = frozenset()
    """The environment modules that ``module`` does not know on this machine."""
    gpu_build: bool | None = None
    """Whether its TensorFlow can use GPUs; None when that is not known."""
    horovod: HorovodBuild | None = None
    """Its Horovod; None when there is none, or that is not known."""
    prefix: str = ""
    """The folder of the environment that is activated; empty: none is."""
    kind: Literal["", "venv", "conda"] = ""
    unset: tuple[str, ...] = ()
    """Variables that are taken out of the job's environment first."""
    spec: EnvironmentSpec | None = None
    """What is to be built; None: the software is there already."""
    image: str = ""
    """The container image, a path or a name in a registry; empty: no container."""
    runtime: str = ""
    """What runs the container."""
    host_python: str = ""
    """The interpreter that runs slurmtf's own program outside of a container; empty: the script's."""

    @property
    def is_to_build(self) -> bool:
        """Whether it has yet to be built."""
        return self.spec is not None and not (self.packages or self.executable)

    @property
    def is_untold(self) -> bool:
        """Whether it stands for software that can't be told, while all else is checked: nothing is said of it."""
        return self.image == UNTOLD


UNTOLD = "?"


def untold(modules: Iterable[str] = ()) -> Software:
    return Software("python3", tuple(modules), image=UNTOLD)
