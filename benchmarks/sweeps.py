"""What a sweep's ledger costs: claims a second, and how long an element waits for its next trial.

    python -m benchmarks.sweeps [FOLDER]

FOLDER is on the disk that is measured. Rival: Optuna's journal storage with the same processes and trials, where this Python
has Optuna; it is asked for random points.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import ms, report
from slurmtf.job.contract.ledger import Ledger, Owner, settled
from slurmtf.job.contract.sweep import Event, Point, Result, Settings, SweepLayout
from slurmtf.job.supervisor.candidates import candidates

Span = tuple[float, float]
"""When an ask, or a claim, began and ended."""
Worker = Callable[[str, str, int], list[Span]]


def build(folder: Path, trials: int) -> None:
    layout = SweepLayout(str(folder))
    Path(layout.folder).mkdir(parents=True)
    Path(layout.settings).write_text(json.dumps(Settings(total=trials).to_dict()))
    Path(layout.points).write_text("".join(json.dumps(Point({"x": n})._asdict()) + "\n" for n in range(trials)))


def ours(folder: str, name: str, trials: int) -> list[Span]:
    """Take trials until there are none; return each ask."""
    ledger, asks = Ledger(SweepLayout(folder)), list[Span]()
    ledger.join(Owner(name, name), time.time())
    while True:
        began = time.time()
        ledger.refresh()
        done, _ = settled(ledger)
        listed = candidates(trials, done | set(ledger.attempts()), [])
        taken = next((trial for trial, attempt in listed if ledger.claim(trial, attempt)), None)
        asks.append((began, time.time()))
        if taken is None:
            return asks
        ledger.write(Event("took", time.time(), taken), Event("value", time.time(), taken, number=1, value=0.5))
        ledger.finish(Result(taken, "Completed", element=name))
        ledger.write(Event("ended", time.time(), taken, status="Completed"))


def claims(folder: str, name: str, trials: int) -> list[Span]:
    """Claim all trials, one after the other, beside others that do the same; nothing else."""
    ledger, took = Ledger(SweepLayout(folder)), list[Span]()
    ledger.join(Owner(name, name), time.time())
    for trial in range(trials):
        began = time.time()
        if ledger.claim(trial, 0):
            took.append((began, time.time()))
    return took


def optunas(folder: str, name: str, trials: int) -> list[Span]:  # noqa: ARG001
    import optuna  # type: ignore[import-not-found, unused-ignore]

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


def row(name: str, worker: Worker, folder: Path, processes: int, trials: int) -> tuple[str, ...]:
    """Run workers together, and return what their asks took; the rate counts from the begin of the first one."""
    build(folder, trials)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(time.sleep, [0.5] * processes, 1)
        told = pool.starmap(worker, [(str(folder), f"e{number}", trials) for number in range(processes)], 1)
    spans = [span for own in told for span in own]
    asks = sorted(ended - began for began, ended in spans)
    whole = max(ended for _, ended in spans) - min(began for began, _ in spans)
    middle, most = statistics.median(asks), asks[-1]
    return name, str(processes), f"{trials:,}", ms(middle), ms(asks[int(len(asks) * 0.95)]), ms(most), f"{trials / whole:.0f}/s"


def main() -> None:
    at = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=at) as base:
        rows = [("what", "processes", "trials", "median", "95 %", "longest", "in all")]
        rows.append(row("claims alone", claims, Path(base, "claims"), 8, 5000))
        rows.append(row("ask and report", ours, Path(base, "ours-8"), 8, 1000))
        rows.append(row("ask and report", ours, Path(base, "ours-64"), 64, 1000))
        if importlib.util.find_spec("optuna"):
            rows.append(row("Optuna's journal", optunas, Path(base, "optuna-8"), 8, 1000))
        report("The ledger (budget: an ask 0.5 s, none above 2 s; 500 claims a second with 8 processes)", rows)


if __name__ == "__main__":
    main()
