"""Read the evidence of an end from the run folder: the tasks that failed, and their logs, the ends of each log first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from slurmtf.diagnosis.clues import ANYWHERE
from slurmtf.diagnosis.dying import explain, explain_hang
from slurmtf.diagnosis.explanation import Explanation, Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import End
from slurmtf.job.contract.layout import JOB_LOG, LOGS, UNCAUGHT, RunLayout
from slurmtf.runs.states.history import Attempt, History, read_history
from slurmtf.runs.states.state import RunState

HEAD_BYTES, TAIL_BYTES = 64 * 1024, 400 * 1024
"""How much of a failed task's log is read: an error is near its end, what led to it near its beginning."""
TAIL_OF_OTHERS = 32 * 1024
MOST_DISTINCT = 4 << 20
LONGEST, BLOCK = 1 << 16, 1 << 24
SIGNS = tuple(
    word.encode()
    for word in (
        "Traceback (",
        "Fatal Python error: ",
        "Error: ",
        " error: ",
        "ERROR",
        "FATAL",
        *chain.from_iterable(rule.words for rule in ANYWHERE),
    )
)
LONGEST_SIGN = max(map(len, SIGNS))
MOST_READ_AT_LENGTH = 4
"""How many tasks' logs are read at length. Of hundreds of ranks, the first few took down the others."""
CUT = "\n[...]\n"
EXIT = re.compile(r"(?ms)^(?: *\+ Exception Group )?Traceback \(most recent call last\):$.*?^SystemExit: [^\n]*$")
"""The traceback of a ``sys.exit``, as Python records it."""
SYSTEM_EXIT = "SystemExit"
"""The line by which it records that it ended in order and by no error (job/script/sitecustomize.py)."""
KINDS_OF_ALL_TASKS = (Kind.TIME_LIMIT, Kind.CANCELED, Kind.PREEMPTED)
"""Kinds that end all tasks of a run alike; if the run has only one task, it is named."""


def explain_run(layout: RunLayout, state: RunState) -> Explanation:
    """Return why a run died. A long log is read whole only if its beginning and end explain nothing."""
    if state.outcome is None:
        return Explanation(Kind.UNKNOWN)
    history = read_history(layout)
    last, begins = history.last, locate_last_launch(history)
    failures = list_failures(last) if last else []
    names = [failure.task for failure in failures]
    ends = read_logs(layout, names, begins)
    found = explain(state.outcome, failures, ends)
    if found.kind is Kind.UNKNOWN and (logs := read_logs(layout, names, begins, whole=True)) != ends:
        found = explain(state.outcome, failures, logs)
    tasks = {log.task for log in ends if log.task}
    if found.kind in KINDS_OF_ALL_TASKS and not found.task and len(tasks) == 1:
        found = replace(found, task=tasks.pop())
    has_place = found.host or not (found.task or found.kind is Kind.NODE)
    return found if has_place else replace(found, host=_get_only_node(last.nodes if last else ""))


def explain_hung_run(layout: RunLayout) -> Explanation | None:
    """Return why a running run makes no progress: a task raised an error and its process stayed. None if no task did so."""
    last = read_history(layout).last
    return explain_hang(read_logs(layout, []), list_failures(last) if last else [])


def _get_only_node(nodes: str) -> str:
    """Return the name of a job's only node; empty if it had several."""
    return "" if "," in nodes or "[" in nodes else nodes


def list_failures(attempt: Attempt) -> list[TaskFailure]:
    """Return the tasks of an attempt that did not succeed, in the order in which they ended."""
    ends = [(end.time, end.task, End(end.exit_code, end.signal)) for end in attempt.task_ends]
    return [TaskFailure(task, end) for _, task, end in sorted(ends, key=lambda one: one[0]) if not end.succeeded]


def locate_last_launch(history: History) -> Mapping[str, int] | None:
    """Return where in each log the output of the last launch, the one that died, begins; None if it is the only launch."""
    last = history.last
    return last.begins if last and (last.launch or len(history.attempts) > 1) else None


def read_logs(
    layout: RunLayout, first: Sequence[str], begins: Mapping[str, int] | None = None, whole: bool = False
) -> list[Log]:
    """Return the job's log and those of its tasks, with the tasks in ``first`` before the others.

    ``begins`` maps the names of the logs to read to the position from which to read each; None reads all from their beginning.
    """
    order = {task: place for place, task in enumerate(first)}
    paths = [path for stream in ("err", "out") for path in sorted(Path(layout.logs).glob(f"*.{stream}"))]
    paths = [path for path in paths if begins is None or path.name in begins]
    paths.sort(key=lambda path: order.get(path.stem, len(order)))
    length = dict.fromkeys(list(dict.fromkeys(path.stem for path in paths))[:MOST_READ_AT_LENGTH], (HEAD_BYTES, TAIL_BYTES))
    parts = [(path, length.get(path.stem, (0, TAIL_OF_OTHERS))) for path in paths]
    starts, uncaught = begins or {}, _read_uncaught(layout)
    texts = [(path, _read_text(path, starts.get(path.name, 0), *part, whole and path.stem in length)) for path, part in parts]
    logs = [_build_log(path, text, uncaught.get(path.stem)) for path, text in texts]
    of_job = _read_text(Path(layout.job_log), starts.get(JOB_LOG, 0), HEAD_BYTES, TAIL_BYTES, whole)
    return [Log(f"{LOGS}/{JOB_LOG}", "", of_job), *logs]


def _build_log(path: Path, text: str, recorded: str | None) -> Log:
    """Return a task's log, with how its script ended as its Python recorded it; None: it was not watched.

    If a launcher in it started several scripts, the first one's error is returned; an exit before an error was caught.
    """
    lines = [line for line in EXIT.sub("", recorded or "").splitlines() if line.strip()]
    errors = [line for line in lines if line != SYSTEM_EXIT]
    exits = EXIT.findall(recorded or "") if not errors else []
    return Log(
        f"logs/{path.name}",
        path.stem,
        text,
        uncaught=None if recorded is None else (errors or [""])[0],
        exit=exits[-1] if exits else "",
        exit_name=f"logs/.{path.stem}{UNCAUGHT}",
        ended_in_order=SYSTEM_EXIT in lines,
    )


def _read_uncaught(layout: RunLayout) -> dict[str, str]:
    """Return how each task's script ended, as its Python recorded it; empty for a watched task that no error ended."""
    files = {path.name[1 : -len(UNCAUGHT)]: path for path in Path(layout.logs).glob(f".*{UNCAUGHT}")}
    return {task: _read_text(path, 0, HEAD_BYTES, 0, whole=False).strip() for task, path in files.items()}


def _read_text(path: Path, begin: int, head_bytes: int, tail_bytes: int, whole: bool) -> str:
    """Return a log's text from ``begin`` on; of a long log, its beginning and end, with the distinct lines between them if
    ``whole``. Empty if it can't be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = begin if 0 <= begin <= size else 0  # it has been truncated since
            middle = size - begin - head_bytes - tail_bytes
            file.seek(begin)
            if middle <= 0:
                return file.read().decode("utf-8", "replace")
            parts = [file.read(head_bytes)]
            if whole and _has_signs(file, middle):
                file.seek(begin + head_bytes)
                parts.append(select_distinct_lines(_read_lines(file, middle)))
            file.seek(begin + head_bytes + middle)
            return CUT.join(part.decode("utf-8", "replace") for part in (*parts, file.read()))
    except OSError:
        return ""


def _has_signs(file: BinaryIO, count: int) -> bool:
    """Return whether the next ``count`` bytes of a file contain an error or a fatal sign; other text can't explain an end."""
    before = b""
    while count > 0 and (block := before + file.read(min(count, BLOCK))) != before:
        count -= len(block) - len(before)
        if any(sign in block for sign in SIGNS):
            return True
        before = block[-LONGEST_SIGN:]
    return False


def _read_lines(file: BinaryIO, count: int) -> Iterator[bytes]:
    """Yield the lines in the next ``count`` bytes of a file, long ones in pieces."""
    while count > 0 and (line := file.readline(min(count, LONGEST))):
        count -= len(line)
        yield line.rstrip(b"\n")


def select_distinct_lines(lines: Iterable[bytes]) -> bytes:
    """Return the lines that differ from all earlier ones in more than their digits, as lines of progress do not.

    Stops at a size (``MOST_DISTINCT``) that can still be searched.
    """
    seen: dict[bytes, bytes] = {}
    size = 0
    for line in lines:
        shape = line.translate(None, b"0123456789")
        if shape not in seen:
            seen[shape] = line
            size += len(line)
        if size > MOST_DISTINCT:
            break
    return b"\n".join(seen.values())
