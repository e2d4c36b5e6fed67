"""All findings about a submission are reported at once, in the user's own terms; and each half is prepared once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click import UsageError
from click.testing import CliRunner

from slurmtf import Experiment
from slurmtf.cli import failing, output
from slurmtf.cli.commands.plan import command
from slurmtf.errors import InputError
from slurmtf.experiments import preparation
from slurmtf.experiments.preparation import prepare
from tests.unit.support import tensorflow

SCRIPT = "import nothere\n"
JOB = """\
entry_script: bad.py
compute_target: lonestar6
launcher: nosuch
custom_docker_image: /no.sif
inputs:
  - {name: d, path: /nonexistent}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "bad.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "source" / "job.yaml").write_text(JOB, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "source")
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "source"


def findings(*arguments: str) -> dict[str, str]:
    """Return the code of each finding of ``slurmtf plan`` with its location."""
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError), done.output
    return {finding.code: finding.source or finding.where for finding in done.exception.findings}


def test_all_wrong_flags_are_reported_at_once_by_name(project: Path) -> None:
    flags = ("-s", "lonestar6", "--input", "d=/nonexistent", "--launcher", "nosuch", "--image", "/no.sif")
    assert project.is_dir()
    found = findings("bad.py", *flags)
    assert found == {
        "missing-input": "--input",
        "unknown-launcher": "--launcher",
        "image-missing": "--image",
        "missing-import": "bad.py:1",
        "required-flag": "--time",
    }


def test_all_errors_of_a_job_file_are_reported_at_once_by_line(project: Path) -> None:
    found = findings("job.yaml", "--time", "10", "--partition", "gpu-a100")
    assert {code: Path(where.split(": ")[0]).name for code, where in found.items()} == {
        "missing-input": "job.yaml:5",
        "unknown-launcher": "job.yaml:3",
        "image-missing": "job.yaml:4",
        "missing-import": "bad.py:1",
    }
    assert project.is_dir()


MANY = """\
entry_script: nothere.py
node_count: two
memory: 12XB
sbatch: {arr: 1, mem: 3}
inputs: [{nam: d, path: /nonexistent}]
gpus_per_node: -1
launcher: nosuch
"""


def test_values_of_the_wrong_type_hide_no_other_findings(project: Path) -> None:
    """Findings of pydantic, of the estimator and of the plan used to come in three rounds."""
    (project / "job.yaml").write_text(MANY, encoding="utf-8")
    found = findings("job.yaml", "-s", "lonestar6", "--time", "soon")
    assert {code: Path(where.split(": ")[0]).name for code, where in found.items()} == {
        "bad-value": "job.yaml:2",
        "unknown-key": "job.yaml:5",
        "script-missing": "job.yaml:1",
        "bad-memory": "job.yaml:3",
        "out-of-range": "job.yaml:6",
        "short-flag": "job.yaml:4",
        "said-twice": "job.yaml:4",
        "unknown-launcher": "job.yaml:7",
        "required-flag": "--partition",
        "bad-time": "--time",
    }


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ("lancher: x\nlauncher: nosuch\npartition: gpu-a100\ntime: 10\n", {"unknown-launcher"}),
        ("partiton: gpu-a100\nlauncher: nosuch\ntime: 10\n", {"unknown-launcher"}),  # and no required-flag
        ("pip_pakages: [x]\npartition: gpu-a100\ntime: 10\n", set()),  # and no missing-import
        ("lancher: x\nmemory: 12XB\ninputs: [{name: d, path: /nonexistent}]\n", {"bad-memory", "missing-input"}),
    ],
)
def test_an_unknown_key_hides_no_findings_about_the_other_keys(project: Path, lines: str, codes: set[str]) -> None:
    """Missing keys are not reported with it: the unknown key may be a misspelled one."""
    (project / "job.yaml").write_text(f"entry_script: bad.py\ncompute_target: lonestar6\n{lines}", encoding="utf-8")
    assert set(findings("job.yaml")) == {"unknown-key", *codes}


def test_a_flag_that_overrides_a_line_is_reported_as_the_flag(project: Path) -> None:
    assert findings("job.yaml", "--launcher", "srun")["forbidden-launcher"] == "--launcher"
    assert project.is_dir()


def test_findings_for_python_name_its_keywords(project: Path) -> None:
    estimator = tensorflow(project, entry_script="bad.py", compute_target="lonestar6", launcher="nosuch", time=10)
    with pytest.raises(InputError) as caught:
        Experiment("x").plan(estimator)
    found = {finding.code: (finding.where, finding.source) for finding in caught.value.findings}
    assert found["unknown-launcher"] == ("launcher", "")
    assert found["required-flag"] == ("partition", "")
    assert "missing-import" in found


def test_an_undetermined_workspace_hides_no_other_findings(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRATCH")
    found = findings("bad.py", "-s", "lonestar6", "--launcher", "nosuch", "--image", "/no.sif")
    assert {"variable-unset", "unknown-launcher", "image-missing", "required-flag"} <= set(found)
    assert project.is_dir()


def test_a_malformed_command_line_is_reported_together_with_the_site(project: Path) -> None:
    found = findings("bad.py", "-s", "nosuch", "--time", "soon", "--env", "X", "--input", "y", "-x", "a b")
    assert found == {
        "unknown-site": "--site",
        "bad-time": "--time",
        "bad-pair": "--env",
        "bad-input": "--input",
        "bad-experiment-name": "--experiment",
    }
    assert project.is_dir()


def test_an_unknown_site_hides_no_findings_about_the_source(project: Path) -> None:
    (project / ".slurmtfignore").write_text("bad.py\n", encoding="utf-8")
    assert set(findings("bad.py", "-s", "nosuch", "--input", "d=/nonexistent")) == {
        "unknown-site", "script-left-out", "missing-input",
    }  # fmt: skip


def test_json_output_contains_the_codes(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output._Mode, "json", True)
    done = CliRunner().invoke(command, ["bad.py", "-s", "nosuch"])
    assert isinstance(done.exception, InputError)
    assert failing.fail(done.exception) == 2
    (finding,) = json.loads(capsys.readouterr().out)["error"]["findings"]
    assert (finding["code"], finding["severity"], finding["source"]) == ("unknown-site", "error", "--site")
    assert project.is_dir()


@pytest.mark.parametrize(
    ("words", "explained"), [(["bad.py", "--lr", "0.1"], True), (["--lr"], True), (["bad.py", "-N", "x"], False)]
)
def test_an_option_of_the_script_before_the_separator_is_explained(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], explained: bool
) -> None:
    monkeypatch.setattr(output._Mode, "json", True)
    with pytest.raises(UsageError) as caught:
        command.main(words, standalone_mode=False)
    assert failing.report(caught.value) == 2
    (finding,) = json.loads(capsys.readouterr().out)["error"]["findings"]
    assert (finding["code"], "'--'" in finding["remedy"]) == ("usage", explained)
    assert project.is_dir()


# --- each half once


def test_another_run_of_the_same_source_reuses_its_prepared_half(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = tensorflow(source, compute_target="local", silence=["missing-import"])
    first = prepare(estimator, "x", tmp_path)

    def again(*_: Any) -> None:
        raise AssertionError("the source is looked at again")

    for name in ("examine", "collect", "ask_git", "SnapshotStore"):
        monkeypatch.setattr(preparation, name, again)
    second = prepare(tensorflow(source, compute_target="local", node_count=1), "x", tmp_path, source=first.source)
    assert second.plan.provenance.snapshot == first.plan.provenance.snapshot
    assert second.source is first.source
