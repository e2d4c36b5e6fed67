"""The resources that a scoring or serving job requests."""

from __future__ import annotations

from dataclasses import dataclass

from slurmtf.environments.tools import SCORING, SCORING_GPU
from slurmtf.errors import InputError
from slurmtf.estimator.flags import PARAMETER_OF
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.plan.gpus import REQUESTS
from slurmtf.plan.model import Resources
from slurmtf.sites import Site


@dataclass(frozen=True)
class Needs:
    """``gpu``: one GPU; ``packages``: pip packages for a score script, in addition to those of the tool environment."""

    cpus: int | None = None
    memory: str | None = None
    time_limit: str | None = None
    partition: str | None = None
    account: str | None = None
    gpu: bool = False
    packages: tuple[str, ...] = ()

    def to_flags(self, site: Site) -> dict[str, object]:
        """Return the resources as flags of sbatch."""
        partition = self.partition or (site.defaults.gpu_partition if self.gpu else None)
        settings = {**self.to_settings(), "partition": partition}
        found = {flag: settings[name] for flag, name in PARAMETER_OF.items() if settings.get(name) is not None}
        return {**found, **_build_gpu_flags(site)} if self.gpu else found

    def to_settings(self) -> JsonObject:
        """Return the resources as settings of an estimator."""
        return {"cpus_per_task": self.cpus, "memory": self.memory, "time": self.time_limit, "partition": self.partition,
                "account": self.account, "use_gpu": self.gpu}  # fmt: skip

    def choose_environment(self, engine: str, default: str) -> str:
        """Return the tool environment for an engine. Raises InputError if none supports GPUs."""
        if not self.gpu:
            return default
        if engine != "onnx":
            what = "the tool environments of TensorFlow have no GPUs"
            raise InputError(Finding("no-gpu-engine", "gpu", what, "export the model to ONNX: slurmtf export"))
        return SCORING_GPU if default == SCORING else default


def _build_gpu_flags(site: Site) -> dict[str, object]:
    one = Resources(1, 1, 1, gpus_per_node=1, gpu_type=site.gpu.type)
    found: dict[str, object] = dict(REQUESTS[site.gpu.request](one))
    if site.gpu.constraint:
        found["constraint"] = site.gpu.constraint
    return {**found, **site.gpu.sbatch}
