"""What login node and job agree on of a sweep: its settings, its files, and what is written down of its trials.

Everything is files in the folder ``sweep/`` of the run. The login node writes ``sweep.json``, ``points.jsonl`` and
``launches.json``; the elements of the job write the rest: see :mod:`.ledger`.
"""

import json
import math
import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Type, TypeVar

from ..plan import LaunchOrder

SCHEMA = 1
TRIALS = "trials"
MOST_TRIALS = 1000
"""The folder of all trials, in the run's."""
MAXIMIZE, MINIMIZE = "maximize", "minimize"
COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"
BY_POLICY, BY_DURATION = "policy", "max_duration_minutes"
"""Why a trial was canceled by the sweep itself."""
RETIRED, TOO_SHORT = "retired", "the time is too short"
"""Why an element leaves trials to others; it may also be the cause that ended its job."""
T = TypeVar("T")


class SweepLayout:
    """The files of a sweep. Every attribute is an absolute path in its run's folder."""

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
        return os.path.join(self.run_folder, trial_folder(trial))


def trial_folder(trial: int) -> str:
    """Return the folder of a trial by its name in the run's."""
    return "{}/{}".format(TRIALS, trial)


class Stopping(NamedTuple):
    """A policy of early termination. ``kind``: none, bandit, median_stopping, truncation_selection."""

    kind: str = "none"
    interval: int = 1
    delay: int = 0
    slack_factor: Optional[float] = None
    slack_amount: Optional[float] = None
    percentage: int = 0


class Settings(NamedTuple):
    """What the job must know of a sweep.

    - ``deadline``: when the sweep ends, in seconds since 1970
    - ``resumes``: a trial that starts again is told where its earlier outputs are, by --resume-from
    - ``asker``: the Python that has Optuna, for Bayesian sampling; empty: there is none
    - ``same_error``: so many first trials that fail alike stop the sweep; ``retire``: so many quick failures of one element
      in turn
      retire it
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
        """1 where more is better, -1 where less is."""
        return 1 if self.goal == MAXIMIZE else -1

    def to_dict(self) -> Dict[str, object]:
        return dict(self._asdict(), stopping=dict(self.stopping._asdict()), schema=SCHEMA)

    @classmethod
    def from_dict(cls, facts: object) -> "Settings":
        """Return what :meth:`to_dict` wrote; unknown keys are taken. Raises ValueError for a newer schema, or for none."""
        if not isinstance(facts, dict) or not isinstance(facts.get("schema"), int):
            raise ValueError("is not a sweep")
        if facts["schema"] > SCHEMA:
            raise ValueError("has schema {}, and this slurmtf knows up to {}: use a newer one".format(facts["schema"], SCHEMA))
        return from_json(cls, facts)._replace(stopping=from_json(Stopping, facts.get("stopping")))


class Point(NamedTuple):
    """One point of the space. ``by``: random, grid, bayesian, resumed; ``note``: why it is another one than was asked for;
    ``resumes``: the outputs of the trial of another sweep that it goes on with."""

    values: Dict[str, Any] = {}  # noqa: RUF012 - nobody writes into it
    by: str = ""
    note: str = ""
    resumes: str = ""


class Earlier(NamedTuple):
    """A trial of another sweep, from which this one starts. ``curve``: what it has logged of the primary metric, ``best`` the
    best of it."""

    values: Mapping[str, object] = {}
    curve: Tuple[float, ...] = ()
    best: Optional[float] = None


class Result(NamedTuple):
    """How a trial ended; the first one that is written counts.

    ``why``: what canceled it, or a failure's cause; ``task`` the one that decided, ``error`` the last line of its log. ``best``
    is the best of the ``values`` of the primary metric that were logged; ``names`` are the other metrics where none was. Times
    in seconds since 1970.
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

    - ``started``, ``left``, ``retired``: the element; ``text`` says why
    - ``took``: a trial
    - ``value``: of the primary metric, the ``number``-th of the trial
    - ``released``: the element does not go on with the trial; ``status`` is the cause, ``text`` the error of a failed launch
    - ``ended``: the trial, with its ``status``; ``text`` is the error
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
        """Return the event; None for a line that is cut or none of ours."""
        try:
            facts = json.loads(line.decode("utf-8"))
            facts["value"] = float(facts.get("value", 0.0))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        event = from_json(cls, facts)
        return event if event.kind else None


def from_json(kind: Type[T], facts: object) -> T:
    """Return a NamedTuple of what fits of a JSON object; the default stands for what does not."""
    facts = facts if isinstance(facts, dict) else {}
    defaults: Mapping[str, object] = getattr(kind, "_field_defaults", {})
    return kind(**{name: _fitting(facts[name], default) for name, default in defaults.items() if name in facts})


def _fitting(value: Any, default: object) -> Any:
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
    """Read the points that were drawn. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as lines:
        return [from_json(Point, json.loads(line)) for line in lines]


def read_earlier(path: str) -> List[Earlier]:
    """Read the trials of other sweeps from which this one starts, if there are any. Raises OSError or ValueError."""
    try:
        with open(path, encoding="utf-8") as lines:
            known = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    return [Earlier(dict(facts["values"]), tuple(map(float, facts["curve"])), facts["best"]) for facts in known]


NUMBERS = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")


def is_same_error(one: str, other: str) -> bool:
    """Return whether two errors differ in numbers at most."""
    return NUMBERS.sub("#", one) == NUMBERS.sub("#", other)


def arguments_of(values: Mapping[str, object]) -> List[str]:
    """Return the arguments of a point: a list is spread, an empty text leaves a bare flag (see script_params)."""
    words: List[str] = []
    for name, value in values.items():
        if name.startswith((VARIABLES, SETTINGS)):
            continue
        words.append(name if name.startswith("-") else "--" + name)
        listed = value if isinstance(value, list) else [] if value in (None, "") else [value]
        words.extend(map(str, listed))
    return words


def variables_of(values: Mapping[str, object]) -> Dict[str, str]:
    """Return the environment variables of a point: what is called ``environment_variables.NAME``."""
    return {name: str(value) for name, value in _behind(VARIABLES, values).items()}


def settings_of(values: Mapping[str, object]) -> Dict[str, object]:
    """Return the settings of the estimator that a point has: what is called ``estimator.NAME``."""
    return _behind(SETTINGS, values)


def launch_of(launches: Mapping[str, LaunchOrder], values: Mapping[str, object]) -> LaunchOrder:
    """Return how a point is launched, of what :func:`read_launches` returned. Raises KeyError for one that is not there."""
    own = settings_of(values)
    return launches[key_of(own)] if own else LaunchOrder()


def key_of(settings: Mapping[str, object]) -> str:
    """Return the name of a launch with these settings."""
    return json.dumps(settings, sort_keys=True)


def read_launches(path: str) -> Dict[str, LaunchOrder]:
    """Read the launches of the settings that a sweep searches over; none where it searches over arguments alone.

    Raises OSError, ValueError or TypeError.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return {key: LaunchOrder.from_dict(facts) for key, facts in json.load(file).items()}
    except FileNotFoundError:
        return {}


def _behind(prefix: str, values: Mapping[str, object]) -> Dict[str, object]:
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


VARIABLES = "environment_variables."
SETTINGS = "estimator."
