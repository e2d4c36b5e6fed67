"""Each rule matches a text as its library or program writes it; its words are in every text that its pattern matches."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.rules import RULES, Rule
from slurmtf.estimator import TensorFlow
from slurmtf.spelling import parse_values
from tests.unit.diagnosis.test_dying import FAILED, one_log
from tests.unit.diagnosis.unforeseen import SAMPLES as UNFORESEEN

from .texts import SAMPLES

KNOWN = {rule.id: rule for rule in RULES}


@pytest.mark.parametrize(("rule", "text"), SAMPLES)
def test_each_rule_matches_its_text(rule: str, text: str) -> None:
    found = explain(FAILED, logs=one_log(text))
    assert (found.rule, found.kind) == (rule, KNOWN[rule].kind)
    assert found.remedy
    assert "{" not in found.remedy.replace("{0}", "?")
    assert found.evidence[0].text in text


def test_each_rule_has_a_text() -> None:
    texts = [text for _, text, *_ in UNFORESEEN.values()]
    assert {rule for rule, _ in SAMPLES} | {explain(FAILED, logs=one_log(text)).rule for text in texts} == {"", *KNOWN}


def test_texts_matched_by_a_rule_contain_one_of_its_words() -> None:
    for rule, text in SAMPLES:
        assert any(word in text for word in KNOWN[rule].words), rule
        assert re.search(KNOWN[rule].pattern, text), rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_match_of_a_pattern_contains_one_of_the_rules_words(rule: Rule) -> None:
    @settings(max_examples=15, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(re.compile(rule.pattern, re.ASCII), fullmatch=True))
    def check(text: str) -> None:
        assert any(word in text for word in rule.words), text

    check()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_pattern_takes_quadratic_time_on_a_long_line(rule: Rule) -> None:
    r"""One that may begin anywhere and then reads to the end would: '\S+ is gone' in a line of 400 KB without a space."""
    assert not re.search(r"(?:^|\|)(?:\((?:\?:)?)*\\[Swd][+*]", rule.pattern)


def test_the_rules_recommend_only_existing_settings() -> None:
    recommended = {name for rule in RULES for name, _, _ in parse_values(rule.remedy)}
    assert recommended <= set(inspect.signature(TensorFlow).parameters)
    assert {"launcher", "environment_variables", "sbatch"} <= recommended
