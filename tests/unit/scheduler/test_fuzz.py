"""Slurm's texts as nobody expects them: read without an exception, and each line for itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slurmtf.scheduler import JobRef, JobState
from slurmtf.scheduler.slurm.commands import parse_max_array_size, parse_name, parse_sacct, parse_sbatch, parse_squeue
from slurmtf.scheduler.slurm.refusal import refusal

NUMBERS = st.one_of(st.integers(-5, 10**12).map(str), st.text("0123456789\u00b2\u0661", max_size=30), st.just("9" * 5000))
NAMES = st.text("0123456789_[]%-,:+ \u00b2", max_size=25)
CELLS = st.one_of(NUMBERS, NAMES, st.text(max_size=20), st.sampled_from(["N/A", "None", "Unknown", "CANCELLED by 0", "0:9"]))
TEXTS = st.lists(st.lists(CELLS, max_size=9).map("|".join), max_size=4).map("\n".join)
GOOD_QUEUE, GOOD_SACCT = "77|RUNNING|1|1|2|n1|None|/a", "77|FAILED|3:0|1|1|2|n1|/a"


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_a_bad_line_spoils_no_other(text: str) -> None:
    assert JobRef(None, "77") in {one.ref for one in parse_squeue(f"{text}\n{GOOD_QUEUE}\n")}
    assert JobRef(None, "77") in {one.ref for one in parse_sacct(f"{text}\n{GOOD_SACCT}\n")}
    assert all(isinstance(one.state, JobState) for one in [*parse_squeue(text), *parse_sacct(text)])


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.text(), TEXTS))
def test_what_sbatch_and_scontrol_say(text: str) -> None:
    ref = parse_sbatch(text)
    assert ref is None or ref.job_id.isascii()
    assert parse_max_array_size(text) >= 1
    assert refusal(text, text, text).findings[0].what


@settings(deadline=None, max_examples=400)
@given(st.one_of(NAMES, st.text()))
def test_names(text: str) -> None:
    assert all(ref.element is None or ref.element >= 0 for ref in parse_name(text))


@settings(deadline=None)
@given(st.sets(st.integers(0, 4000), min_size=1, max_size=40), st.integers(1, 9))
def test_the_elements_of_an_array(elements: set[int], at_once: int) -> None:
    text = f"33_[{','.join(map(str, sorted(elements)))}%{at_once}]"
    assert [ref.element for ref in parse_name(text)] == sorted(elements)
