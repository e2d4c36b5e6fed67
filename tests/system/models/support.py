"""The matrix: 17 models of one generation, all converted by a single process in the tool environment."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import EnvironmentStore
from slurmtf.errors import SoftwareError
from slurmtf.models.exporting import DEFAULT_OPSET, TOLERANCE
from slurmtf.sites import load
from slurmtf.submit.tools import Toolbox, build_environment, put_program
from tests.environments.cache import root, say
from tests.environments.fixtures import progress_shown
from tests.patience import HANG_S

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).with_name("slurmtf")
GOOD = (
    "mlp", "conv", "lstm", "gru", "embedding", "multi", "attention", "rescaling", "resizing", "category", "normalization",
    "string_lookup",
)  # fmt: skip
REFUSED = {
    "integer_lookup": "IntegerLookup",
    "discretization": "Discretization",
    "hashing": "Hashing",
    "text": "TextVectorization",
}
"""Models that no generation can convert to ONNX, and the layer's class that the refusal must name."""
SAVED = HERE / "saved"
OLDER = ("2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0")
"""TensorFlows between the two generations that have tool environments."""
PACKAGE = "six==1.17.0"
"""A package that a score script may need and no tool environment has: one file, no dependencies."""


def store() -> EnvironmentStore:
    return EnvironmentStore(root() / "environments")


def provide(name: str, config: pytest.Config) -> Path:
    """Return the Python of a tool environment. The first call on a machine builds it; the test is skipped if it can't."""
    try:
        with progress_shown(config):
            return Path(Toolbox(load("local"), store(), say).provide_python(name))
    except SoftwareError as error:
        if os.environ.get("SLURMTF_REQUIRE_ENVS") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@dataclass(frozen=True)
class Generation:
    """A TensorFlow with its Keras, and a folder with the models that it saved. It also converts those of ``older`` versions."""

    python: Path
    folder: Path
    older: tuple[str, ...] = ()

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *words], capture_output=True, text=True, env=build_environment(), timeout=HANG_S, check=False
        )

    @functools.cached_property
    def models(self) -> Path:
        """Save the models, and return their folder."""
        done = self.run(HERE / "matrix.py", self.folder)
        assert done.returncode == 0, done.stderr[-2000:]
        for version in self.older:
            shutil.unpack_archive(SAVED / f"tensorflow-{version}.zip", self.folder / "older" / version)
        return self.folder

    @functools.cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """Convert all models, and return the results by model name."""
        requests = {name: self._written(name, request) for name, request in self._requests().items()}
        done = self.run("-I", put_program(self.folder / "program"), "convert", *requests.values())
        results = {name: Path(f"{path}.result.json") for name, path in requests.items()}
        assert all(path.exists() for path in results.values()), done.stderr[-3000:]
        return {name: json.loads(path.read_text()) for name, path in results.items()}

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.onnx"

    def _written(self, name: str, request: dict[str, Any]) -> Path:
        path = self.folder / f"{name}.request"
        own = {"opset": DEFAULT_OPSET, "tolerance": TOLERANCE, "output": str(self.file(name))}
        path.write_text(json.dumps({**own, **request}))
        return path

    def _requests(self) -> dict[str, dict[str, Any]]:
        forms, checkpoint = self.models / "forms", {"kind": "checkpoint", "model": str(self.models / "tf1/model.ckpt.meta")}
        found = {path.stem: {"kind": "keras", "model": str(path)} for path in sorted(self.models.glob("*.keras"))}
        saved = {path.name: {"kind": "saved-model", "model": str(path)} for path in forms.iterdir() if path.is_dir()}
        return {
            **found,
            **saved,
            **{f"lookup-{one.name}": {"kind": "keras", "model": str(one / "lookup.keras")} for one in self._of_older},
            **{f"exported-{one.name}": {"kind": "saved-model", "model": str(one / "exported")} for one in self._of_older},
            "h5": {"kind": "h5", "model": str(forms / "mlp.h5")},
            "json": {"kind": "json", "model": str(forms / "mlp.json"), "weights": str(forms / "mlp.weights.h5")},
            "tf1": {**checkpoint, "inputs": ["network/X:0"], "outputs": ["network/output/BiasAdd:0"]},
            "tf1-unnamed": checkpoint,
        }

    @property
    def _of_older(self) -> list[Path]:
        return [self.models / "older" / version for version in self.older]

    @functools.cached_property
    def rechecked(self) -> dict[str, float]:
        """How much each good file differs from Keras, measured by another program with another batch size, and how much those
        of
        older TensorFlows' models differ from what these answered."""
        done = self.run(HERE / "recheck.py", self.folder)
        assert done.returncode == 0, done.stderr[-2000:]
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def check_good(generation: Generation, name: str) -> None:
    result = generation.results[name]
    assert result["ok"], result
    assert result["verified"]["batches"] == [1, 3, 64]
    assert result["verified"]["largest_difference"] < 1e-5
    assert generation.file(name).is_file()


def check_refused(generation: Generation, name: str, kind: str) -> None:
    result = generation.results[name]
    assert (result["ok"], result["code"]) == (False, "not-convertible"), result
    assert kind in result["what"]
    assert all(layer in result["remedy"] for layer in result["layers"])
    assert result["layers"]
    assert not generation.file(name).exists()


def check_no_false_success(generation: Generation) -> None:
    """Check that exactly the good models have files, and that these differ from Keras by next to nothing when rechecked."""
    good = {name for name, result in generation.results.items() if result["ok"]}
    assert good == {path.stem for path in generation.folder.glob("*.onnx")}
    of_keras = {name for name in good if (generation.folder / f"{name}.keras").exists()}
    of_older = {f"{form}-{version}" for form in ("lookup", "exported") for version in generation.older}
    assert generation.rechecked.keys() == of_keras | of_older
    assert max(generation.rechecked.values()) < 1e-5


def check_weights(generation: Generation) -> None:
    """Check that only weights are counted, in every form: 4 * 8 + 8 and 8 * 3 + 3, of 4 bytes each."""
    forms = {"mlp", "exported", "h5", "json", "saved"} & generation.results.keys()
    assert {generation.results[name]["weights_bytes"] for name in forms} == {268}
    assert generation.results["tf1"]["weights_bytes"] == 4 * (3 * 2 + 2)


def check_left(generation: Generation) -> None:
    """Check that conversions left nothing behind, whatever their results."""
    assert len(generation.results) >= 22
    assert not list(generation.folder.glob(".export-*"))


def check_candidates(generation: Generation) -> None:
    result = generation.results["tf1-unnamed"]
    assert not result["ok"]
    assert "network/X:0 float32[?,3]" in result["candidates"]["inputs"]
    assert "network/output/BiasAdd:0 float32[?,2]" in result["candidates"]["outputs"]
