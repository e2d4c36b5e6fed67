"""What scoring jobs request: by flags, by settings, and by their tool environment."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.environments.tools import KERAS_2, NEWEST, SCORING, SCORING_GPU
from slurmtf.errors import InputError
from slurmtf.models.needs import Needs
from slurmtf.sites import load

ALL = {"cpus-per-task": 4, "mem": "8G", "time": "1:00", "partition": "short", "account": "lab"}
BIG = "gpu: {constraint: big, sbatch: {gpu-bind: closest}}"


@pytest.mark.parametrize(
    ("needs", "profile", "expected"),
    [
        (Needs(), "", {}),
        (Needs(4, "8G", "1:00", "short", "lab"), "", ALL),
        (Needs(gpu=True), "", {"gres": "gpu:1"}),
        (Needs(gpu=True), "gpu: {request: gpus-per-node, type: a100}", {"gpus-per-node": "a100:1"}),
        (Needs(gpu=True), "gpu: {request: none}\ndefaults: {gpu_partition: gpu}", {"partition": "gpu"}),
        (Needs(gpu=True, partition="mine"), "defaults: {gpu_partition: gpu}", {"partition": "mine", "gres": "gpu:1"}),
        (Needs(gpu=True), BIG, {"gres": "gpu:1", "constraint": "big", "gpu-bind": "closest"}),
    ],
)  # fmt: skip
def test_flags_become_settings(needs: Needs, profile: str, expected: dict[str, Any], tmp_path: Any) -> None:
    (tmp_path / "lab.yaml").write_text(f"extends: slurm\n{profile}\n")
    assert needs.to_flags(load(str(tmp_path / "lab.yaml"))) == expected


def test_only_onnx_models_have_an_environment_with_gpus() -> None:
    assert Needs().choose_environment("onnx", SCORING) == SCORING
    assert Needs(gpu=True).choose_environment("onnx", SCORING) == SCORING_GPU
    assert Needs().choose_environment("tensorflow", KERAS_2) == KERAS_2
    with pytest.raises(InputError) as caught:
        Needs(gpu=True).choose_environment("tensorflow", NEWEST)
    assert caught.value.findings[0].code == "no-gpu-engine"
