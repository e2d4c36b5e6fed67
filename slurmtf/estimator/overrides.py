"""What a submission may change of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from slurmtf.errors import SpecError, did_you_mean
from slurmtf.estimator.arguments import plain_params
from slurmtf.estimator.estimator import Estimator
from slurmtf.estimator.inputs import settled
from slurmtf.findings import Finding

ALLOWED = ("script_params", "inputs", "source_directory_data_store")
E = TypeVar("E", bound=Estimator)


def overridden(estimator: E, overrides: Mapping[str, Any]) -> E:
    """Return the estimator with other settings; itself it stays as it is.

    A mapping of ``script_params`` is merged into the estimator's by argument. Raises SpecError.
    """
    findings = [_unknown(name) for name in overrides if name not in ALLOWED]
    if findings:
        raise SpecError(*findings)
    given = {name: value for name, value in overrides.items() if value is not None}
    if "script_params" in given:
        given["inputs"] = settled(given.get("inputs", estimator.inputs), given["script_params"])
        given["script_params"] = _merged(estimator.script_params, plain_params(given["script_params"]))
    if not given:
        return estimator
    changed = replace(estimator, **given)
    changed.written_in({where: source for where, source in estimator.sources.items() if where not in given})
    return changed


def _unknown(name: str) -> Finding:
    remedy = did_you_mean(name, ALLOWED) or f"give {name} to the estimator; a submission changes {', '.join(ALLOWED)}"
    return Finding("not-overridable", name, "can't be changed by a submission", remedy)


def _merged(known: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or known is None:
        return given
    if isinstance(known, Mapping):
        return {**known, **given}
    remedy = "give the whole list, or have the estimator take a mapping"
    raise SpecError(
        Finding("bad-arguments", "script_params", "a mapping can't be merged into the estimator's list of arguments", remedy)
    )
