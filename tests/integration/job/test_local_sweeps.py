"""Whole sweeps on this machine: real scripts, real elements, the real Optuna in its tool environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurmtf import (
    BayesianParameterSampling,
    Experiment,
    GridParameterSampling,
    RandomParameterSampling,
    RunStatus,
    Sweep,
    TensorFlow,
    choice,
    uniform,
)
from slurmtf.job.contract.sweep.records import COMPLETED, FAILED
from slurmtf.tune.run import SweepRun
from tests.patience import until
from tests.terminal import read_terminal
from tests.unit.runs.metrics.test_event_files import event, record, simple

COMMAND = Path(sys.executable).with_name("slurmtf")
Tune = Callable[..., SweepRun]
LOG = """
import argparse, os, sys, time
from slurmtf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--resume-from")
arguments = parser.parse_args()
"""
SCORE = LOG + 'Run.get_context().log("score", arguments.x)\n'


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    """Submits a sweep of a script to this machine and waits until it has ended."""

    def submit(script: str, sampling: Any, total: int, estimator: dict[str, Any] | None = None, **settings: Any) -> SweepRun:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        for name, text in {"train.py": script, **settings.pop("others", {})}.items():
            (source / name).write_text(text)
        wanted = TensorFlow(source, **{"entry_script": "train.py", "compute_target": "local", **(estimator or {})})
        sweep = Sweep(wanted, sampling, settings.pop("metric", "score"), "maximize", total, **settings)
        run = Experiment("tune", tmp_path / "runs").submit(sweep)
        assert isinstance(run, SweepRun)
        until(lambda: run.state.status.final, f"the end of {run.id}")
        return run

    return submit


def test_optuna_proposes_the_points(tune: Tune) -> None:
    space = {"x": uniform(0, 1), "kind": choice("a", "b")}
    script = SCORE.replace('"--resume-from"', '"--kind"')
    run = tune(script, BayesianParameterSampling(space, seed=1), 6, max_concurrent_runs=2)
    by = [trial.point.by for trial in run.facts.trials]
    if "bayesian" not in by and os.environ.get("SLURMTF_REQUIRE_ENVS") != "1":
        pytest.skip(f"no Optuna: {run.facts.trials[0].note}")
    assert (run.state.status, by) == (RunStatus.COMPLETED, ["bayesian"] * 6)
    assert all(0 <= trial.point.values["x"] <= 1 and trial.point.values["kind"] in "ab" for trial in run.facts.trials)
    assert len({trial.point.values["x"] for trial in run.facts.trials}) == 6


WAITS_FOR_THE_OTHER = """\
folder, end = os.environ["SLURMTF_RUN_FOLDER"], time.time() + 600
open(folder + "/begun-" + os.environ["SLURMTF_TRIAL"], "w").close()
while sum(name.startswith("begun-") for name in os.listdir(folder)) < 2 and time.time() < end:
    time.sleep(0.05)
"""


def test_concurrent_trials_get_a_share_of_the_cpus_each(tune: Tune) -> None:
    script = SCORE + 'print(os.environ["OMP_NUM_THREADS"], time.time())\n' + WAITS_FOR_THE_OTHER + "print(time.time())\n"
    run = tune(script, GridParameterSampling({"x": choice(1, 2)}), 2, {"cpus_per_task": 4}, trials_per_element=2)
    assert [trial.result and trial.result.status for trial in run.facts.trials] == [COMPLETED] * 2
    printed = [(Path(child.layout.logs) / "main-0.out").read_text().split() for child in run.get_children()]
    assert [cpus for cpus, _, _ in printed] == [str(min(2, len(os.sched_getaffinity(0))))] * 2
    (_, begin, end), (_, other_begin, other_end) = printed
    assert max(float(begin), float(other_begin)) < min(float(end), float(other_end)), "one ran after the other"


CHILDREN = (
    LOG
    + """
run = Run.get_context()
run.log("score", arguments.x)
while not os.path.exists(os.environ["SLURMTF_RUN_FOLDER"] + "/go"):
    time.sleep(0.05)
run.child_run("late").log("inner", 10 * arguments.x)
"""
)


def test_child_runs_opened_later_are_followed_and_belong_to_their_trial(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(CHILDREN)
    sweep = Sweep(
        TensorFlow(tmp_path, entry_script="train.py", compute_target="local"),
        GridParameterSampling({"x": choice(1, 2)}),
        "score",
        "maximize",
        2,
    )
    run = Experiment("tune", tmp_path / "runs").submit(sweep)
    assert isinstance(run, SweepRun)

    def let_go(text: str) -> None:
        if "_0 score 1" in text or "_1 score 2" in text:
            (run.folder / "go").touch()

    text = read_terminal([str(COMMAND), "metrics", str(run.folder), "--recursive", "--follow"], let_go)
    rows = [line.split()[1:] for line in text.splitlines()]
    values = {f"{run.id}_0": ("score", 1), f"{run.id}_1": ("score", 2)}
    values |= {f"{run.id}_0_late": ("inner", 10), f"{run.id}_1_late": ("inner", 20)}
    assert sorted(rows) == sorted([name, metric, str(value)] for name, (metric, value) in values.items()), text
    found = run.get_metrics(recursive=True)
    assert found == {run.id: {}, **{name: {metric: value} for name, (metric, value) in values.items()}}
    first, _ = run.get_children()
    assert first.get_metrics(recursive=True) == {name: found[name] for name in (first.id, f"{first.id}_late")}


def test_settings_of_the_estimator_change_from_trial_to_trial(tune: Tune) -> None:
    script = (
        "import json, os, sys\n"
        "from slurmtf import Run\n"
        'workers = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]\n'
        'Run.get_context().log("score", 10 * len(workers) + (os.path.basename(sys.argv[0]) == "other.py"))\n'
    )
    space = {"estimator.worker_count": choice(2, 1), "estimator.entry_script": choice("train.py", "other.py")}
    wanted = {"distributed_backend": "multiworker", "worker_count": 2}
    run = tune(script, GridParameterSampling(space), 4, wanted, others={"other.py": script})
    assert [trial.curve for trial in run.facts.trials] == [(20.0,), (21.0,), (10.0,), (11.0,)]
    assert [len(child.tasks) for child in run.get_children()] == [2, 2, 1, 1]
    assert run.get_metrics()[f"{run.id}_3"] == {"score": 11.0}


def test_a_sweep_continues_from_earlier_sweeps(tune: Tune, tmp_path: Path) -> None:
    script = LOG + (
        'found = os.path.join(arguments.resume_from, "state") if arguments.resume_from else "outputs/none"\n'
        'before = float(open(found).read()) if os.path.exists(found) else 0.0\n'
        'open("outputs/state", "w").write(str(before + arguments.x))\n'
        'Run.get_context().log("score", before + arguments.x)\n'
    )  # fmt: skip
    first = tune(script, GridParameterSampling({"x": choice(1, 2)}), 2)
    best = first.get_best_run_by_primary_metric()
    assert best is not None
    second = tune(script, RandomParameterSampling({"x": uniform(0, 1)}, seed=1), 2, warm_start_from=[first.id],
                  resume_child_runs=[best])  # fmt: skip
    known = {number: trial.result.best for number, trial in enumerate(second.facts.trials) if trial.result}
    assert known[0] == 4.0
    assert 0 < (known[1] or 0.0) < 1
    lines = (second.folder / "sweep" / "earlier.jsonl").read_text().splitlines()
    assert [json.loads(line)["best"] for line in lines] == [1.0, 2.0]


def test_the_metric_is_read_from_tensorboard_files_alone(tune: Tune, tmp_path: Path) -> None:
    lines = b"".join(record(event(step, "accuracy", simple(0.25 * step))) for step in range(3))
    script = (
        "import os, sys\n"
        'os.makedirs("logs/validation")\n'
        f'open("logs/validation/events.out.tfevents.1.node", "wb").write({lines!r} if sys.argv[2] == "1" else b"")\n'
    )
    run = tune(script, GridParameterSampling({"x": choice(1, 2)}), 2, metric="validation/accuracy")
    assert [trial.curve for trial in run.facts.trials] == [(0.0, 0.25, 0.5), ()]
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert (best.best, best.get_metrics()) == (0.5, {"validation/accuracy": [0.0, 0.25, 0.5]})


def test_an_element_stops_after_trials_that_fail_at_once(tune: Tune) -> None:
    script = LOG + 'sys.exit(f"no data for {arguments.x}")\n'
    run = tune(
        script, RandomParameterSampling({"x": uniform(0, 1)}, seed=1), 20, same_error_limit=0, retire_after=3, elements=2
    )
    assert run.state.status is RunStatus.FAILED
    elements = min(2, len(os.sched_getaffinity(0)))  # as many as can run here at once
    assert run.facts.count(FAILED) == run.facts.done == 3 * elements  # each has tried three
    assert [text for _, text, _ in run.facts.elements.values()] == ["retired"] * elements
