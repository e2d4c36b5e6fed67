"""Mirror a run into MLflow's tracking server, while it runs or later: parameters, metrics, tags, receipt and files.

The run folder remains authoritative. Only what MLflow lacks, according to MLflow itself, is sent: if a copy was interrupted, or
the server was down, the next update completes it, and nothing is sent twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from slurmtf.errors import InputError
from slurmtf.findings import Finding
from slurmtf.job.contract.metrics.entries import Point
from slurmtf.job.contract.metrics.event_files import EventFile
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.metrics.files import LoggedFile
from slurmtf.runs.metrics.reading import find_sources
from slurmtf.runs.mlflow.mirrored import (
    LONGEST_PARAMETER,
    LONGEST_TAG,
    Part,
    find_files,
    get_step,
    iterate_parts,
    to_milliseconds,
    to_mlflow_key,
    to_mlflow_status,
)
from slurmtf.runs.mlflow.tracking import MirrorError, check_tracking, ensure_experiment, get_tracking_uri, translate_errors
from slurmtf.runs.status import look

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run


T = TypeVar("T")
MARK = "slurmtf.mirror"
"""The tag that identifies the copy of a run: a script's own run in MLflow may have any other tag."""
FILES_MARK = "slurmtf.files"
"""The tag that records which version of the files the copy has."""
BATCH, SMALL_BATCH = 1000, 100
"""The most metrics, and parameters or tags, in one request (mlflow/utils/validation.py)."""
ANSWER_S = 60.0
"""How old an answer from Slurm may be, in seconds: all terminals together query once in that time."""
FOLLOW_S, RETRY_S = 5.0, 30.0
REMEDY = "nothing is lost: 'slurmtf mirror' sends what is missing, as soon as MLflow can be reached"


class SentCounts(NamedTuple):
    """How many values and files were new to MLflow."""

    values: int = 0
    files: int = 0

    def add(self, other: SentCounts) -> SentCounts:
        return SentCounts(self.values + other.values, self.files + other.files)


def split_into_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of at most ``size``."""
    rest = iter(items)
    while found := list(islice(rest, size)):
        yield found


@dataclass
class _Reading:
    """A file with numbers, the prefix for their names, and how many of each name have been read."""

    source: LoggedFile | EventFile
    prefix: str
    counts: Counter[str] = field(default_factory=Counter)

    def read_new(self) -> Iterator[tuple[str, int, Point]]:
        """Yield the new numbers, with their key and their step."""
        for name, point in self.source.read_new_points():
            key = to_mlflow_key(self.prefix + name)
            self.counts[key] += 1
            yield key, get_step(point, self.counts[key]), point


class _Copy:
    """One run in MLflow, and its known content."""

    def __init__(self, client: Any, experiment: str, part: Part, parent: str) -> None:
        self._client = client
        found = client.search_runs([experiment], f"tags.\"{MARK}\" = '{part.id}'")
        run = min(found, key=lambda one: str(one.info.run_id)) if found else self._create(experiment, part, parent)
        self.run_id = str(run.info.run_id)
        self.ended = False
        self._status = str(run.info.status)
        self._parameters, self._tags = dict(run.data.params), dict(run.data.tags)
        self._has = {key: self._count_known_values(key) for key in run.data.metrics} if found else {}
        self._readings: dict[str, _Reading | None] = {}
        self._files: dict[str, str] | None = None

    def _create(self, experiment: str, part: Part, parent: str) -> Run:
        tags = {MARK: part.id, **({"mlflow.parentRunId": parent} if parent else {})}
        start = None if part.started is None else to_milliseconds(part.started)
        return self._client.create_run(experiment, start_time=start, tags=tags, run_name=part.id)

    def _count_known_values(self, key: str) -> Counter[tuple[int, int]]:
        return Counter((one.step, one.timestamp) for one in self._client.get_metric_history(self.run_id, key))

    def update(self, part: Part, all_ranks: bool) -> SentCounts:
        """Send what is missing; the status comes last, after everything else."""
        self._send_description(part)
        values = self._send_values(part, all_ranks)
        files = self._send_files(part)
        self._send_status(part)
        self.ended = part.status.final
        return SentCounts(values, files)

    def _send_description(self, part: Part) -> None:
        from mlflow.entities import Param, RunTag  # noqa: PLC0415 - a second, and an extra

        parameters = {to_mlflow_key(name): value[:LONGEST_PARAMETER] for name, value in part.parameters.items() if value}
        lacks = {key: value for key, value in parameters.items() if key not in self._parameters}
        for some in split_into_batches(lacks.items(), SMALL_BATCH):
            self._client.log_batch(self.run_id, params=[Param(*one) for one in some])
        self._parameters.update(lacks)
        tags = {to_mlflow_key(name): value[:LONGEST_TAG] for name, value in part.tags.items()}
        changed = {key: value for key, value in tags.items() if self._tags.get(key) != value}
        for pairs in split_into_batches(changed.items(), SMALL_BATCH):
            self._client.log_batch(self.run_id, tags=[RunTag(*one) for one in pairs])
        self._tags.update(changed)

    def _send_values(self, part: Part, all_ranks: bool) -> int:
        self._look_for_files(part, all_ranks)
        count = 0
        for some in split_into_batches(self._iterate_missing_values(), BATCH):
            self._client.log_batch(self.run_id, metrics=some)
            count += len(some)
        return count

    def _look_for_files(self, part: Part, all_ranks: bool) -> None:
        for source in find_sources(part.layout):
            path = str(source.path)
            if path not in self._readings:
                task = part.owners.find_task(source) if isinstance(source, EventFile) else Path(path).stem
                prefix = "" if task == part.owners.chief else f"{task}/"
                self._readings[path] = _Reading(source, prefix) if all_ranks or not prefix else None

    def _iterate_missing_values(self) -> Iterator[Metric]:
        from mlflow.entities import Metric  # noqa: PLC0415 - a second, and an extra

        for reading in filter(None, self._readings.values()):
            for key, step, point in reading.read_new():
                stamp, has = (step, to_milliseconds(point.time)), self._has.get(key)
                if has and has[stamp]:
                    has[stamp] -= 1
                else:
                    yield Metric(key, point.value, stamp[1], step)

    def _send_files(self, part: Part) -> int:
        files = find_files(part)
        stamps = {name: _stamp(path) for name, path in files.items()}
        digest = hashlib.sha256(repr(sorted(stamps.items())).encode("utf-8", "surrogateescape")).hexdigest()
        if self._files is None:
            self._files = stamps if self._tags.get(FILES_MARK) == digest else {}
        changed = [name for name, stamp in stamps.items() if self._files.get(name) != stamp]
        for name in changed:
            self._client.log_artifact(self.run_id, str(files[name]), os.path.dirname(name) or None)  # noqa: PTH120 - no path here
        if self._tags.get(FILES_MARK) != digest:
            self._client.set_tag(self.run_id, FILES_MARK, digest)
        self._files, self._tags[FILES_MARK] = stamps, digest
        return len(changed)

    def _send_status(self, part: Part) -> None:
        status = to_mlflow_status(part.status)
        if status == self._status:
            return
        if part.status.final:
            self._client.set_terminated(self.run_id, status, None if part.ended is None else to_milliseconds(part.ended))
        else:
            self._client.update_run(self.run_id, status)
        self._status = status


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


class Mirror:
    """A run's copy in MLflow, with its child runs and trials as child runs. Each :meth:`update` sends what is missing.

    Raises InputError if MLflow is not configured or not installed, or if another process is mirroring the run.
    """

    def __init__(self, run: RunFolder, all_ranks: bool = False) -> None:
        check_tracking()
        self.run = run
        self._all_ranks = all_ranks
        self._client: Any = None
        self._experiment = ""
        self._copies: dict[str, _Copy] = {}
        self._lock = _lock(run)

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; empty before the first update."""
        return self._copies[self.run.id].run_id if self.run.id in self._copies else ""

    def update(self) -> SentCounts:
        """Send what MLflow lacks. Raises MirrorError if that fails; the next update starts over."""
        with translate_errors(get_tracking_uri(), self.run.id, "could not be mirrored into MLflow", REMEDY):
            try:
                return self._update()
            except BaseException:
                self._client, self._copies = None, {}
                raise

    def _update(self) -> SentCounts:
        from mlflow import MlflowClient  # noqa: PLC0415 - a second, and an extra

        (seen,) = look([self.run.layout], None, ANSWER_S)
        if self._client is None:
            self._client = MlflowClient(tracking_uri=get_tracking_uri())
            self._experiment = ensure_experiment(self._client, self.run.experiment)
        total = SentCounts()
        for part in iterate_parts(self.run, seen.state):
            copy = self._copies.get(part.id)
            if copy is None:
                copy = self._copies[part.id] = _Copy(self._client, self._experiment, part, self.run_id)
            if not (copy.ended and part.id != self.run.id):
                total = total.add(copy.update(part, self._all_ranks))
        return total


def _lock(run: RunFolder) -> int:
    """Lock the run's copy and return the lock, -1 if locking is impossible here. Raises InputError if it is already locked."""
    try:
        lock = os.open(run.folder / ".mirror.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # another user's, or read-only
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        what = "is being mirrored by another process, which sends what is new"
        raise InputError(Finding("mirror-busy", run.id, what, "wait for it, or end it")) from None
    except OSError:  # a mount without locks
        pass
    return lock


def say(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{text}\n")


@dataclass
class MirrorFollower:
    """Keeps the copies of runs up to date while they run. A server that is down is reported once, and retried."""

    mirrors: Sequence[Mirror]
    tell: Callable[[str], None] = say
    sent: dict[str, SentCounts] = field(default_factory=dict)
    _next: float = 0.0
    _away: bool = False

    def show_new(self) -> None:
        """Send what is new, if it is time for an update."""
        if time.monotonic() < self._next:
            return
        try:
            self.show_rest()
            pause = FOLLOW_S
        except MirrorError as err:
            if not self._away:
                self.tell(f"{err}; trying again every {RETRY_S:g} s")
            self._away, pause = True, RETRY_S
        self._next = time.monotonic() + pause

    def show_rest(self) -> None:
        """Send everything. Raises MirrorError if that fails."""
        for mirror in self.mirrors:
            self.sent[mirror.run.id] = self.sent.get(mirror.run.id, SentCounts()).add(mirror.update())
        if self._away:
            self.tell("MLflow has everything again")
        self._away = False
