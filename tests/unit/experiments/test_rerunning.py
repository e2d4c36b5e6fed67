"""The settings of a rerun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf import Run
from slurmtf.errors import InputError, SpecError
from slurmtf.experiments.rerunning import apply_changes, collect_settings, parse_change, replace_arguments, rerun
from slurmtf.job.contract.sweep.records import SweepLayout
from tests.unit.support import tells

ARGUMENTS = [
    (None, {"--lr": "1"}, {"--lr": "1"}),
    ({"--lr": 0.1, "-v": ""}, {"--lr": "0.2"}, {"--lr": "0.2", "-v": ""}),
    (["--lr", "0.1", "data"], {"--lr": "0.2"}, ["--lr", "0.2", "data"]),
    (["--lr=0.1", "data"], {"--lr": "0.2"}, ["--lr=0.2", "data"]),
    (["--shift", "-3", "x"], {"--shift": "-.5"}, ["--shift", "-.5", "x"]),
    (["--fast", "--lr", "0.1"], {"--fast": "2"}, ["--fast", "2", "--lr", "0.1"]),
    (["--lr"], {"--lr": "1"}, ["--lr", "1"]),
    (["x"], {"--lr": "1"}, ["x", "--lr", "1"]),
]


@pytest.mark.parametrize(("params", "changes", "found"), ARGUMENTS)
def test_arguments(params: Any, changes: dict[str, str], found: Any) -> None:
    assert replace_arguments(params, changes) == found


BATCH: dict[str, Any] = {"container": None, "shell": {"modules": []}, "python": "python3"}


@pytest.mark.parametrize(
    ("after", "sbatch", "found"),
    [
        (["a-1"], {"dependency": "afterok:23", "kill-on-invalid-dep": "yes", "nice": 5}, {"nice": 5}),
        (["a-1"], None, {}),
        ([], {"dependency": "singleton"}, {"dependency": "singleton"}),
    ],
)
def test_a_rerun_of_a_follower_does_not_wait_for_ended_jobs(
    after: list[str], sbatch: dict[str, Any] | None, found: dict[str, Any]
) -> None:
    settings = {} if sbatch is None else {"sbatch": sbatch}
    provenance = {"estimator": settings, "environment_spec": None, "after": after}
    assert collect_settings({"site": "lab", "provenance": provenance, "batch": BATCH})["sbatch"] == found


CHANGES = [
    ("time=2:00:00", ("time", "2:00:00")),
    ("node_count=2", ("node_count", 2)),
    ("use_gpu=true", ("use_gpu", True)),
    ("memory=16G", ("memory", "16G")),
    ("sbatch={hint: nomultithread}", ("sbatch", {"hint": "nomultithread"})),
    ("pip_packages=[a, b]", ("pip_packages", ["a", "b"])),
    ("--lr=007", ("--lr", "007")),
    ("--name=a=b", ("--name", "a=b")),
    ("job_name=", ("job_name", None)),
    ("framework_version=2.10", ("framework_version", "2.10")),
    ("account=00123", ("account", "00123")),
    ("script_params={--version: 2.10, --on: true}", ("script_params", {"--version": "2.10", "--on": "true"})),
    ("environment_variables={EXP_ID: 0042}", ("environment_variables", {"EXP_ID": "0042"})),
    ("job_name=[a", ("job_name", "[a")),
    ("job_name=a\nsbatch: {wrap: x}", ("job_name", "a\nsbatch: {wrap: x}")),
]


@pytest.mark.parametrize(("text", "found"), CHANGES)
def test_changes_are_parsed(text: str, found: tuple[str, Any]) -> None:
    assert parse_change(text) == found


def test_a_sweep_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    settings = Path(SweepLayout(str(tmp_path / "sweep-1")).settings)
    settings.parent.mkdir(parents=True)
    settings.write_text("{}")
    (tmp_path / "sweep-1/plan.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        rerun(Run(tmp_path / "sweep-1"), {}, print)
    (finding,) = caught.value.findings
    assert finding.code == "is-a-sweep"
    assert tells(finding, "slurmtf sweep resume sweep-1")


@pytest.mark.parametrize("text", ["time", "=3", ""])
def test_malformed_changes_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_change(text)


def test_settings_are_changed(source: Path) -> None:
    recorded = {"estimator": "TensorFlow", "source_directory": "/gone", "entry_script": "train.py", "time": 10,
                "script_params": {"--version": "2.10"}}  # fmt: skip
    estimator = apply_changes(recorded, {"time": 20, "--lr": "0.1"}, source)
    assert (estimator.time, estimator.source_directory) == (20, str(source))
    assert estimator.script_params == {"--version": "2.10", "--lr": "0.1"}


def test_an_unknown_setting_is_refused_with_a_suggestion(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        apply_changes({"estimator": "TensorFlow", "entry_script": "train.py"}, {"tme": 20}, source)
    assert [(finding.code, "time" in finding.remedy) for finding in caught.value.findings] == [("unknown-key", True)]
