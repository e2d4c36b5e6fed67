"""What can be known to be wrong with an estimator before any cluster is asked: collected from the rules beside the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from slurmtf.estimator import distribution, entry, environment, flags, images, inputs, resources, variables
from slurmtf.estimator.arguments import check_params, check_text
from slurmtf.findings import Finding

if TYPE_CHECKING:
    from slurmtf.estimator.estimator import Estimator

AUTOLOGS = ("keras",)
STAGES = ("node-local", "shared")
SWITCHES = {
    "use_gpu": "`gpus_per_node` says how many GPUs",
    "use_docker": "`custom_docker_image` names the image",
    "user_managed": "`environment_definition` says with what",
    "exclusive": "`sbatch[exclusive]=user` and the like say more",
    "azureml": "true serves Azure ML's Run to the script",
}


def findings_of(estimator: Estimator) -> Iterable[Finding]:
    given = {f.name: getattr(estimator, f.name) for f in fields(estimator)}
    yield from _kinds(given)
    yield from images.findings_of(estimator.image_registry_details, estimator.shm_size)
    yield from entry.findings_of(estimator.source_directory, estimator.entry_script)
    yield from check_params(estimator.script_params)
    yield from check_text("resume_from", estimator.resume_from)
    yield from variables.findings_of(estimator.environment_variables)
    yield from inputs.findings_of(estimator.inputs, estimator.script_params)
    yield from distribution.findings_of(_asked(estimator))
    yield from resources.findings_of(given)
    yield from flags.findings_of(estimator.sbatch, estimator.srun, given)
    yield from environment.excluded(estimator.environment, given)
    where = "" if estimator.environment_definition is None else "environment_definition."
    yield from environment.findings_of(estimator.environment, where, estimator.source_directory)
    yield from _target(estimator.compute_target)


def _asked(estimator: Estimator) -> distribution.Asked:
    kind, backends = type(estimator).__name__, estimator.BACKENDS
    training, counts = estimator.distributed_training, estimator.given_counts
    return distribution.Asked(
        kind, backends, estimator.distributed_backend, training, counts, estimator.node_count, estimator.gpus_per_node
    )


def _kinds(given: Mapping[str, Any]) -> Iterable[Finding]:
    """Check the kinds of values that no other check looks at."""
    for name, hint in SWITCHES.items():
        if not isinstance(value := given.get(name), bool | None):
            yield Finding("not-a-switch", name, f"{value!r} is neither true nor false", f"use one of them; {hint}")
    types = given.get("mail_type")
    if types is not None and not (isinstance(types, list) and all(item and isinstance(item, str) for item in types)):
        yield Finding("bad-list", "mail_type", f"{types!r} is not a list of strings", "set `mail_type[]=...`")
    if given.get("autolog") not in (None, *AUTOLOGS):
        yield Finding("unknown-autolog", "autolog", f"{given.get('autolog')!r} is unknown", f"use {', '.join(AUTOLOGS)}")
    if given.get("stage") not in (None, *STAGES):
        yield Finding("unknown-stage", "stage", f"{given.get('stage')!r} is unknown", f"use one of {', '.join(STAGES)}")
    metric = given.get("primary_metric")
    if metric is not None and not (isinstance(metric, str) and metric.strip()):
        remedy = "name it as the script logs it: run.log('accuracy', ...)"
        yield Finding("no-metric", "primary_metric", f"{metric!r} is no metric's name", remedy)


def _target(target: object) -> Iterable[Finding]:
    if target is not None and not isinstance(target, str) and not hasattr(target, "scheduler"):
        yield Finding(
            "bad-target", "compute_target", f"{target!r} is neither a name, a path nor a Site", "use 'local' or a site's name"
        )
