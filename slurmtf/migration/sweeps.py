"""Azure ML's HyperDriveConfig as the part of a sweep."""

from __future__ import annotations

from typing import Any

from slurmtf.migration.draft import Draft, spell
from slurmtf.migration.values import Symbol, Thing, UnknownPartError, plain

CONFIGS = ("HyperDriveConfig", "HyperDriveRunConfig")
ORDER = {
    "HyperDriveConfig": ("hyperparameter_sampling", "primary_metric_name", "primary_metric_goal", "max_total_runs",
                         "max_concurrent_runs", "max_duration_minutes", "policy", "estimator", "run_config"),
    "HyperDriveRunConfig": ("estimator", "hyperparameter_sampling", "primary_metric_name", "primary_metric_goal",
                            "max_total_runs", "max_concurrent_runs", "max_duration_minutes", "policy"),
}  # fmt: skip
SAMPLINGS = {"RandomParameterSampling": "random", "GridParameterSampling": "grid", "BayesianParameterSampling": "bayesian"}
POLICIES = {
    "BanditPolicy": ("bandit", ("evaluation_interval", "slack_factor", "slack_amount", "delay_evaluation")),
    "MedianStoppingPolicy": ("median_stopping", ("evaluation_interval", "delay_evaluation")),
    "TruncationSelectionPolicy": (
        "truncation_selection",
        ("truncation_percentage", "evaluation_interval", "delay_evaluation"),
    ),
    "NoTerminationPolicy": ("none", ()),
}
EXPRESSIONS = (
    "choice",
    "randint",
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "normal",
    "qnormal",
    "lognormal",
    "qlognormal",
)
PARTS = ("primary_metric_name", "max_total_runs", "max_concurrent_runs", "max_duration_minutes")


def job_in(thing: Thing) -> Any:
    """Return the estimator or ScriptRunConfig of a sweep."""
    names = ORDER[thing.name]
    return thing.argument("estimator", names) or thing.argument("run_config", names)


def sweep_of(draft: Draft, thing: Thing) -> None:
    """Fill a draft with what a HyperDriveConfig says, apart from its estimator."""
    draft.doubt(thing)
    for name, value, line in thing.given(ORDER[thing.name]):
        if name in ("estimator", "run_config") or value is None:
            continue
        if name in TAKES:
            TAKES[name](draft, value, line)
        elif name in PARTS:
            draft.take(name, value, line)
        else:
            draft.notes.decide(line, f"{name}={spell(value)}: a sweep has no such setting")


def _goal(draft: Draft, value: object, line: int) -> None:
    word = value.name.lower() if isinstance(value, Symbol) else str(value).lower()
    if word in ("maximize", "minimize"):
        draft.settings["primary_metric_goal"] = word
        draft.notes.mapped(line, f"primary_metric_goal={word}")
    else:
        draft.notes.decide(line, f"primary_metric_goal is {spell(value)}: set maximize or minimize")


def _sampling(draft: Draft, value: object, line: int) -> None:
    if not isinstance(value, Thing) or value.name not in SAMPLINGS:
        draft.notes.decide(line, f"hyperparameter_sampling is {spell(value)}: set sampling to random, grid or bayesian")
        return
    given = value.argument("parameter_space", ("parameter_space", "properties"))
    space = {}
    for name, expression in given.items() if isinstance(given, dict) else ():
        known = _expression(draft, str(name), expression, value.line)
        if known is not None:
            space[str(name)] = known
    if not isinstance(given, dict):
        draft.notes.decide(value.line, f"the parameter space is {spell(given)}: write it into sampling.parameter_space")
    draft.settings["sampling"] = {"type": SAMPLINGS[value.name], "parameter_space": space}
    draft.notes.mapped(value.line, f"{value.name} of {', '.join(space) or 'nothing'} -> sampling: {SAMPLINGS[value.name]}")


def _expression(draft: Draft, name: str, value: object, line: int) -> Any:
    """Return ``{uniform: [0, 1]}``; None, with a note, where it is not known."""
    at = value.line if isinstance(value, Thing) else line
    if not isinstance(value, Thing) or value.name not in EXPRESSIONS:
        draft.notes.decide(at, f"the values of {name} are {spell(value)}: write them as an expression, {{choice: [...]}}")
        return None
    try:
        args = plain([item for _, item, _ in value.given(("",) * len(value.args))])
    except UnknownPartError as err:
        draft.notes.decide(at, f"the values of {name} hold {err}: only running the file would tell. Write them into the sweep")
        return None
    listed = value.name == "choice" and len(args) == 1 and isinstance(args[0], list)
    return {value.name: args[0] if listed else args}


def _policy(draft: Draft, value: object, line: int) -> None:
    if not isinstance(value, Thing) or value.name not in POLICIES:
        draft.notes.decide(line, f"policy is {spell(value)}: set one of bandit, median_stopping, truncation_selection, none")
        return
    kind, names = POLICIES[value.name]
    settings: dict[str, Any] = {"type": kind}
    for name, item, at in value.given(names):
        if isinstance(item, int | float):
            settings[name] = item
        elif item is not None:
            draft.notes.decide(at, f"{name} is {spell(item)}: only running the file would tell. Set it in policy")
    draft.settings["policy"] = settings
    draft.notes.mapped(value.line, f"{spell(value)} -> policy: {kind}")


TAKES = {"hyperparameter_sampling": _sampling, "primary_metric_goal": _goal, "policy": _policy}
"""The settings that are spelled otherwise here."""
