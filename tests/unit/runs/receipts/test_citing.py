"""A run described in text, and the BibTeX entries for what it used."""

from __future__ import annotations

import re

import pytest

from slurmtf.runs.receipts.citing import check_citable, cite, format_nccl_version
from slurmtf.runs.states.state import RunState, RunStatus
from tests.unit.runs.receipts.accounts import PLAN, RECEIPT, account

METHODS = (
    "The model was trained with TensorFlow 2.15.1 \\cite{tensorflow}, Keras 2.15.0 \\cite{keras} and Horovod 0.28.1 "
    "\\cite{horovod} as data-parallel training over MPI ranks, in 4 processes on 2 nodes. It used 2 NVIDIA A100 GPUs per node, "
    "driver 535.54, 8 CPUs per process, CUDA 12.2, cuDNN 8, NCCL 2.18.5, Open MPI v4.1.4. The training took 1.5 hours. "
    "Jobs were scheduled by Slurm 22.05.8 \\cite{slurm} and launched by slurmtf \\cite{slurmtf}. "
    "The code is that of git commit c0ffeec0ffee."
)


def keys(entries: tuple[str, ...]) -> list[str]:
    return [entry.partition("{")[2].partition(",")[0] for entry in entries]


def test_all_known_facts_are_cited() -> None:
    found = cite(account())
    assert found.methods == METHODS
    assert keys(found.bibtex) == ["tensorflow", "keras", "horovod", "slurm", "slurmtf"]


def test_every_entry_is_closed_and_cited() -> None:
    found = cite(account())
    for entry, key in zip(found.bibtex, keys(found.bibtex), strict=True):
        assert entry.count("{") == entry.count("}")
        assert f"\\cite{{{key}}}" in found.methods


def test_a_run_with_few_known_facts_claims_nothing() -> None:
    found = cite(account(plan={}, receipt={}, state=RunState(RunStatus.RUNNING)))
    assert re.findall(r"\d|\\cite\{\w+\}", found.methods) == ["\\cite{slurmtf}"]
    assert keys(found.bibtex) == ["slurmtf"]


@pytest.mark.parametrize(
    ("state", "findings"),
    [
        (RunState(RunStatus.COMPLETED, started=1.0), []),
        (RunState(RunStatus.RUNNING, started=1.0), [("not-completed", "warning")]),
        (RunState(RunStatus.FAILED, started=1.0), [("not-completed", "warning")]),
        (RunState(RunStatus.CANCELED), [("not-trained", "error")]),
    ],
)
def test_citing_an_incomplete_run_is_warned_of(state: RunState, findings: list[tuple[str, str]]) -> None:
    assert [(one.code, one.severity) for one in check_citable(account(state=state))] == findings


def test_installed_packages_count_if_loaded_ones_are_unknown() -> None:
    found = cite(account(receipt={"lock": ["scikit-learn==1.4.0", "numpy==1.26.4", "https://x/y.tar.bz2"]}))
    assert "scikit-learn 1.4.0 \\cite{sklearn}" in found.methods
    assert keys(found.bibtex) == ["sklearn", "slurmtf"]


def test_packages_that_were_not_loaded_are_not_cited() -> None:
    found = cite(account(receipt={"lock": ["keras==3.15.0"], "loaded": {"python": "3.11.7", "packages": {}}}))
    assert "with Keras" not in found.methods
    assert keys(found.bibtex) == ["slurmtf"]


def test_uncommitted_changes_are_mentioned() -> None:
    git = {**RECEIPT["source"]["git"], "dirty": True}
    found = cite(account(receipt={**RECEIPT, "source": {"snapshot": "ab" * 16, "git": git}}))
    assert found.methods.endswith("The code is that of snapshot abababababab (git commit c0ffeec0ffee, with changes).")


def test_the_distribution_of_one_process_is_not_mentioned() -> None:
    found = cite(account(plan={**PLAN, "resources": {"nodes": 1, "tasks": 1}}))
    assert "ranks" not in found.methods
    assert "processes" not in found.methods


@pytest.mark.parametrize(("number", "version"), [(21805, "2.18.5"), (2708, "2.7.8"), (20304, "2.3.4"), (2804, "2.8.4")])
def test_version_of_nccl_is_decoded(number: int, version: str) -> None:
    assert format_nccl_version(number) == version
