"""A sweep's charts: the best value over time, each parameter against the metric, and all parameters together. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from slurmtf.plots import Chart, Curve
from slurmtf.runs.states.sweeps import SweepFacts, TrialState

MOST_LINES = 40
"""The number of trials, the best ones, that parallel coordinates show."""
LOGARITHMIC = ("loguniform", "qloguniform", "lognormal", "qlognormal")


def build_charts(facts: SweepFacts, space: Mapping[str, object]) -> list[Chart]:
    """Return all charts of a sweep; ``space`` maps parameters to expressions, as ``SweepRun.space`` does."""
    return [
        build_history_chart(facts),
        *(build_slice_chart(facts, name, expression) for name, expression in space.items()),
        build_parallel_chart(facts),
    ]


def build_history_chart(facts: SweepFacts) -> Chart:
    """Return a chart of each trial's best value, in the order in which the trials ended, and of the best value so far."""
    ended = sorted((one for one in facts.trials if one.result), key=lambda one: one.result.ended if one.result else 0.0)
    values = [(float(number), best) for number, one in enumerate(ended, 1) if (best := _get_best(facts, one)) is not None]
    sofar: list[tuple[float, float]] = []
    for number, value in values:
        known = sofar[-1][1] if sofar else value
        sofar.append((number, max(known, value) if facts.settings.sign > 0 else min(known, value)))
    curves = [Curve("trials", values, "dots"), Curve("best", sofar, "steps")]
    return Chart("optimization history", curves, "trials done", facts.settings.metric)


def build_slice_chart(facts: SweepFacts, name: str, expression: Any) -> Chart:
    """Return a chart of one parameter against the metric; values that are not numbers are placed by their position in the
    list."""
    known = [(one.point.values.get(name), best) for one in facts.trials if (best := _get_best(facts, one)) is not None]
    places = _number_values([value for value, _ in known])
    dots = [(_to_coordinate(value, places), best) for value, best in known]
    label = name if places is None else f"{name} ({', '.join(f'{place}: {text}' for text, place in places.items())})"
    log = bool(expression) and expression[0] in LOGARITHMIC
    return Chart(f"slice of {name}", [Curve(name, dots, "dots")], label, facts.settings.metric, log_x=log)


def build_parallel_chart(facts: SweepFacts) -> Chart:
    """Return a chart of the best trials as lines over all parameters and the metric, each scaled to its lowest and highest
    value."""
    sign = facts.settings.sign
    known = [(one, best) for one in facts.trials if (best := _get_best(facts, one)) is not None]
    ranked = sorted(known, key=lambda pair: -sign * pair[1])[:MOST_LINES]
    names = list(dict.fromkeys(name for one, _ in ranked for name in one.point.values))
    columns = [_scale([one.point.values.get(name) for one, _ in ranked]) for name in names]
    columns.append(_scale([best for _, best in ranked]))
    curves = [
        Curve(f"trial {one.number}: {best:.6g}", [(float(x), column[row]) for x, column in enumerate(columns, 1)])
        for row, (one, best) in enumerate(ranked)
    ]
    axes = ", ".join(f"{number}: {name}" for number, name in enumerate([*names, facts.settings.metric], 1))
    return Chart("parallel coordinates", curves, axes, "lowest to highest")


def _get_best(facts: SweepFacts, trial: TrialState) -> float | None:
    best = trial.best(facts.settings.sign)
    return best if best is not None and math.isfinite(best) else None


def _number_values(values: Sequence[object]) -> dict[str, int] | None:
    """Return the position of each value, by its text; None if all are numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return {text: place for place, text in enumerate(dict.fromkeys(map(_format_value, values)), 1)}


def _to_coordinate(value: Any, places: Mapping[str, int] | None) -> float:
    return float(value if places is None else places[_format_value(value)])


def _scale(values: Sequence[object]) -> list[float]:
    places = _number_values(values)
    numbers = [_to_coordinate(value, places) for value in values]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    return [(number - low) / (high - low) if high > low else 0.5 for number in numbers]


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
