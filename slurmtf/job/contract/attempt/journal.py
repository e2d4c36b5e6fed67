"""The journal of an attempt: a file with one JSON object per line. Only the attempt's supervisor writes it."""

import contextlib
import json
import os
import re
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, TypeVar

from ..layout import RunLayout
from .events import Decided, Ended, Record, Started, get_outcome
from .job_log import say
from .outcome import Outcome

T = TypeVar("T", bound=Any)

LONGEST_LINE = 1 << 24
"""slurmtf writes no line with more bytes."""
UNWRITTEN = "can't write {} into the journal: {}"
NO_LAST_WORD = UNWRITTEN.format("ended", "")
"""The line in the job's log if the journal could not record how the attempt ended."""
NUMBERED = re.compile(r"(.+)\.([0-9]{1,9})\.jsonl")


class Journal:
    """The append-only record of an attempt.

    Each event is one write in append mode, so that only the last line can be incomplete to a reader. ``later``: the path of the
    journal of the job's next attempt, once there is one; empty: not asked for. ``is_new``: see :meth:`claim`.
    """

    def __init__(self, path: str, later: str = "", is_new: bool = False) -> None:
        self.path = path
        self._later = later
        self._is_new = is_new
        self._is_taken = False
        self._unwritten = b"\n" if _is_cut(path) else b""

    def write(self, event: object) -> None:
        """Append one of the events of :mod:`.events`, with the time.

        A failed write does not end the run: what a full disk refuses is written with the next event.
        """
        record = Record.from_event(event, time.time())
        self._unwritten += json.dumps(record.to_dict()).encode("utf-8") + b"\n"
        try:
            self._flush()
        except OSError as err:
            say(UNWRITTEN.format(record.name, err))

    def claim(self) -> None:
        """Create a new journal. Raises FileExistsError if another attempt has that name, and other OSErrors; what a full disk
        refuses is tried again with each event."""
        os.close(self._open())

    def _open(self) -> int:
        if self._is_new:
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(self.path), 0o700)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | (os.O_EXCL if self._is_new else 0), 0o600)
        except FileExistsError:
            self._is_taken = True
            raise
        self._is_new = False
        return descriptor

    def _flush(self) -> None:
        descriptor = self._open()
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(descriptor, self._unwritten) :]
            os.fsync(descriptor)  # NFS: others see it only once it is on the server
        finally:
            os.close(descriptor)

    @property
    def is_followed(self) -> bool:
        """Whether the next attempt of the job has begun; it has our own name if the disk was full when we began."""
        return self._is_taken or os.path.exists(self._later)

    def beat(self) -> None:
        """Show that the supervisor is alive: the file's modification time is its heartbeat."""
        with contextlib.suppress(OSError):
            os.utime(self.path)


class Attempt(NamedTuple):
    """One attempt according to its journal. ``job``: the job's name, from the file name: ``33`` or ``33_4``. ``beat``: its
    supervisor's last sign of life, in seconds since 1970, by the file system's clock."""

    path: str
    job: str
    number: int
    records: List[Record]
    beat: float = 0.0

    @property
    def started(self) -> Started:
        """Its start event; an empty one if the journal's first line is damaged."""
        return next((record.event for record in self.records if isinstance(record.event, Started)), Started())

    @property
    def began(self) -> float:
        """The time of its first event, in seconds since 1970."""
        return self.records[0].time if self.records else 0.0

    @property
    def last_seen(self) -> float:
        """The time of its last sign of life, in seconds since 1970: its end, if that was recorded."""
        last = self.records[-1] if self.records else None
        over = last is not None and isinstance(last.event, Ended)
        return max(last.time if last else 0.0, 0.0 if over else self.beat)

    @property
    def outcome(self) -> Optional[Outcome]:
        """How it ended; None while it runs, or if it was killed before it could record its end."""
        last = self.records[-1].event if self.records else None
        return get_outcome(last) if isinstance(last, Ended) else None

    @property
    def decided(self) -> Optional[Outcome]:
        """The final outcome, even if the supervisor did not live to end the attempt."""
        found = (record.event for record in reversed(self.records) if isinstance(record.event, (Decided, Ended)))
        event = next(found, None)
        return None if event is None else get_outcome(event)


def open_new(layout: RunLayout, job: str) -> Journal:
    """Return the journal of a new attempt of a job. Its number is above all that are taken: a higher number is later."""
    names: List[str] = []
    with contextlib.suppress(OSError):
        os.makedirs(layout.journals, mode=0o700, exist_ok=True)
        names = os.listdir(layout.journals)
    number = find_free_number(names, job)
    while True:
        found = Journal(layout.journal(job, number), layout.journal(job, number + 1), is_new=True)
        try:
            found.claim()
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a full disk: each event tries again
            pass
        return found


def find_free_number(names: Iterable[str], job: str) -> int:
    """Return the number of a job's next attempt, given the file names of the run's journals."""
    found = filter(None, map(NUMBERED.fullmatch, names))
    return max((int(match.group(2)) + 1 for match in found if match.group(1) == job), default=0)


def read_attempts(layout: RunLayout) -> List[Attempt]:
    """Return the attempts of a run in the order in which they started; those that can't be read are left out."""
    try:
        names = os.listdir(layout.journals)
    except OSError:
        return []
    found = [(NUMBERED.fullmatch(name), os.path.join(layout.journals, name)) for name in names]
    known = [Attempt(path, match.group(1), int(match.group(2)), read(path), _read_beat(path)) for match, path in found if match]
    begun = [attempt for attempt in known if attempt.records]
    return sort_attempts(begun, lambda one: one.began, read_successive_jobs(layout, begun))


def _read_beat(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def sort_attempts(attempts: Iterable[T], began: Callable[[T], float], jobs: Sequence[str] = ()) -> List[T]:
    """Return attempts in order, whatever the clocks of their nodes say.

    Attempts of one job are ordered by their numbers, those of ``jobs``, which followed one another, in the order of these
    jobs, and all others by time.
    """
    place = {job: number for number, job in reversed(list(enumerate(jobs)))}
    latest: Dict[str, float] = {}
    timed = []
    for one in sorted(attempts, key=lambda one: (place.get(one.job, len(jobs)), one.number)):
        line = "" if one.job in place else one.job
        latest[line] = max(began(one), latest.get(line, 0.0))
        timed.append((latest[line], place.get(one.job, len(jobs)), one.number, one))
    return [one for *_, one in sorted(timed, key=lambda one: one[:3])]


def read_successive_jobs(layout: RunLayout, attempts: Sequence[Any]) -> List[str]:
    """Return the jobs of a run that were submitted one after the other, from ``jobs.jsonl``; elements of an array are not among
    them. Empty if all attempts are of one job."""
    if len({one.job for one in attempts}) < 2:
        return []
    try:
        with open(layout.jobs, encoding="utf-8", errors="replace") as lines:
            return list(filter(None, map(_parse_single_job, lines)))
    except OSError:
        return []


def _parse_single_job(line: str) -> str:
    """Return the job in a line of ``jobs.jsonl``; empty if it is an array or the line is damaged."""
    try:
        facts = json.loads(line)
        alone = not facts.get("elements") and facts["ref"].get("element") is None
        return str(facts["ref"]["job_id"]) if alone else ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""


def read(path: str) -> List[Record]:
    """Return the records of a journal. Invalid lines (damaged, or truncated by a full disk) are left out."""
    return list(_iterate_records(path))


def _iterate_records(path: str) -> Iterator[Record]:
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in iter(lambda: lines.readline(LONGEST_LINE), ""):
                record = _parse_record(line)
                if record is not None:
                    yield record
    except OSError:
        return


def _parse_record(line: str) -> Optional[Record]:
    try:
        return Record.from_dict(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _is_cut(path: str) -> bool:
    """Return whether the last line is incomplete."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 1))
            return file.read() not in (b"", b"\n")
    except OSError:
        return False
