"""Run by the Python of the tool environment "sampler", which has Optuna: a question on standard input, a point on standard
output.

The study is built anew from what the sweep's ledger tells (1,000 trials: 0.1 s), so that nothing of Optuna's is kept or shared.
A question has the ``space`` (name to expression and arguments), ``seed``, ``goal``, and of each trial its ``values``, its best
``value`` or null, and whether it ``runs``.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    optuna: Any = importlib.import_module("optuna")

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    json.dump({"values": proposed(optuna, json.load(sys.stdin))}, sys.stdout)


def proposed(optuna: Any, question: dict[str, Any]) -> dict[str, Any]:
    """Return a point of the space: where the others run, and what those that have ended reached, counts."""
    space = question["space"]
    known = {name: _distribution(optuna, *one) for name, one in space.items()}
    sampler = optuna.samplers.TPESampler(seed=question["seed"], constant_liar=True)
    study = optuna.create_study(direction=question["goal"], sampler=sampler)
    for trial in question["trials"]:
        study.add_trial(_trial(optuna, known, trial))
    values = study.ask(known).params
    return {name: _settled(space[name], values[name]) for name in space}


def _distribution(optuna: Any, name: str, args: list[Any]) -> Any:
    if name == "choice":
        return optuna.distributions.CategoricalDistribution(args[0])
    return optuna.distributions.FloatDistribution(args[0], args[1])


def _trial(optuna: Any, known: dict[str, Any], trial: dict[str, Any]) -> Any:
    states = optuna.trial.TrialState
    state = states.RUNNING if trial["runs"] else states.FAIL if trial["value"] is None else states.COMPLETE
    params = {name: _within(known[name], value) for name, value in trial["values"].items()}
    value = trial["value"] if state is states.COMPLETE else None
    return optuna.trial.create_trial(state=state, params=params, distributions=known, value=value)


def _within(distribution: Any, value: Any) -> Any:
    """Return a value as one of its distribution: what was rounded may lie outside of the bounds."""
    low = getattr(distribution, "low", None)
    return value if low is None else min(max(float(value), low), distribution.high)


def _settled(expression: list[Any], value: Any) -> Any:
    name, args = expression
    return round(value / args[2]) * args[2] if name == "quniform" else value


if __name__ == "__main__":
    main()
