"""What is wrong or doubtful in the description of a sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from slurmtf.documents import GivenSettings
from slurmtf.estimator import Estimator
from slurmtf.estimator.arguments import check_text
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.sweep.records import MOST_TRIALS, SETTINGS, VARIABLES
from slurmtf.plan.launchers import list_agent_launchers
from slurmtf.tune import launches
from slurmtf.tune.goal import PrimaryMetricGoal, normalize_goal
from slurmtf.tune.policies import POLICIES, NoTerminationPolicy
from slurmtf.tune.samplers import BayesianParameterSampling, Sampling, Space

LONGEST_MINUTES = 10080
"""Azure ML's limit, a week."""
MOST_RUNS, MOST_CONCURRENT = MOST_TRIALS, 100
RUNS_FOR_EACH_PARAMETER, MOST_CONCURRENT_BAYESIAN = 20, 20
"""Azure ML's advice for Bayesian sampling."""


def check_types(given: GivenSettings) -> Iterable[Finding]:
    if not isinstance(given["estimator"], Estimator):
        yield Finding(
            "no-estimator", "estimator", f"{given['estimator']!r} is not an estimator", "pass a TensorFlow or an Estimator"
        )
    if not isinstance(given["sampling"], Sampling):
        remedy = "pass RandomParameterSampling, GridParameterSampling or BayesianParameterSampling"
        yield Finding("no-sampling", "sampling", f"{given['sampling']!r} is not a sampling method", remedy)
    if not isinstance(given["primary_metric_name"], str) or not given["primary_metric_name"].strip():
        what = f"{given['primary_metric_name']!r} is not the name of a metric"
        yield Finding("no-metric", "primary_metric_name", what, "name it as the script logs it: run.log('accuracy', ...)")
    if normalize_goal(given["primary_metric_goal"]) not in [goal.value for goal in PrimaryMetricGoal]:
        what = f"{given['primary_metric_goal']!r} is not a goal"
        yield Finding("bad-goal", "primary_metric_goal", what, "set 'maximize' or 'minimize'")
    if given["policy"] is not None and not isinstance(given["policy"], POLICIES):
        names = ", ".join(kind.__name__ for kind in POLICIES)
        yield Finding("bad-policy", "policy", f"{given['policy']!r} is not a policy", f"pass one of {names}")
    for name in ("warm_start_from", "resume_child_runs"):
        if isinstance(given[name], str) or not isinstance(given[name], Sequence):
            yield Finding("not-a-list", name, f"{given[name]!r} is not a list", "list runs, or their ids")
    if not isinstance(given["resume_trials"], bool):
        yield Finding("not-a-switch", "resume_trials", f"{given['resume_trials']!r} is neither true nor false", "set one")


def check_counts(given: GivenSettings) -> Iterable[Finding]:
    yield from _check_count("max_total_runs", given["max_total_runs"], 1, MOST_RUNS)
    yield from _check_count("max_concurrent_runs", given["max_concurrent_runs"], 1, MOST_CONCURRENT)
    yield from _check_count("max_duration_minutes", given["max_duration_minutes"], 1, None)
    yield from _check_count("elements", given["elements"], 1, MOST_RUNS)
    yield from _check_count("trials_per_element", given["trials_per_element"], 1, MOST_CONCURRENT)
    yield from _check_count("same_error_limit", given["same_error_limit"], 0, MOST_RUNS)
    yield from _check_count("retire_after", given["retire_after"], 0, MOST_RUNS)
    total, concurrent, resumed = given["max_total_runs"], given["max_concurrent_runs"], given["resume_child_runs"]
    if isinstance(total, int) and isinstance(concurrent, int) and concurrent > total:
        what = f"{concurrent} is above max_total_runs={total}"
        yield Finding("out-of-range", "max_concurrent_runs", what, "set at most as many as there are trials")
    if isinstance(total, int) and isinstance(resumed, Sequence) and len(resumed) > total:
        what = f"{len(resumed)} are above max_total_runs={total}, in which they count"
        yield Finding("out-of-range", "resume_child_runs", what, "raise max_total_runs, or resume fewer")


def check_slots(estimator: Estimator, trials_per_element: int) -> Iterable[Finding]:
    if trials_per_element == 1:
        return
    if estimator.node_count > 1:
        what = f"a trial has {estimator.node_count} nodes, and can't share one with other trials"
        yield Finding("too-large-trials", "trials_per_element", what, "leave it out, or use trials of one node")
    if estimator.launcher not in (None, *list_agent_launchers()):
        what = f"launcher {estimator.launcher} can't start trials side by side in one job"
        yield Finding("launcher-unfit", "launcher", what, f"leave it out, or use one of {', '.join(list_agent_launchers())}")


def check_bayesian(sampling: Sampling, policy: object, total: int, concurrent: int) -> Iterable[Finding]:
    if not isinstance(sampling, BayesianParameterSampling):
        return
    if policy is not None and not isinstance(policy, NoTerminationPolicy):
        what = "Bayesian sampling allows no early termination: it learns from how trials end"
        yield Finding("policy-with-bayesian", "policy", what, "leave the policy out, or use random sampling")
    advised = RUNS_FOR_EACH_PARAMETER * len(sampling.parameter_space)
    if total < advised:
        what = f"{total} runs are few for {len(sampling.parameter_space)} parameters: {advised} are advised"
        yield build_warning("few-runs", what, "max_total_runs")
    if concurrent > MOST_CONCURRENT_BAYESIAN:
        what = f"{concurrent} trials at once learn little from each other: at most {MOST_CONCURRENT_BAYESIAN} are advised"
        yield build_warning("many-at-once", what, "max_concurrent_runs")


def check_overruled(estimator: Estimator, space: Mapping[str, object]) -> Iterable[Finding]:
    twice = find_overruled(estimator.script_params, space)
    if twice:
        what = f"{', '.join(twice)}: in script_params and in the sweep's space, which counts"
        yield build_warning("parameter-twice", what, "script_params")
    if estimator.restarts:
        what = "says nothing in a sweep: its trials start again by the sweep's own rules"
        remedy = "leave it out; a trial starts again after a preemption or a lost node"
        yield build_warning("restarts-in-sweep", what, "restarts", remedy)


def check_duration(minutes: int) -> Iterable[Finding]:
    if minutes > LONGEST_MINUTES:
        what = f"{minutes} is above a week: {LONGEST_MINUTES} is used"
        yield build_warning("long-sweep", what, "max_duration_minutes")


def _check_count(name: str, value: object, least: int, most: int | None) -> Iterable[Finding]:
    if value is None and name in ("max_concurrent_runs", "elements"):
        return
    if isinstance(value, bool) or not isinstance(value, int):
        yield Finding("not-a-count", name, f"{value!r} is not a whole number", f"set at least {least}")
    elif value < least or (most is not None and value > most):
        what = f"{value} is not between {least} and {most}" if most else f"{value} is below {least}"
        yield Finding("out-of-range", name, what, "set one within these bounds")


def check_space(space: Space) -> Iterable[Finding]:
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


def find_overruled(params: object, space: Mapping[str, object]) -> list[str]:
    """Return the estimator's arguments that are also in the space."""
    names = {_strip_dashes(name) for name in space}
    return [key for key in params if _strip_dashes(key) in names] if isinstance(params, Mapping) else []
