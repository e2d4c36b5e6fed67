"""MLflow's model registry beside our own, where it is configured and the package is there: the extra ``mlflow``."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slurmtf.errors import SlurmtfError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var

EXPERIMENT = "slurmtf-models"
ARTIFACTS = "model"


class MirrorError(SlurmtfError):
    """A model is registered, and MLflow does not have it."""


def configured() -> str:
    """Return where MLflow's registry is; empty when none is configured."""
    return os.environ.get(var.MLFLOW_REGISTRY_URI) or os.environ.get(var.MLFLOW_TRACKING_URI) or ""


def available() -> bool:
    """Whether the package is there; it is not imported for that."""
    return importlib.util.find_spec("mlflow") is not None


def register(name: str, version: int, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Register the files of a version, ``files/`` and ``onnx/`` in its folder, and return what MLflow calls it.

    Its files are copied into MLflow's store, as artifacts of a run of the experiment ``slurmtf-models``, which gets the
    metrics too; what MLflow's version belongs to stands in its tags. Raises MirrorError.
    """
    try:
        return _registered(name, version, folder, record)
    except Exception as err:  # MLflow's, of its store, of its server
        what = f"is registered, but not in MLflow ({configured()}): {type(err).__name__}: {str(err)[:300]}"
        remedy = f"correct that, or unset ${var.MLFLOW_TRACKING_URI}; registering it again gives the next version"
        raise MirrorError(Finding("mlflow-failed", f"{name}:{version}", what, remedy)) from None


def _registered(name: str, version: int, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    from mlflow import MlflowClient  # noqa: PLC0415 - a second, and an extra
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    client = MlflowClient(registry_uri=configured())
    try:
        client.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    experiment = client.get_experiment_by_name(EXPERIMENT)
    holder = client.create_run(
        experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT), run_name=f"{name}-{version}"
    )
    run_id = holder.info.run_id
    for part in ("files", "onnx"):
        if (folder / part).is_dir():
            client.log_artifacts(run_id, str(folder / part), ARTIFACTS)
    for metric, value in record["metrics"].items():
        if isinstance(value, int | float):
            client.log_metric(run_id, metric, value)
    client.set_terminated(run_id)
    found = client.create_model_version(
        name, f"{holder.info.artifact_uri}/{ARTIFACTS}", run_id, tags=_tags(version, record), description=record["description"]
    )
    return {"name": found.name, "version": str(found.version), "run_id": run_id, "registry": configured()}


def _tags(version: int, record: Mapping[str, Any]) -> dict[str, str]:
    run = record.get("run") or {}
    own = {"version": str(version), "sha256": record["sha256"], "run": run.get("id", ""), "kind": record["kind"]}
    return {**record["tags"], **record["properties"], **{f"slurmtf.{key}": value for key, value in own.items() if value}}
