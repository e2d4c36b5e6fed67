"""Turn Azure ML's estimators and ScriptRunConfig into settings of a job file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from slurmtf.migration.draft import Draft, spell
from slurmtf.migration.software import take_dependencies, take_environment, take_image, take_packages
from slurmtf.migration.values import Symbol, Thing, Unknown

OTHERS = ("PyTorch", "Chainer", "SKLearn")
ESTIMATORS = {"TensorFlow": "TensorFlow", "Keras": "TensorFlow", **dict.fromkeys(("Estimator", *OTHERS), "Estimator")}
CONFIG = "ScriptRunConfig"
POSITIONAL = {CONFIG: ("source_directory", "script", "arguments", "run_config")}
SIZE = re.compile(r"N[CDV](\d+)", re.IGNORECASE)
GPUS = {6: 1, 12: 2, 24: 4, 8: 1, 16: 2, 32: 4, 40: 8, 96: 8}
"""GPUs of a node, by the number in the name of its VM size (Azure's documentation of the NC, ND and NV series)."""
DISTRIBUTIONS = {
    "Mpi": "mpi", "MpiConfiguration": "mpi", "ParameterServer": "ps", "TensorflowConfiguration": "ps",
}  # fmt: skip
COMMUNICATORS = {"parameterserver": "ps", "openmpi": "mpi", "intelmpi": "mpi", "none": None}
Taker = Callable[[Draft, str, Any, int], object]


def take_job(draft: Draft, thing: Thing) -> None:
    """Fill a draft with the settings of an estimator or a ScriptRunConfig."""
    draft.note_doubtful(thing)
    draft.settings["estimator"] = ESTIMATORS.get(thing.name, "TensorFlow")
    if thing.name in OTHERS:
        draft.notes.add_undecided(
            thing.line, f"{thing.name} -> Estimator: slurmtf knows TensorFlow; others run as plain or MPI scripts"
        )
    elif thing.name == "Keras":
        take_packages(draft, "pip_packages", ["keras"], thing.line)
    for name, value, line in thing.iterate_arguments(POSITIONAL.get(thing.name, ("source_directory",))):
        _take(draft, name, value, line)
    for name, value in thing.attributes.items():
        if name == "run_config" and isinstance(value, Thing):
            take_run_config(draft, name, value, thing.line)
        elif name in PARAMETERS:
            _take(draft, name, value, thing.lines.get(name, thing.line))
    if thing.name == CONFIG and "distributed_training" not in draft.settings and not has_environment(draft):
        draft.notes.add_undecided(thing.line, "no environment is named: the job runs with the Python that submits it")


def _take(draft: Draft, name: str, value: object, line: int) -> None:
    if value is None:
        return
    taker = PARAMETERS.get(name)
    if taker is None:
        draft.notes.add_undecided(
            line, f"{name}={spell(value)}: slurmtf has no such setting. 'slurmtf schema' lists those it has"
        )
    else:
        taker(draft, name, value, line)


def has_environment(draft: Draft) -> bool:
    """Return whether a draft says with which software its job runs."""
    names = ("pip_packages", "pip_requirements_file", "conda_packages", "conda_dependencies_file", "custom_docker_image")
    return any(draft.settings.get(name) for name in (*names, "environment_definition", "user_managed"))


def _rename(new: str) -> Taker:
    return lambda draft, name, value, line: draft.take(name, value, line, new)


def _drop(why: str) -> Taker:
    return lambda draft, name, value, line: draft.notes.add_dropped(line, f"{name}={spell(value)}: {why}")


def _decide(what: str) -> Taker:
    return lambda draft, name, value, line: draft.notes.add_undecided(line, f"{name}={spell(value)}: {what}")


def _take_arguments(draft: Draft, name: str, value: object, line: int) -> None:
    draft.take_arguments(name, value, line)


def _take_target(draft: Draft, name: str, value: object, line: int) -> None:
    if value == "local":
        draft.take(name, value, line, "compute_target")
        return
    named = value.argument("name", ("workspace", "name")) if isinstance(value, Thing) else value
    cluster = f" {named!r}" if isinstance(named, str) else ""
    draft.notes.add_undecided(line, f"{name}{cluster} is a cluster of Azure ML: set compute_target to your site, or use --site")


def _take_vm_size(draft: Draft, name: str, value: object, line: int) -> None:
    found = SIZE.search(value) if isinstance(value, str) else None
    gpus = GPUS.get(int(found[1])) if found else None
    hint = f" (a node of that size has {gpus} GPU{'s' * (gpus > 1)}: gpus_per_node: {gpus})" if gpus else ""
    draft.notes.add_undecided(line, f"{name}={spell(value)}: set a preset of the site as vm_size, or partition and GPUs{hint}")


def _take_distribution(draft: Draft, name: str, value: object, line: int) -> None:
    """Import a configuration object with its counts, wherever they were set."""
    if isinstance(value, Symbol):
        value = Thing(value, line, value.name)
    if not isinstance(value, Thing) or value.name not in DISTRIBUTIONS:
        draft.notes.add_undecided(
            line, f"{name}={spell(value)}: set distributed_training to {{backend: mpi, ps or multiworker}}"
        )
        return
    backend = DISTRIBUTIONS[value.name]
    order = ("process_count_per_node", "node_count") if backend == "mpi" else ("worker_count", "parameter_server_count")
    counts: dict[str, object] = {}
    for key, count, at in (
        *value.iterate_arguments(order),
        *((k, v, value.lines.get(k, line)) for k, v in value.attributes.items()),
    ):
        if key == "node_count":
            draft.take(key, count, at)
        elif isinstance(count, int):
            counts[key] = count
        elif isinstance(count, Unknown):
            draft.notes.add_undecided(
                at, f"{key} is {count.text}: only running the file would tell. Set it in distributed_training"
            )
    draft.settings["distributed_training"] = {"backend": backend, **counts}
    numbers = ", ".join(f"{key}={count}" for key, count in counts.items())
    draft.notes.add_mapped(line, f"{name}={value.name}({numbers}) -> distributed_training: backend {backend}")


def _take_inputs(draft: Draft, name: str, value: object, line: int) -> None:
    for item in value if isinstance(value, list) else [value]:
        if not draft.add_input(item, line):
            draft.notes.add_undecided(line, f"{name}: {spell(item)}: list it in inputs, with its path on the cluster")


def _take_version(draft: Draft, name: str, value: object, line: int) -> None:
    what = f"pip_packages: [tensorflow=={value}]" if isinstance(value, str) else "pip_packages"
    draft.notes.add_undecided(
        line, f"{name}={spell(value)}: Azure ML's image had it installed. Set {what}, or a site's framework_version"
    )


def _take_docker(draft: Draft, name: str, value: object, line: int) -> None:
    what = "a job runs in a container where custom_docker_image names one" if value else "that is what slurmtf does"
    draft.notes.add_dropped(line, f"{name}={spell(value)}: {what}")


def _take_priority(draft: Draft, name: str, value: object, line: int) -> None:
    if value == "lowpriority":
        draft.take(name, value, line)
    else:
        draft.notes.add_dropped(line, f"{name}={spell(value)}: that is what a job has")


def take_run_config(draft: Draft, name: str, value: object, line: int) -> None:
    """Import a RunConfiguration: everything that was set on it."""
    if not isinstance(value, Thing):
        draft.take(name, value, line)
        return
    for key, item, at in value.iterate_arguments(("script", "arguments", "framework", "communicator", "conda_dependencies")):
        _take_config(draft, key, item, at)
    for key, item in value.attributes.items():
        _take_config(draft, key, item, value.lines.get(key, value.line))
    _take_framework(draft, value)


def _take_config(draft: Draft, name: str, value: object, line: int) -> None:
    if name == "conda_dependencies" and isinstance(value, Thing):
        take_dependencies(draft, value)
    elif name == "amlcompute" and isinstance(value, Thing):
        for key, item in value.attributes.items():
            if key == "vm_size":
                _take_vm_size(draft, key, item, value.lines.get(key, line))
    elif name not in ("framework", "communicator", "tensorflow", "mpi"):
        _take(draft, name, value, line)


def _take_framework(draft: Draft, config: Thing) -> None:
    """Import communicator, 'tensorflow' and 'mpi' of a RunConfiguration, which together say how it is distributed."""
    communicator = config.attributes.get("communicator", config.argument("communicator"))
    if not isinstance(communicator, str):
        return
    line = config.lines.get("communicator", config.line)
    backend = COMMUNICATORS.get(communicator.lower())
    part = config.attributes.get({"ps": "tensorflow", "mpi": "mpi"}.get(backend or "", ""))
    if backend:
        counts = part.attributes if isinstance(part, Thing) else {}
        kept = {key: count for key, count in counts.items() if isinstance(count, int)}
        draft.settings["distributed_training"] = {"backend": backend, **kept}
        draft.notes.add_mapped(line, f"communicator={communicator!r} -> distributed_training: backend {backend}")


SAME = ("entry_script", "node_count", "process_count_per_node", "worker_count", "parameter_server_count", "distributed_backend",
        "use_gpu", "conda_dependencies_file", "pip_requirements_file", "environment_variables", "max_run_duration_seconds",
        "shm_size", "user_managed")  # fmt: skip
PARAMETERS: dict[str, Taker] = {
    **dict.fromkeys(SAME, Draft.take),
    "source_directory": Draft.take,
    "script": _rename("entry_script"),
    "conda_dependencies_file_path": _rename("conda_dependencies_file"),
    "pip_requirements_file_path": _rename("pip_requirements_file"),
    "script_params": _take_arguments,
    "arguments": _take_arguments,
    "compute_target": _take_target,
    "target": _take_target,
    "vm_size": _take_vm_size,
    "vm_priority": _take_priority,
    "distributed_training": _take_distribution,
    "distributed_job_config": _take_distribution,
    "pip_packages": take_packages,
    "conda_packages": take_packages,
    "custom_docker_image": take_image,
    "custom_docker_base_image": take_image,
    "image_registry_details": _decide(
        "a login is never written to a file. Pass it in Python: TensorFlow(image_registry_details=...)"
    ),
    "use_docker": _take_docker,
    "framework_version": _take_version,
    "environment": take_environment,
    "environment_definition": take_environment,
    "run_config": take_run_config,
    "inputs": _take_inputs,
    "data_references": _take_inputs,
    "source_directory_data_store": _drop("the run's folder lies in the workspace, which all nodes see"),
    "resume_from": _decide("set resume_from to a folder, or to a run's outputs"),
    "command": _decide("slurmtf starts a Python script: set entry_script and script_params"),
    "docker_runtime_config": _drop("a job runs in a container where custom_docker_image names one"),
    "history": _drop("every run has its history in its folder"),
    "auto_prepare_environment": _drop("an environment is built if it does not exist yet"),
    "_disable_validation": _drop("what can be checked is checked before anything is submitted"),
    "_show_lint_warnings": _drop("warnings are always shown"),
    "_show_package_warnings": _drop("warnings are always shown"),
    "_enable_optimized_mode": _drop("it has no counterpart"),
}
