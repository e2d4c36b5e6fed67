"""Logs for which no rule was written: their class. Long lines."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Explanation, Log
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.raised import LONGEST, normalize_text
from slurmtf.job.contract.attempt.outcome import Cause, Outcome

from .unforeseen import SAMPLES


def explained(name: str) -> Explanation:
    _, text, exit_code, signal = SAMPLES[name]
    outcome = Outcome(Cause.SCRIPT, "rank-0", "n1", exit_code=exit_code, signal=signal)
    return explain(outcome, logs=[Log("logs/rank-0.err", "rank-0", f"2026-11-01 INFO epoch 3\n{text}")])


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_person_would_say(name: str) -> None:
    found = explained(name)
    assert found.kind is SAMPLES[name][0], found
    assert "{" not in found.remedy


BARS = [f"\r {n}/5000 [loss 0.3]" for n in range(5000)]
WORDS = ["error: the file is not there "] * 5000


@pytest.mark.parametrize(
    "parts", [BARS, WORDS, ["x" * 50_000], ["x\n", "y" * 2000, "\n"]], ids=["bars", "words", "one", "short"]
)
def test_a_long_line_is_read_in_pieces(parts: list[str]) -> None:
    """A pattern that begins anywhere in a line and reads to its end takes minutes in one of 400 KB, e.g. a progress bar."""
    text = "".join(parts)
    pieces = normalize_text(text).split("\n")
    assert max(map(len, pieces)) <= LONGEST
    assert "".join(pieces) == text.replace("\n", "")
    whole = {word for part in parts for word in part.split()}
    assert whole == {word for piece in pieces for word in piece.split()} or len(parts) == 1


@pytest.mark.parametrize("before", ["".join(BARS), "".join(WORDS)], ids=["bars", "words"])
def test_an_error_in_a_long_line_is_found(before: str) -> None:
    log = Log(
        "logs/rank-0.err",
        "rank-0",
        f"{before} terminate called after throwing an instance of 'std::bad_alloc' {before[-5000:]}",
    )
    assert explain(Outcome(Cause.SCRIPT, "rank-0", exit_code=1), logs=[log]).kind is Kind.HOST_MEMORY
