"""Check the parameters for metrics: Azure ML's Run, automatic logging, and the primary metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slurmtf.estimator.quantities import check_choice, check_switch
from slurmtf.findings import Finding

AUTOLOGS = ("keras",)


def check_metrics(given: Mapping[str, object]) -> Iterable[Finding]:
    """Yield what is wrong with the user's parameters for metrics, given by name."""
    yield from check_switch("azureml", given.get("azureml"), "true serves Azure ML's Run to the script")
    yield from check_choice("autolog", given.get("autolog"), AUTOLOGS)
    metric = given.get("primary_metric")
    if metric is not None and not (isinstance(metric, str) and metric.strip()):
        remedy = "name it as the script logs it: run.log('accuracy', ...)"
        yield Finding("no-metric", "primary_metric", f"{metric!r} is not the name of a metric", remedy)
