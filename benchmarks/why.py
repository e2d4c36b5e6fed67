"""What ``slurmtf why`` costs if logs are long, or if many ranks died. Rival: ``grep -c Error`` on the same files.

python -m benchmarks.why
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import format_ms, format_ratio, measure_command, report
from slurmtf.job.contract.attempt.events import Ended, Launched, Prepared, Record, Started, TaskEnded, TaskStarted
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.job.contract.layout import RunLayout
from slurmtf.scheduler import JobRef, SubmittedJob

LOG_BYTES = 8 << 20
RANKS, RANK_BYTES = 64, 1 << 20
ERROR = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 7, in <module>\n    main()\n{}\n'
KNOWN, FOREIGN = "KeyError: 'missing'", "lab.FluxError: the flux capacitor is cold"
PEER = "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down"
Line = Callable[[int], str]
PROGRESS: Line = "{0}/100000 - 1s 12ms/step - loss: 0.{0:05d} - lr: 0.001\n".format
LETTERS = str.maketrans("0123456789", "abcdefghij")
ENDS = "the last Error is not told\n"
BUDGETS = {1: 0.3, RANKS: 1.0}


def format_shard_line(step: int) -> str:
    return f"shard {step * 0x9E3779B97F4A7C15 % 2**64:020d} was read and is well\n".translate(LETTERS)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        slurmtf = str(Path(sys.executable).parent / "slurmtf")
        rows = [("what", "slurmtf why", "grep -c", "ratio", "budget")]
        for number, (name, ranks, size, error, line) in enumerate(
            (
                ("8 MB, an error of Python", 1, LOG_BYTES, ERROR.format(KNOWN), PROGRESS),
                ("8 MB, an error that no rule knows", 1, LOG_BYTES, ERROR.format(FOREIGN), PROGRESS),
                ("8 MB, no two lines alike, no error", 1, LOG_BYTES, ENDS, format_shard_line),
                ("64 ranks of 1 MB, 63 lost the first", RANKS, RANK_BYTES, ERROR.format(KNOWN), PROGRESS),
            )
        ):
            run = Path(folder, "lab", f"lab-20261101-120000-{number:06x}")
            write_failed_run(run, ranks, size, error, line)
            why = measure_command(slurmtf, "why", str(run), env={**os.environ, "SLURMTF_WORKSPACE": folder})
            grep = measure_command("grep", "-rc", "Error", str(run / "logs"))
            rows.append((name, format_ms(why), format_ms(grep), format_ratio(why, grep), format_ms(BUDGETS[ranks])))
        report("Why", rows)


def write_failed_run(run: Path, ranks: int, size: int, error: str, line: Line) -> None:
    """Write the folder of a run that trained until its first rank raised an error and the others lost it."""
    layout, began = RunLayout(str(run)), time.time() - 7200
    for folder in (layout.journals, layout.logs):
        Path(folder).mkdir(parents=True)
    Path(layout.plan).write_text(json.dumps({"warnings": [], "site": "lab", "provenance": {"estimator": {}}}), encoding="utf-8")
    job = SubmittedJob(JobRef(None, "12"), "slurm", layout.folder, began, "submitted")
    Path(layout.jobs).write_text(json.dumps(job.to_dict()) + "\n", encoding="utf-8")
    Path(layout.job_log).write_text("", encoding="utf-8")
    names = [f"rank-{rank}" for rank in range(ranks)]
    progress = "".join(map(line, range(size // 48)))
    for rank, name in enumerate(names):
        Path(layout.task_log(name, "out")).write_text("training begins\n", encoding="utf-8")
        Path(layout.task_log(name, "err")).write_text(progress + (ERROR.format(PEER) if rank else error), encoding="utf-8")
    begins = [Started(job_id="12", host="node1", nodes="node1"), Prepared(), Launched()]
    events: list[object] = [*begins, *(TaskStarted(rank, name, "node1") for rank, name in enumerate(names))]
    events += [TaskEnded(rank, name, 1) for rank, name in enumerate(names)]
    events.append(Ended(Outcome(Cause.SCRIPT, names[0], "node1", exit_code=1).to_dict(), 4.0))
    lines = (json.dumps(Record.from_event(event, began + second).to_dict()) for second, event in enumerate(events))
    Path(layout.journal("12", 0)).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
