"""Logs for which no rule was written: what they died of, and that no rule is kept from its text by its words."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Explanation, Log
from slurmtf.diagnosis.rules import RULES, Rule
from slurmtf.job.contract.outcome import Cause, Outcome

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


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_in_all_that_a_pattern_matches_stands_one_of_its_words(rule: Rule) -> None:
    @settings(max_examples=15, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(re.compile(rule.pattern, re.ASCII), fullmatch=True))
    def check(text: str) -> None:
        assert any(word in text for word in rule.words), text

    check()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_pattern_reads_a_long_line_once_for_each_of_its_characters(rule: Rule) -> None:
    r"""One that may begin anywhere in what it then reads to the end: '\S+ is gone' in a line of 400 KB without a space."""
    assert not re.search(r"(?:^|\|)(?:\((?:\?:)?)*\\S[+*]", rule.pattern)
