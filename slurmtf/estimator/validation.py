"""What can be known to be wrong with an estimator before any cluster is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slurmtf.errors import did_you_mean
from slurmtf.estimator import environment, families, inputs, quantities
from slurmtf.estimator.arguments import check_params, check_text
from slurmtf.estimator.distribution import KINDS, LEAST, Distribution, Jax, Mpi, choices, foreign_counts, numbers
from slurmtf.estimator.entry import module_file
from slurmtf.estimator.environment import PACKAGES, Environment
from slurmtf.findings import Finding
from slurmtf.paths import is_file, is_folder
from slurmtf.spelling import marked

if TYPE_CHECKING:
    from slurmtf.estimator.estimator import Estimator

SOFTWARE = (*PACKAGES, "custom_docker_image", "user_managed")
OF_IMAGES = ("image_registry_details", "shm_size")
LOGIN = ("address", "username", "password")
NAME_OF_SCRIPT = "name the script's path in `source_directory`, or its module ('pkg.train')"
STAGES = ("node-local", "shared")
SWITCHES = {
    "use_gpu": "`gpus_per_node` says how many GPUs",
    "use_docker": "`custom_docker_image` names the image",
    "user_managed": "`environment_definition` says with what",
    "exclusive": "`sbatch[exclusive]=user` and the like say more",
    "azureml": "true serves Azure ML's Run to the script",
}

OWN_SBATCH_FLAGS = {
    "output": "the job's log is in the run folder: read it with 'slurmtf logs'",
    "error": "the job's log is in the run folder: read it with 'slurmtf logs'",
    "chdir": "each run has its folder; files that the script needs belong into `source_directory`",
    "nodes": "set `node_count`",
    "ntasks": "the distribution decides how many processes run",
    "ntasks-per-node": "the distribution decides how many processes run",
    "ntasks-per-gpu": "the distribution decides how many processes run; set `gpus_per_node`",
    "array": "an array would run the same run folder several times; submit several runs",
    "wrap": "`entry_script` says what runs",
    "parsable": "slurmtf reads the job id itself",
    "wait": "use 'slurmtf wait'",
    "test-only": "use 'slurmtf plan'",
    "signal": "slurmtf needs the warning before the time limit for itself",
    "open-mode": "slurmtf appends, so that a requeued job keeps its log",
}
OWN_SRUN_FLAGS = {
    "output": "each process has its log in the run folder: read it with 'slurmtf logs'",
    "error": "each process has its log in the run folder: read it with 'slurmtf logs'",
    "chdir": "the working directory is the run's copy of `source_directory`",
    "ntasks": "the distribution decides how many processes run",
    "nodes": "set `node_count`",
    "ntasks-per-gpu": "the distribution decides how many processes run; set `gpus_per_node`",
    "multi-prog": "the distribution decides what each process runs",
}
FIELD_OF_FLAG = {
    "job-name": "job_name", "partition": "partition", "account": "account", "qos": "qos", "time": "time",
    "mem": "memory", "cpus-per-task": "cpus_per_task", "constraint": "constraint", "exclusive": "exclusive",
}  # fmt: skip


def findings_of(estimator: Estimator) -> Iterable[Finding]:
    yield from _kinds(estimator)
    yield from _source(estimator)
    yield from check_params(estimator.script_params)
    yield from check_text("resume_from", estimator.resume_from)
    yield from _variables(estimator.environment_variables)
    yield from inputs.findings_of(estimator.inputs, estimator.script_params)
    yield from _distribution(estimator)
    yield from _resources(estimator)
    yield from _flags(estimator)
    yield from _software(estimator)
    yield from _target(estimator)


def _kinds(estimator: Estimator) -> Iterable[Finding]:
    """Check the kinds of values that no other check looks at."""
    for name, hint in SWITCHES.items():
        if not isinstance(value := getattr(estimator, name), bool | None):
            yield Finding("not-a-switch", name, f"{value!r} is neither true nor false", f"use one of them; {hint}")
    types = estimator.mail_type
    if types is not None and not (isinstance(types, list) and all(item and isinstance(item, str) for item in types)):
        yield Finding("bad-list", "mail_type", f"{types!r} is not a list of strings", "set `mail_type[]=...`")
    if estimator.stage not in (None, *STAGES):
        yield Finding("unknown-stage", "stage", f"{estimator.stage!r} is unknown", f"use one of {', '.join(STAGES)}")
    metric = estimator.primary_metric
    if metric is not None and not (isinstance(metric, str) and metric.strip()):
        remedy = "name it as the script logs it: run.log('accuracy', ...)"
        yield Finding("no-metric", "primary_metric", f"{metric!r} is no metric's name", remedy)
    yield from _of_images(estimator)


def _of_images(estimator: Estimator) -> Iterable[Finding]:
    details, size = estimator.image_registry_details, estimator.shm_size
    if details is not None and not (isinstance(details, Mapping) and all(isinstance(v, str) for v in details.values())):
        remedy = "write {'address': ..., 'username': ..., 'password': ...}"
        yield Finding("bad-login", "image_registry_details", "is not a mapping of strings", remedy)
    else:
        for name in sorted(set(details or {}) - set(LOGIN)):
            yield Finding(
                "bad-login",
                f"image_registry_details[{name!r}]",
                "is unknown",
                did_you_mean(name, LOGIN) or f"use {', '.join(LOGIN)}",
            )
        if bool((details or {}).get("username")) != bool((details or {}).get("password")):
            yield Finding("bad-login", "image_registry_details", "has one of username and password", "set both, or neither")
    if size is not None and not re.fullmatch(r"[1-9]\d*[bkmg]?", str(size).lower()):
        yield Finding("bad-size", "shm_size", f"{size!r} is not a size", "write it as 8g or 512m")


def _source(estimator: Estimator) -> Iterable[Finding]:
    source = Path(estimator.source_directory)
    if not is_folder(source):
        yield Finding(
            "source-missing", "source_directory", f"{source} is not a folder", "name the folder that holds your script"
        )
        return
    if estimator.module and is_file(source / module_file(estimator.module)):
        return
    script = Path(os.path.normpath(source / str(estimator.entry_script)))
    if not script.is_relative_to(source):
        remedy = "move the script into that folder, or set `source_directory` to a folder that holds both"
        yield Finding("script-outside", "entry_script", f"{script} lies outside `source_directory` {source}", remedy)
    elif is_folder(script):
        inside = next(iter(sorted(script.glob("*.py"))), script / "train.py").relative_to(source)
        yield Finding(
            "script-is-folder", "entry_script", f"{script} is a folder", f"name the script in it, {inside} for example"
        )
    elif not is_file(script):
        near = did_you_mean(script.name, (p.name for p in source.glob("*.py")))
        yield Finding("script-missing", "entry_script", f"{script} does not exist", near or NAME_OF_SCRIPT)
    elif script.suffix != ".py":
        yield Finding("not-python", "entry_script", f"{script.name} is not a Python script", "name a .py file")


def variable(value: object) -> object:
    """Return an environment variable's value as text; what can't be one stays, for the checks to find."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _variables(variables: object, parameter: str = "environment_variables") -> Iterable[Finding]:
    if variables is None:
        return
    if not isinstance(variables, Mapping):
        yield Finding("bad-variables", parameter, f"{variables!r} is not a mapping", "write {'NAME': 'value'}")
        return
    for name, value in variables.items():
        where = f"{parameter}[{name!r}]"
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Finding("bad-variable-name", where, "is not a name for a variable", "use letters, digits and underscores")
        elif not isinstance(value, str):
            yield Finding("not-a-text", where, f"{value!r} is not a string", "write the string that the script is to read")
        else:
            yield from check_text(where, f"{name}={value}")


def _distribution(estimator: Estimator) -> Iterable[Finding]:
    backend, training = estimator.distributed_backend, estimator.distributed_training
    if backend is not None and backend not in estimator.BACKENDS:
        supported = ", ".join(estimator.BACKENDS)
        what = f"{backend!r} is not one of those {type(estimator).__name__} supports: {supported}"
        yield Finding(
            "unknown-backend",
            "distributed_backend",
            what,
            did_you_mean(str(backend), estimator.BACKENDS) or f"use {supported}",
        )
        return
    if training is not None and not isinstance(training, tuple(KINDS[name] for name in estimator.BACKENDS)):
        known = ", ".join(KINDS[name].__name__ for name in estimator.BACKENDS)
        yield Finding("unknown-distribution", "distributed_training",
                      f"{training!r} is not one that {type(estimator).__name__} supports",
                      f"use one of {known}")  # fmt: skip
        return
    yield from _agreement(estimator, None if training is None else estimator.distribution)
    yield from _process_counts(estimator)


def _agreement(estimator: Estimator, training: Distribution | None) -> Iterable[Finding]:
    backend = estimator.distributed_backend
    if training is None:
        yield from foreign_counts(backend, estimator.given_counts)
        return
    if backend is not None and backend != training.backend:
        what = f"is {type(training).__name__}, but `distributed_backend` is {backend!r}"
        yield Finding("distribution-twice", "distributed_training", what, "leave `distributed_backend` out")
    for name, count in estimator.given_counts.items():
        if numbers(training).get(name) != count:
            what = f"{count} disagrees with `distributed_training`, {training!r}"
            yield Finding("distribution-twice", name, what, "set it in `distributed_training` alone")


def _process_counts(estimator: Estimator) -> Iterable[Finding]:
    distribution = estimator.distribution
    if distribution is None:
        if isinstance(estimator.node_count, int) and estimator.node_count > 1:
            remedy = "set `distributed_backend` to mpi, ps, multiworker or jax, or use one node"
            yield Finding(
                "no-distribution", "node_count", f"{estimator.node_count} nodes need a distribution of the work", remedy
            )
        return
    found = [
        finding
        for name, count in numbers(distribution).items()
        for finding in quantities.check_count(name, count, LEAST.get(name, 1))
    ]
    for name, (choice, allowed) in choices(distribution).items():
        if choice not in allowed:
            found.append(
                Finding(
                    "bad-choice",
                    name,
                    f"{choice!r} is unknown",
                    did_you_mean(str(choice), allowed) or f"use {', '.join(allowed)}",
                )
            )
    yield from found or _gpu_for_each(estimator, distribution)


def _gpu_for_each(estimator: Estimator, distribution: Distribution) -> Iterable[Finding]:
    """Check that each process that computes gets a GPU of its own; parameter servers take none."""
    gpus, nodes = estimator.gpus_per_node, estimator.node_count
    if not (isinstance(gpus, int) and isinstance(nodes, int) and gpus > 0 and nodes > 0):
        return
    if isinstance(distribution, Mpi | Jax):
        processes = distribution.process_count_per_node
    else:
        processes = -(-distribution.worker_count // nodes)
    if processes > gpus:
        what = f"{gpus} GPUs on a node are too few for {processes} processes that take one each"
        yield Finding("too-few-gpus", "gpus_per_node", what, f"set `gpus_per_node={processes}`, or use fewer processes")


def _resources(estimator: Estimator) -> Iterable[Finding]:
    yield from quantities.check_count("node_count", estimator.node_count, 1)
    yield from quantities.check_count("gpus_per_node", estimator.gpus_per_node, 0, 1024)
    yield from quantities.check_count("cpus_per_task", estimator.cpus_per_task, 1, 100_000)
    yield from quantities.check_count("max_run_duration_seconds", estimator.max_run_duration_seconds, 1, quantities.LONGEST_S)
    yield from quantities.check_time("time", estimator.time)
    yield from quantities.check_memory("memory", estimator.memory)
    names = ("job_name", "partition", "account", "qos", "constraint", "gpu_type", "mail_user", "vm_size", "launcher")
    for name in names:
        yield from quantities.printable(name, getattr(estimator, name))
    yield from _contradictions(estimator)


def _contradictions(estimator: Estimator) -> Iterable[Finding]:
    if estimator.time is not None and estimator.max_run_duration_seconds is not None:
        yield Finding("said-twice", "max_run_duration_seconds", "says the same as `time`", "set one of them")
    if estimator.use_gpu and estimator.gpus_per_node == 0:
        yield Finding("gpus-contradict", "gpus_per_node", "is 0, but `use_gpu` is true", "leave one of them out")
    if estimator.gpu_type and not (estimator.use_gpu or estimator.gpus_per_node):
        yield Finding("gpu-type-alone", "gpu_type", "is set, but no GPU is asked for", "set `use_gpu=true` or `gpus_per_node`")
    if estimator.vm_priority not in (None, "dedicated", "lowpriority"):
        yield Finding("bad-choice", "vm_priority", f"{estimator.vm_priority!r} is unknown", "use 'dedicated' or 'lowpriority'")


def _flags(estimator: Estimator) -> Iterable[Finding]:
    yield from quantities.check_flags("sbatch", estimator.sbatch, OWN_SBATCH_FLAGS)
    yield from quantities.check_flags("srun", estimator.srun, OWN_SRUN_FLAGS)
    if not isinstance(estimator.sbatch, Mapping):
        return
    for flag, value in estimator.sbatch.items():
        yield from _beside_parameters(estimator, quantities.normal_flag(str(flag)), value)


def _beside_parameters(estimator: Estimator, flag: str, value: object) -> Iterable[Finding]:
    """Check a flag of the user's own against his parameters, which would say the same or exclude it."""
    where = f"sbatch[{flag!r}]"
    fields = {rival: FIELD_OF_FLAG[rival] for rival in families.family(flag, value) if rival in FIELD_OF_FLAG}
    for rival, name in fields.items():
        given = getattr(estimator, name)
        if given is not None and given is not False:
            yield Finding(
                "said-twice", where, f"says the same as `{name}`" if rival == flag else f"excludes `{name}`", "set one of them"
            )
    if flag == "time":
        yield from quantities.check_time(where, value)
        if estimator.max_run_duration_seconds is not None:
            yield Finding("said-twice", where, "says the same as `max_run_duration_seconds`", "set one of them")


def _software(estimator: Estimator) -> Iterable[Finding]:
    wish = estimator.environment
    asked = [name for name in PACKAGES if getattr(wish, name)]
    if estimator.user_managed and asked:
        remedy = "leave `user_managed` out to have them installed, or leave the packages out"
        yield Finding("user-managed", "user_managed", f"is true, but {marked(asked)} ask for packages", remedy)
    if estimator.use_docker is False and wish.image:
        yield Finding(
            "docker-contradicts", "use_docker", "is false, but `custom_docker_image` names an image", "leave one of them out"
        )
    beside = (*SOFTWARE, *(() if wish.image else OF_IMAGES)) if estimator.environment_definition is not None else ()
    excluded = [name for name in beside if getattr(estimator, name)]
    if excluded:
        what = f"is the whole environment, but {marked(excluded)} add to it"
        yield Finding("environment-twice", "environment_definition", what, "put everything into it")
    prefix = "" if estimator.environment_definition is None else "environment_definition."
    yield from environment.findings_of(wish, prefix)
    yield from _variables(wish.variables, f"{prefix}variables")
    yield from _software_files(estimator, wish, prefix)


def _software_files(estimator: Estimator, wish: Environment, prefix: str) -> Iterable[Finding]:
    for name in ("conda_dependencies_file", "pip_requirements_file"):
        value = getattr(wish, name)
        path = Path(os.path.normpath(Path(estimator.source_directory, str(value or ""))))
        if value and not (is_file(path) and path.is_relative_to(estimator.source_directory)):
            remedy = "it must lie inside `source_directory`"
            yield Finding("file-missing", f"{prefix}{name}", f"{value} is not a file in {estimator.source_directory}", remedy)


def _target(estimator: Estimator) -> Iterable[Finding]:
    target = estimator.compute_target
    if target is not None and not isinstance(target, str) and not hasattr(target, "scheduler"):
        yield Finding(
            "bad-target", "compute_target", f"{target!r} is neither a name, a path nor a Site", "use 'local' or a site's name"
        )
