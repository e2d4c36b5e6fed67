"""Data that is copied to the node's local disk, and results that are copied back."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from slurmtf import Input
from tests.patience import until

from .disks import errors, list_inside, read_facts
from .jobs import Job, NewJob

LEAVES = """
import os, sys
place = os.environ["SLURMTF_INPUT_RESULTS"]
assert os.listdir(place) == []
os.mkdir(place + "/deep")
for name in ("a.txt", "deep/b.txt"):
    open(os.path.join(place, name), "w").write("new")
os.symlink("a.txt", place + "/link")
sys.exit(int(sys.argv[1]) if sys.argv[1:] else 0)
"""

LEAVES_MANY = """
import os
for number in range(5000):
    open(os.path.join(os.environ["SLURMTF_INPUT_RESULTS"], str(number)), "w").close()
"""


def test_inputs_are_mounted_copied_and_passed_by_name(job: NewJob, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "a.txt").write_text("content")
    (data / "link").symlink_to("sub")
    script = """
import json, os, sys
facts = {"names": sorted(os.listdir(sys.argv[2])), "text": open(sys.argv[2] + "/link/a.txt").read(), "argv": sys.argv[1:]}
facts["linked"] = os.path.islink(sys.argv[2] + "/link")
facts["one"] = open(os.environ["SLURMTF_INPUT_ONE"]).read()
json.dump(facts, open("outputs/facts.json", "w"))
"""
    inputs = [Input(data, "there"), Input(data / "sub" / "a.txt", "one", "download")]
    params = ["$SLURMTF_INPUT_THERE", Input(data, mode="download"), "${SLURMTF_INPUT_THERE}/sub"]
    one = job(script, inputs=inputs, script_params=params)
    one.change_plan(stage__local=str(disk))
    one.script = json.loads(Path(one.layout.plan).read_text())["batch"]["command"]
    assert one.run() == 0, errors(one)
    facts = read_facts(one)
    assert facts["argv"][0] == str(data)
    assert facts["argv"][1].startswith(str(disk))
    assert facts["argv"][2] == f"{data}/sub"
    assert (facts["names"], facts["text"], facts["linked"], facts["one"]) == (["link", "sub"], "content", False, "content")
    assert one.events("staged")[0]["phases"]["input DATA"]["bytes"] == 14
    assert "input DATA: 14 B in 2 files" in errors(one)
    assert Path(one.layout.work).is_dir(), "without a stage the source lies on the shared file system"
    assert list_inside(disk) == []


def test_missing_data_ends_the_job_before_the_script(job: NewJob, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    one = job("open('outputs/ran', 'w')", inputs=[Input(data, mode="download")])
    one.change_plan(stage__local=str(disk))
    data.rmdir()
    assert one.run() == 1
    assert one.end["cause"] == "staging"
    assert str(data) in one.outcome.tail
    assert not (one.folder / "outputs" / "ran").exists()
    assert list_inside(disk) == []


def test_a_job_ended_while_it_copies_leaves_nothing(job: NewJob, disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with open(data / "big", "wb") as file:
        file.truncate(6 << 30)
    one = job("open('outputs/ran', 'w')", inputs=[Input(data, mode="download")])
    one.change_plan(stage__local=str(disk))
    process = one.start()
    until(lambda: list(disk.glob("slurmtf-*/*/*/inputs/DATA/big")), "a copy that has begun")
    process.terminate()
    one.wait()
    one.await_nobody()
    assert one.end["cause"] == "canceled"
    assert not (one.folder / "outputs" / "ran").exists()
    assert list_inside(disk) == []


@pytest.mark.parametrize("status", [0, 3])
def test_results_of_a_failed_script_are_copied_back_as_well(job: NewJob, disk: Path, tmp_path: Path, status: int) -> None:
    results = tmp_path / "not" / "there" / "yet"
    one = job(LEAVES, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    one.script = [one.python, "train.py", str(status)]
    assert one.run() == status, errors(one)
    assert (results / "a.txt").read_text() == (results / "deep" / "b.txt").read_text() == "new"
    assert (results / "link").readlink() == Path("a.txt")
    (returned,) = one.events("returned")
    assert (returned["beside"], returned["failed"]) == ([], [])
    assert returned["phases"]["input RESULTS"]["files"] == 2
    assert list_inside(disk) == []


def test_results_never_replace_existing_files(job: NewJob, disk: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "deep").mkdir(parents=True)
    (results / "a.txt").write_text("old")
    (results / "deep" / "b.txt").write_text("new")
    one = job(LEAVES, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    assert one.run() == 0, errors(one)
    (returned,) = one.events("returned")
    (beside,) = returned["beside"]
    assert (results / "a.txt").read_text() == "old"
    assert beside.startswith(str(results / "a.txt."))
    assert Path(beside).read_text() == "new"
    assert sorted(path.name for path in (results / "deep").iterdir()) == ["b.txt"], "the same content is as good"
    assert beside in errors(one)


def test_results_that_can_not_be_copied_back_fail_the_run(job: NewJob, disk: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    spoils = f"import os; os.rmdir({str(results)!r}); open({str(results)!r}, 'w').close()"
    one = job(LEAVES.replace("sys.exit", f"{spoils}; sys.exit"), inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk))
    assert one.run() == 1
    assert (one.end["cause"], one.end["exit_code"]) == ("results", 1)
    assert str(results) in str(one.outcome.detail["failed"])
    assert one.result()[0] == "error"


def test_an_output_folder_that_can_not_be_created_fails_before_the_script_starts(job: NewJob, tmp_path: Path) -> None:
    results = tmp_path / "results"
    one = job("open('outputs/ran', 'w')", inputs=[Input(results, "results", "upload")])
    results.write_text("a file where a folder should be")
    assert one.run() == 1
    assert (one.end["cause"], str(results) in one.outcome.detail["error"]) == ("agent", True)
    assert not (one.folder / "outputs" / "ran").exists()


def the_return(job: Job) -> int | None:
    """Return the process that copies results back."""
    for pid in job.processes():
        with suppress(OSError):
            if b"\0return\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def test_a_long_copy_back_is_waited_for(job: NewJob, disk: Path, tmp_path: Path) -> None:
    """The launcher is killed some time after the script's end, but not while results are being copied."""
    results = tmp_path / "results"
    one = job(LEAVES_MANY, inputs=[Input(results, "results", "upload")])
    one.change_plan(stage__local=str(disk), timings__grace=2)  # killed 7 s after the end
    one.start()
    pid = until(lambda: the_return(one), "the copy back")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(9)
    os.kill(pid, signal.SIGCONT)
    assert one.wait() == 0, (one.log(), one.events())
    assert len(list(results.iterdir())) == 5000
    assert list_inside(disk) == []


def test_partly_copied_results_fail_the_run(job: NewJob, disk: Path, tmp_path: Path) -> None:
    one = job(LEAVES_MANY, inputs=[Input(tmp_path / "results", "results", "upload")])
    one.change_plan(stage__local=str(disk))
    one.start()
    os.kill(until(lambda: the_return(one), "the copy back"), signal.SIGSTOP)
    os.kill(one.agent_of_task(), signal.SIGKILL)
    assert one.wait() == 1
    assert one.end["cause"] == "results", one.end
    assert one.outcome.detail["hosts"]
