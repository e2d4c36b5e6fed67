"""What a sweep's ledger costs (claims per second, how long an element waits for its next trial), and what Bayesian sampling
gains.

    python -m benchmarks.sweeps [FOLDER]

FOLDER is on the disk to measure. With Optuna in this Python (pip install optuna==5.0.0), also: its journal storage as the
rival, with the same processes and trials, asked for random points; how long an element waits for a point that Optuna proposes;
and how many trials it takes to find Branin's minimum with random and with proposed points.
"""

from __future__ import annotations

import importlib.util
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Row, format_ms, report
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Entry, to_line
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import Point, Result, Settings, SweepLayout
from slurmtf.job.sweep.asking import Asker
from slurmtf.job.sweep.trials import Trials
from slurmtf.tune import ask as asked
from slurmtf.tune.samplers import RandomParameterSampling
from slurmtf.tune.spaces import uniform

Span = tuple[float, float]
"""When an ask or a claim began and ended."""
SPACE = {"x": uniform(-5, 10), "y": uniform(0, 15)}
PLAN = JobPlan(Run("x-1", "x"), "local", Distribution((("main", 1),)))
FAR = 4e9
SEEDS, GOOD, MOST = 15, 0.6, 300
Worker = Callable[[str, str, int], list[Span]]


def create_sweep(folder: Path, trials: int) -> None:
    layout = SweepLayout(str(folder))
    Path(layout.folder).mkdir(parents=True)
    settings = Settings(metric="score", total=trials, concurrent=64, deadline=FAR)
    Path(layout.settings).write_text(json.dumps(settings.to_dict()))
    Path(layout.points).write_text("".join(json.dumps(Point({"x": n})._asdict()) + "\n" for n in range(trials)))


def run_element(folder: str, name: str, trials: int, work_s: float = 0.0) -> list[Span]:  # noqa: ARG001
    """Work like an element, ``work_s`` seconds per trial, until no trials are left. Returns each ask."""
    layout, asks = RunLayout(folder), list[Span]()
    number = name[1:]
    element = Trials(PLAN, layout, {"SLURM_JOB_ID": "1", "SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": number})
    while True:
        began = time.time()
        order = element.take_next(None)
        asks.append((began, time.time()))
        if order is None:
            return asks
        path = Path(layout.launch(order.folder).task_metrics("main-0"))
        path.parent.mkdir(parents=True)
        path.write_bytes(to_line(Entry("score", 0.5)))
        time.sleep(work_s)
        element.on_launch_ended(order, Outcome(Cause.SCRIPT, exit_code=0))


def claim_trials(folder: str, name: str, trials: int) -> list[Span]:
    """Only claim all trials, one after the other, while other processes do the same."""
    ledger, took = Ledger(SweepLayout(folder)), list[Span]()
    ledger.join(Owner(name, name), time.time())
    for trial in range(trials):
        began = time.time()
        if ledger.leases.claim(trial, 0):
            took.append((began, time.time()))
    return took


def ask_optuna(folder: str, name: str, trials: int) -> list[Span]:  # noqa: ARG001
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(f"{folder}/journal.log"))
    study = optuna.create_study(storage=storage, study_name="s", load_if_exists=True, sampler=optuna.samplers.RandomSampler())
    asks: list[Span] = []
    while len(study.get_trials(deepcopy=False)) < trials:
        began = time.time()
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        asks.append((began, time.time()))
        study.tell(trial, 0.5)
    return asks


def measure_workers(name: str, worker: Worker, folder: Path, processes: int, trials: int) -> Row:
    """Run workers side by side. Returns how long their asks took; the rate counts from the beginning of the first ask."""
    create_sweep(folder, trials)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(time.sleep, [0.5] * processes, 1)
        results = pool.starmap(worker, [(str(folder), f"e{number}", trials) for number in range(processes)], 1)
    spans = [span for own in results for span in own]
    asks = sorted(ended - began for began, ended in spans)
    whole = max(ended for _, ended in spans) - min(began for began, _ in spans)
    middle, most = statistics.median(asks), asks[-1]
    return (
        name,
        str(processes),
        f"{trials:,}",
        format_ms(middle),
        format_ms(asks[int(len(asks) * 0.95)]),
        format_ms(most),
        f"{trials / whole:.0f}/s",
    )


def compute_branin(x: float, y: float) -> float:
    """Return Branin's function (Dixon and Szego, 1978): three minima of 0.398."""
    b, c = 5.1 / (4 * math.pi**2), 5 / math.pi
    return (y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def count_random_trials(seed: int) -> int:
    """Return how many random trials it takes to find a good one."""
    points = RandomParameterSampling(SPACE).draw_points(MOST, seed)
    return next((number for number, point in enumerate(points, 1) if compute_branin(**point) < GOOD), MOST)


def count_optuna_trials(seed: int) -> int:
    """Return how many trials it takes if points are proposed as by a sweep's helper."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {name: one.to_list() for name, one in SPACE.items()}
    study = asked.Study(optuna, space, "minimize")
    for number in range(MOST):
        values = study.ask(seed * MOST + number)
        study.tell(number, values, compute_branin(**values), runs=False)
        if compute_branin(**values) < GOOD:
            return number + 1
    return MOST


def compare_searches() -> None:
    rows = [("Branin below 0.6", "median of 15 seeds", "most")]
    for name, found in (("at random", count_random_trials), ("proposed by Optuna", count_optuna_trials)):
        counts = [found(seed) for seed in range(SEEDS)]
        rows.append((name, f"{statistics.median(counts):.0f} trials", str(max(counts))))
    report("Bayesian sampling (budget: at most half the trials of random)", rows)


def create_bayesian_sweep(folder: Path, ended: int, asks: int) -> Ledger:
    """Build a Bayesian sweep with ``ended`` trials that have ended, and ``asks`` that are left."""
    create_sweep(folder, ended + asks)
    layout = SweepLayout(str(folder))
    settings = Settings("bayesian", goal="minimize", asker=sys.executable, total=ended + asks)
    space = {name: one.to_list() for name, one in SPACE.items()}
    Path(layout.settings).write_text(json.dumps({**settings.to_dict(), "space": space}))
    points = RandomParameterSampling(SPACE).draw_points(ended + asks, 1)
    Path(layout.points).write_text("".join(json.dumps(Point(values)._asdict()) + "\n" for values in points))
    Path(layout.ask).write_bytes(Path(asked.__file__).read_bytes())
    ledger = Ledger(layout)
    ledger.join(Owner("e0", "e0"), time.time())
    for trial in range(ended):
        ledger.leases.claim(trial, 0)
        ledger.finish(Result(trial, "Completed", best=compute_branin(**points[trial])))
    return ledger


def measure_proposals(folder: Path, ended: int, asks: int) -> list[Row]:
    """Return how long an element waits for a point after ``ended`` trials: for its first, which includes starting Optuna and
    telling it of all trials, and for later ones. Between two of these, one trial begins and one ends."""
    ledger = create_bayesian_sweep(folder, ended, asks)
    asker, spans = Asker(ledger, os.environ), []
    for trial in range(ended, ended + asks):
        ledger.leases.claim(trial, 0)
        began = time.time()
        point = asker.ask(trial)
        spans.append(time.time() - began)
        if point.by != "bayesian":
            raise RuntimeError(point.note)
        ledger.points.propose(trial, point)
        ledger.finish(Result(trial, "Completed", best=compute_branin(**point.values)))
    asker.close()
    first, later = spans[:1], sorted(spans[1:])
    return [
        ("first point of Optuna's", "1", f"{ended:,}", format_ms(first[0]), "", format_ms(first[0]), ""),
        (
            "its next ones", "1", f"{ended:,}", format_ms(statistics.median(later)),
            format_ms(later[int(len(later) * 0.95)]), format_ms(later[-1]), f"{len(later) / sum(later):.0f}/s",
        ),
    ]  # fmt: skip


def main() -> None:
    at = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=at) as base:
        rows: list[Row] = [("what", "processes", "trials", "median", "95 %", "longest", "in all")]
        rows.append(measure_workers("claims alone", claim_trials, Path(base, "claims"), 8, 5000))
        rows.append(measure_workers("ask and report", run_element, Path(base, "ours-8"), 8, 1000))
        rows.append(measure_workers("trials of a second", partial(run_element, work_s=1.0), Path(base, "ours-64"), 64, 1000))
        if importlib.util.find_spec("optuna"):
            rows.append(measure_workers("Optuna's journal", ask_optuna, Path(base, "optuna-8"), 8, 1000))
            rows.extend(measure_proposals(Path(base, "question"), 1000, 64))
        report("The ledger (budget: an ask 0.5 s, none above 2 s; 500 claims a second with 8 processes)", rows)
    if importlib.util.find_spec("optuna"):
        compare_searches()


if __name__ == "__main__":
    main()
