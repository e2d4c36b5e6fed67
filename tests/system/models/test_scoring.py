"""Scoring with a real model on this machine: the same scores for any number of shards, with every runtime, after any kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slurmtf import Model
from slurmtf.environments.tools import SCORING
from slurmtf.models import score
from slurmtf.models.registry import ModelChangedError
from slurmtf.models.scoring import ScoringFailedError
from tests.patience import HANG_S

from .support import COMMAND, PACKAGE, store

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("here")]

SCRIPT = """
import os
import numpy as np
def init():
    global session
    import onnxruntime
    session = onnxruntime.InferenceSession(os.environ["SLURMTF_MODEL"])
def run(data):
    (name,) = (one.name for one in session.get_inputs())
    return session.run(None, {name: data.astype("float32")})[0].argmax(axis=1)
"""


def scores(found: dict[str, Any]) -> dict[str, Any]:
    with np.load(found["scores"]) as held:
        return {name: held[name] for name in held.files}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_scores_are_the_same_for_any_number_of_shards_and_either_runtime(saved: Path) -> None:
    inputs = [str(saved / "part-*.npz")]
    first, *others = (scores(score(saved / "mlp.onnx", inputs, output=f"s{shards}", shards=shards)) for shards in (1, 2, 5))
    assert first["row"].tolist() == list(range(351))
    assert all(same(first, other) for other in others)
    (name,) = first.keys() - {"row"}
    by_tensorflow = scores(score(saved / "mlp.keras", inputs, output="tensorflow", shards=2))
    (own,) = by_tensorflow.keys() - {"row"}
    assert np.abs(first[name] - by_tensorflow[own]).max() < 1e-5


def test_as_many_shards_run_as_fit_and_the_script_has_its_own_package(saved: Path) -> None:
    Path("own.py").write_text("import six\n" + SCRIPT.replace("session\n", "session\n    print('pid', os.getpid())\n", 1))
    inputs = [str(saved / "part-*.npz")]
    with pytest.raises(ScoringFailedError) as caught:
        score(saved / "mlp.onnx", inputs, output="without", script="own.py", shards=3, cpus=1)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("bad-script", f"{Path('own.py').resolve()}:1")
    assert finding.what == "ModuleNotFoundError: No module named 'six'"
    found = score(saved / "mlp.onnx", inputs, output="script", script="own.py", shards=3, cpus=1, packages=[PACKAGE])
    assert found["shards"] == 3
    lines = Path("script/tool.log").read_text().splitlines()
    assert len({line for line in lines if line.startswith("pid ")}) == min(3, len(os.sched_getaffinity(0)))
    own, model = scores(found), scores(score(saved / "mlp.onnx", inputs, output="model"))
    (name,) = model.keys() - {"row"}
    assert own["row"].tolist() == list(range(351))
    assert np.array_equal(own["score"], model[name].argmax(axis=1))


def test_tables_and_arrays_give_the_same_scores(saved: Path) -> None:
    with np.load(saved / "part-0.npz") as held:
        rows = held["x"]
    Path("rows.csv").write_text("a,b,c,d\n" + "\n".join(",".join(map(repr, map(float, row))) for row in rows))
    write = "from pyarrow import csv, parquet; parquet.write_table(csv.read_csv('rows.csv'), 'rows.parquet')"
    name = next(name for name in store().list_names() if store().record(name)["spec"]["label"] == SCORING)
    python = store().folder(name) / "bin/python"
    subprocess.run([python, "-c", write], check=True, timeout=HANG_S)
    of_arrays, of_csv, of_parquet = (
        scores(score(saved / "mlp.onnx", [str(file)], output=f"t{number}"))
        for number, file in enumerate((saved / "part-0.npz", "rows.csv", "rows.parquet"))
    )
    assert same(of_arrays, of_csv)
    assert same(of_arrays, of_parquet)


HELD = """
import os, time
def batches():
    try:
        open(FIRST, "x").close()
    except FileExistsError:
        return 0
    return 6
left = batches()
def wait():
    global left
    left -= 1
    while left < 0 and not os.path.exists(GO):
        time.sleep(0.05)
"""
"""One process of the scoring gets six batches, enough for a shard of five or six; all others, and then it, wait for ``GO``."""


def test_a_killed_scoring_continues_where_it_was(saved: Path, tmp_path: Path) -> None:
    places = f"FIRST, GO = {str(tmp_path / 'first')!r}, {str(tmp_path / 'go')!r}"
    Path("slow.py").write_text(places + HELD + SCRIPT.replace("def run(data):", "def run(data):\n    wait()"))
    command: list[str | Path] = [
        COMMAND,
        "score",
        saved / "mlp.onnx",
        "-i",
        saved / "part-*.npz",
        "-o",
        "out",
        "--script",
        "slow.py",
    ]
    command += ["--shards", "4", "--batch", "16"]
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None and not list(Path("out/shards").glob("*.json")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in Path("out/shards").glob("*.json")}
    assert len(done) == 1
    assert not Path("out/scores.npz").exists()
    Path("go").touch()
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=HANG_S, check=True)
    found = json.loads(again.stdout)["data"]
    assert (found["rows"], found["shards"]) == (351, 4)
    assert {name: (Path("out/shards") / name).stat().st_mtime_ns for name in done} == done
    whole = score(saved / "mlp.onnx", [str(saved / "part-*.npz")], output="whole", script="slow.py", batch=16)
    assert same(scores(found), scores(whole))


def test_a_bad_row_is_named_and_may_be_skipped(saved: Path) -> None:
    Path("rows.csv").write_text("a,b,c,d\n1,2,3,4\n1,2,x,4\n5,6,7,8\n")
    with pytest.raises(ScoringFailedError, match=r"rows.csv, row 1: .*x") as caught:
        score(saved / "mlp.onnx", ["rows.csv"], output="out")
    assert caught.value.findings[0].code == "bad-row"
    found = score(saved / "mlp.onnx", ["rows.csv"], output="rejecting", rejects=True)
    assert (found["rows"], found["rejected"], scores(found)["row"].tolist()) == (3, 1, [0, 2])


def test_a_changed_model_is_not_used_for_scoring(saved: Path) -> None:
    shutil.copy(saved / "mlp.onnx", "net.onnx")
    model = Model.register("net.onnx", "net")
    assert score("net:1", [str(saved / "part-1.npz")], output="out")["rows"] == 1
    model.path.write_bytes(b"something else")
    with pytest.raises(ModelChangedError):
        score("net:1", [str(saved / "part-1.npz")], output="again")
