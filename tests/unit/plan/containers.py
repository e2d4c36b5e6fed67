"""Jobs in containers, one for each container runtime: site, software and requested settings."""

from __future__ import annotations

from typing import Any

from slurmtf.environments import Software
from slurmtf.environments.software import FOREIGN_VARIABLES
from slurmtf.sites import Site
from slurmtf.sites.model import Containers, Storage
from tests.unit.support import profile

FILE = "/images/it's tf.sif"
NAME = "docker://registry.example.org/lab/tensorflow:2.15"


def boxed(runtime: str, image: str) -> Software:
    """Return the software of an image, as slurmtf.environments returns it."""
    variables = {"PYTHONNOUSERSITE": "1"}
    own: dict[str, Any] = {"unset": FOREIGN_VARIABLES, "host_python": "/opt/env/bin/python3"}
    return Software("python3", variables=variables, image=image, runtime=runtime, **own)


def site(runtime: Any, binds: tuple[str, ...] = ("/data", "$SCRATCH/big:/big"), args: tuple[str, ...] = ()) -> Site:
    return Site(
        name="here", containers=Containers(runtime, binds=list(binds), args=list(args)), storage=Storage(local="$TMPDIR")
    )


PS: dict[str, Any] = {"distributed_backend": "ps", "worker_count": 2, "parameter_server_count": 1, "node_count": 2}
MPI: dict[str, Any] = {"distributed_backend": "mpi", "process_count_per_node": 4, "node_count": 2, "use_gpu": True}
CONTAINERS: dict[str, tuple[Site, Software, dict[str, Any]]] = {
    "apptainer": (profile("narval"), boxed("apptainer", FILE), {**PS, "use_gpu": True, "account": "lab", "time": 60}),
    "singularity": (profile("lumi-g"), boxed("singularity", "/images/rocm.sif"),
                    {**MPI, "account": "project_462000000", "partition": "standard-g", "time": 60}),
    "shifter": (profile("perlmutter"), boxed("shifter", NAME), {**MPI, "account": "m0000", "qos": "regular", "time": 60}),
    "podman-hpc": (site("podman-hpc"), boxed("podman-hpc", NAME), {"use_gpu": True, "shm_size": "8g"}),
    "pyxis": (site("pyxis", args=("--no-container-mount-home",)), boxed("pyxis", NAME), PS),
}  # fmt: skip
