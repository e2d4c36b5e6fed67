"""Azure ML's HyperDriveConfig as the part of a sweep."""

from __future__ import annotations

from slurmtf.migration.draft import Draft, spell
from slurmtf.migration.values import Symbol, Thing, UnknownPartError, to_plain

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


def get_job(thing: Thing) -> object:
    """Return the estimator or ScriptRunConfig of a sweep."""
    names = ORDER[thing.name]
    return thing.argument("estimator", names) or thing.argument("run_config", names)


def take_sweep(draft: Draft, thing: Thing) -> None:
    """Fill a draft with what a HyperDriveConfig says, apart from its estimator."""
    draft.note_doubtful(thing)
    for name, value, line in thing.iterate_arguments(ORDER[thing.name]):
        if name in ("estimator", "run_config") or value is None:
            continue
        if name in TAKES:
            TAKES[name](draft, value, line)
        elif name in PARTS:
            draft.take(name, value, line)
        else:
            draft.notes.add_undecided(line, f"{name}={spell(value)}: a sweep has no such setting")


def _take_goal(draft: Draft, value: object, line: int) -> None:
    word = value.name.lower() if isinstance(value, Symbol) else str(value).lower()
    if word in ("maximize", "minimize"):
        draft.settings["primary_metric_goal"] = word
        draft.notes.add_mapped(line, f"primary_metric_goal={word}")
    else:
        draft.notes.add_undecided(line, f"primary_metric_goal is {spell(value)}: set maximize or minimize")


def _take_sampling(draft: Draft, value: object, line: int) -> None:
    if not isinstance(value, Thing) or value.name not in SAMPLINGS:
        draft.notes.add_undecided(line, f"hyperparameter_sampling is {spell(value)}: set sampling to random, grid or bayesian")
        return
    given = value.argument("parameter_space", ("parameter_space", "properties"))
    space = {}
    for name, expression in given.items() if isinstance(given, dict) else ():
        known = _convert_expression(draft, str(name), expression, value.line)
        if known is not None:
            space[str(name)] = known
    if not isinstance(given, dict):
        draft.notes.add_undecided(value.line, f"the parameter space is {spell(given)}: write it into sampling.parameter_space")
    draft.settings["sampling"] = {"type": SAMPLINGS[value.name], "parameter_space": space}
    draft.notes.add_mapped(value.line, f"{value.name} of {', '.join(space) or 'nothing'} -> sampling: {SAMPLINGS[value.name]}")


def _convert_expression(draft: Draft, name: str, value: object, line: int) -> object:
    """Return ``{uniform: [0, 1]}``; None, with a note, where it is not known."""
    at = value.line if isinstance(value, Thing) else line
    if not isinstance(value, Thing) or value.name not in EXPRESSIONS:
        draft.notes.add_undecided(
            at, f"the values of {name} are {spell(value)}: write them as an expression, {{choice: [...]}}"
        )
        return None
    try:
        args = to_plain([item for _, item, _ in value.iterate_arguments(("",) * len(value.args))])
    except UnknownPartError as err:
        draft.notes.add_undecided(
            at, f"the values of {name} hold {err}: only running the file would tell. Write them into the sweep"
        )
        return None
    listed = value.name == "choice" and len(args) == 1 and isinstance(args[0], list)
    return {value.name: args[0] if listed else args}


def _take_policy(draft: Draft, value: object, line: int) -> None:
    if not isinstance(value, Thing) or value.name not in POLICIES:
        draft.notes.add_undecided(
            line, f"policy is {spell(value)}: set one of bandit, median_stopping, truncation_selection, none"
        )
        return
    kind, names = POLICIES[value.name]
    settings: dict[str, object] = {"type": kind}
    for name, item, at in value.iterate_arguments(names):
        if isinstance(item, int | float):
            settings[name] = item
        elif item is not None:
            draft.notes.add_undecided(at, f"{name} is {spell(item)}: only running the file would tell. Set it in policy")
    draft.settings["policy"] = settings
    draft.notes.add_mapped(value.line, f"{spell(value)} -> policy: {kind}")


TAKES = {"hyperparameter_sampling": _take_sampling, "primary_metric_goal": _take_goal, "policy": _take_policy}
"""The settings that are spelled otherwise here."""
