"""From a run to a registered model, on the command line and in Python."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Experiment, Model, Run, TensorFlow
from slurmtf.archives import build_tool_archive
from slurmtf.errors import InputError
from slurmtf.models.exporting import NotConvertibleError, read_record
from tests.patience import HANG_S

from .support import COMMAND, Generation, store

pytestmark = pytest.mark.tensorflow

SAVE = """
import os, sys
import keras
os.chdir(sys.argv[1])
layers = keras.layers
model = keras.Sequential([keras.layers.Input((4,), name="x"), layers.Dense(3, name="y")])
model.save("net.keras")
text = keras.Sequential([layers.Input((1,), dtype="string"), layers.Hashing(5, name="hashed", output_mode="one_hot")])
text.save("text.keras")
"""
TRAIN = "import shutil\nfor name in ('net.keras', 'text.keras'): shutil.copy(name, 'outputs')"


@pytest.fixture(scope="module")
def source(keras_2: Generation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a source folder with two models, and a script that copies them to its outputs."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "train.py").write_text(TRAIN)
    done = keras_2.run("-c", SAVE, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(keras_2: Generation, source: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run on this machine that left two models."""
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(store().root))
    environment = Environment(python=str(keras_2.python))
    estimator = TensorFlow(source, compute_target="local", environment_definition=environment)
    found = Experiment("nets", workspace).submit(estimator)
    found.wait_for_completion()
    return found


def slurmtf(*words: str | Path, code: int = 0) -> Any:
    done = subprocess.run([COMMAND, *words, "--json"], capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    found = json.loads(done.stdout)
    return found["data"] if found["ok"] else found["error"]["findings"]


def test_a_model_is_exported_from_a_run_and_registered(run: Run, tmp_path: Path) -> None:
    (several,) = slurmtf("export", run.id, code=2)
    assert several["code"] == "several-models"
    assert "net.keras, text.keras" in several["what"]

    record = slurmtf("export", run.id, "--model", "net")
    file = run.folder / "outputs/net.onnx"
    assert (record["file"], record["run"], record["route"]) == (str(file), run.id, "command")
    assert record["inputs"] == {"x": {"shape": [None, 4], "dtype": "float32"}}
    assert record["verified"]["largest_difference"] < 1e-6
    assert record["versions"]["tensorflow"] == "2.15.1"  # the run's own
    assert read_record(file) == record

    model = run.register_model("nets", "outputs/net.keras", tags={"stage": "test"})
    shown = slurmtf("models", "show", "nets")
    assert (shown["version"], shown["run"]["id"], shown["changed"]) == (1, run.id, [])
    assert shown["onnx"]["verified"] == record["verified"]
    assert model.path.stat().st_nlink == 2  # the run has ended, so its file is hard-linked

    shutil.rmtree(run.folder)
    got = slurmtf("models", "get", "nets:1", tmp_path / "got")
    assert sorted(path.name for path in Path(got["path"]).parent.iterdir()) == ["net.keras", "net.onnx"]
    assert [one["version"] for one in slurmtf("models", "ls")] == [1]
    slurmtf("models", "rm", "nets:1")
    assert slurmtf("models", "ls") == []


def test_an_unconvertible_model_is_refused_and_leaves_nothing(run: Run) -> None:
    before = sorted(path.name for path in (run.folder / "outputs").iterdir())
    with pytest.raises(NotConvertibleError, match="hashed") as caught:
        run.export_onnx("text")
    assert caught.value.findings[0].code == "not-convertible"
    assert sorted(path.name for path in (run.folder / "outputs").iterdir()) == before


def test_a_file_of_the_user_is_not_overwritten(run: Run) -> None:
    file = run.folder / "outputs/net.onnx"
    file.write_text("mine")
    with pytest.raises(InputError) as caught:
        run.export_onnx("net")
    assert caught.value.findings[0].code == "name-taken"
    assert file.read_text() == "mine"
    first = run.export_onnx("net", name="other")
    again = run.export_onnx("net", name="other", opset=13)
    assert (first["opset"], again["opset"]) == (17, 13)


def test_a_killed_export_leaves_no_file(run: Run) -> None:
    process = subprocess.Popen([COMMAND, "export", run.id, "--model", "net"], start_new_session=True)
    outputs = run.folder / "outputs"
    while not list(outputs.glob(".export-*/request.json")):
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (outputs / "net.onnx").exists()
    assert run.export_onnx("net")["verified"]


def test_the_export_is_verified_with_the_given_samples(run: Run, tmp_path: Path, keras_2: Generation) -> None:
    save = "import numpy, sys; numpy.savez(sys.argv[1], **{sys.argv[2]: numpy.ones((2, 4), 'float32')})"
    assert keras_2.run("-c", save, tmp_path / "rows.npz", "x").returncode == 0
    assert keras_2.run("-c", save, tmp_path / "other.npz", "z").returncode == 0
    assert run.export_onnx("net", samples=tmp_path / "rows.npz")["verified"]["inputs"] == "samples"
    with pytest.raises(NotConvertibleError, match="no x; they have z") as caught:
        run.export_onnx("net", name="second", samples=tmp_path / "other.npz")
    assert caught.value.findings[0].code == "not-verifiable"
    assert Model.list() == []


FULL = (
    'mount -t tmpfs -o size=1024k tmpfs "$0" && cp "$1" "$0/net.keras" && head -c "$2" /dev/zero >"$0/other"; shift 2; "$@"; '
    'code=$?; ls -A "$0" >&2; exit $code'
)
ROOM = 48 * 1024
"""Room in addition to our program: enough to begin a conversion, too little for the model as TensorFlow writes it."""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
@pytest.mark.usefixtures("workspace")
def test_a_full_disk_is_not_blamed_on_the_model(source: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    environ = {**os.environ, "SLURMTF_ENVIRONMENTS": str(store().root)}
    words: list[str | Path] = [
        "sh",
        "-c",
        FULL,
        tmp_path / "small",
        source / "net.keras",
        str(1024 * 1024 - (source / "net.keras").stat().st_size - len(build_tool_archive()) - ROOM),
        COMMAND,
        "export",
        tmp_path / "small",
    ]
    done = subprocess.run(
        ["unshare", "--mount", *words], env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert "converting net.keras" in done.stderr
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert done.stderr.split()[-2:] == ["net.keras", "other"]
    assert done.returncode == 2
