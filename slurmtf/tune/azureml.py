"""Accept Azure ML's spelling of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slurmtf.errors import SpecError
from slurmtf.findings import Finding
from slurmtf.tune.checks import LONGEST_MINUTES
from slurmtf.tune.goal import PrimaryMetricGoal
from slurmtf.tune.samplers import Sampling
from slurmtf.tune.sweep import Sweep

ESTIMATORS_ONLY = ("slurmtf runs sweeps of estimators", "pass estimator=")
NOT_HERE = {"run_config": ESTIMATORS_ONLY, "pipeline": ESTIMATORS_ONLY}
"""Parameters of Azure ML that a sweep does not have, each with what to report."""


@dataclass(frozen=True)
class HyperDriveConfig:
    """Azure ML's spelling of :class:`Sweep`, which ``Experiment.submit`` accepts.

    Raises SpecError with everything that is wrong, including what slurmtf does not have: ``run_config``, ``pipeline``.
    ``resume_from`` is a sweep or a list of sweeps, ``resume_child_runs`` a trial or a list of trials.
    """

    hyperparameter_sampling: Sampling
    primary_metric_name: str
    primary_metric_goal: PrimaryMetricGoal | str
    max_total_runs: int
    max_concurrent_runs: int | None = None
    max_duration_minutes: int = LONGEST_MINUTES
    policy: Any = None
    estimator: Any = None
    run_config: object = None
    resume_from: Any = None
    resume_child_runs: Any = None
    pipeline: object = None

    def __post_init__(self) -> None:
        findings = [
            Finding("not-here", name, *texts) for name, texts in NOT_HERE.items() if getattr(self, name) not in (None, [])
        ]
        if findings:
            raise SpecError(*findings)
        object.__setattr__(self, "_settled", self._build_sweep())

    def _build_sweep(self) -> Sweep:
        return Sweep(
            self.estimator,
            self.hyperparameter_sampling,
            self.primary_metric_name,
            self.primary_metric_goal,
            self.max_total_runs,
            self.max_concurrent_runs,
            self.max_duration_minutes,
            self.policy,
            warm_start_from=_to_tuple(self.resume_from),
            resume_child_runs=_to_tuple(self.resume_child_runs),
        )

    @property
    def settled(self) -> Sweep:
        """The sweep that it describes."""
        sweep: Sweep = self.__dict__["_settled"]
        return sweep

    def submit_to(self, *args: Any, **overrides: Any) -> object:
        """Submit the sweep that it describes: see ``Experiment.submit``, which calls this."""
        return self.settled.submit_to(*args, **overrides)


def _to_tuple(given: object) -> tuple[object, ...]:
    """Return runs given as a list, or as a single run."""
    return tuple(given) if isinstance(given, list | tuple) else () if given is None else (given,)


def HyperDriveRunConfig(estimator: object, **settings: Any) -> HyperDriveConfig:  # noqa: N802 - Azure ML's name
    """Return the configuration of Azure ML's older spelling."""
    return HyperDriveConfig(estimator=estimator, **settings)
