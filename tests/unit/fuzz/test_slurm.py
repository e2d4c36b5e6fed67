"""Whatever squeue and sacct print, there is a list of what is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from slurmtf.scheduler.base import JobRef, JobState, Observation
from slurmtf.scheduler.slurm.commands import parse_max_array_size, parse_name, parse_sacct, parse_sbatch, parse_squeue
from slurmtf.scheduler.slurm.refusal import describe_refusal

from .bounded import fuzzed, mutated

SQUEUE = [
    "33|RUNNING|1760000000|1760000001|1760003600|n[1-4]|None|/scratch/ada/runs/x\n",
    "33_[1,5-7%2]|PENDING|1760000000|N/A|N/A||Priority|/scratch/ada/runs/x\n34_4|CANCELLED by 0|1|2|3|n1|None|/x\n",
    "76+1|COMPLETED|1|2|3|n1|None|/x|y\n",
]
SACCT = [
    "33|COMPLETED|0:0|1760000000|1760000001|1760003600|n1|/scratch/ada/runs/x\n",
    "33_[0-8:4]|PENDING|0:0|1760000000|Unknown|Unknown|None assigned|/x\n34_4|CANCELLED by 0|0:15|1|2|3|n1|/x\n",
]
WORDS = [
    "|",
    "²",
    "9" * 5000,
    "-1",
    "_",
    "_[",
    "]",
    "%",
    ":",
    "0-999999999",
    "[0-9]",
    "\n",
    "\x00",
    "\x1b[0m",
    "N/A",
    "٣",
    "\x85",
]


def sane(found: list[Observation]) -> None:
    for one in found:
        assert isinstance(one.state, JobState)
        assert one.ref.element is None or 0 <= one.ref.element < 10**9
        assert all(time is None or 0 < time < 10**18 for time in (one.start, one.end, one.submitted))
        assert one.exit_code is None or one.exit_code < 10**18


@fuzzed(mutated(SQUEUE, WORDS) | st.text())
def test_squeue(text: str) -> None:
    sane(parse_squeue(text))
    assert JobRef(None, "77") in {one.ref for one in parse_squeue(f"{text}\n77|RUNNING|1|1|2|n1|None|/a\n")}, (
        "no line spoils another"
    )


@fuzzed(mutated(SACCT, WORDS) | st.text())
def test_sacct(text: str) -> None:
    sane(parse_sacct(text))
    assert JobRef(None, "77") in {one.ref for one in parse_sacct(f"{text}\n77|FAILED|3:0|1|1|2|n1|/a\n")}, (
        "no line spoils another"
    )


@fuzzed(mutated(["33\n", "33;cluster\n", "MaxArraySize = 1001\n"], WORDS))
def test_sbatch_and_scontrol(text: str) -> None:
    assert parse_max_array_size(text) >= 0
    submitted = parse_sbatch(text)
    assert submitted is None or submitted.job_id.isascii()
    assert describe_refusal(text, text, text).findings[0].what


@fuzzed(mutated(["33_[1,5-7%2]", "33_4", "76+1"], WORDS) | st.text())
def test_names(text: str) -> None:
    assert all(ref.element is None or ref.element >= 0 for ref in parse_name(text))


@fuzzed(st.tuples(st.sets(st.integers(0, 4000), min_size=1, max_size=40), st.integers(1, 9)))
def test_the_elements_of_an_array(array: tuple[set[int], int]) -> None:
    text = f"33_[{','.join(map(str, sorted(array[0])))}%{array[1]}]"
    assert [ref.element for ref in parse_name(text)] == sorted(array[0])


@pytest.mark.parametrize("parse", [parse_squeue, parse_sacct])
def test_a_range_without_end_is_a_name(parse: Callable[[str], list[Observation]]) -> None:
    """Not 10^9 elements, which no memory holds."""
    [one] = parse("33_[0-999999999]|PENDING|1|2|3|n1|None|/x")
    assert (one.ref.job_id, one.ref.element) == ("33_[0-999999999]", None)
