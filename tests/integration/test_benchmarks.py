"""The benchmarks still run: each in a size that takes a moment. What they measure is of no interest here."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import environments, metrics, scale, snapshot, sweeps, throughput, versions, why
from slurmtf.diagnosis.evidence import explain_run
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.records import SweepLayout
from slurmtf.runs.status import read_states
from tests.patience import HANG_S

ROOT = Path(__file__).parents[2]


def test_commands_of_the_start_benchmark_run() -> None:
    command = [sys.executable, "-m", "benchmarks.start", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "slurmtf plan" in done.stdout


def test_both_versions_can_be_measured(tmp_path: Path) -> None:
    one, other = (versions.Version(ROOT, tmp_path / name) for name in ("one", "other"))
    ((before, now),) = versions.measure_pairs(one, other, versions.Version.measure_first_line, 1)
    assert before > 0 < now
    assert one.measure_plan() > 0


def test_every_trial_is_claimed_once(tmp_path: Path) -> None:
    sweeps.create_sweep(tmp_path, 4)
    assert len(sweeps.claim_trials(str(tmp_path), "e0", 4)) == 4
    assert len(sweeps.claim_trials(str(tmp_path), "e1", 4)) == 0


def test_an_element_asks_for_each_trial_and_once_more(tmp_path: Path) -> None:
    sweeps.create_sweep(tmp_path, 3)
    assert len(sweeps.run_element(str(tmp_path), "e0", 3)) == 4


def test_a_bayesian_sweep_has_trials_that_ended(tmp_path: Path) -> None:
    ledger = sweeps.create_bayesian_sweep(tmp_path, ended=3, asks=2)
    assert ledger.list_done() == {0, 1, 2}
    assert Path(SweepLayout(str(tmp_path)).ask).is_file()


@pytest.mark.parametrize(("error", "kind"), [(why.KNOWN, Kind.SCRIPT), (why.FOREIGN, Kind.UNKNOWN)])
def test_one_error_is_known_to_why_and_the_other_is_not(error: str, kind: Kind, tmp_path: Path) -> None:
    run = tmp_path / "lab" / "lab-20261101-120000-000001"
    why.write_failed_run(run, 2, 4800, why.ERROR.format(error), why.PROGRESS)
    (state,) = read_states([run])
    found = explain_run(RunLayout(str(run)), state)
    assert (found.kind, found.task) == (kind, "rank-0")


def test_a_snapshot_and_its_rivals_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SETTLED_S", 0)
    monkeypatch.setattr(snapshot, "TURNS", 1)
    assert [row[0] for row in snapshot.measure_rows(tmp_path, 50)][:4] == ["first", "unchanged", "one file changed", "tar"]


def test_all_logged_values_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RANKS", 2)
    logged, read, _ = metrics.measure_ranks(tmp_path, 0.05)
    assert logged == read == 100


@pytest.mark.parametrize("mode", throughput.MODES.values(), ids=throughput.MODES.keys())
def test_each_mode_is_one_of_its_script(mode: throughput.Mode) -> None:
    tree = ast.parse((throughput.TRAINING / mode.script).read_text(encoding="utf-8"))
    (modes,) = (node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "main")
    assert isinstance(modes, ast.Dict)
    assert mode.argument in [key.value for key in modes.keys if isinstance(key, ast.Constant)]


def test_lists_are_measured_with_and_without_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scale, "SETTLED_S", 0)
    scale.measure_lists(tmp_path, 3)
    (*_, last) = capsys.readouterr().out.splitlines()
    assert last.split()[:2] == ["status", "1000"]


def test_an_environment_is_measured_there_and_being_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "TURNS", 1)
    environments.main()
    titles = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["A submission to this machine, median of 1 turns", "An environment of six and packaging"]
