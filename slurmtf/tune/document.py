"""The sweep as a file, and the JSON Schema with which editors complete sweep files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from slurmtf.collecting import Findings
from slurmtf.documents import Document, GivenSettings, read_document
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator import document as jobs
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.job.contract.sweep.records import SETTINGS
from slurmtf.schema import Strict, Tagged
from slurmtf.tune.checks import LONGEST_MINUTES, check_space
from slurmtf.tune.launches import CHANGES
from slurmtf.tune.policies import BanditPolicy, MedianStoppingPolicy, NoTerminationPolicy, TruncationSelectionPolicy
from slurmtf.tune.samplers import SAMPLINGS, Sampling, build_sampling
from slurmtf.tune.spaces import ARGUMENTS, Expression, parse_expression
from slurmtf.tune.sweep import Sweep

Policy = Annotated[BanditPolicy | MedianStoppingPolicy | TruncationSelectionPolicy | NoTerminationPolicy, Tagged("type")]
PARTS = ("estimator", "sampling", "policy")
"""Keys whose parts of the file are read separately."""
REQUIRED = ("primary_metric_name", "primary_metric_goal", "max_total_runs")


@dataclass(frozen=True)
class SamplingPart(Strict):
    """How the points to try are chosen."""

    parameter_space: GivenSettings
    """Parameter to expression: {learning-rate: {loguniform: [-6, -1]}}. 'environment_variables.NAME' is an environment
    variable, 'estimator.NAME' a setting of the estimator."""
    type: Literal["random", "grid", "bayesian"] = "random"
    """Random points, all combinations, or points that Optuna proposes."""
    seed: int | None = None
    """The seed of the drawn points: the same seed draws the same points."""


@dataclass(frozen=True)
class SweepFile(Strict):
    """The keys of a sweep file."""

    estimator: str | GivenSettings
    """What each trial runs: the settings of an estimator, or the path of a job file, relative to the sweep file."""
    sampling: SamplingPart
    """The space, and how its points are chosen."""
    primary_metric_name: str
    """The metric's name, as the script logs it."""
    primary_metric_goal: Literal["maximize", "minimize"]
    """Whether higher or lower values are better."""
    max_total_runs: int
    """Number of trials (1 to 1000)."""
    max_concurrent_runs: int | None = None
    """Number of trials that run at once (1 to 100). Default: all."""
    max_duration_minutes: int = LONGEST_MINUTES
    """The time limit in minutes; after it, no trial starts and running trials are canceled."""
    policy: Policy | None = None
    """Which trials are stopped early."""
    elements: int | None = None
    """Number of jobs that share the trials. Default: one for each trial."""
    trials_per_element: int = 1
    """Number of trials that a job runs at once, on one node: they share the estimator's CPUs and GPUs equally."""
    resume_trials: bool = False
    """When a trial restarts, pass its earlier outputs to it with --resume-from."""
    warm_start_from: list[str] = field(default_factory=list)
    """Ids of sweeps that have ended, whose results Bayesian sampling and policies take into account."""
    resume_child_runs: list[str] = field(default_factory=list)
    """Ids of trials (SWEEP_3) of ended sweeps. This sweep runs them first, and passes each the path of its outputs."""
    same_error_limit: int = 5
    """The sweep stops if the first trials to end, this many, all fail with the same error; 0: never."""
    retire_after: int = 3
    """An element leaves the remaining trials to others after this many trials in a row failed at once; 0: never."""


LIKE_A_TEXT = re.compile(r"[-+]?0[0-9xo].*|[^eE]*\.[0-9]+0")
"""Numbers that look like names or versions: 007, 0x1F, 2.10."""


@dataclass(frozen=True)
class _PolicyPart:
    """The policy part of a sweep file, read separately because building a policy checks it."""

    policy: Policy | None = None


def from_yaml(path: str | Path, overrides: Mapping[str, object] | None = None) -> Sweep:
    """Read a sweep file. ``overrides`` are settings of its estimator that replace the file's.

    Raises SpecError with file, line and key of everything that is wrong. Each part is checked even if others are wrong.
    """
    document = read_document(Path(path), SpecError)
    findings = Findings(_locate_settings(document))
    raw = {name: value for name, value in document.data.items() if name != "policy"}
    parsed = findings.attempt(document.parse, SweepFile, raw)
    policy = findings.attempt(document.parse, _PolicyPart, {"policy": document.data.get("policy")})
    job, sampled = (raw.get(name) for name in ("estimator", "sampling"))
    named = isinstance(job, str | dict)
    estimator = findings.attempt(_read_estimator, document, Path(path), dict(overrides or {})) if named else None
    sampling = _parse_sampling(parsed.sampling if parsed else sampled, findings)
    findings.add(_check_numbers(document))
    places = {finding.where.partition("[")[0].partition(".")[0] for finding in findings.found}
    known = vars(parsed) if parsed else raw
    settings = {f.name: known[f.name] for f in fields(SweepFile) if f.name in known and f.name not in PARTS}
    sweep = _build(estimator, sampling, {**settings, "policy": policy.policy if policy else None}, places, findings)
    findings.raise_errors()
    if sweep is None:
        raise AssertionError("unreachable")
    return sweep


def _locate_settings(document: Document) -> dict[str, str]:
    """Return where each setting was written, by its name in findings."""
    inside: dict[str, tuple[str, ...]] = {str(path): ("sampling", str(path)) for path in ("parameter_space", "seed", "type")}
    sampling = document.data.get("sampling")
    space = sampling.get("parameter_space") if isinstance(sampling, dict) else None
    inside |= {f"parameter_space[{key!r}]": ("sampling", "parameter_space", str(key)) for key in space or ()}
    return {**{name: document.locate(path) for name, path in inside.items()}, **document.locate_keys()}


def _parse_sampling(part: object, findings: Findings) -> Sampling | None:
    """Return the sampling, also of a file with errors elsewhere; None if it is wrong itself."""
    if isinstance(part, SamplingPart):
        part = vars(part)
    if not isinstance(part, dict) or not isinstance(space := part.get("parameter_space"), dict):
        return None
    readable = {name: found for name, one in space.items() if (found := _try_parse_expression(one))}
    if len(readable) < len(space):  # else the sweep reports it
        findings.add(check_space(readable))
    kind = part.get("type", "random")
    return findings.attempt(build_sampling, kind, space, part.get("seed")) if kind in SAMPLINGS else None


def _check_numbers(document: Document) -> Iterator[Finding]:
    """Refuse options that may be meant as strings but are numbers in YAML: the script would get 7 for 007, 2.1 for 2.10."""
    sampling = document.data.get("sampling")
    space = sampling.get("parameter_space") if isinstance(sampling, dict) else None
    for name, one in space.items() if isinstance(space, dict) else ():
        options = one.get("choice") if isinstance(one, dict) else None
        for index, option in enumerate(options if isinstance(options, list) else ()):
            text = document.find_text(("sampling", "parameter_space", str(name), "choice", index))
            if text and LIKE_A_TEXT.fullmatch(text):
                what, remedy = f"{text} would reach the script as {option}", f"write '{text}' in quotes, or {option}"
                yield Finding("ambiguous-number", f"parameter_space[{name!r}]", what, remedy)


def _try_parse_expression(given: object) -> Expression | None:
    with contextlib.suppress(SpecError):
        return parse_expression(given)
    return None


def _build(estimator: Any, sampling: Any, settings: GivenSettings, places: set[str], findings: Findings) -> Sweep | None:
    """Return the sweep; None if it is wrong, after adding the findings, except for those about these ``places``."""
    missing: GivenSettings = {name: None for name in REQUIRED if name not in settings}
    try:
        return Sweep(estimator, sampling, **missing, **settings)
    except SpecError as err:
        places = {*places, *missing, *(name for name, one in (("estimator", estimator), ("sampling", sampling)) if one is None)}
        findings.add(finding for finding in err.findings if finding.where not in places)
        return None


def _read_estimator(document: Document, path: Path, overrides: dict[str, object]) -> Estimator:
    job = document.data["estimator"]
    if isinstance(job, str):
        beside = path.parent / Path(job).expanduser()
        return jobs.from_document(jobs.read_job_file(beside), beside.parent, overrides)
    if not job:
        raise SpecError(Finding("no-estimator", "estimator", "is empty", "name a job file, or write its settings below"))
    return jobs.from_document(document.extract_part("estimator", jobs.VERBATIM), path.parent, overrides)


def build_sweep_schema() -> JsonObject:
    """Return the JSON Schema of a sweep file (https://json-schema.org/draft/2020-12)."""
    import pydantic  # noqa: PLC0415 - 40 ms that only reading YAML needs

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
    job = jobs.build_job_schema()
    schema.setdefault("$defs", {}).update(job.pop("$defs", {}))
    job.pop("$schema")
    schema["$defs"]["Job"] = job
    schema["$defs"]["Expression"] = _build_expression_schema()
    schema["properties"]["estimator"]["anyOf"] = [{"type": "string"}, {"$ref": "#/$defs/Job"}]
    schema["$defs"]["Options"] = _build_options_schema()
    space = schema["$defs"]["SamplingPart"]["properties"]["parameter_space"]
    space["properties"] = {f"{SETTINGS}{name}": {"$ref": "#/$defs/Options"} for name in CHANGES}
    space["patternProperties"] = {f"^{re.escape(SETTINGS)}(?!({'|'.join(CHANGES)})$)": False}
    space["additionalProperties"] = {"$ref": "#/$defs/Expression"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "slurmtf sweep"}


def _build_expression_schema() -> dict[str, object]:
    """Return the schema of one expression: an object with one key."""
    numbers = {
        name: {"type": "array", "items": {"type": "number"}, "minItems": len(names), "maxItems": len(names)}
        for name, names in ARGUMENTS.items()
        if names
    }
    numbers["randint"] = {"anyOf": [{"type": "integer", "minimum": 1}, numbers["randint"]]}
    return _build_single_key_schema({**_build_options_schema()["properties"], **numbers})


def _build_options_schema() -> JsonObject:
    """Return the schema of an expression whose values can be listed, for a setting of the estimator."""
    return _build_single_key_schema({"choice": {"type": "array", "minItems": 1}})


def _build_single_key_schema(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1, "additionalProperties": False}
