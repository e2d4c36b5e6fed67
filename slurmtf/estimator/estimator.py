"""The estimators: the description of a training job."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from slurmtf.documents import GivenSettings
from slurmtf.errors import SpecError
from slurmtf.estimator import (
    distribution,
    entry,
    environment,
    flags,
    images,
    inputs,
    life,
    metrics,
    places,
    resources,
    variables,
)
from slurmtf.estimator.arguments import check_params, check_text, to_argv, to_plain_params
from slurmtf.estimator.azureml import Configuration, OlderNames, check_node_count, resolve_training
from slurmtf.estimator.distribution import KINDS, Distribution, from_counts
from slurmtf.estimator.entry import get_module_file, parse_module_name
from slurmtf.estimator.environment import Environment
from slurmtf.estimator.inputs import Input, resolve_inputs
from slurmtf.estimator.life import Notice, Restarts, Stall, resolve_notice, resolve_restarts, resolve_stall
from slurmtf.estimator.quantities import as_slurm_time, check_given, check_strings
from slurmtf.findings import Finding
from slurmtf.paths import to_absolute
from slurmtf.schema import Tagged

NAMES = ("compute_target", "framework_version", "template", "resume_from", "source_directory_data_store")
"""String settings that must not be empty if they are given."""
Flag = str | int | float | bool | list[str | int | float] | None
ScriptParams = GivenSettings | list[Any]
if TYPE_CHECKING:
    Training = Distribution | Configuration
else:
    Training = Annotated[Distribution, Tagged("backend")]  # a job file has no other spelling


@dataclass(frozen=True)
class Estimator(OlderNames):
    """A training script, the software it runs with, and the resources it requests.

    All parameters after ``source_directory`` are keywords. Raises one :class:`slurmtf.errors.SpecError` with all findings that
    need no cluster, each with its remedy. An estimator never changes.
    """

    source_directory: str | Path = "."
    """The script's folder. Each run gets a private copy of it as its working directory."""
    _: KW_ONLY
    compute_target: object = None
    """The site: a name, the path of a profile, or a Site. Default: your default site, else 'local', this machine."""
    vm_size: str | None = None
    """One of the site's presets, which combine a partition, GPUs and the like under a name."""
    vm_priority: Literal["dedicated", "lowpriority"] | None = None
    """'lowpriority' uses the site's preemptible partition and lets Slurm requeue the job."""
    entry_script: str | None = None
    """The Python script to run, relative to source_directory, or a module in it ('pkg.train': python -m pkg.train). Default:
    train.py."""
    script_params: ScriptParams | None = None
    """The script's arguments, name to value ('' or null: a bare flag; a list: several words), or the argument list itself."""
    node_count: int = 1
    """Number of nodes (--nodes)."""
    process_count_per_node: int | None = None
    """Number of processes on each node, with distributed_backend 'mpi' or 'jax'. Default: 1."""
    distributed_backend: str | None = None
    """'mpi' (Horovod and other MPI programs), 'ps' (parameter servers), 'multiworker' or 'jax'. Default: one process."""
    distributed_training: Training | None = None
    """The backend and its counts as one object: Mpi, ParameterServer, MultiWorker or Jax."""
    use_gpu: bool = False
    """Request GPUs: gpus_per_node of them, or one for each process of a node."""
    gpus_per_node: int | None = None
    """Number of GPUs on each node."""
    gpu_type: str | None = None
    """The GPU type, by the site's name for it ('a100')."""
    use_docker: bool | None = None
    """Run in a container, with custom_docker_image (which implies it), or else with the site's image for framework_version."""
    custom_docker_image: str | None = None
    """The container image to run in: the full path of a .sif file or an image folder, or docker://NAME:TAG."""
    image_registry_details: dict[str, str] | None = field(default=None, repr=False)
    """The image's registry: address, username, password. Used to fetch the image, and never stored."""
    shm_size: str | None = None
    """Size of the container's shared memory (/dev/shm), if it is not the node's ('8g')."""
    user_managed: bool | None = None
    """Use existing software and install nothing. The default if no packages are requested."""
    conda_packages: list[str] | None = None
    """Conda packages of the environment to build."""
    pip_packages: list[str] | None = None
    """pip packages of the environment to build."""
    conda_dependencies_file: str | None = None
    """A conda environment file, relative to source_directory."""
    pip_requirements_file: str | None = None
    """A pip requirements file, relative to source_directory."""
    environment_variables: dict[str, str | int | float | bool] | None = None
    """Variables for the script's process. They may be secret: they are stored only in the run's private folder."""
    environment_definition: Environment | str | None = None
    """The whole software environment as one object, or the path of a YAML file that holds it."""
    inputs: list[Input] | None = None
    """Named data: used where it is, copied to each node's disk before the script starts, or copied back after it has ended."""
    stage: Literal["node-local", "shared"] | None = None
    """Where software and source are when the script starts: on each node's own disk, or on the shared file system. Default: the
    site's choice, else shared."""
    source_directory_data_store: str | None = None
    """The run's workspace folder, if it is not the site's. All nodes must see it."""
    max_run_duration_seconds: int | None = None
    """The time limit in seconds; an alternative to 'time'."""
    resume_from: Any = None
    """What to resume from: a folder, a run (its outputs), a run's name, or 'last'. Passed on as --resume-from FOLDER."""

    job_name: str | None = None
    """The job's name in Slurm. Default: the experiment's name."""
    partition: str | None = None
    """--partition"""
    account: str | None = None
    """--account"""
    qos: str | None = None
    """--qos"""
    time: str | int | None = None
    """The time limit in Slurm's format ('1:30:00', '2-12', or minutes)."""
    memory: str | int | None = None
    """Memory on each node ('16G'); 0 requests all of it."""
    cpus_per_task: int | None = None
    """Number of CPUs for each process."""
    constraint: str | None = None
    """Node features (--constraint)."""
    exclusive: bool | None = None
    """Whole nodes (--exclusive)."""
    mail_type: list[str] | None = None
    """The events for which Slurm sends mail ('END', 'FAIL' ...)."""
    mail_user: str | None = None
    """The recipient of Slurm's mail."""
    legacy_keras: bool = False
    """Make tf.keras Keras 2 (TF_USE_LEGACY_KERAS=1), for TensorFlow 2.16 and later with the package tf_keras."""
    azureml: bool = False
    """Provide Azure ML's Run ('from azureml.core import Run') to the script if the package azureml is not installed."""
    restarts: Restarts | None = None
    """How often the run restarts, by cause: a number or 'unlimited' ({'time-limit': 10})."""
    notice: Notice | None = None
    """How the script is notified before it is stopped: {'signal': 'SIGUSR1', 'before': 300}."""
    stall: Stall | None = None
    """When the run counts as stalled, and what happens then: {'minutes': 30, 'action': 'end'}."""
    primary_metric: str | None = None
    """The metric whose last value is shown with the run's progress."""
    autolog: Literal["keras"] | None = None
    """'keras' logs what Keras' fit reports after each epoch on rank 0 as metrics of the run. Default: only the script logs."""
    silence: list[str] = field(default_factory=list)
    """Codes of warnings to hide, as shown in brackets."""
    launcher: str | None = None
    """What starts the processes: 'srun', 'mpirun' ... Default: the site's choice."""
    template: str | None = None
    """A template for the batch script instead of the default: a path, or a name on the template search path."""
    sbatch: dict[str, Flag] = field(default_factory=dict)
    """Other flags of sbatch by their long names: {'hint': 'nomultithread', 'requeue': True}. null omits a flag."""
    srun: dict[str, Flag] = field(default_factory=dict)
    """Other flags of srun."""

    BACKENDS: ClassVar[tuple[str, ...]] = ("mpi",)
    COUNTS: ClassVar[tuple[str, ...]] = ("process_count_per_node",)

    def __post_init__(self, *older_names: str | None) -> None:
        self._set(**{f.name: _copy(getattr(self, f.name)) for f in fields(self)})
        self._set(inputs=resolve_inputs(self.inputs, self.script_params), restarts=resolve_restarts(self.restarts))
        self._set(stall=resolve_stall(self.stall))
        self._set(notice=resolve_notice(self.notice), resume_from=_to_folder(self.resume_from))
        self._set(source_directory=to_absolute(self.source_directory or "."))
        super().__post_init__(*older_names)
        self._set(entry_script=self.entry_script or "train.py", script_params=to_plain_params(self.script_params))
        self._settle_texts()
        if isinstance(self.environment_definition, str):
            self._set(environment_definition=Environment.from_yaml(self.environment_definition))
        findings = list(check_node_count(self.distributed_training, self.node_count))
        training, nodes = resolve_training(self.distributed_training, self.node_count)
        self._set(distributed_training=training, node_count=nodes)
        findings += self._check()
        if findings:
            raise SpecError(*findings)

    def _check(self) -> Iterable[Finding]:
        """Yield what is wrong as far as can be told without a cluster. Each rule is defined next to the value it checks."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        yield from images.check_image_settings(self.image_registry_details, self.shm_size)
        yield from entry.check_entry_script(self.source_directory, self.entry_script)
        yield from check_params(self.script_params)
        yield from check_text("resume_from", self.resume_from)
        yield from variables.check_variables(self.environment_variables)
        yield from inputs.check_inputs(self.inputs, self.script_params)
        yield from distribution.check_distribution(self._asked_distribution)
        yield from resources.check_resources(given)
        yield from life.check_life(given)
        yield from flags.check_user_flags(self.sbatch, self.srun, given)
        yield from environment.check_exclusions(self.environment, given)
        where = "" if self.environment_definition is None else "environment_definition."
        yield from environment.check_environment(self.environment, where, self.source_directory)
        yield from metrics.check_metrics(given)
        yield from places.check_places(self.compute_target, self.stage)
        yield from check_strings("silence", self.silence, "silence")
        for name in NAMES:
            yield from check_given(name, given.get(name))

    @property
    def _asked_distribution(self) -> distribution.DistributionRequest:
        training, counts = self.distributed_training, self.given_counts
        backend, kind = self.distributed_backend, type(self).__name__
        return distribution.DistributionRequest(
            kind, self.BACKENDS, backend, training, counts, self.node_count, self.gpus_per_node
        )

    def _settle_texts(self) -> None:
        """Convert values that can be written in several ways to the form that a job file has."""
        if isinstance(self.time, datetime.timedelta):
            self._set(time=as_slurm_time(self.time))
        if isinstance(self.distributed_backend, str):
            self._set(distributed_backend=self.distributed_backend.lower())
        for name in ("mail_type", "pip_packages", "conda_packages", "silence"):
            if isinstance(given := getattr(self, name), str):
                self._set(**{name: [given]})
        for name in ("compute_target", "template"):
            if isinstance(path := getattr(self, name), str) and os.sep in path:
                self._set(**{name: to_absolute(path)})
        if isinstance(self.environment_variables, Mapping):
            self._set(environment_variables={k: variables.to_text(v) for k, v in self.environment_variables.items()})

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def sources(self) -> Mapping[str, str]:
        """Where the settings were written: parameter to flag, or to file, line and key. Empty for keywords in Python."""
        sources: Mapping[str, str] = self.__dict__.get("_sources", {})
        return sources

    def note_sources(self, sources: Mapping[str, str]) -> None:
        """Note where the settings were written, so that findings can say so."""
        self._set(_sources=sources)

    @property
    def given_counts(self) -> dict[str, int]:
        """The process counts that were set individually."""
        return {name: getattr(self, name) for name in self.COUNTS if getattr(self, name) is not None}

    @property
    def distribution(self) -> Distribution | None:
        """How the processes divide the work; None for a single process."""
        training = self.distributed_training
        if training is None and self.distributed_backend is not None:
            return from_counts(self.distributed_backend, self.given_counts)
        distribution: Distribution | None = resolve_training(training, None)[0]
        return distribution

    @property
    def environment(self) -> Environment:
        """The requested software, whichever settings specify it."""
        if isinstance(self.environment_definition, Environment):
            return self.environment_definition
        return Environment(
            image=self.custom_docker_image,
            pip_packages=self.pip_packages or [],
            pip_requirements_file=self.pip_requirements_file,
            conda_packages=self.conda_packages or [],
            conda_dependencies_file=self.conda_dependencies_file,
        )

    @property
    def script(self) -> str:
        """The entry script's file, relative to the source directory."""
        if self.module:
            return get_module_file(self.module)
        source = Path(self.source_directory)
        return str(Path(os.path.normpath(source / (self.entry_script or ""))).relative_to(source))

    @property
    def module(self) -> str:
        """The module to run by its name; empty if the entry script is a file."""
        return parse_module_name(self.entry_script or "")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The script's argument list."""
        resume = ("--resume-from", self.resume_from) if self.resume_from else ()
        return (*to_argv(self.script_params), *resume)

    def to_document(self) -> GivenSettings:
        """Return all settings that differ from the default, as plain data. :func:`from_document` reads them back."""
        document: dict[str, object] = {"estimator": type(self).__name__}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and value != (f.default if f.default_factory is MISSING else f.default_factory()):
                document[f.name] = _to_plain(value)
        return document

    def to_record(self) -> GivenSettings:
        """Return the document without registry credentials, for records."""
        document = self.to_document()
        details = document.pop("image_registry_details", {})
        address = {name: value for name, value in details.items() if name == "address"}
        return {**document, "image_registry_details": address} if address else document

    def to_yaml(self) -> str:
        """Return the settings as the text of a job file."""
        from slurmtf.documents import dump_yaml  # noqa: PLC0415

        return dump_yaml(self.to_document())


@dataclass(frozen=True, kw_only=True)
class TensorFlow(Estimator):
    """An :class:`Estimator` for TensorFlow and Keras, with parameter servers and multi-worker training."""

    worker_count: int | None = None
    """Number of workers, with distributed_backend 'ps' or 'multiworker'. Default: 1."""
    parameter_server_count: int | None = None
    """Number of parameter servers, with distributed_backend 'ps'. Default: 1."""
    framework_version: str | None = None
    """The TensorFlow version, one of those in the site's profile."""

    BACKENDS: ClassVar[tuple[str, ...]] = tuple(KINDS)
    COUNTS: ClassVar[tuple[str, ...]] = ("process_count_per_node", "worker_count", "parameter_server_count")


def _copy(value: object) -> object:
    """Return a copy of a list or mapping, so that the caller can't change it later; a path as text."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _to_folder(given: object) -> object:
    """Return a run's outputs; other values unchanged."""
    layout = getattr(given, "layout", None)
    return given if layout is None else layout.outputs


def _to_plain(value: Any) -> object:
    if isinstance(value, list):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _to_plain(item) for name, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        if hasattr(value, "scheduler"):  # a Site: the document has its name
            return value.source or value.name
        return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) not in (None, [], {})}
    return value
