"""Which run a name means; and one bad folder hides no other."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slurmtf.cli.app import app
from slurmtf.errors import RunNotFoundError, SlurmtfError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.workspaces.workspace import check_experiment, find_run, generate_run_id, infer_experiment, list_runs
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit.record import note
from tests.patience import HANG_S

NOBODY = 65534


def run_in(workspace: Path, name: str, job: str = "") -> Path:
    folder = workspace / "lab" / name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    if job:
        note(RunLayout(str(folder)), SubmittedJob(JobRef(None, job), "slurm", str(folder), 1.0))
    return folder


def runs_in(workspace: Path) -> list[Path]:
    names = ("lab-20260101-120000-aaaaaa", "lab-20260101-130000-bbbbbb")
    return [run_in(workspace, name, job) for name, job in zip(names, ("12", "13"), strict=True)]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return runs_in(tmp_path)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder that other users can reach: pytest closes the parent of its own whenever another session begins."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_names_and_numbers_and_last_mean_runs(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the current directory contains under that name."""
    here = tmp_path / "elsewhere" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    for name in ("last", "12", runs[0].name, "aaaaaa"):  # none of them in a series of the workspace
        (here / name).mkdir()
        (here / name / "plan.json").write_text("{}")
    assert find_run("last", [tmp_path]) == runs[1]
    for name in ("12", runs[0].name, "aaaaaa"):
        assert find_run(name, [tmp_path]) == runs[0]


def test_a_name_that_looks_like_an_option_is_no_run(runs: list[Path], tmp_path: Path) -> None:
    odd = run_in(tmp_path, "--all")
    assert list_runs([tmp_path]).folders == runs[::-1]
    for name in ("--all", str(odd)):
        with pytest.raises(RunNotFoundError):
            find_run(name, [tmp_path])


def test_ids_of_the_same_second_sort_in_the_order_of_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1_764_415_527 + number / 20 for number in range(30)]
    given = []
    for now in moments:
        monkeypatch.setattr("time.time", lambda now=now: now)
        given.append(generate_run_id("lab"))
    assert given == sorted(given)


@pytest.mark.parametrize("name", ["./mine", "{here}/mine", "../here/mine/", "~/mine"])
def test_a_name_with_a_slash_is_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    (here / "mine" / "plan.json").write_text("{}")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    assert find_run(name.format(here=here), [tmp_path]) == here / "mine"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("./nothing", "not-a-run"),
        ("/", "not-a-run"),
        ("14", "unknown-run"),
        ("²", "unknown-run"),
        ("9" * 5000, "unknown-run"),
        ("lab", "unknown-run"),
    ],
)
def test_names_that_mean_no_run_are_refused(runs: list[Path], name: str, code: str, tmp_path: Path) -> None:
    assert runs
    with pytest.raises(RunNotFoundError) as caught:
        find_run(name, [tmp_path])
    assert [finding.code for finding in caught.value.findings] == [code]


def test_other_files_and_folders_are_not_listed(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "lab" / "notes").mkdir()
    (tmp_path / "lab" / ".removed-x").mkdir()
    (tmp_path / "lab" / "plan").mkdir()
    (tmp_path / "lab" / "plan" / "plan.json").mkdir()
    found = list_runs([tmp_path, tmp_path / "nowhere", tmp_path / "file"])
    assert (found.folders, found.unreadable) == ([runs[1], runs[0]], [])


AS_NOBODY = """\
import difflib, encodings.ascii, importlib, json, os, pkgutil, sys
from slurmtf import cli, experiments, runs, scheduler
from slurmtf.cli.app import main
for package in cli, experiments, runs, scheduler:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
sys.argv = ["slurmtf", *sys.argv[1:], "--json"]
main()
"""


def as_nobody(home: Path, *argv: str | Path) -> dict[str, Any]:
    """Return the output of a command for a user who may not read everything."""
    code = AS_NOBODY.format(nobody=NOBODY)
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    argv = (sys.executable, "-c", code, *argv)
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_unreadable_folders_are_named_and_the_others_listed(home: Path) -> None:
    runs = runs_in(home)
    (runs[0] / "journal").mkdir()
    for path in home.rglob("*"):
        path.chmod(0o755)
    closed, series, journal = (
        run_in(home, "lab-20260101-140000-cccccc"),
        home / "other",
        runs[0] / "journal" / "12.0.jsonl",
    )
    series.mkdir()
    journal.write_text("")
    try:
        for path in (closed, series, journal):
            path.chmod(0)
        found = as_nobody(home, "ls", "-w", home)
        assert [run["id"] for run in found["data"]] == [runs[1].name, runs[0].name]
        assert sorted(one["where"] for one in found["warnings"]) == sorted(map(str, (closed, series)))
        assert found["data"][1]["unreadable"] == ["journal/12.0.jsonl"]
        (finding,) = as_nobody(home, "status", closed)["error"]["findings"]
        assert (finding["code"], finding["where"]) == ("not-a-run", str(closed))
        status = as_nobody(home, "status", runs[0])
        assert status["data"]["id"] == runs[0].name
    finally:
        for path in (closed, series, journal):
            path.chmod(0o755)


DAMAGES = {
    "plan.json": ["", "[1]", "[" * 100_000, '{"run": 3}'],
    "jobs.jsonl": ["[1]\\n", "{}\\n", "[" * 100_000, '{"ref": []}'],
    "receipt.json": ["", "[1]", "[" * 100_000, '{"tags": [1]}'],
    "ended.json": ["", "[1]", "[" * 100_000, '{"status": []}'],
    "journal/12.0.jsonl": ["", "[1]\\n", "[" * 100_000, '{"event": []}\\n{"event": "started", "job_id": []}\\n'],
    "cancel-requested": ["\xff\xfe", "x" * 10_000],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in DAMAGES.items() for text in texts])
def test_one_damaged_file_does_not_affect_other_runs(
    runs: list[Path], name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("PATH", "/nowhere")  # no Slurm
    bad = runs[0] / name
    bad.parent.mkdir(exist_ok=True)
    bad.write_text(text, encoding="latin-1")
    listed = CliRunner().invoke(app, ["ls", "-w", str(tmp_path), "--tag", "a"])
    assert (listed.exit_code, listed.exception) == (0, None)
    listed = CliRunner().invoke(app, ["ls", "-w", str(tmp_path)])
    assert (listed.exit_code, listed.exception) == (0, None)
    assert runs[0].name in listed.output
    assert runs[1].name in listed.output
    for run in runs:
        for flags in ([], ["--json"]):
            shown = CliRunner().invoke(app, ["status", run.name, "-w", str(tmp_path), *flags], standalone_mode=False)
            assert shown.exception is None or isinstance(shown.exception, SlurmtfError), shown.exception
            assert shown.exception is None or name == "jobs.jsonl"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("train.py", "train"),
        ("/home/ada/digits/job.yaml", "digits"),
        ("/home/ada/digits/sweep.yaml", "digits"),
        ("/home/ada/my exp. 1/job.yaml", "my-exp-1"),
        ("/home/ada/digits/large.yaml", "large"),
        ("/job.yaml", "job"),
        ("/home/ada/_/job.yaml", "job"),
        ("/home/ada/größe.py", "gr-e"),
        ("...", "run"),
        ("/home/ada/" + 50 * "x" + ".py", 36 * "x"),
    ],
)
def test_name_of_the_experiment_of_a_file(file: str, name: str) -> None:
    assert check_experiment(infer_experiment(file)) == name


def test_name_of_the_experiment_of_a_file_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet/conf").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "resnet/conf")
    assert (infer_experiment("../job.yaml"), infer_experiment("job.yaml")) == ("resnet", "conf")
