"""The description of a sweep: the training job, the space, the goal, the number of trials."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.arguments import check_text
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.sweep.records import MOST_TRIALS, SETTINGS, VARIABLES, Point, Settings
from slurmtf.plan.launchers import list_agent_launchers
from slurmtf.tune import launches
from slurmtf.tune.policies import POLICIES, NoTerminationPolicy, to_stopping
from slurmtf.tune.samplers import BayesianParameterSampling, Sampling

if TYPE_CHECKING:
    from slurmtf.experiments import Experiment
    from slurmtf.tune.run import SweepRun

LONGEST_MINUTES = 10080
"""Azure ML's limit, a week."""
MOST_RUNS, MOST_CONCURRENT = MOST_TRIALS, 100
RUNS_FOR_EACH_PARAMETER, MOST_CONCURRENT_BAYESIAN = 20, 20
"""Azure ML's advice for Bayesian sampling."""


class PrimaryMetricGoal(str, Enum):
    """Whether higher or lower values of the primary metric are better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


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
        findings = [*self._check_types(), *self._check_counts()]
        is_whole = not findings
        findings += check_space(self.sampling.parameter_space) if isinstance(self.sampling, Sampling) else ()
        findings += [*self._check_bayesian(), *self._check_slots()] if is_whole else []
        errors = [finding for finding in findings if finding.is_error]
        if errors:
            raise SpecError(*findings)
        object.__setattr__(self, "primary_metric_goal", PrimaryMetricGoal(normalize_goal(self.primary_metric_goal)))
        object.__setattr__(self, "_warnings", (*findings, *self._check_overruled(), *self._check_total()))

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
        twice = _find_overruled(params, self.sampling.parameter_space)
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

    # --- checks

    def _check_types(self) -> Iterable[Finding]:
        if not isinstance(self.estimator, Estimator):
            yield Finding(
                "no-estimator", "estimator", f"{self.estimator!r} is not an estimator", "pass a TensorFlow or an Estimator"
            )
        if not isinstance(self.sampling, Sampling):
            remedy = "pass RandomParameterSampling, GridParameterSampling or BayesianParameterSampling"
            yield Finding("no-sampling", "sampling", f"{self.sampling!r} is not a sampling method", remedy)
        if not isinstance(self.primary_metric_name, str) or not self.primary_metric_name.strip():
            what = f"{self.primary_metric_name!r} is not the name of a metric"
            yield Finding("no-metric", "primary_metric_name", what, "name it as the script logs it: run.log('accuracy', ...)")
        if normalize_goal(self.primary_metric_goal) not in [goal.value for goal in PrimaryMetricGoal]:
            what = f"{self.primary_metric_goal!r} is not a goal"
            yield Finding("bad-goal", "primary_metric_goal", what, "set 'maximize' or 'minimize'")
        if self.policy is not None and not isinstance(self.policy, POLICIES):
            names = ", ".join(kind.__name__ for kind in POLICIES)
            yield Finding("bad-policy", "policy", f"{self.policy!r} is not a policy", f"pass one of {names}")
        for name in ("warm_start_from", "resume_child_runs"):
            if isinstance(getattr(self, name), str) or not isinstance(getattr(self, name), Sequence):
                yield Finding("not-a-list", name, f"{getattr(self, name)!r} is not a list", "list runs, or their ids")
        if not isinstance(self.resume_trials, bool):
            yield Finding("not-a-switch", "resume_trials", f"{self.resume_trials!r} is neither true nor false", "set one")

    def _check_counts(self) -> Iterable[Finding]:
        yield from _check_count("max_total_runs", self.max_total_runs, 1, MOST_RUNS)
        yield from _check_count("max_concurrent_runs", self.max_concurrent_runs, 1, MOST_CONCURRENT)
        yield from _check_count("max_duration_minutes", self.max_duration_minutes, 1, None)
        yield from _check_count("elements", self.elements, 1, MOST_RUNS)
        yield from _check_count("trials_per_element", self.trials_per_element, 1, MOST_CONCURRENT)
        yield from _check_count("same_error_limit", self.same_error_limit, 0, MOST_RUNS)
        yield from _check_count("retire_after", self.retire_after, 0, MOST_RUNS)
        total, concurrent = self.max_total_runs, self.max_concurrent_runs
        if isinstance(total, int) and isinstance(concurrent, int) and concurrent > total:
            what = f"{concurrent} is above max_total_runs={total}"
            yield Finding("out-of-range", "max_concurrent_runs", what, "set at most as many as there are trials")
        if isinstance(total, int) and isinstance(self.resume_child_runs, Sequence) and len(self.resume_child_runs) > total:
            what = f"{len(self.resume_child_runs)} are above max_total_runs={total}, in which they count"
            yield Finding("out-of-range", "resume_child_runs", what, "raise max_total_runs, or resume fewer")

    def _check_slots(self) -> Iterable[Finding]:
        if self.trials_per_element == 1:
            return
        if self.estimator.node_count > 1:
            what = f"a trial has {self.estimator.node_count} nodes, and can't share one with other trials"
            yield Finding("too-large-trials", "trials_per_element", what, "leave it out, or use trials of one node")
        if self.estimator.launcher not in (None, *list_agent_launchers()):
            what = f"launcher {self.estimator.launcher} can't start trials side by side in one job"
            yield Finding(
                "launcher-unfit", "launcher", what, f"leave it out, or use one of {', '.join(list_agent_launchers())}"
            )

    def _check_bayesian(self) -> Iterable[Finding]:
        if not isinstance(self.sampling, BayesianParameterSampling):
            return
        if self.policy is not None and not isinstance(self.policy, NoTerminationPolicy):
            what = "Bayesian sampling allows no early termination: it learns from how trials end"
            yield Finding("policy-with-bayesian", "policy", what, "leave the policy out, or use random sampling")
        advised = RUNS_FOR_EACH_PARAMETER * len(self.sampling.parameter_space)
        if self.max_total_runs < advised:
            what = (
                f"{self.max_total_runs} runs are few for {len(self.sampling.parameter_space)} parameters: {advised} are advised"
            )
            yield build_warning("few-runs", what, "max_total_runs")
        if self.concurrent > MOST_CONCURRENT_BAYESIAN:
            what = (
                f"{self.concurrent} trials at once learn little from each other: at most {MOST_CONCURRENT_BAYESIAN} are advised"
            )
            yield build_warning("many-at-once", what, "max_concurrent_runs")

    def _check_overruled(self) -> Iterable[Finding]:
        twice = _find_overruled(self.estimator.script_params, self.sampling.parameter_space)
        if twice:
            what = f"{', '.join(twice)}: in script_params and in the sweep's space, which counts"
            yield build_warning("parameter-twice", what, "script_params")
        if self.estimator.restarts:
            what = "says nothing in a sweep: its trials start again by the sweep's own rules"
            remedy = "leave it out; a trial starts again after a preemption or a lost node"
            yield build_warning("restarts-in-sweep", what, "restarts", remedy)

    def _check_total(self) -> Iterable[Finding]:
        if self.max_duration_minutes > LONGEST_MINUTES:
            what = f"{self.max_duration_minutes} is above a week: {LONGEST_MINUTES} is used"
            yield build_warning("long-sweep", what, "max_duration_minutes")


def normalize_goal(goal: object) -> str:
    """Return a goal's name. Azure ML's ``PrimaryMetricGoal.MAXIMIZE`` and ``"MAXIMIZE"`` are accepted."""
    value = getattr(goal, "value", goal)
    return value.lower() if isinstance(value, str) else repr(value)


def _check_count(name: str, value: object, least: int, most: int | None) -> Iterable[Finding]:
    if value is None and name in ("max_concurrent_runs", "elements"):
        return
    if isinstance(value, bool) or not isinstance(value, int):
        yield Finding("not-a-count", name, f"{value!r} is not a whole number", f"set at least {least}")
    elif value < least or (most is not None and value > most):
        what = f"{value} is not between {least} and {most}" if most else f"{value} is below {least}"
        yield Finding("out-of-range", name, what, "set one within these bounds")


def check_space(space: Mapping[str, Any]) -> Iterable[Finding]:
    """Yield what is wrong with the parameters' names, and with values that can't be passed to the script."""
    known: dict[str, str] = {}
    for name, expression in space.items():
        where = f"parameter_space[{name!r}]"
        plain = _strip_dashes(name)
        if not isinstance(name, str) or not plain:
            yield Finding(
                "bad-parameter", where, "is not a name for an argument", "write it as the script takes it: '--learning-rate'"
            )
            continue
        if plain in known:
            what = f"is the same argument as {known[plain]!r}"
            yield Finding("parameter-twice", where, what, "keep one of them")
        known[plain] = name
        if name.startswith(VARIABLES) and not name[len(VARIABLES) :].isidentifier():
            yield Finding(
                "bad-parameter", where, f"{name[len(VARIABLES) :]!r} is not a name for a variable", "use letters, digits, '_'"
            )
        if name.startswith(SETTINGS):
            yield from launches.check_setting(name, expression, where)
            continue
        for option in expression.options or ():
            for word in option if isinstance(option, list) else [option]:
                yield from check_text(where, str(word) if isinstance(word, bool) else word)


def _strip_dashes(name: object) -> str:
    return name.lstrip("-") if isinstance(name, str) else ""


def _find_overruled(params: object, space: Mapping[str, object]) -> list[str]:
    """Return the estimator's arguments that are also in the space."""
    names = {_strip_dashes(name) for name in space}
    return [key for key in params if _strip_dashes(key) in names] if isinstance(params, Mapping) else []
