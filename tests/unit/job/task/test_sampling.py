"""What a node's sampler reads from /proc, from cgroups and from the vendors' tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.samples import Gpu, Sample, read
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.task.sampling import (
    Process,
    Sampler,
    count_bytes,
    find_memory_file,
    list_processes,
    parse_held,
    select_descendants,
)

V2 = "0::/system.slice/slurmstepd.scope/job_33/step_0/user/task_0\n"
V1 = "9:memory:/slurm/uid_1000/job_33/step_0/task_0\n4:cpu,cpuacct:/slurm/uid_1000/job_33/step_0\n1:name=systemd:/\n"


@pytest.mark.parametrize(
    ("text", "job", "path"),
    [
        (V2, "33", "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_33/memory.stat"),
        (V1, "33", "/sys/fs/cgroup/memory/slurm/uid_1000/job_33/memory.stat"),
        (V2, "34", ""),
        ("0::/user.slice/user-1000.slice\n", "33", ""),
        ("", "", ""),
    ],
)
def test_file_that_counts_the_jobs_memory(text: str, job: str, path: str) -> None:
    assert find_memory_file(text, job) == path


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("anon 1000\nfile 99999\nkernel 5\nshmem 24\n", 1024),
        ("cache 99\nrss 1\ntotal_cache 5\ntotal_rss 700\ntotal_shmem 300\n", 1000),
        ("anon\nshmem x\n", 0),
        ("", 0),
    ],
)
def test_cached_files_do_not_count_as_memory(text: str, size: int) -> None:
    assert count_bytes(text) == size


def test_processes_of_all_tasks_of_the_node_are_found() -> None:
    known = [Process(pid, parent, 1.0) for pid, parent in ((1, 0), (5, 1), (6, 5), (7, 5), (8, 7), (9, 1))]
    assert {process.pid for process in select_descendants(known, 5, 6)} == {6, 7, 8}
    assert {process.pid for process in select_descendants(known, 1, 7)} == {7, 8}
    assert select_descendants([], 5, 6) == []


def test_this_process_is_sampled() -> None:
    own = next(process for process in list_processes() if process.pid == os.getpid())
    assert own.parent == os.getppid()
    assert own.cpu_s > 0


STATUS = """Name:\tpython VmHWM: 5 kB
VmPeak:\t 9000000 kB
VmHWM:\t 3175864 kB
VmRSS:\t   30000 kB
RssAnon:\t   20000 kB
RssFile:\t    9000 kB
RssShmem:\t    1000 kB
"""


@pytest.mark.parametrize(
    ("status", "size"),
    [
        (STATUS, 3165864 << 10),
        ("VmHWM:\t 100 kB\n", 100 << 10),
        ("VmHWM:\t 100 kB\nRssFile:\t 120 kB\n", 0),
        ("Name:\tkthreadd\n", 0),
        ("", 0),
    ],
)
def test_peak_memory_of_a_process(status: str, size: int) -> None:
    assert parse_held(status).own == size


def test_memory_held_between_two_samples_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmtf.job.task.sampling.measure_ended_children", lambda: 0)
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)))
    words = "import sys; len(bytearray(1 << 20) * 300); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    with child:
        child.stdout.readline()
        Sampler(plan, RunLayout(str(tmp_path)), {}).end()
    (path,) = (tmp_path / "samples").iterdir()
    assert [sample.memory >= 300 << 20 for sample in read(str(path))] == [True]


def test_samples_are_read_as_they_were_written(tmp_path: Path) -> None:
    samples = [Sample(10.0, 1.0, 2.5, 1024, (Gpu(50.0, 1.0, 2.0),)), Sample(20.0, 1.0, 5.0, 2048)]
    path = tmp_path / "12.node1.jsonl"
    path.write_bytes(b"".join(sample.to_line() for sample in samples) + b'[1]\n{"time": 1}\nnonsense\n{"time": 3')
    assert list(read(str(path))) == samples
    assert list(read(str(tmp_path / "absent"))) == []


def test_a_run_folder_that_was_removed_does_not_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)))
    sampler = Sampler(plan, RunLayout(str(folder)), {})
    sampler.end()
    assert [path.name for path in folder.iterdir()] == ["samples"]
    shutil.rmtree(folder)
    sampler.end()
    assert not folder.exists()
