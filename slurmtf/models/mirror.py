"""MLflow's model registry in addition to our own, if it is configured and the package is installed: the extra ``mlflow``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.interchange import JsonView
from slurmtf.runs.mlflow import tracking
from slurmtf.runs.mlflow.tracking import ensure_experiment, get_registry_uri, hide_passwords, translate_errors

EXPERIMENT = "slurmtf-models"
ARTIFACTS = "model"


def has_registry() -> bool:
    """Return whether MLflow is configured and installed."""
    return bool(get_registry_uri()) and tracking.is_installed()


def register(name: str, version: int, folder: Path, record: Mapping[str, object]) -> dict[str, object]:
    """Register the files of a version, ``files/`` and ``onnx/`` in its folder, and return MLflow's name of it.

    Its files are copied into MLflow's store, as artifacts of a run of the experiment ``slurmtf-models``, which gets the
    metrics as well; the tags of MLflow's version name our version. Raises MirrorError.
    """
    remedy = f"correct that, or unset ${var.MLFLOW_TRACKING_URI}; registering it again creates the next version"
    with translate_errors(get_registry_uri(), f"{name}:{version}", "is registered, but not in MLflow", remedy):
        return _register(name, version, folder, record)


def _register(name: str, version: int, folder: Path, record: JsonView) -> dict[str, object]:
    from mlflow import MlflowClient  # noqa: PLC0415 - a second, and an extra
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    client = MlflowClient(registry_uri=get_registry_uri())
    try:
        client.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    holder = client.create_run(ensure_experiment(client, EXPERIMENT), run_name=f"{name}-{version}")
    run_id = holder.info.run_id
    for part in ("files", "onnx"):
        if (folder / part).is_dir():
            client.log_artifacts(run_id, str(folder / part), ARTIFACTS)
    for metric, value in record["metrics"].items():
        if isinstance(value, int | float):
            client.log_metric(run_id, metric, value)
    client.set_terminated(run_id)
    found = client.create_model_version(
        name,
        f"{holder.info.artifact_uri}/{ARTIFACTS}",
        run_id,
        tags=_build_tags(version, record),
        description=record["description"],
    )
    return {"name": found.name, "version": str(found.version), "run_id": run_id, "registry": hide_passwords(get_registry_uri())}


def _build_tags(version: int, record: JsonView) -> dict[str, str]:
    run = record.get("run") or {}
    own = {"version": str(version), "sha256": record["sha256"], "run": run.get("id", ""), "kind": record["kind"]}
    return {**record["tags"], **record["properties"], **{f"slurmtf.{key}": value for key, value in own.items() if value}}
