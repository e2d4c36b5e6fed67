"""examples/onnx-scoring on this machine, from training to a served model, with the commands of docs/models.md."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slurmtf import Model, Run
from slurmtf.environments.tools import NEWEST, SCORING
from tests.patience import HANG_S
from tests.unit.cli.documents import documented

from .support import COMMAND, provide, store

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[3]
TRAINED = re.compile(r"digits-\d{8}-\d{6}-[0-9a-f]{6}")
"""The run ids that the page shows."""
ELSEWHERE = ("--site slurm", "-s slurm", "--cpus-per-task 4")
OURS = ("export", "models", "score", "serve")
SHOWN = tuple(words for name, words in documented() if name == "models.md" and words.split()[0] in OURS)
SCRIPT = """
import os
import onnxruntime
def init():
    global session
    session = onnxruntime.InferenceSession(os.environ["SLURMTF_MODEL"])
def run(data):
    if isinstance(data, list):
        data = [row[""] for row in data]
    import numpy
    return session.run(None, {"image": numpy.asarray(data, "float32").reshape(-1, 8, 8, 1)})[0].argmax(axis=1)
"""


def slurmtf(*words: str | Path) -> Any:
    done = subprocess.run([COMMAND, *words, "--json"], capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, (words, done.stderr, done.stdout)
    return json.loads(done.stdout)["data"]


@pytest.fixture
def trained(
    tf_newest: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Run:
    for name in (NEWEST, SCORING):
        provide(name, pytestconfig)
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(store().root))
    monkeypatch.chdir(tmp_path)
    source = shutil.copytree(ROOT / "examples/onnx-scoring", tmp_path / "onnx-scoring")
    slurmtf("submit", source / "job.yaml", "--python", tf_newest, "--site", "local")
    run = Run.find("last")
    run.wait_for_completion()
    return run


def lay_out(run: Run, folder: Path) -> None:
    """Create the files that the page's commands name."""
    outputs = Path(run.layout.outputs)
    for name in ("outputs", "data", "images"):
        (folder / name).mkdir()
    shutil.copy(outputs / "digits.keras", folder / "outputs/model.keras")
    shutil.copy(outputs / "unseen-0.npz", folder / "data")
    with np.load(outputs / "unseen-0.npz") as held:
        rows = held["image"][:20]
    np.savez(folder / "rows.npz", image=rows)
    lines = [",".join(f"p{number}" for number in range(64)), *(",".join(map(str, row.ravel())) for row in rows)]
    for name in ("data/more.csv", "more.csv"):
        (folder / name).write_text("\n".join(lines) + "\n")
    (folder / "score.py").write_text(SCRIPT)
    (folder / "images/one.png").write_bytes(png(rows[0, :, :, 0]))


def png(grey: Any) -> bytes:
    """Return a gray image (PNG specification, 5.2 and 11.2)."""
    height, width = grey.shape
    lines = b"".join(b"\0" + bytes(int(255 * value) for value in line) for line in grey)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    found = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        found += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return found


def test_the_commands_of_the_page_run_from_training_to_serving(trained: Run, tmp_path: Path) -> None:
    lay_out(trained, tmp_path)
    removed = [words for words in SHOWN if words.startswith("models rm")]
    for shown in [*(words for words in SHOWN if words not in removed), *removed]:
        words = TRAINED.sub(trained.id, shown).replace("best.keras", "digits.keras")
        for flag in ELSEWHERE:
            words = words.replace(flag, "")
        if "model.ckpt.meta" in words:
            continue  # covered by the matrix (test_keras_2.py, test_keras_3.py)
        found = slurmtf(*shlex.split(words, comments=True))
        if shown.startswith("export last"):
            shutil.copy(found["file"], tmp_path / "outputs/digits.onnx")
            slurmtf("models", "register", "digits", trained.id)  # the page shows "export last" twice
        if shown.startswith("serve"):
            slurmtf("cancel", found["run"])
    check_accuracy(trained)
    assert [one.version for one in Model.list("digits")] == [2, 3]


def check_accuracy(run: Run) -> None:
    """Check that the registered model's scores are as accurate as the training reported."""
    found = slurmtf("score", "digits", "-i", run.folder / "outputs/unseen-*.npz", "--shards", "4", "--output", "all")
    with np.load(found["scores"]) as held:
        (name,) = set(held.files) - {"row"}
        digits = held[name].argmax(axis=1)
    accuracy = json.loads((run.folder / "outputs/result.json").read_text())["accuracy"]
    assert (digits == np.load(run.folder / "outputs/answers.npy")).mean() == pytest.approx(accuracy, abs=0.005)
