"""The same estimator on this machine and on Slurm, and the resources that the script sees."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from slurmtf import Run, RunStatus

from .support import Lab, log, read_files, wait_until_ended

pytestmark = pytest.mark.slurm

PROBE = """
import json, os, pathlib, sys
import helper
here = pathlib.Path.cwd()
seen = {
    "argv": sys.argv,
    "folder": here.name,
    "entries": sorted(str(path) for path in pathlib.Path().rglob("*") if "__pycache__" not in str(path)),
    "links": {name: os.readlink(name) for name in ("outputs", "logs")},
    "path": [str(pathlib.Path(sys.path[0]) == here), os.environ["PYTHONPATH"].split(":")[1] == str(here)],
    "variables": {name: os.environ.get(name) for name in (
        "GREETING", "SLURMTF_EXPERIMENT", "SLURMTF_ROLE", "SLURMTF_INDEX", "SLURMTF_RANK", "SLURMTF_WORLD_SIZE")},
    "stdin": sys.stdin.read(),
}
pathlib.Path("outputs/seen.json").write_text(json.dumps(seen))
pathlib.Path("outputs/models").mkdir()
pathlib.Path("outputs/models/weights.bin").write_bytes(bytes(range(256)))
print("to the log:", helper.WORD)
print("to the error log", file=sys.stderr)
sys.exit(int(sys.argv[-1]))
"""

VISIBLE = 'import os; print(os.environ.get("CUDA_VISIBLE_DEVICES"))'

STEP = """
import os, subprocess
name = "{SLURM_JOB_ID}.{SLURM_STEP_ID}".format(**os.environ)
print(os.environ["SLURM_CPUS_PER_TASK"])
print(subprocess.run(["scontrol", "show", "step", name], capture_output=True, text=True, check=True).stdout)
"""


def probe(lab: Lab, target: str, code: int) -> Run:
    source = lab.source(PROBE)
    (source / "helper.py").write_text("WORD = 'found'")
    (source / "data").mkdir()
    (source / "data/table.csv").write_text("1,2\n")
    params: dict[str, Any] = {"--batch-size": 50, "--names": ["a", "b c"], "--flag": "", "--code": code}
    variables = {"GREETING": "hi there"}
    return lab.submit_source(source, compute_target=target, script_params=params, environment_variables=variables)


def named(run: Run) -> list[str]:
    """Return the names of the run's files, without the job ids in the names of journals and samples and the node names in those
    of samples."""
    names = (re.sub(r"^journal/\d+", "journal/N", name) for name in run.get_file_names())
    return [re.sub(r"^samples/\d+\.\w+", "samples/N.node", name) for name in names]


def test_an_estimator_runs_the_same_here_and_on_slurm(lab: Lab) -> None:
    local, slurm, local_failure, slurm_failure = (probe(lab, target, code) for code in (0, 3) for target in ("local", "slurm"))
    states = wait_until_ended(local, slurm, local_failure, slurm_failure)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 2 + [RunStatus.FAILED] * 2
    assert [state.exit_status for state in states] == [0, 0, 3, 3]
    assert states[2].outcome == states[3].outcome
    assert states[2].outcome
    assert states[2].outcome.tail == "to the error log"
    for one, other in ((local, slurm), (local_failure, slurm_failure)):
        assert read_files(one.folder / "outputs") == read_files(other.folder / "outputs")
        assert named(one) == named(other)
        assert one.tasks == other.tasks
        assert {"logs/job.log", "logs/main-0.err", "logs/main-0.out"} < {*one.get_file_names()}
        assert one.job.stdout() == other.job.stdout() == "to the log: found\n"
        assert one.job.stderr() == other.job.stderr() == "to the error log\n"


def test_the_script_sees_the_requested_resources(lab: Lab) -> None:
    run = probe(lab, "slurm", 0)
    wait_until_ended(run)
    seen = json.loads((run.folder / "outputs/seen.json").read_text())
    assert seen["argv"][1:] == ["--batch-size", "50", "--names", "a", "b c", "--flag", "--code", "0"]
    assert seen["folder"] == "work"
    assert seen["entries"] == ["data", "data/table.csv", "helper.py", "logs", "outputs", "train.py"]
    assert seen["links"] == {"outputs": "../outputs", "logs": "../logs"}
    assert seen["path"] == ["True", True]
    assert seen["variables"]["GREETING"] == "hi there"
    assert seen["stdin"] == ""
    assert read_files(run.folder / "outputs")["models/weights.bin"] == bytes(range(256))


def test_gpus(lab: Lab) -> None:
    wishes: list[dict[str, Any]] = [
        {},
        {"use_gpu": True},
        {"gpus_per_node": 2},
        {"use_gpu": True, "gpus_per_node": 2, "gpu_type": "v100"},
        {"use_gpu": True, "compute_target": "local"},
        {"gpus_per_node": 2, "compute_target": "local"},
        {"compute_target": "local"},
    ]
    runs = [lab.submit(VISIBLE, **wish) for wish in wishes]
    states = wait_until_ended(*runs)
    assert all(state.status is RunStatus.COMPLETED for state in states)
    visible = [log(run).strip() for run in runs]
    none, one, two, typed, local_one, local_two, local_none = visible
    assert (none, local_one, local_two, local_none) == ("None", "0", "0,1", "")
    assert one in ("0", "1", "2", "3")
    assert len(set(two.split(","))) == 2
    assert typed == "0,1"
    assert states[3].nodes == "node3"


@pytest.mark.parametrize("where", ["lab", "lab24"])
def test_requested_cpus_reach_the_step(where: str, request: pytest.FixtureRequest) -> None:
    lab: Lab = request.getfixturevalue(where)
    run = lab.submit(STEP, cpus_per_task=3)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, log(run, "main-0.err")
    assert log(run).startswith("3\n")
    assert "CPUs=3 " in log(run)
