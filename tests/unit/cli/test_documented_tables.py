"""Tables in documents agree with the code: statuses, causes, exit codes, blocks, filters, parameters, commands."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from slurmtf.cli.app import COMMANDS, EXIT_CODES
from slurmtf.cli.flags import FLAG_OF, OPTIONS
from slurmtf.estimator import TensorFlow
from slurmtf.estimator.document import list_parameters
from slurmtf.estimator.flags import PARAMETER_OF
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.plan.rendering import FILTERS
from slurmtf.runs import RunStatus
from slurmtf.sites.search import find_data
from tests.unit.cli.documents import DOCUMENTS, ROOT, table

DRIFTS = {"custom_docker_base_image", "conda_dependencies_file_path", "pip_requirements_file_path"}
"""Older names, which have a paragraph of their own."""


def blocks() -> set[str]:
    found = set()
    for name in ("base.sh.j2", "slurm.sh.j2", "local.sh.j2"):
        found |= set(re.findall(r"block (\w+)", (find_data("templates") / name).read_text(encoding="utf-8")))
    return found


def test_all_statuses_are_in_the_table() -> None:
    assert set(table("docs/running.md", "status")) == {status.value for status in RunStatus}


def test_all_causes_are_in_the_table() -> None:
    assert set(table("docs/running.md", "cause")) == {cause.value for cause in Cause}


def test_all_blocks_are_in_the_table() -> None:
    assert set(table("docs/templates.md", "block")) == blocks()


def test_all_filters_are_in_the_table() -> None:
    assert {name.partition("(")[0] for name in table("docs/templates.md", "filter")} == set(FILTERS)


def test_all_parameters_are_in_the_table_with_their_options() -> None:
    text = (ROOT / "docs/estimator.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert documented >= {*list_parameters()} - DRIFTS
    assert documented <= {f.name for f in fields(TensorFlow)}
    assert [option.flags for option in OPTIONS if not any(flag in text for flag in option.flags)] == []


def test_an_option_that_sbatch_also_has_has_the_same_name() -> None:
    assert {flag: FLAG_OF[name] for flag, name in PARAMETER_OF.items()} == {flag: f"--{flag}" for flag in PARAMETER_OF}
    assert {*PARAMETER_OF.values()} <= {*list_parameters()}


def test_all_exit_codes_are_in_the_table() -> None:
    text = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    assert [code for code in EXIT_CODES if not re.search(rf"^\| {code} \|", text, re.MULTILINE)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_documented_somewhere(command: str) -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert re.search(rf"slurmtf {command}\b", text)


def test_the_tests_named_in_documents_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+(?:/\w+)+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for path, test in named:
        assert f"def {test}" in (ROOT / "tests" / path).read_text(encoding="utf-8"), (path, test)
