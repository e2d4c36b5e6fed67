"""Who works on which trial of a sweep, and how the trials ended. Files only; no lock that a dead process could hold.

    sweep/leases/<trial>.<attempt>   a hard link to its owner's file: who links first has the trial (link(2) is atomic on NFS
    too)
    sweep/leases/owner.<element>.x   an owner: one start of one element. Its time of change is the heartbeat of all its leases
    sweep/results/<trial>.json       how it ended: linked, so that the first writer wins and nobody sees half of one
    sweep/elements/<element>.jsonl   what an element did and what its trials logged: append-only, one writer

The highest attempt of a trial holds; an owner that has been superseded writes no result. Links stay in one folder: BeeGFS
has no others.
"""

import contextlib
import json
import os
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

from ..system.private import make_private
from .records import Earlier, Event, Point, Result, Settings, SweepLayout, read_earlier, read_points, read_settings, taken

STALE_S = 30.0
"""Seconds without a heartbeat after which an owner may be dead. By the file system's clock."""
OWNER = "owner."
OF_VALUE = b'{"kind": "value"'
"""How the line of a logged value begins (:meth:`.sweep.Event.to_line`)."""


class Owner(NamedTuple):
    """One start of an element: its job's name in Slurm, and its process."""

    element: str = ""
    job: str = ""
    host: str = ""
    pid: int = 0
    started: str = ""


class Lease(NamedTuple):
    """Who holds a trial; ``age`` is the seconds since the last heartbeat, ``inode`` tells one start of an owner from
    another."""

    trial: int
    attempt: int
    owner: Owner
    age: float
    inode: int


class Trial:
    """What the elements have told of a trial. ``curve`` is what its last attempt has logged of the primary metric; ``released``
    holds the causes for which attempts were given up, ``trouble`` the error of the last one that could not be launched."""

    def __init__(self) -> None:
        self.attempt = 0
        self.curve: List[float] = []
        self.released: Dict[int, str] = {}
        self.trouble = ""
        self.took: Optional[Event] = None
        self.element = ""
        self.ended: Optional[Event] = None

    def take(self, event: Event, element: str) -> None:
        if event.kind == "took" and event.attempt >= self.attempt:
            self.took, self.element = event, element
        if event.attempt > self.attempt:
            self.attempt, self.curve = event.attempt, []
        if event.kind == "value" and event.attempt == self.attempt and event.number == len(self.curve) + 1:
            self.curve.append(event.value)
        elif event.kind == "released":
            self.released[event.attempt] = event.status
            self.trouble = event.text or self.trouble
        elif event.kind == "ended":
            self.ended = self.ended or event


class Ledger:
    """A sweep's files as one process sees them. Reading alone needs no :meth:`join`. ``curves``: what the trials log of the
    primary metric is read too. Raises OSError or ValueError."""

    def __init__(self, layout: SweepLayout, curves: bool = True) -> None:
        self.layout = layout
        self._curves = curves
        self.settings: Settings = read_settings(layout.settings)
        self.points: List[Point] = read_points(layout.points)
        self.earlier: List[Earlier] = read_earlier(layout.earlier)
        self.trials: Dict[int, Trial] = {}
        self.last: Dict[str, Event] = {}
        """What each element has told last of itself."""
        self.ends: List[Event] = []
        self._offsets: Dict[str, int] = {}
        self._owners: Dict[Tuple[int, int], Tuple[Owner, int]] = {}
        self._taken: Set[int] = set()
        self._owner_path = ""
        self._events_path = ""

    # --- reading

    def refresh(self) -> None:
        """Read what the elements have written since."""
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(self.layout.elements), key=lambda one: one.name):
                if entry.name.endswith(".jsonl"):
                    self._read(entry.path, entry.name[: -len(".jsonl")])

    def _read(self, path: str, element: str) -> None:
        offset = self._offsets.get(path, 0)
        with contextlib.suppress(OSError):
            if os.stat(path).st_size == offset:
                return
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            for line in whole.split(b"\n"):
                event = Event.from_line(line) if self._curves or not line.startswith(OF_VALUE) else None
                if event is not None:
                    self._take(event, element)

    def _take(self, event: Event, element: str) -> None:
        if event.trial < 0:
            self.last[element] = event
            return
        self._taken.add(event.trial)
        self.trials.setdefault(event.trial, Trial()).take(event, element)
        if event.kind == "ended":
            self.ends.append(event)

    def curves(self) -> Dict[int, List[float]]:
        """Return what each trial has logged of the primary metric; those of other sweeps have numbers below 0."""
        before = {-number: list(one.curve) for number, one in enumerate(self.earlier, 1)}
        return {**before, **{number: trial.curve for number, trial in self.trials.items()}}

    def done(self) -> Set[int]:
        """Return the trials that have a result."""
        return {int(name[: -len(".json")]) for name in _names(self.layout.results) if name[0].isdigit()}

    def result(self, trial: int) -> Optional[Result]:
        """Return how a trial ended; None: it has not, or it can't be read."""
        try:
            with open(self.layout.result(trial), encoding="utf-8") as file:
                return taken(Result, json.load(file))
        except (OSError, ValueError):
            return None

    def stopped(self) -> Optional[Dict[str, object]]:
        """Return why no more trials are started; None: they are."""
        try:
            with open(self.layout.stopped, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {"why": "unreadable"}
        return found if isinstance(found, dict) else {"why": "unreadable"}

    def attempts(self) -> Dict[int, int]:
        """Return the highest attempt of each trial that was ever taken."""
        found: Dict[int, int] = {}
        for name in _names(self.layout.leases):
            trial, _, attempt = name.partition(".")
            if trial.isdigit() and attempt.isdigit():
                found[int(trial)] = max(int(attempt), found.get(int(trial), 0))
        self._taken.update(found)
        return found

    def fresh(self) -> List[int]:
        """Return the trials that nobody has taken, as far as we have heard: no folder is listed for it. Who claims one that
        was taken meanwhile doesn't get it."""
        return [trial for trial in range(len(self.points)) if trial not in self._taken]

    def leases(self, attempts: Dict[int, int]) -> Iterator[Lease]:
        """Yield who holds these trials."""
        now = self._now()
        for trial, attempt in sorted(attempts.items()):
            try:
                owner, inode = self._owner(trial, attempt)
                age = now - os.stat(self._lease(trial, attempt)).st_mtime
            except (OSError, ValueError):
                continue
            yield Lease(trial, attempt, owner, age, inode)

    def _owner(self, trial: int, attempt: int) -> Tuple[Owner, int]:
        """Return who took a trial, and the file's inode. What a lease says never changes: it is read once."""
        if (trial, attempt) not in self._owners:
            with open(self._lease(trial, attempt), encoding="utf-8") as file:
                self._owners[trial, attempt] = taken(Owner, json.load(file)), os.fstat(file.fileno()).st_ino
        return self._owners[trial, attempt]

    def _now(self) -> float:
        """Return the time by the file system's clock, of a file that we have just touched."""
        path = self._owner_path
        if not path:
            path = os.path.join(self.layout.folder, ".clock")
            with contextlib.suppress(OSError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        os.utime(path)
        return os.stat(path).st_mtime

    # --- working

    def join(self, owner: Owner, now: float) -> None:
        """Begin to work, as one start of an element. Raises OSError."""
        for folder in (self.layout.leases, self.layout.results, self.layout.elements, self.layout.asked):
            make_private(folder)
        self._owner_path = os.path.join(self.layout.leases, "{}{}.{}".format(OWNER, owner.element, os.urandom(4).hex()))
        self._events_path = os.path.join(self.layout.elements, owner.element + ".jsonl")
        _write(self._owner_path, json.dumps(owner._asdict()).encode("utf-8"))
        self._inode = os.stat(self._owner_path).st_ino
        self.write(Event("started", now, host=owner.host, text=owner.job))

    def beat(self) -> None:
        """Show that we live."""
        with contextlib.suppress(OSError):
            os.utime(self._owner_path)

    def write(self, *events: Event) -> None:
        """Append to our file, in one write; it heals a line that was cut. Raises OSError."""
        data = b"".join(event.to_line() for event in events)
        descriptor = os.open(self._events_path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = b"\n" * cut + data
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def claim(self, trial: int, attempt: int) -> bool:
        """Take a trial; return whether it is ours. Raises OSError."""
        self._taken.add(trial)
        return self._link(self._owner_path, self._lease(trial, attempt))

    def holds(self, trial: int, attempt: int) -> bool:
        """Return whether a trial that we took is still ours: it was not taken over and has no result."""
        return not (os.path.exists(self._lease(trial, attempt + 1)) or os.path.exists(self.layout.result(trial)))

    def is_ours(self, lease: Lease) -> bool:
        return lease.inode == self._inode

    def finish(self, result: Result) -> bool:
        """Write down how a trial ended, unless it is not ours any more; return whether this is its result. Raises OSError."""
        if not self.holds(result.trial, result.attempt):
            return False
        return self._publish(result.to_dict(), self.layout.result(result.trial))

    def stop(self, facts: Dict[str, object]) -> bool:
        """Have no more trials started; return whether we are the first to say so. Raises OSError."""
        return self._publish(facts, self.layout.stopped)

    def propose(self, trial: int, point: Point) -> None:
        """Write down the point of a trial that was not drawn before; the first one counts. Raises OSError."""
        self._publish(dict(point._asdict()), self._asked(trial))

    def has_point(self, trial: int) -> bool:
        """Return whether a trial's point is fixed: it was proposed by Optuna, or it continues an earlier trial."""
        return bool(self.points[trial].resumes) or os.path.exists(self._asked(trial))

    def point(self, trial: int) -> Point:
        """Return the point of a trial: one that was asked for, else the one that was drawn."""
        try:
            with open(self._asked(trial), encoding="utf-8") as file:
                return taken(Point, json.load(file))
        except (OSError, ValueError):
            return self.points[trial]

    def _asked(self, trial: int) -> str:
        return os.path.join(self.layout.asked, "{}.json".format(trial))

    def _lease(self, trial: int, attempt: int) -> str:
        return os.path.join(self.layout.leases, "{}.{}".format(trial, attempt))

    def _publish(self, facts: Mapping[str, object], path: str) -> bool:
        folder, name = os.path.split(path)
        partial = os.path.join(folder, ".{}.{}".format(name, os.urandom(6).hex()))
        _write(partial, json.dumps(facts).encode("utf-8"))
        try:
            return self._link(partial, path)
        finally:
            os.remove(partial)

    @staticmethod
    def _link(own: str, path: str) -> bool:
        """Link a file under a name unless that is taken. NFS may answer with an error and have done it: the inode tells."""
        try:
            os.link(own, path)
        except FileExistsError:
            return _is_same(own, path)
        except OSError:
            if not _is_same(own, path):
                raise
        return True


def settled(ledger: Ledger) -> Tuple[Set[int], Dict[int, int]]:
    """Return the trials that have a result, and the last attempts of those that are taken and have none."""
    attempts = ledger.attempts()
    done = ledger.done()
    return done, {trial: attempt for trial, attempt in attempts.items() if trial not in done}


def _is_same(own: str, path: str) -> bool:
    try:
        return os.path.samefile(own, path)
    except OSError:
        return False


def _write(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _names(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
