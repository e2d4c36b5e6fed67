"""The sweep as a file, and the JSON Schema with which editors complete one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from slurmtf.collecting import Findings
from slurmtf.documents import Document, dump_yaml, read_document
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator import document as jobs
from slurmtf.findings import Finding
from slurmtf.tune.policies import BanditPolicy, MedianStoppingPolicy, NoTerminationPolicy, TruncationSelectionPolicy
from slurmtf.tune.samplers import sampling_of
from slurmtf.tune.spaces import ARGUMENTS
from slurmtf.tune.sweep import LONGEST_MINUTES, Sweep


@dataclass(frozen=True)
class SamplingPart:
    """How points are chosen."""

    parameter_space: dict[str, Any]
    """Parameter to expression: {learning-rate: {loguniform: [-6, -1]}}."""
    type: Literal["random", "grid", "bayesian"] = "random"
    """At random, all combinations, or what Optuna proposes."""
    seed: int | None = None
    """The same seed draws the same points."""


@dataclass(frozen=True)
class SweepFile:
    """The keys of a sweep file."""

    estimator: str | dict[str, Any]
    """What each trial runs: the path of a job file, beside the sweep's, or its settings."""
    sampling: SamplingPart
    """Which points of which space are tried."""
    primary_metric_name: str
    """The metric, as the script logs it."""
    primary_metric_goal: Literal["maximize", "minimize"]
    """Which values of it are better."""
    max_total_runs: int
    """How many trials there are (1 to 1000)."""
    max_concurrent_runs: int | None = None
    """How many trials run at once (1 to 100). Left out: all."""
    max_duration_minutes: int = LONGEST_MINUTES
    """After so many minutes no trial begins, and those that run are canceled."""
    policy: BanditPolicy | MedianStoppingPolicy | TruncationSelectionPolicy | NoTerminationPolicy | None = None
    """Which trials are stopped early."""
    elements: int | None = None
    """How many jobs share the trials. Left out: as many as there are trials."""
    trials_per_element: int = 1
    """How many trials a job works on at once: each gets such a part of the estimator's CPUs and GPUs, on one node."""
    resume_trials: bool = False
    """Pass --resume-from with its earlier outputs to a trial that starts again."""
    warm_start_from: list[str] = field(default_factory=list)
    """Ids of sweeps that have ended: what they found counts for Bayesian sampling and for policies."""
    resume_child_runs: list[str] = field(default_factory=list)
    """Ids of trials (SWEEP_3) of sweeps that have ended: they are the first trials, and are told where their outputs are."""
    same_error_limit: int = 5
    """So many first trials that fail with the same error stop the sweep; 0: none do."""
    retire_after: int = 3
    """An element whose trials failed so many times in turn, at once, leaves the rest to others; 0: it never does."""


def from_yaml(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Sweep:
    """Read a sweep file. ``overrides`` are settings of its training that count instead of the file's.

    Raises SpecError with file, line and key of everything that is wrong.
    """
    document = read_document(Path(path), SpecError)
    parsed = document.parse(SweepFile, document.data)
    findings = Findings(document.sources())
    estimator = findings.attempt(_training, parsed.estimator, Path(path), dict(overrides or {}))
    sampling = findings.attempt(sampling_of, parsed.sampling.type, parsed.sampling.parameter_space, parsed.sampling.seed)
    findings.raise_errors()
    settings = {f.name: getattr(parsed, f.name) for f in fields(SweepFile) if f.name not in ("estimator", "sampling")}
    if estimator is None or sampling is None:
        raise AssertionError("unreachable")
    sweep = findings.attempt(lambda: Sweep(estimator, sampling, **settings))
    findings.raise_errors()
    if sweep is None:
        raise AssertionError("unreachable")
    return sweep


def _training(job: str | dict[str, Any], path: Path, overrides: dict[str, Any]) -> Estimator:
    if isinstance(job, str):
        beside = path.parent / Path(job).expanduser()
        return jobs.from_document(jobs.read_job_file(beside), beside.parent, overrides)
    if not job:
        raise SpecError(Finding("no-estimator", "estimator", "is empty", "name a job file, or write its settings below"))
    return jobs.from_document(Document(dump_yaml(job), f"{path}: estimator", SpecError, jobs.VERBATIM), path.parent, overrides)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep file (https://json-schema.org/draft/2020-12)."""
    import pydantic  # noqa: PLC0415 - 40 ms that only a reader of YAML pays

    kinds: tuple[Any, ...] = (
        SweepFile,
        SamplingPart,
        BanditPolicy,
        MedianStoppingPolicy,
        TruncationSelectionPolicy,
        NoTerminationPolicy,
    )
    for kind in kinds:
        kind.__pydantic_config__ = {"use_attribute_docstrings": True, "extra": "forbid"}
    try:
        schema = pydantic.TypeAdapter(SweepFile).json_schema()
    finally:
        for kind in kinds:
            del kind.__pydantic_config__
    job = jobs.json_schema()
    schema.setdefault("$defs", {}).update(job.pop("$defs", {}))
    job.pop("$schema")
    schema["$defs"]["Job"] = job
    schema["$defs"]["Expression"] = _expression_schema()
    schema["properties"]["estimator"]["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/Job"}]
    space = schema["$defs"]["SamplingPart"]["properties"]["parameter_space"]
    space["additionalProperties"] = {"$ref": "#/$defs/Expression"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "slurmtf sweep"}


def _expression_schema() -> dict[str, Any]:
    """Return the schema of one expression: an object with one key."""
    numbers = {
        name: {"type": "array", "items": {"type": "number"}, "minItems": len(names), "maxItems": len(names)}
        for name, names in ARGUMENTS.items()
        if names
    }
    numbers["randint"] = {"anyOf": [{"type": "integer", "minimum": 1}, numbers["randint"]]}
    choice = {"type": "array", "minItems": 1}
    return {
        "type": "object",
        "properties": {"choice": choice, **numbers},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
