"""Registrations from several nodes at once, and a shard whose node loses its power."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slurmtf import Model, Run, RunStatus
from slurmtf.environments.tools import SCORING
from slurmtf.serving import Service
from tests.cluster import Cluster
from tests.environments.cache import root
from tests.patience import HANG_S, until
from tests.system.models.support import provide

from .support import COMMAND, Lab, call, wait_until_ended

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

REGISTER = """
import sys
from slurmtf.models import Model
for _ in range(5):
    print(Model.register(sys.argv[1], "digits", workspace=sys.argv[2]).version)
"""
SLOW = """
import os, time
def init():
    global calls
    calls = 0
def run(data):
    global calls
    calls += 1
    while calls > 1 and not os.path.exists(GO):
        time.sleep(0.1)
    return data * 2
"""
ASK = """
import json, sys, urllib.error, urllib.request
from slurmtf import Run
from slurmtf.serving import Service
service = Service(Run(sys.argv[1]))
answers = [service.score([[1.5], [2]])]
try:
    urllib.request.urlopen(f"{service.url}/score", b"{}", timeout=30)
except urllib.error.HTTPError as err:
    answers.append(err.code)
print(json.dumps(answers))
"""
PROFILE = "extends: slurm\nenvironments:\n  job: {no-requeue: true}\n"


def test_concurrent_registrations_from_two_nodes_leave_no_gap_or_clash(lab: Lab) -> None:
    file = lab.folder / "net.h5"
    file.write_bytes(b"model_config")
    words: list[str | Path] = ["srun", "--nodes=2", "--ntasks=4", sys.executable, "-c", REGISTER, file, lab.workspace]
    assert sorted(map(int, call(*words).split())) == list(range(1, 21))
    assert [one.version for one in Model.list("digits", workspace=lab.workspace)] == list(range(1, 21))
    assert not list((lab.workspace / ".slurmtf/models/digits").glob(".staging-*"))


def test_a_shard_on_a_lost_node_is_scored_by_the_same_command_or_the_next(
    lab: Lab, slurm: Cluster, pytestconfig: pytest.Config
) -> None:
    provide(SCORING, pytestconfig)
    (lab.folder / "net.onnx").write_bytes(b"the script needs none")
    go = lab.folder / "go"
    (lab.folder / "slow.py").write_text(f"GO = {str(go)!r}\n{SLOW}")
    (lab.folder / "lab.yaml").write_text(PROFILE)
    np.save(lab.folder / "rows.npy", np.arange(100.0))
    command: list[str | Path] = [
        COMMAND,
        "score",
        "net.onnx",
        "-i",
        "rows.npy",
        "--script",
        "slow.py",
        "-o",
        "out",
        "--shards",
        "2",
    ]
    command += ["--batch", "5", "--site", "./lab.yaml", "--cpus-per-task", "2"]
    environ = {**os.environ, "SLURMTF_WORKSPACE": str(lab.workspace), "SLURMTF_ENVIRONMENTS": str(root() / "environments")}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        shards = lab.folder / "out/shards"
        until(lambda: len(list(shards.glob("*.at"))) == 2, "both shards under way")
        lines = call("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%K %N %Z").splitlines()
        nodes = dict(line.split()[:2] for line in lines if str(lab.folder) in line)
        slurm.start_node(nodes["1"])  # the node reboots, as after a power cut
        go.touch()
        _, errors = process.communicate(timeout=HANG_S)
    assert process.returncode == 1, errors
    done = sorted(path.name for path in shards.glob("*.json"))
    assert done == ["00000.json"] * (nodes["0"] != nodes["1"])
    assert re.search(r"shards? (0, )?1: .*\(NODE_FAIL", errors), errors
    assert not Path("out/scores.npz").exists()
    go.unlink()
    (shards / "00001.at").unlink()
    logs, known = {*Path("out").glob("score-*.log")}, Path("out/jobs.json").read_text()
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, text=True) as process:
        until(
            lambda: (shards / "00001.at").exists() and Path("out/jobs.json").read_text() != known, "the shard under way again"
        )
        process.kill()
    started = {*Path("out").glob("score-*.log")} - logs
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = next(line for line in process.stderr if "job" in line)
        go.touch()
        _, rest = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, rest
    (number,) = {path.stem.split("-")[1].split("_")[0] for path in started}
    assert f"job {number}," in line
    assert {*Path("out").glob("score-*.log")} == logs | started
    with np.load("out/scores.npz") as held:
        assert held["score"].tolist() == [2.0 * row for row in range(100)]


def test_a_model_is_served_by_a_node_until_it_is_canceled(lab: Lab, pytestconfig: pytest.Config) -> None:
    provide(SCORING, pytestconfig)
    (lab.folder / "net.onnx").write_bytes(b"the script needs none")
    (lab.folder / "doubles.py").write_text("def init(): pass\ndef run(data): return data * 2\n")
    words = ["serve", "net.onnx", "--script", "doubles.py", "--site", "slurm", "--time", "5"]
    found = lab.data(*words, env={"SLURMTF_ENVIRONMENTS": str(root() / "environments")})
    service = Service(Run.find(found["run"], lab.workspace))
    try:
        assert service.run.state.nodes.startswith("node")
        answers = call("srun", sys.executable, "-c", ASK, service.run.folder)  # a notebook on another node
        assert json.loads(answers) == [{"score": [[3.0], [4.0]]}, 401]
        host, port = service.address
        assert found["ssh"].startswith(f"ssh -N -L 8000:{host}:{port} ")
    finally:
        lab.slurmtf("cancel", service.run.id)
    (state,) = wait_until_ended(service.run)
    assert state.status is RunStatus.CANCELED
