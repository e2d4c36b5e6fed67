"""Exports and scoring jobs that are killed in each phase or find a full disk; and what the next one finds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_S

np = pytest.importorskip("numpy")

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")

EXPORT = """
import json, os, sys
from pathlib import Path
from slurmtf.models import exporting

class Toolbox:
    def __init__(self, *given): self.tell = print
    def provide_python(self, name): return sys.executable
    def find_earlier(self, folder): return []
    def wait_for_earlier(self, folder):
        print("waited")
        self.convert(folder / exporting.REQUEST)
    def run(self, python, words, folder, name):
        (folder / exporting.JOBS).write_text("{}")
        phase("submitted")
        self.convert(Path(words[1]))
    def convert(self, path):
        print("converted")
        request = json.loads(path.read_text())
        output = Path(request["output"])
        output.write_bytes(b"half")
        phase("convert")
        output.write_bytes(b"onnx of " + Path(request["model"]).read_bytes())
        known = dict.fromkeys(("route", "opset", "inputs", "outputs", "verified", "weights_bytes", "versions", "seconds"))
        exporting.write_json(f"{path}.result.json", {"ok": True, **known})

def phase(name):
    if name == sys.argv[2]:
        os._exit(137)

own_json, own_replace = exporting.write_json, Path.replace
def write_json(path, data):
    own_json(path, data)
    if str(path).endswith(exporting.RECORD):
        phase("recorded")
def replace(self, target):
    phase("replace") if str(target).endswith(".onnx") else None
    return own_replace(self, target)
exporting.Toolbox, exporting.write_json, Path.replace = Toolbox, write_json, replace
exporting.export(sys.argv[1], workspace=sys.argv[3], site="local")
"""

SCORE = """
import json, os, sys
import numpy as np
from pathlib import Path
from slurmtf.models import scoring
from slurmtf.models.tool import scoring as tool
from slurmtf.models.tool.batches import Scorer
from slurmtf.models.tool.drawing import Spec

DOUBLES = Scorer(lambda inputs: {"y": inputs["x"] * 2}, {"x": Spec((None,), "float64")})

class Toolbox:
    def __init__(self, *given): pass
    def provide_python(self, name, more=()): return sys.executable
    def wait_for_earlier(self, folder): pass
    def run(self, python, words, folder, name):
        phase("before " + words[0])
        getattr(tool, words[0])(words[1])
        phase("after " + words[0])
    def run_each(self, python, words, folder, name, elements, asked, tick):
        plan, shards = (json.loads(Path(path).read_text()) for path in words[1:])
        for number, shard in enumerate(shards):
            tool._score(plan, shard, DOUBLES)
            phase(f"shard {number}")
        return [scoring.ElementEnd(folder / "tool.log")] * elements

def phase(name):
    if name == sys.argv[3]:
        os._exit(137)

own = tool.Results.finish
def finish(self):
    phase("scored")
    own(self)
    phase("written")
tool.Results.finish = finish
scoring.Toolbox = Toolbox
found = scoring.score(sys.argv[1], [sys.argv[2]], output="scores", shards=3, batch=10, site="local")
with np.load(found["scores"]) as held:
    print(json.dumps([held["row"].tolist(), held["y"].tolist()]))
"""


def called(program: str, folder: Path, *words: str | Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", program, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def exported(folder: Path, phase: str) -> int:
    return called(EXPORT, folder, "net.h5", phase, folder / "workspace").returncode


def test_only_the_same_export_waits_for_the_job_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"model_config 1")
    printed = []
    for phase, change in (("submitted", b""), ("", b""), ("", b""), ("submitted", b""), ("", b" and more")):
        with (tmp_path / "net.h5").open("ab") as file:
            file.write(change)
        done = called(EXPORT, tmp_path, "net.h5", phase, tmp_path / "workspace")
        printed.append([line for line in done.stdout.splitlines() if not line.startswith("converting")])
    assert printed == [[], ["waited", "converted"], ["converted"], [], ["converted"]]
    assert (tmp_path / "net.onnx").read_bytes() == b"onnx of model_config 1 and more"


def known(folder: Path) -> Any:
    from slurmtf.models.exporting import read_record

    return read_record(folder / "net.onnx").get("sha256")


def test_a_model_changed_during_its_conversion_gives_no_file(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"model_config 1")
    program = EXPORT.replace('phase("convert")', 'Path(request["model"]).write_bytes(b"model_config 2")')
    done = called(program, tmp_path, "net.h5", "", tmp_path / "workspace")
    assert done.returncode == 1
    assert "net.h5" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["net.h5"]


@pytest.mark.parametrize("phase", ["convert", "recorded", "replace"])
def test_a_killed_export_leaves_the_old_file_or_none(tmp_path: Path, phase: str) -> None:
    model, file = tmp_path / "net.h5", tmp_path / "net.onnx"
    model.write_bytes(b"model_config 1")
    assert exported(tmp_path, phase) == 137
    assert not file.exists()
    assert exported(tmp_path, "") == 0
    assert file.read_bytes() == b"onnx of model_config 1"
    assert known(tmp_path)
    model.write_bytes(b"model_config 2")
    assert exported(tmp_path, phase) == 137
    assert file.read_bytes() == b"onnx of model_config 1"
    assert exported(tmp_path, "") == 0
    assert file.read_bytes() == b"onnx of model_config 2"
    assert known(tmp_path)


PHASES = ("before count", "after count", "scored", "written", "shard 0", "shard 1", "before merge", "after merge")


@pytest.mark.parametrize("phase", PHASES)
def test_a_killed_scoring_continues_where_it_stopped(tmp_path: Path, phase: str) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    np.save(tmp_path / "rows.npy", np.arange(95.0))
    assert called(SCORE, tmp_path, "net.onnx", "rows.npy", phase).returncode == 137
    assert (tmp_path / "scores/scores.npz").exists() == (phase == "after merge")
    again = called(SCORE, tmp_path, "net.onnx", "rows.npy", "")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1]) == [list(range(95)), [2.0 * row for row in range(95)]]


def test_scores_of_other_content_with_the_same_names_and_sizes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    np.save(tmp_path / "rows.npy", np.arange(95.0))
    assert called(SCORE, tmp_path, "net.onnx", "rows.npy", "shard 0").returncode == 137
    (tmp_path / "net.onnx").write_bytes(b"ONNX")
    np.save(tmp_path / "rows.npy", np.arange(95.0) + 1)
    again = called(SCORE, tmp_path, "net.onnx", "rows.npy", "")
    assert again.returncode == 1
    assert "what the model's files hold, what the input files hold" in again.stderr


def test_a_model_changed_before_its_job_starts_is_not_used(tmp_path: Path) -> None:
    from slurmtf.models.tool import scoring

    (tmp_path / "shards").mkdir()
    model = tmp_path / "net.onnx"
    model.write_bytes(b"other")
    known = hashlib.sha256(b"onnx").hexdigest()
    plan = {"folder": str(tmp_path), "hashes": {str(model): known}, "script": None, "engine": "onnx"}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (tmp_path / "todo.json").write_text("[0, 1]")
    assert scoring.score(str(tmp_path / "plan.json"), [str(tmp_path / "todo.json")]) == 1
    failures = [json.loads((tmp_path / f"shards/{shard:05d}.failed").read_text()) for shard in (0, 1)]
    assert {one["why"].partition(":")[0] for one in failures} == {"ModelChangedError"}


@ROOT_ONLY
def test_a_full_disk_ends_a_scoring_without_a_partial_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    np.save(tmp_path / "rows.npy", np.arange(100_000.0))
    (tmp_path / "small").mkdir()
    shell = 'mount -t tmpfs -o size=300k tmpfs "$0" && cd "$0" && "$@"; code=$?; find . -name "*.npz*"; exit $code'
    before = ("unshare", "--mount", "sh", "-c", shell, str(tmp_path / "small"))
    done = called(SCORE, tmp_path, tmp_path / "net.onnx", tmp_path / "rows.npy", "", before=before)
    assert done.returncode == 1
    assert "ScoringFailedError" in done.stderr
    assert "No space left on device" in done.stderr
    assert ".npz" not in done.stdout


@ROOT_ONLY
def test_a_full_disk_ends_an_export(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    shell = (
        'mount -t tmpfs -o size=64k tmpfs "$0" && cd "$0" && { printf model_config; head -c 40000 /dev/zero; } >net.h5 && "$@"'
    )
    before = ("unshare", "--mount", "sh", "-c", shell + "; code=$?; ls -A; exit $code", str(tmp_path / "small"))
    done = called(EXPORT, tmp_path, "net.h5", "", tmp_path / "workspace", before=before)
    assert done.returncode == 1
    assert "WorkspaceError" in done.stderr
    assert "free some space, or use another folder" in done.stderr
    assert done.stdout.split()[-1:] == ["net.h5"]
