"""Ask Optuna for points, as a program in the tool environment "sampler": it reads questions from standard input until that
ends, and writes points to standard output, one line of JSON each.

The first line has the ``space`` (name to expression and arguments) and the ``goal``. A question has a ``seed``, and ``trials``,
those that have changed since the last question, each with its ``number``, its ``values``, its best ``value`` or null, and
whether it ``runs``. The study is only in memory, so no data of Optuna's is stored or shared.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

Values = dict[str, Any]
"""A point of the space, by the names of its parameters. This file stands alone: it imports nothing of slurmtf."""


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print something that is no answer
    optuna: Any = importlib.import_module("optuna")

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = Study(optuna, **json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        question = json.loads(line)
        for trial in question["trials"]:
            study.tell(**trial)
        print(json.dumps({"values": study.ask(question["seed"])}), file=answers, flush=True)


class Study:
    """The trials of a sweep, as an Optuna study."""

    def __init__(self, optuna: Any, space: dict[str, list[Any]], goal: str) -> None:
        self._optuna = optuna
        self._space = space
        self._known = {name: _build_distribution(optuna, *one) for name, one in space.items()}
        self._study = optuna.create_study(direction=goal)
        self._numbers: dict[int, int] = {}

    def tell(self, number: int, values: Values, value: float | None, runs: bool) -> None:
        """Record a trial that has started, or that has ended with its best ``value``."""
        states = self._optuna.trial.TrialState
        state = states.RUNNING if runs else states.FAIL if value is None else states.COMPLETE
        value = value if state is states.COMPLETE else None
        if number in self._numbers:
            if not runs:
                self._study.tell(self._numbers[number], value, state)
            return
        params = {name: _clamp(self._known[name], values[name]) for name in self._known}
        build = self._optuna.trial.create_trial
        self._study.add_trial(build(state=state, params=params, distributions=self._known, value=value))
        self._numbers[number] = len(self._study.get_trials(deepcopy=False)) - 1

    def ask(self, seed: int) -> Values:
        """Return a point of the space, chosen with regard to running trials and the results of ended ones."""
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        asked = self._study.ask(self._known)
        self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)  # if the trial starts, the caller reports it
        return {name: _round_value(self._space[name], asked.params[name]) for name in self._space}


def _build_distribution(optuna: Any, name: str, args: list[object]) -> object:
    if name == "choice":
        return optuna.distributions.CategoricalDistribution(args[0])
    return optuna.distributions.FloatDistribution(args[0], args[1])


def _clamp(distribution: Any, value: Any) -> object:
    """Return a value within the bounds of its distribution: rounding may have moved it outside."""
    low = getattr(distribution, "low", None)
    return value if low is None else min(max(float(value), low), distribution.high)


def _round_value(expression: list[Any], value: object) -> object:
    name, args = expression
    return round(value / args[2]) * args[2] if name == "quniform" else value


if __name__ == "__main__":
    main()
