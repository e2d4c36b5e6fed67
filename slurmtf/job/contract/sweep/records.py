"""What the login node and the job agree on about a sweep: its settings, its files, and the records of its trials.

All files are in the folder ``sweep/`` of the run. The login node writes ``sweep.json``, ``points.jsonl`` and
``launches.json``; the elements of the job write the rest: see :mod:`.ledger`.
"""

import json
import math
import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Type, TypeVar

from ..interchange import JsonObject
from ..plan import LaunchOrder

SCHEMA = 1
TRIALS = "trials"
MOST_TRIALS = 1000
"""The folder of all trials, in the run folder."""
MAXIMIZE, MINIMIZE = "maximize", "minimize"
COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
BY_POLICY, BY_DURATION = "policy", "max_duration_minutes"
"""Why the sweep itself canceled a trial."""
RETIRED, TOO_SHORT = "retired", "the time is too short"
"""Why an element leaves trials to others; the reason may also be the cause that ended its job."""
T = TypeVar("T")


class SweepLayout:
    """The files of a sweep. Every attribute is an absolute path in its run folder."""

    def __init__(self, run_folder: str) -> None:
        self.run_folder = run_folder
        self.folder = os.path.join(run_folder, "sweep")
        self.settings = os.path.join(self.folder, "sweep.json")
        self.points = os.path.join(self.folder, "points.jsonl")
        self.launches = os.path.join(self.folder, "launches.json")
        self.earlier = os.path.join(self.folder, "earlier.jsonl")
        self.ask = os.path.join(self.folder, "ask.py")
        self.asked = os.path.join(self.folder, "asked")
        self.leases = os.path.join(self.folder, "leases")
        self.results = os.path.join(self.folder, "results")
        self.elements = os.path.join(self.folder, "elements")
        self.stopped = os.path.join(self.folder, "stopped.json")

    def result(self, trial: int) -> str:
        return os.path.join(self.results, "{}.json".format(trial))

    def trial(self, trial: int) -> str:
        """The folder of a trial: its logs, outputs and metrics."""
        return os.path.join(self.run_folder, get_trial_folder(trial))


def get_trial_folder(trial: int) -> str:
    """Return the folder of a trial, relative to the run folder."""
    return "{}/{}".format(TRIALS, trial)


class Stopping(NamedTuple):
    """An early termination policy. ``kind``: none, bandit, median_stopping, truncation_selection."""

    kind: str = "none"
    interval: int = 1
    delay: int = 0
    slack_factor: Optional[float] = None
    slack_amount: Optional[float] = None
    percentage: int = 0


class Settings(NamedTuple):
    """The settings of a sweep that the job must know.

    - ``deadline``: when the sweep ends, in seconds since 1970
    - ``resumes``: a restarted trial gets the folder of its earlier outputs by --resume-from
    - ``asker``: the Python that has Optuna, for Bayesian sampling; empty: there is none
    - ``same_error``: how many first trials must fail alike to stop the sweep
    - ``retire``: how many quick failures in a row retire an element
    """

    sampling: str = "random"
    seed: int = 0
    metric: str = ""
    goal: str = MAXIMIZE
    total: int = 1
    concurrent: int = 1
    deadline: float = 0.0
    stopping: Stopping = Stopping()
    per_element: int = 1
    resumes: bool = False
    asker: str = ""
    same_error: int = 5
    retire: int = 3

    @property
    def sign(self) -> int:
        """1 if more is better, -1 if less is."""
        return 1 if self.goal == MAXIMIZE else -1

    def to_dict(self) -> Dict[str, object]:
        return dict(self._asdict(), stopping=dict(self.stopping._asdict()), schema=SCHEMA)

    @classmethod
    def from_dict(cls, facts: object) -> "Settings":
        """Return what :meth:`to_dict` wrote; unknown keys are ignored. Raises ValueError if the schema is newer or missing."""
        if not isinstance(facts, dict) or not isinstance(facts.get("schema"), int):
            raise ValueError("is not a sweep")
        if facts["schema"] > SCHEMA:
            raise ValueError("has schema {}, and this slurmtf knows up to {}: use a newer one".format(facts["schema"], SCHEMA))
        return from_json(cls, facts)._replace(stopping=from_json(Stopping, facts.get("stopping")))


class Point(NamedTuple):
    """One point of the space. ``by``: random, grid, bayesian, resumed; ``note``: why it differs from the requested one;
    ``resumes``: the outputs of the trial of another sweep that it continues."""

    values: JsonObject = {}  # noqa: RUF012 - never modified
    by: str = ""
    note: str = ""
    resumes: str = ""


class EarlierTrial(NamedTuple):
    """A trial of another sweep, from which this sweep starts. ``curve``: its values of the primary metric; ``best``: their
    best."""

    values: Mapping[str, object] = {}
    curve: Tuple[float, ...] = ()
    best: Optional[float] = None


class Result(NamedTuple):
    """How a trial ended; the first result that is written counts.

    ``why``: what canceled it, or a failure's cause; ``task``: the task that decided; ``error``: the last line of its log;
    ``best``: the best of the logged ``values`` of the primary metric; ``names``: the other metrics, if the primary one was not
    logged. Times are in seconds since 1970.
    """

    trial: int = 0
    status: str = ""
    attempt: int = 0
    element: str = ""
    host: str = ""
    started: float = 0.0
    ended: float = 0.0
    why: str = ""
    error: str = ""
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    task: str = ""
    best: Optional[float] = None
    values: int = 0
    names: Tuple[str, ...] = ()

    def to_dict(self) -> Dict[str, object]:
        return dict(self._asdict())


class Event(NamedTuple):
    """One line of an element's file.

    ``kind`` is one of

    - ``started``, ``left``, ``retired``: of the element; ``text`` says why
    - ``took``: the element took a trial
    - ``value``: the ``number``-th value of the primary metric of the trial
    - ``released``: the element does not continue the trial; ``status`` is the cause, ``text`` the error of a failed launch
    - ``ended``: the trial ended with ``status``; ``text`` is the error
    """

    kind: str = ""
    time: float = 0.0
    trial: int = -1
    attempt: int = 0
    number: int = 0
    value: float = 0.0
    text: str = ""
    host: str = ""
    status: str = ""

    def to_line(self) -> bytes:
        facts = {
            name: value for name, value in self._asdict().items() if value != self._field_defaults[name] or name == "value"
        }
        if not math.isfinite(self.value):
            facts["value"] = repr(self.value)
        return json.dumps(facts).encode("utf-8") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Optional[Event]":
        """Return the event of a line; None if it is incomplete or not ours."""
        try:
            facts = json.loads(line.decode("utf-8"))
            facts["value"] = float(facts.get("value", 0.0))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        event = from_json(cls, facts)
        return event if event.kind else None


def from_json(kind: Type[T], facts: object) -> T:
    """Return a NamedTuple with the values of a JSON object that fit, and the defaults for the others."""
    facts = facts if isinstance(facts, dict) else {}
    defaults: Mapping[str, object] = getattr(kind, "_field_defaults", {})
    return kind(**{name: _coerce(facts[name], default) for name, default in defaults.items() if name in facts})


def _coerce(value: Any, default: object) -> object:
    if default is None:
        return value if value is None or _is_number(value) else None
    if isinstance(default, bool):
        return value if isinstance(value, bool) else default
    if isinstance(default, tuple):
        return tuple(map(str, value)) if isinstance(value, list) and not hasattr(default, "_fields") else default
    if isinstance(default, float):
        return float(value) if _is_number(value) else default
    return value if isinstance(value, type(default)) and not isinstance(value, bool) else default


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_settings(path: str) -> Settings:
    """Read a sweep's settings. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as file:
        try:
            return Settings.from_dict(json.load(file))
        except (ValueError, RecursionError) as err:
            raise ValueError("{}: {}".format(path, err)) from None


def read_points(path: str) -> List[Point]:
    """Read the points that were drawn in advance. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as lines:
        return [from_json(Point, json.loads(line)) for line in lines]


def read_earlier(path: str) -> List[EarlierTrial]:
    """Read the trials of other sweeps from which this one starts, if there are any. Raises OSError or ValueError."""
    try:
        with open(path, encoding="utf-8") as lines:
            known = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    return [EarlierTrial(dict(facts["values"]), tuple(map(float, facts["curve"])), facts["best"]) for facts in known]


NUMBERS = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


def is_same_error(one: str, other: str) -> bool:
    """Return whether two errors differ only in numbers, if at all."""
    return NUMBERS.sub("#", one) == NUMBERS.sub("#", other)


def build_arguments(values: Mapping[str, object]) -> List[str]:
    """Return the arguments of a point: a list becomes several arguments, an empty text a bare flag (see script_params)."""
    words: List[str] = []
    for name, value in values.items():
        if name.startswith((VARIABLES, SETTINGS)):
            continue
        words.append(name if name.startswith("-") else "--" + name)
        listed = value if isinstance(value, list) else [] if value in (None, "") else [value]
        words.extend(map(str, listed))
    return words


def select_variables(values: Mapping[str, object]) -> Dict[str, str]:
    """Return the environment variables of a point: the values named ``environment_variables.NAME``."""
    return {name: str(value) for name, value in _select_prefixed(VARIABLES, values).items()}


def select_settings(values: Mapping[str, object]) -> Dict[str, object]:
    """Return the estimator settings of a point: the values named ``estimator.NAME``."""
    return _select_prefixed(SETTINGS, values)


def get_launch(launches: Mapping[str, LaunchOrder], values: Mapping[str, object]) -> LaunchOrder:
    """Return the launch of a point, from what :func:`read_launches` returned. Raises KeyError if it is missing."""
    own = select_settings(values)
    return launches[build_key(own)] if own else LaunchOrder()


def build_key(settings: Mapping[str, object]) -> str:
    """Return the name of a launch with these settings."""
    return json.dumps(settings, sort_keys=True)


def read_launches(path: str) -> Dict[str, LaunchOrder]:
    """Read the launches of the settings that a sweep searches over; none if it searches over arguments alone.

    Raises OSError, ValueError or TypeError.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return {key: LaunchOrder.from_dict(facts) for key, facts in json.load(file).items()}
    except FileNotFoundError:
        return {}


def _select_prefixed(prefix: str, values: Mapping[str, object]) -> Dict[str, object]:
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


VARIABLES = "environment_variables."
SETTINGS = "estimator."
