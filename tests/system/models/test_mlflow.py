"""The real MLflow's registry, with a database of its own, next to ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Model
from tests.patience import HANG_S

ROOT = Path(__file__).parents[3]
ASK = """
import json, sys
from mlflow import MlflowClient, artifacts
client = MlflowClient()
found = client.search_model_versions("name='digits'")
print(json.dumps([
    [int(one.version), one.tags, one.description, client.get_run(one.run_id).data.metrics,
     artifacts.download_artifacts(artifact_uri=one.source, dst_path=sys.argv[1] + str(one.version))]
    for one in sorted(found, key=lambda one: int(one.version))
]))
"""


@pytest.fixture
def model(workspace: Path, tmp_path: Path) -> Path:
    path = tmp_path / "net.h5"
    path.write_bytes(b"model_config")
    return path


def called(python: Path, uri: str, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": uri}
    return subprocess.run(
        [python, *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
    )


def register(python: Path, uri: str, folder: Path, *words: str | Path) -> dict[str, Any]:
    """Run `slurmtf models register` in a Python with MLflow, and return its JSON."""
    main = "from slurmtf.cli import main; main()"
    done = called(python, uri, folder, "-c", main, "models", "register", "digits", *words, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_model_is_in_both_registries(mlflow: Path, model: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    first = register(mlflow, uri, tmp_path, model, "--tag", "stage=test", "--description", "the small one")["data"]
    model.write_bytes(b"model_config, trained again")
    second = register(mlflow, uri, tmp_path, model)["data"]
    assert [one["mlflow"]["version"] for one in (first, second)] == ["1", "2"]
    assert Model.get("digits", 2).mlflow == second["mlflow"]
    versions = json.loads(called(mlflow, uri, tmp_path, "-c", ASK, str(tmp_path / "got-")).stdout)
    assert [(one[0], one[2]) for one in versions] == [(1, "the small one"), (2, "")]
    tags = versions[0][1]
    assert (tags["stage"], tags["slurmtf.version"], tags["slurmtf.sha256"]) == ("test", "1", first["sha256"])
    assert [next(Path(one[4]).rglob("net.h5")).read_bytes() for one in versions] == [
        b"model_config",
        b"model_config, trained again",
    ]


def test_the_model_is_registered_even_if_mlflow_fails(mlflow: Path, model: Path, tmp_path: Path) -> None:
    failed = register(mlflow, f"sqlite:///{model}/mlflow.db", tmp_path, model)
    (finding,) = failed["error"]["findings"]
    assert (failed["ok"], finding["code"], finding["where"]) == (False, "mlflow-failed", "digits:1")
    assert Model.get("digits").path.read_bytes() == b"model_config"
    assert Model.get("digits").mlflow == {}
