"""Which models lie in a folder, and which tool environment is theirs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from slurmtf.environments.tools import KERAS_2, NEWEST, SAMPLER, SCORING, SCORING_GPU, TOOLS, tool
from slurmtf.errors import InputError
from slurmtf.models.sources import chosen, keras_of, source_at, sources_in, tool_of
from tests.unit.support import refusing


def saved_model(folder: Path, keras_2: bool = False) -> Path:
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index", *(["keras_metadata.pb"] if keras_2 else [])):
        (folder / name).write_bytes(b"x")
    return folder


def keras_file(path: Path, version: str) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("metadata.json", json.dumps({"keras_version": version}))
    return path


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    saved_model(tmp_path / "exported")
    keras_file(tmp_path / "best.keras", "3.15.1")
    (tmp_path / "net.json").write_text('{"class_name": "Sequential", "keras_version": "2.15.0"}')
    (tmp_path / "net.weights.h5").write_bytes(b"weights")
    (tmp_path / "result.json").write_text('{"accuracy": 0.9}')
    (tmp_path / "tf1").mkdir()
    for name in ("model.ckpt.meta", "model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        (tmp_path / "tf1" / name).write_bytes(b"x")
    return tmp_path


def test_every_form_is_found_and_nothing_else(outputs: Path) -> None:
    found = {str(one.path.relative_to(outputs)): (one.kind, one.stem, len(one.files)) for one in sources_in(outputs)}
    assert found == {
        "best.keras": ("keras", "best", 1),
        "exported": ("saved-model", "exported", 2),
        "net.json": ("json", "net", 2),
        "tf1/model.ckpt.meta": ("checkpoint", "model", 3),
    }


def test_of_several_one_is_chosen_by_name(outputs: Path) -> None:
    for name in ("best", "best.keras"):
        assert chosen(outputs, name).path == outputs / "best.keras"
    assert chosen(outputs, "tf1/model.ckpt.meta").kind == "checkpoint"
    assert chosen(outputs / "exported").path == outputs / "exported"


def test_several_are_listed(outputs: Path) -> None:
    with refusing(InputError, "several-models", "best.keras, exported, net.json, tf1/model.ckpt.meta"):
        chosen(outputs)
    with refusing(InputError, "several-models"):
        chosen(outputs, "worst")


def test_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        chosen(tmp_path)
    assert caught.value.findings[0].code == "no-model"


@pytest.mark.parametrize("name", ["checkpoint.weights.h5", "model_weights.h5"])
def test_weights_alone_are_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"weights")
    assert source_at(tmp_path / name) is None


def test_what_a_file_says_of_its_keras(outputs: Path) -> None:
    assert [keras_of(one) for one in sources_in(outputs)] == ["3.15.1", "", "2.15.0", ""]
    old = source_at(saved_model(outputs / "old", keras_2=True))
    assert old
    assert keras_of(old) == "2"
    for version in ("2.15.0", "3.15.1"):
        path = outputs / "x.h5"
        path.write_bytes(b"\x89HDF\0keras_version\0\0model_config" + b"\0" * 90 + version.encode() + b"\0")
        found = source_at(path)
        assert found
        assert keras_of(found) == version


@pytest.mark.parametrize(
    ("keras", "packages", "expected"),
    [
        ("2.15.0", {}, KERAS_2),
        ("3.0.0", {}, NEWEST),
        ("2", {"tensorflow": "2.21.0"}, KERAS_2),  # of tf_keras
        ("", {"tensorflow_cpu": "2.15.1"}, KERAS_2),
        ("", {"tensorflow": "2.16.1"}, NEWEST),
        ("", {"tensorflow": "2.4.4"}, KERAS_2),
        ("", {"tensorflow_gpu": "1.15.5"}, KERAS_2),
        ("", {"tensorflow_datasets": "1.0"}, NEWEST),
        ("", {}, NEWEST),
    ],
)
def test_the_tool_environment_is_of_the_same_generation(keras: str, packages: dict[str, str], expected: str) -> None:
    assert tool_of(keras, packages) == expected


def test_tool_environments_are_pinned() -> None:
    assert set(TOOLS) == {KERAS_2, NEWEST, SAMPLER, SCORING, SCORING_GPU}
    assert all("==" in package for one in TOOLS.values() for package in one.packages)
    with refusing(InputError, "unknown-tool", "onnx-newest"):
        tool("onnx-newset")
