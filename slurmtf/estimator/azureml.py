"""Accept Azure ML's spellings: configuration objects, older names of parameters, what a submission may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, replace
from typing import Any, Protocol, TypeVar, cast

from slurmtf.errors import SpecError, suggest
from slurmtf.estimator.arguments import to_plain_params
from slurmtf.estimator.distribution import Distribution, Mpi, ParameterServer
from slurmtf.estimator.inputs import resolve_inputs
from slurmtf.findings import Finding, build_warning
from slurmtf.schema import Strict

# --- configuration objects


@dataclass(slots=True)
class MpiConfiguration:
    """Azure ML's spelling of :class:`Mpi`. Counts can be changed until an estimator is created with it."""

    process_count_per_node: int = 1
    node_count: int | None = None

    @property
    def settled(self) -> Mpi:
        return Mpi(self.process_count_per_node)


@dataclass(slots=True)
class TensorflowConfiguration:
    """Azure ML's spelling of :class:`ParameterServer`."""

    worker_count: int = 1
    parameter_server_count: int = 1

    @property
    def settled(self) -> ParameterServer:
        return ParameterServer(self.worker_count, self.parameter_server_count)


Configuration = MpiConfiguration | TensorflowConfiguration


def resolve_training(given: object, node_count: object) -> tuple[Any, object]:
    """Return the distribution and the number of nodes of a configuration object; other values are returned unchanged."""
    if not isinstance(given, Configuration):
        return given, node_count
    nodes = getattr(given, "node_count", None)
    distribution: Distribution = given.settled
    return distribution, node_count if nodes is None else nodes


def check_node_count(given: object, node_count: object) -> Iterable[Finding]:
    """Yield a finding if the configuration object's number of nodes differs from the estimator's."""
    nodes = getattr(given, "node_count", None) if isinstance(given, Configuration) else None
    if nodes is not None and node_count not in (1, nodes):
        yield Finding("node-count-twice", "node_count", f"{node_count} disagrees with {given!r}", "set it in one of them")


# --- older names


@dataclass(frozen=True)
class OlderNames(Strict):
    """Parameters that have been renamed. If both names are set, the new one counts."""

    _: KW_ONLY
    custom_docker_base_image: InitVar[str | None] = None
    """An older name of custom_docker_image."""
    conda_dependencies_file_path: InitVar[str | None] = None
    """An older name of conda_dependencies_file."""
    pip_requirements_file_path: InitVar[str | None] = None
    """An older name of pip_requirements_file."""

    def __post_init__(self, *given: str | None) -> None:
        for (old, new), value in zip(OLDER_NAMES.items(), given, strict=True):
            object.__setattr__(self, old, value)
            object.__setattr__(self, new, value if getattr(self, new) is None else getattr(self, new))


OLDER_NAMES = {
    "custom_docker_base_image": "custom_docker_image",
    "conda_dependencies_file_path": "conda_dependencies_file",
    "pip_requirements_file_path": "pip_requirements_file",
}


def warn_about_older_names(estimator: OlderNames) -> Iterable[Finding]:
    """Yield a warning for each older name that was given together with the new one, but with a different value."""
    for old, new in OLDER_NAMES.items():
        ours, theirs = getattr(estimator, new), getattr(estimator, old)
        if theirs not in (None, ours):
            yield build_warning("old-name", f"{old}={theirs!r} is ignored: {new}={ours!r} is set too. Leave {old} out", old)


# --- what a submission may change

ALLOWED = ("script_params", "inputs", "source_directory_data_store")


class _Overridable(Protocol):
    @property
    def script_params(self) -> object: ...
    @property
    def inputs(self) -> object: ...
    @property
    def sources(self) -> Mapping[str, str]: ...
    def note_sources(self, sources: Mapping[str, str]) -> None: ...


E = TypeVar("E", bound=_Overridable)


def override(estimator: E, overrides: Mapping[str, object]) -> E:
    """Return a copy of the estimator with other settings.

    A mapping of ``script_params`` is merged into the estimator's by argument. Raises SpecError for other settings than ALLOWED.
    """
    findings = [_describe_not_overridable(name) for name in overrides if name not in ALLOWED]
    if findings:
        raise SpecError(*findings)
    given = {name: value for name, value in overrides.items() if value is not None}
    if "script_params" in given:
        given["inputs"] = resolve_inputs(given.get("inputs", estimator.inputs), given["script_params"])
        given["script_params"] = _merge(estimator.script_params, to_plain_params(given["script_params"]))
    if not given:
        return estimator
    changed: E = replace(cast(Any, estimator), **given)
    changed.note_sources({where: source for where, source in estimator.sources.items() if where not in given})
    return changed


def _describe_not_overridable(name: str) -> Finding:
    remedy = suggest(name, ALLOWED) or f"set `{name}` in the estimator; a submission changes {', '.join(ALLOWED)}"
    return Finding("not-overridable", name, "can't be changed by a submission", remedy)


def _merge(known: object, given: object) -> object:
    if not isinstance(given, Mapping) or known is None:
        return given
    if isinstance(known, Mapping):
        return {**known, **given}
    what = "a mapping can't be merged into the estimator's list of arguments"
    raise SpecError(
        Finding("bad-arguments", "script_params", what, "pass the whole list, or have the estimator take a mapping")
    )
