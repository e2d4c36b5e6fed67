"""The description of a sweep: the training job, the space, the goal, the number of trials."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.findings import Finding
from slurmtf.job.contract.sweep.records import Point, Settings
from slurmtf.tune import checks
from slurmtf.tune.checks import LONGEST_MINUTES, MOST_CONCURRENT
from slurmtf.tune.goal import PrimaryMetricGoal, normalize_goal
from slurmtf.tune.policies import to_stopping
from slurmtf.tune.samplers import Sampling

if TYPE_CHECKING:
    from slurmtf.experiments import Experiment
    from slurmtf.tune.run import SweepRun


@dataclass(frozen=True)
class Sweep:
    """A search over a script's arguments. Raises SpecError with everything that is wrong; an instance never changes.

    A parameter is an argument of the script (``learning-rate`` and ``--learning-rate`` are the same), an environment variable
    (``environment_variables.NAME``), or one of the estimator's settings that can change within an allocation
    (``estimator.NAME``; :mod:`slurmtf.tune.launches`). It overrides the estimator's own value.
    """

    estimator: Estimator
    sampling: Sampling
    primary_metric_name: str
    primary_metric_goal: PrimaryMetricGoal | str
    max_total_runs: int
    max_concurrent_runs: int | None = None
    """Number of trials that run at once. Default: all."""
    max_duration_minutes: int = LONGEST_MINUTES
    """The time limit in minutes from the submission on; after it, no trial starts and running trials are canceled."""
    policy: Any = None
    """Which trials are stopped early: BanditPolicy, MedianStoppingPolicy or TruncationSelectionPolicy. Default: none."""
    elements: int | None = field(default=None, kw_only=True)
    """Number of jobs that share the trials, as elements of an array. Default: one for each trial. A job that starts when no
    trial is left ends at once."""
    trials_per_element: int = field(default=1, kw_only=True)
    """Number of trials that an element runs at once, on one node: they share the estimator's CPUs and GPUs equally."""
    resume_trials: bool = field(default=False, kw_only=True)
    """When a trial restarts after a preemption or a lost node, pass its earlier outputs to it with --resume-from."""
    warm_start_from: Sequence[Any] = field(default=(), kw_only=True)
    """Sweeps that have ended, or their ids, whose results Bayesian sampling and policies take into account."""
    resume_child_runs: Sequence[Any] = field(default=(), kw_only=True)
    """Trials of ended sweeps, or their ids. This sweep runs them first, with their parameters and with --resume-from for their
    outputs."""
    same_error_limit: int = field(default=5, kw_only=True)
    """The sweep stops if the first trials to end, this many, all fail with the same error; 0: never."""
    retire_after: int = field(default=3, kw_only=True)
    """An element leaves the remaining trials to others after this many trials in a row failed, each in less than a minute; 0:
    never."""

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        findings = [*checks.check_types(given), *checks.check_counts(given)]
        is_whole = not findings
        findings += checks.check_space(self.sampling.parameter_space) if isinstance(self.sampling, Sampling) else ()
        if is_whole:
            findings += checks.check_bayesian(self.sampling, self.policy, self.max_total_runs, self.concurrent)
            findings += checks.check_slots(self.estimator, self.trials_per_element)
        errors = [finding for finding in findings if finding.is_error]
        if errors:
            raise SpecError(*findings)
        object.__setattr__(self, "primary_metric_goal", PrimaryMetricGoal(normalize_goal(self.primary_metric_goal)))
        doubts = (
            *checks.check_overruled(self.estimator, self.sampling.parameter_space),
            *checks.check_duration(self.max_duration_minutes),
        )
        object.__setattr__(self, "_warnings", (*findings, *doubts))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The warnings about the sweep."""
        found: tuple[Finding, ...] = self.__dict__["_warnings"]
        return found

    @property
    def total(self) -> int:
        """Number of trials, including resumed ones; at most as many as a grid has points."""
        resumed = len(self.resume_child_runs)
        return resumed + self.sampling.count_points(self.max_total_runs - resumed)

    @property
    def concurrent(self) -> int:
        """Number of trials that run at once."""
        return min(self.max_concurrent_runs or self.max_total_runs, self.total, MOST_CONCURRENT)

    @property
    def per_element(self) -> int:
        """Number of trials that an element runs at once."""
        return min(self.trials_per_element, self.concurrent)

    @property
    def element_count(self) -> int:
        most = -(-self.total // self.per_element)
        return min(self.elements or most, most)

    @property
    def elements_at_once(self) -> int:
        return max(1, self.concurrent // self.per_element)

    @property
    def trial_estimator(self) -> Estimator:
        """The estimator without the arguments that the sweep sets."""
        params = self.estimator.script_params
        twice = checks.find_overruled(params, self.sampling.parameter_space)
        if not twice:
            return self.estimator
        return replace(
            self.estimator, script_params={key: value for key, value in dict(params or {}).items() if key not in twice}
        )

    def draw_points(self) -> tuple[int, list[Point]]:
        """Return the seed and the points behind those that are resumed: those of the sampling, for Bayesian sampling those that
        stand in for it."""
        seed = self.sampling.seed if self.sampling.seed is not None else secrets.randbits(32)
        by = "grid" if self.sampling.kind == "grid" else "random"
        return seed, [Point(values, by) for values in self.sampling.draw_points(self.total - len(self.resume_child_runs), seed)]

    def build_settings(self, seed: int, now: float) -> Settings:
        """Return the settings for the job; ``now`` is when the sweep starts."""
        minutes = min(self.max_duration_minutes, LONGEST_MINUTES)
        return Settings(
            sampling=self.sampling.kind,
            seed=seed,
            metric=self.primary_metric_name,
            goal=normalize_goal(self.primary_metric_goal),
            total=self.total,
            concurrent=self.concurrent,
            deadline=now + 60 * minutes,
            stopping=to_stopping(self.policy),
            per_element=self.per_element,
            resumes=self.resume_trials,
            same_error=min(self.same_error_limit, self.total),
            retire=self.retire_after,
        )

    def submit_to(
        self, experiment: Experiment, tags: Mapping[str, object] | None, tell: Callable[[str], None], **overrides: Any
    ) -> SweepRun:
        """Submit the sweep: see ``Experiment.submit``, which calls this."""
        from slurmtf.tune.submitting import submit  # noqa: PLC0415 - needed only to submit a sweep

        return submit(self, experiment, tags, tell, **overrides)
