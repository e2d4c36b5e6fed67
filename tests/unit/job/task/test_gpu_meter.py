"""What the vendors' tools say about GPUs, and when they are asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.samples import Gpu
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.task.gpu_meter import FIRST_S, PATIENCE_S, PAUSE_S, GpuMeter, choose_own, parse_gpus
from tests.patience import until

DUE_S = FIRST_S + 60

NVIDIA = "97, 71234, 81920\n0, 3, 81920\n[N/A], 10, 81920\n"
AMD = (
    "device,GPU use (%),VRAM Total Memory (B),VRAM Total Used Memory (B)\n"
    "card0,55,68702699520,1048576\ncard1,0,68702699520,2097152\n\n"
)


def test_output_of_the_vendors_tools_is_parsed() -> None:
    assert parse_gpus(NVIDIA, "nvidia") == [Gpu(97, 71234, 81920), Gpu(0, 3, 81920), Gpu(0, 10, 81920)]
    assert parse_gpus(AMD, "amd") == [Gpu(55, 1, 65520), Gpu(0, 2, 65520)]
    assert parse_gpus("", "nvidia") == parse_gpus("", "amd") == parse_gpus("No devices were found\n", "nvidia") == []


@pytest.mark.parametrize(
    ("count", "asked", "numbers", "found"),
    [(2, 2, [], [0, 1]), (4, 2, [2, 3], [2, 3]), (4, 2, [], []), (1, 2, [], [0]), (4, 2, [3, 9], [3])],
)
def test_gpus_of_the_job_are_chosen(count: int, asked: int, numbers: list[int], found: list[int]) -> None:
    gpus = [Gpu(float(number)) for number in range(count)]
    assert [int(gpu.busy) for gpu in choose_own(gpus, asked, numbers)] == found


class Tool:
    """A stand-in for nvidia-smi, and a meter that finds it; ``seconds`` count from the meter's start."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, gpus: int = 2) -> None:
        self.path, self.calls = folder / "nvidia-smi", folder / "calls"
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        self._start = time.monotonic()
        plan = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), size=Size(gpus_per_node=gpus))
        self.meter = GpuMeter(plan, {})

    def says(self, text: str) -> None:
        self.path.write_text(f"#!/bin/sh\necho >> {self.calls}\n{text}\n")
        self.path.chmod(0o700)

    def count_calls(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def tick(self, seconds: float) -> None:
        self.meter.tick(self._start + seconds)

    def measure_at(self, seconds: float) -> tuple[Gpu, ...]:
        """Start the tool at this time, and return what it says."""
        calls, found = self.count_calls(), list[Gpu]()
        self.tick(seconds)
        until(lambda: self.count_calls() > calls, "the tool's start")

        def is_read() -> bool:
            self.tick(seconds)
            found.extend(self.meter.take())
            return bool(found)

        until(is_read, "what the tool says")
        return tuple(found)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(tmp_path, monkeypatch)


def test_the_tool_is_called_at_first_and_again_after_the_pause(tool: Tool) -> None:
    tool.says("echo 5, 1, 2")
    tool.tick(0)
    assert tool.measure_at(DUE_S) == (Gpu(5, 1, 2),)
    tool.tick(DUE_S + PAUSE_S["nvidia"] - 1)
    assert tool.measure_at(DUE_S + PAUSE_S["nvidia"]) == (Gpu(5, 1, 2),)
    assert tool.count_calls() == 2
    assert tool.meter.take() == ()


def test_a_tool_that_hangs_is_killed_and_called_again(tool: Tool) -> None:
    tool.says("exec sleep 1000")
    tool.tick(DUE_S)
    until(lambda: tool.count_calls() == 1, "the tool's start")
    tool.says("echo 5, 1, 2")
    tool.tick(DUE_S + PATIENCE_S + 1)
    again = DUE_S + PAUSE_S["nvidia"]

    def is_called_again() -> bool:
        tool.tick(again)
        return tool.count_calls() == 2

    until(is_called_again, "the second call")
    tool.meter.end()


def test_a_meter_that_ends_leaves_no_tool_behind(tool: Tool) -> None:
    pid = tool.path.with_name("pid")
    tool.says(f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000")
    tool.tick(DUE_S)
    until(pid.exists, "the tool's start")
    tool.meter.end()
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_without_the_tool_or_without_gpus_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, needless = Tool(tmp_path, monkeypatch), Tool(tmp_path, monkeypatch, gpus=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing.tick(DUE_S)
    needless.says("echo 5, 1, 2")
    for tool in (missing, needless):
        tool.tick(DUE_S + PAUSE_S["nvidia"])
        assert tool.meter.take() == ()
        tool.meter.end()
    assert needless.count_calls() == 0
