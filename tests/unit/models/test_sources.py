"""Which models a folder contains, and which tool environment they need."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from slurmtf.environments.tools import KERAS_2, NEWEST, SAMPLER, SCORING, SCORING_GPU, TOOLS, get_tool
from slurmtf.errors import InputError
from slurmtf.models.sources import (
    choose_by_versions,
    choose_source,
    find_source,
    list_sources,
    read_keras_version,
    read_tensorflow_version,
)
from tests.unit.support import refusing


def saved_model(folder: Path) -> Path:
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
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


def test_exactly_the_known_forms_are_found(outputs: Path) -> None:
    found = {str(one.path.relative_to(outputs)): (one.kind, one.stem, len(one.files)) for one in list_sources(outputs)}
    assert found == {
        "best.keras": ("keras", "best", 1),
        "exported": ("saved-model", "exported", 2),
        "net.json": ("json", "net", 2),
        "tf1/model.ckpt.meta": ("checkpoint", "model", 3),
    }


def test_one_of_several_models_is_chosen_by_name(outputs: Path) -> None:
    for name in ("best", "best.keras"):
        assert choose_source(outputs, name).path == outputs / "best.keras"
    assert choose_source(outputs, "tf1/model.ckpt.meta").kind == "checkpoint"
    assert choose_source(outputs / "exported").path == outputs / "exported"


def test_several_models_are_listed(outputs: Path) -> None:
    with refusing(InputError, "several-models", "best.keras, exported, net.json, tf1/model.ckpt.meta"):
        choose_source(outputs)
    with refusing(InputError, "several-models"):
        choose_source(outputs, "worst")


def test_a_folder_without_models_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        choose_source(tmp_path)
    assert caught.value.findings[0].code == "no-model"


def test_an_incomplete_model_is_reported_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"class_name": "Sequential"}')
    for name in ("first_weights.h5", "second_weights.h5"):
        (tmp_path / name).write_bytes(b"weights")
    needs = "model.json needs its weights beside it, as model.weights.h5"
    with refusing(InputError, "no-model", needs, "second_weights.h5"):
        choose_source(tmp_path)
    with refusing(InputError, "no-model", needs):
        choose_source(tmp_path / "model.json")


@pytest.mark.parametrize("name", ["checkpoint.weights.h5", "model_weights.h5"])
def test_weights_alone_are_not_a_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"weights")
    assert find_source(tmp_path / name) is None


def test_the_version_of_keras_is_read_from_the_file(outputs: Path) -> None:
    assert [read_keras_version(one) for one in list_sources(outputs)] == ["3.15.1", "", "2.15.0", ""]
    for version in ("2.15.0", "3.15.1"):
        path = outputs / "x.h5"
        path.write_bytes(b"\x89HDF\0keras_version\0\0model_config" + b"\0" * 90 + version.encode() + b"\0")
        found = find_source(path)
        assert found
        assert read_keras_version(found) == version


def meta_info(version: str) -> bytes:
    """Return the part before a graph: the operations that it uses, TensorFlow's version, and the source of its build."""
    return b"\x12\x40\x2a\x101.2.3\x0a\x05Const\x2a" + bytes([len(version)]) + version.encode() + b"\x32\x07unknown\x0a"


@pytest.mark.parametrize("version", ["1.15.5", "2.15.1", "2.17.1", "2.21.0", "2.16.0-rc0", ""])
def test_the_version_of_tensorflow_is_read_from_the_graph(outputs: Path, version: str) -> None:
    for name in ("exported/saved_model.pb", "tf1/model.ckpt.meta"):
        (outputs / name).write_bytes(meta_info(version))
    of_graphs = [one for one in list_sources(outputs) if one.kind in ("saved-model", "checkpoint")]
    assert [read_tensorflow_version(one) for one in of_graphs] == [version] * 2
    (keras,) = (one for one in list_sources(outputs) if one.kind == "keras")
    assert read_tensorflow_version(keras) == ""


MINORS_OF_KERAS_3 = ("2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")


@pytest.mark.parametrize(
    ("keras", "tensorflow", "packages", "expected"),
    [
        ("2.15.0", "", {}, KERAS_2),
        ("3.0.0", "", {}, NEWEST),
        ("2.17.0", "", {"tensorflow": "2.17.1"}, KERAS_2),  # of tf_keras
        ("", "", {"tensorflow_cpu": "2.15.1"}, KERAS_2),
        ("", "", {"tensorflow": "2.4.4"}, KERAS_2),
        ("", "", {"tensorflow_gpu": "1.15.5"}, KERAS_2),
        ("", "", {"tensorflow_datasets": "1.0"}, NEWEST),
        ("", "", {}, NEWEST),
        ("", "2.15.1", {}, KERAS_2),
        ("", "1.15.5", {"tensorflow": "2.21.0"}, KERAS_2),  # the file was brought along
        *((("", version, {}, NEWEST)) for version in MINORS_OF_KERAS_3),
        *((("", "", {"tensorflow": version}, NEWEST)) for version in MINORS_OF_KERAS_3),
    ],
)
def test_the_tool_environment_has_the_same_generation(
    keras: str, tensorflow: str, packages: dict[str, str], expected: str
) -> None:
    assert choose_by_versions(keras, tensorflow, packages) == expected


def pins(name: str) -> dict[str, str]:
    lines = (Requirement(line) for line in TOOLS[name].packages)
    here = [line for line in lines if line.marker is None or line.marker.evaluate({"platform_machine": "x86_64"})]
    return {line.name: str(line.specifier).removeprefix("==") for line in here}


def test_tool_environments_are_pinned() -> None:
    assert set(TOOLS) == {KERAS_2, NEWEST, SAMPLER, SCORING, SCORING_GPU}
    assert all(re.fullmatch(r"[0-9.]+", version) for name in TOOLS for version in pins(name).values())


def test_pins_are_those_of_verified_conversions() -> None:
    """TensorFlow 2.15 works with neither onnx 1.19, which needs a newer ml_dtypes, nor setuptools 82 (no pkg_resources)."""
    old, new = pins(KERAS_2), pins(NEWEST)
    assert (old["tensorflow-cpu"], new["tensorflow-cpu"]) == ("2.15.1", "2.21.0")
    assert Version(old["onnx"]) < Version("1.19")
    assert Version(old["setuptools"]) < Version("82")
    assert Version(new["onnx"]) >= Version("1.19")
    assert "setuptools" not in new
    assert (old["tf2onnx"], old["onnxruntime"]) == (new["tf2onnx"], new["onnxruntime"])
    assert pins(SCORING)["onnxruntime"] == new["onnxruntime"]  # the verified version is the one that scores


def test_a_missing_tool_is_reported() -> None:
    with refusing(InputError, "unknown-tool", "onnx-newest"):
        get_tool("onnx-newset")
