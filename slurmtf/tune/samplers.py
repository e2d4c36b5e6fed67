"""Choose the points of a space to try. They are drawn at submission; the same seed draws the same points."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from slurmtf.collecting import Findings
from slurmtf.errors import SpecError
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.tune.spaces import Expression, parse_expression

Point = JsonObject
Space = Mapping[str, Any]
"""Expressions by the names of parameters; whatever a user gave, until a Sampling has checked it."""
BAYESIAN = ("choice", "uniform", "quniform")
"""The expressions that Bayesian sampling supports (Azure ML's list)."""
SCALARS = (int, float, str)


@dataclass(frozen=True)
class Sampling:
    """A space, as a mapping from name to expression, and how points of it are chosen.

    Without a ``seed``, each sweep draws other points; the seed that was used is in the sweep's folder. Raises SpecError with
    everything that is wrong.
    """

    parameter_space: Space
    seed: int | None = None
    properties: Mapping[str, object] | None = field(default=None, kw_only=True)
    """Azure ML's keyword; only its ``seed`` is supported."""

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        findings = Findings()
        if not isinstance(self.parameter_space, Mapping) or not self.parameter_space:
            findings.add([Finding("no-space", "parameter_space", "is empty", "write {'--learning-rate': uniform(0, 1)}")])
        else:
            space = {
                key: findings.attempt(parse_expression, value, f"parameter_space[{key!r}]")
                for key, value in self.parameter_space.items()
            }
            findings.add(self._check_expressions({str(key): one for key, one in space.items() if one}))
            object.__setattr__(self, "parameter_space", space)
        findings.add(self._check_seed())
        findings.raise_errors()

    def _check_seed(self) -> Iterable[Finding]:
        seed = (self.properties or {}).get("seed", self.seed)
        object.__setattr__(self, "seed", seed)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            yield Finding("bad-seed", "seed", f"{seed!r} is not a whole number", "use one, or leave it out")

    def _check_expressions(self, space: Mapping[str, Expression]) -> Iterable[Finding]:  # noqa: ARG002
        return ()

    def count_points(self, total: int) -> int:
        """Return the number of points, at most ``total``."""
        return total

    def draw_points(self, total: int, seed: int) -> list[Point]:
        """Return the first ``total`` points; a longer list begins with the same points."""
        source = random.Random(seed)  # noqa: S311 - no secret
        return [{name: one.draw(source) for name, one in self.parameter_space.items()} for _ in range(total)]


@dataclass(frozen=True)
class RandomParameterSampling(Sampling):
    """Points drawn at random, each parameter independently."""

    kind: ClassVar[str] = "random"


@dataclass(frozen=True)
class GridParameterSampling(Sampling):
    """All combinations, each once. Every parameter must be a ``choice``."""

    kind: ClassVar[str] = "grid"

    def _check_expressions(self, space: Mapping[str, Expression]) -> Iterator[Finding]:
        for name, one in space.items():
            if one.name != "choice":
                what = f"a grid takes choice, not {one.name}"
                yield Finding("not-in-grid", f"parameter_space[{name!r}]", what, "list the values, or use random sampling")

    def count_points(self, total: int) -> int:
        return min(total, math.prod(len(one.args) for one in self.parameter_space.values()))

    def draw_points(self, total: int, seed: int) -> list[Point]:  # noqa: ARG002 - a grid has one order
        cells = itertools.product(*(one.args for one in self.parameter_space.values()))
        return [dict(zip(self.parameter_space, cell, strict=True)) for cell in itertools.islice(cells, total)]


@dataclass(frozen=True)
class BayesianParameterSampling(Sampling):
    """Points that Optuna proposes from the results of earlier trials. If it can't be asked, a randomly drawn point takes its
    place, and the trial says so."""

    kind: ClassVar[str] = "bayesian"

    def _check_expressions(self, space: Mapping[str, Expression]) -> Iterator[Finding]:
        for name, one in space.items():
            where = f"parameter_space[{name!r}]"
            if one.name not in BAYESIAN:
                what = f"Bayesian sampling supports {', '.join(BAYESIAN)}, not {one.name}"
                yield Finding("not-bayesian", where, what, "use one of them, or random sampling")
            elif one.name == "choice" and not all(isinstance(option, SCALARS) for option in one.args):
                yield Finding(
                    "not-bayesian", where, "Bayesian sampling can only choose among numbers and strings", "list no lists"
                )


SAMPLINGS: dict[str, type[Sampling]] = {
    one.kind: one for one in (RandomParameterSampling, GridParameterSampling, BayesianParameterSampling)
}


def build_sampling(kind: str, space: Mapping[str, object], seed: int | None) -> Sampling:
    """Return the sampling of that name. Raises SpecError."""
    if kind not in SAMPLINGS:
        raise SpecError(Finding("unknown-sampling", "sampling", f"{kind!r} is unknown", f"use one of {', '.join(SAMPLINGS)}"))
    return SAMPLINGS[kind](space, seed)
