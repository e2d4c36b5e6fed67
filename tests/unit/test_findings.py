"""Findings: collected, told with where the user wrote what, and raised once."""

from __future__ import annotations

import pytest

from slurmtf.collecting import Findings
from slurmtf.errors import InputError, SiteError, SpecError
from slurmtf.findings import Finding, build_warning, locate

WRONG = Finding("unknown-launcher", "launcher", "there is no launcher 'x'", "set launcher='srun'")
DOUBTFUL = build_warning("short-time", "10 s")


def refuse(kind: type[InputError], *findings: Finding) -> str:
    raise kind(*findings)


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("launcher", "--launcher"),
        ("sbatch['wrap']", "job.yaml:7: sbatch.wrap"),
        ("sbatch['hint']", "job.yaml:6: sbatch"),
        ("environment_definition.image", "--image"),
        ("srun['ntasks-per-node']", "--srun ntasks-per-node"),
        ("environment_variables['B B']", "--env B B"),
        ("inputs[0]", "--input"),
        ("pip_packages", ""),
        ("train.py:1", ""),
        ("", ""),
    ],
)
def test_a_finding_has_the_source_of_what_it_names_or_of_what_holds_that(where: str, source: str) -> None:
    sources = {"launcher": "--launcher", "sbatch": "job.yaml:6: sbatch", "sbatch['wrap']": "job.yaml:7: sbatch.wrap",
               "environment_definition.image": "--image", "srun": "--srun", "environment_variables": "--env",
               "inputs": "--input"}  # fmt: skip
    assert locate(Finding("code", where, "what"), sources) == Finding("code", where, "what", source=source)


def test_a_source_that_is_known_stays() -> None:
    found = Finding("code", "launcher", "what", source="job.yaml:3: launcher")
    assert locate(found, {"launcher": "--launcher"}) == found


def test_it_says_where_what_and_what_to_do() -> None:
    assert str(WRONG) == f"launcher: {WRONG.what}\n    -> {WRONG.remedy}"
    assert str(locate(WRONG, {"launcher": "--launcher"})).startswith(f"--launcher: {WRONG.what}")
    assert str(DOUBTFUL) == "10 s [short-time]"


def test_it_is_read_as_it_was_written_and_a_later_key_is_left() -> None:
    for finding in (WRONG, DOUBTFUL):
        assert Finding.from_dict({**finding.to_dict(), "new": 1}) == finding


def test_a_step_that_fails_leaves_the_others_to_be_told_with_it() -> None:
    findings = Findings({"launcher": "--launcher"})
    assert findings.attempt(lambda: 1) == 1
    assert findings.attempt(refuse, SpecError, WRONG) is None
    assert findings.attempt(refuse, SpecError, WRONG) is None
    findings.add([DOUBTFUL])
    with pytest.raises(SpecError) as caught:
        findings.raise_errors()
    assert caught.value.findings == (locate(WRONG, {"launcher": "--launcher"}), DOUBTFUL), "each once, warnings too"
    assert findings.warnings == (DOUBTFUL,)


def test_errors_of_several_kinds_are_input_errors() -> None:
    findings = Findings()
    findings.attempt(refuse, SpecError, WRONG)
    findings.attempt(refuse, SiteError, Finding("unknown-site", "compute_target", "there is no site 'x'"))
    with pytest.raises(InputError) as caught:
        findings.raise_errors()
    assert type(caught.value) is InputError


def test_a_warning_is_no_reason_to_raise() -> None:
    findings = Findings()
    findings.add([DOUBTFUL])
    findings.raise_errors()
    assert findings.codes == {"short-time"}
