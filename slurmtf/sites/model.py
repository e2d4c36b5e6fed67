"""The model of a site profile.

``None`` and an empty list mean "unknown", unlike ``False``: checks that need an unknown fact are skipped. Flags are named as in
sbatch(1), without the leading dashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from slurmtf.job.contract.schedulers import CAPABILITIES, Capabilities
from slurmtf.schema import Strict

Value = str | int | float | bool
Known = bool | Literal["unknown"]


@dataclass(frozen=True)
class Gpu(Strict):
    """How GPUs are requested, and how they appear."""

    request: Literal["gres", "gpus-per-node", "gpus-per-task", "gpus", "none"] = "gres"
    """The flag that requests GPUs. 'none': no flag, the partition decides."""
    type: str | None = None
    """The GPU type to request if the user names none. Default: no type."""
    types: list[str] = field(default_factory=list)
    """The GPU types that can be requested."""
    per_node: int | None = None
    """Number of GPUs of a node."""
    vendor: Literal["nvidia", "amd"] = "nvidia"
    """The vendor, which determines the variable of visible devices (CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES)."""
    constraint: str | None = None
    """A node feature that a GPU job must request."""
    sbatch: dict[str, Value] = field(default_factory=dict)
    """Additional flags of sbatch for a GPU job."""
    srun: dict[str, Value] = field(default_factory=dict)
    """Additional flags of srun for a GPU job ({'gpu-bind': 'closest'})."""
    whole_nodes_when_multinode: bool = False
    """Whether a job with several nodes must request all GPUs of each."""


@dataclass(frozen=True)
class Partition(Strict):
    """What is known about one partition. Time limits are in Slurm's format."""

    max_time: str | int | None = None
    default_time: str | int | None = None
    max_nodes: int | None = None
    max_gpus: int | None = None
    gpus: bool | None = None
    """Whether its nodes have GPUs. With False, GPU jobs are refused."""
    gpu_type: str | None = None
    gpus_per_node: int | None = None
    qos: str | None = None
    """The QOS to use with the partition."""
    note: str | None = None


@dataclass(frozen=True)
class Defaults(Strict):
    """The values that a job gets if the user sets no others."""

    partition: str | None = None
    gpu_partition: str | None = None
    """The partition of a GPU job, if it is a different one."""
    account: str | None = None
    qos: str | None = None
    time: str | int | None = None
    memory: str | int | None = None
    memory_per_gpu: str | int | None = None
    cpus_per_task: int | None = None
    cpus_per_gpu: int | None = None
    """Number of CPUs for each GPU of a process, if the user does not set cpus_per_task."""


@dataclass(frozen=True)
class Preset(Strict):
    """A named combination of settings (an estimator's ``vm_size``)."""

    partition: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpu_type: str | None = None
    gpus_per_node: int | None = None
    cpus_per_task: int | None = None
    memory: str | int | None = None
    time: str | int | None = None


@dataclass(frozen=True)
class Launcher(Strict):
    """How the processes of a job are started."""

    default: str = "srun"
    """The launcher: srun, mpirun, ibrun, none ..."""
    single: str | None = None
    """The launcher of a single process, if it is a different one ('none' starts it without a step)."""
    forbidden: list[str] = field(default_factory=list)
    """Launchers that the site refuses or advises against."""
    mpi: str | None = None
    """The value of srun's --mpi for MPI programs (pmix, pmi2, cray_shasta)."""
    args: list[str] = field(default_factory=list)
    """Additional arguments of the launcher."""


@dataclass(frozen=True)
class JobEnvironment(Strict):
    """The shell in which the job runs."""

    shebang: str = "#!/bin/bash"
    """The first line of the batch script. It must name bash."""
    export: str | None = None
    """The value of --export. Default: Slurm's, the submitting shell's environment."""
    unset: list[str] = field(default_factory=list)
    """Variables to unset before anything else (SLURM_EXPORT_ENV)."""
    variables: dict[str, str] = field(default_factory=dict)
    """Variables to set. They are used literally: '$' is not expanded."""
    prologue: list[str] = field(default_factory=list)
    """Lines of shell to run before anything else."""
    python: str | None = None
    """An interpreter, 3.6 or later, that every node has. It runs slurmtf's own program if the job's Python is in a container.
    Default: the one that submits."""


@dataclass(frozen=True)
class Modules(Strict):
    """Environment modules."""

    init: str | None = None
    """A file to source so that 'module' exists in a batch script."""
    reset: str | None = None
    """'module purge', 'module reset', or nothing."""
    use: list[str] = field(default_factory=list)
    load: list[str] = field(default_factory=list)
    """Modules that every job loads."""
    tensorflow: dict[str, list[str]] = field(default_factory=dict)
    """The modules for each framework_version."""


@dataclass(frozen=True)
class Containers(Strict):
    """Container images."""

    runtime: Literal["apptainer", "singularity", "pyxis", "shifter", "podman-hpc", "none"] | None = None
    """The container runtime. Default: apptainer or singularity, if it is in PATH. 'none': the site has none."""
    modules: list[str] = field(default_factory=list)
    """Modules that provide the runtime."""
    binds: list[str] = field(default_factory=list)
    """Folders that every container sees, in addition to the run's: PATH or PATH:PATH-INSIDE. '$NAME' is expanded in the job."""
    args: list[str] = field(default_factory=list)
    """Additional arguments of the runtime."""
    tensorflow: dict[str, str] = field(default_factory=dict)
    """The image for each framework_version."""


@dataclass(frozen=True)
class Environments(Strict):
    """Environments that slurmtf builds."""

    folder: str | None = None
    """Their folder; all nodes must see it. '$NAME' and '~' are expanded on the login node. Default: one in the workspace."""
    build: Literal["login", "job"] = "login"
    """Where they are built: on the login node, or in a job of their own."""
    job: dict[str, Value] = field(default_factory=dict)
    """Flags of sbatch for a build job ({'partition': 'cpu', 'time': '1:00:00'})."""
    conda: str | None = None
    """The program that builds conda environments. Default: the first of micromamba, mamba and conda in PATH."""
    channels: list[str] = field(default_factory=lambda: ["conda-forge"])
    """The channels for conda packages."""


@dataclass(frozen=True)
class Requeue(Strict):
    """Preemption and requeueing."""

    default: Known = "unknown"
    """Whether Slurm requeues a job by default."""
    partition: str | None = None
    """The preemptible partition (vm_priority 'lowpriority')."""
    qos: str | None = None
    """The preemptible QOS."""
    grace_s: int | None = None
    """Seconds between the notice of a preemption and the kill."""


@dataclass(frozen=True)
class Network(Strict):
    """Names and routes of the compute nodes."""

    internet: Known | Literal["proxy"] = "unknown"
    host_suffix: str = ""
    """The suffix of a node's name on the fast network."""
    interface: str | None = None
    """The fast network's interface (NCCL_SOCKET_IFNAME)."""


@dataclass(frozen=True)
class Storage(Strict):
    """Folders."""

    workspace: str | None = None
    """The folder of runs; all nodes must see it. '$NAME' and '~' are expanded on the login node. Default: ~/slurmtf-runs."""
    local: str | None = None
    """A node's fast storage, which lasts as long as the job. '$NAME' is expanded in the job."""
    local_in_ram: bool | None = None
    """Whether the storage is memory, which counts as the job's."""
    stage: Literal["shared", "node-local"] | None = None
    """Where software and source are when a script starts, unless the user sets 'stage'. Default: shared."""
    pack: Literal["tar", "squashfs"] = "tar"
    """How software gets to a node's disk: 'tar' is unpacked there; 'squashfs', created by mksquashfs 4.5 or later, is mounted
    there by squashfuse, in a second instead of twenty."""
    purge_days: int | None = None
    """Days without access after which the site deletes files of the workspace."""


@dataclass(frozen=True)
class Site(Strict):
    """Everything that a job depends on about one cluster, or about this machine."""

    name: str = ""
    description: str = ""
    scheduler: Literal["slurm", "local"] = "slurm"
    status: Literal["live", "retired"] = "live"
    verified: bool = False
    """Whether somebody ran slurmtf there. False: the profile is based on documentation alone."""
    documented_on: str | None = None
    """The age of the documentation, as YYYY-MM or YYYY-MM-DD."""
    sources: dict[str, str] = field(default_factory=dict)
    """The documentation page of each fact."""
    notes: list[str] = field(default_factory=list)
    """Hints for users of the site."""
    slurm_version: str | None = None
    arch: str | None = None
    cluster: str | None = None
    """The value of --clusters, needed by every Slurm command."""
    gpu: Gpu = field(default_factory=Gpu)
    partitions: dict[str, Partition] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    presets: dict[str, Preset] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    """Flags that a job must have: account, partition, time, qos ..."""
    forbidden: list[str] = field(default_factory=list)
    """Flags that the site refuses; they are never used."""
    account_pattern: str | None = None
    """A regular expression that an account must match."""
    directives: dict[str, Value] = field(default_factory=dict)
    """Flags of sbatch that every job gets."""
    max_cpus_per_node: int | None = None
    """Number of CPUs of a node that a job can use."""
    min_time: str | int | None = None
    launcher: Launcher = field(default_factory=Launcher)
    environment: JobEnvironment = field(default_factory=JobEnvironment)
    modules: Modules = field(default_factory=Modules)
    containers: Containers = field(default_factory=Containers)
    environments: Environments = field(default_factory=Environments)
    requeue: Requeue = field(default_factory=Requeue)
    network: Network = field(default_factory=Network)
    storage: Storage = field(default_factory=Storage)
    mail_works: Known = "unknown"
    mail_one_type_per_line: bool = False
    template: str | None = None
    """The template of the batch script."""

    @property
    def can(self) -> Capabilities:
        """What its scheduler does for a job."""
        return CAPABILITIES[self.scheduler]

    source: str = ""
    """The file that this profile was read from."""
