"""The options that describe a training job, declared once for 'run', 'submit', 'plan' and 'render'."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import click

from slurmtf.cli.callbacks import Callback, add_options
from slurmtf.cli.flags import FILE, FLAG_OF, FLAGS, OPTIONS, PLACE, SOFTWARE, Option
from slurmtf.cli.output import json_option
from slurmtf.collecting import Findings
from slurmtf.documents import Document, GivenSettings
from slurmtf.environments.images import is_image_path
from slurmtf.errors import InputError, SpecError
from slurmtf.estimator import Environment, Estimator, TensorFlow
from slurmtf.estimator.document import (
    SOURCE,
    drop_wrong_parameters,
    from_document,
    list_parameters,
    parse_parameter,
    read_job_file,
    resolve_input,
)
from slurmtf.estimator.entry import parse_module_name
from slurmtf.estimator.environment import PACKAGES
from slurmtf.estimator.inputs import MODES
from slurmtf.estimator.quantities import check_given
from slurmtf.experiments import Experiment
from slurmtf.findings import Finding, locate
from slurmtf.paths import is_there, to_absolute
from slurmtf.runs.workspaces.tags import normalize, parse
from slurmtf.runs.workspaces.workspace import infer_experiment
from slurmtf.sites import resolve_target

MAPPINGS = ("environment_variables", "environment_definition", "restarts", "sbatch", "srun")
PAIRS = ("environment_variables", "sbatch", "srun")


def job_options(command: Callback) -> Callback:
    """Add to a command the options, the target and the script's arguments; it gets a :class:`JobRequest`."""

    def call_with_request(target: str, arguments: tuple[str, ...], **options: object) -> None:
        own = {option.parameter: options.pop(option.parameter) for option in (*OPTIONS, *SOFTWARE, *PLACE)}
        command(request=_build_request(target, arguments, own), **options)

    call_with_request.__doc__ = command.__doc__
    wrapped = add_options(call_with_request, map(_declare, (*OPTIONS, *SOFTWARE, *PLACE)))
    wrapped = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)(wrapped)
    return json_option(click.argument("target", type=FILE)(wrapped))


def _declare(option: Option) -> Callable[[Callback], Callback]:
    name = option.parameter
    if option.kind is bool:
        return click.option(*option.flags, name, is_flag=True, default=None, help=option.about)
    about, kind, completer = option.about, option.kind, option.completer
    return click.option(
        *option.flags, name, type=kind, multiple=option.repeated, default=None, help=about, shell_complete=completer
    )


@dataclass(frozen=True)
class JobRequest:
    """What the command line requests."""

    estimator: Estimator
    experiment: Experiment
    tags: dict[str, str | None]
    after: tuple[str, ...] = ()


def _build_request(target: str, arguments: tuple[str, ...], options: GivenSettings) -> JobRequest:
    """Return the training job of a script or a job file, with options overriding the job file."""
    findings = Findings(FLAGS)
    options = _drop_empty(options, findings)
    tags = parse(options["tags"])
    findings.attempt(normalize, tags)
    overrides = _build_overrides(options, findings)
    if arguments:
        overrides["script_params"] = list(arguments)
    name = options["experiment"] or infer_experiment(target)
    experiment = findings.attempt(Experiment, name, options["workspace"])
    estimator = _build(target, overrides, experiment, findings)
    findings.raise_errors()
    if experiment is None or estimator is None:
        raise AssertionError("unreachable")
    return JobRequest(estimator, experiment, tags, options["after"] or ())


def _drop_empty(options: GivenSettings, findings: Findings) -> GivenSettings:
    """Return the options without the empty ones (from an unset shell variable, say); each of those is a finding."""
    empty = [name for name, value in options.items() if value == "" or (isinstance(value, tuple) and "" in value)]
    findings.add(one for name in empty for one in check_given(FLAG_OF[name], ""))
    return {**options, **{name: () if isinstance(options[name], tuple) else None for name in empty}}


def _build(target: str, overrides: GivenSettings, experiment: Experiment | None, findings: Findings) -> Estimator | None:
    """Return the estimator; None if there can't be one, and then everything that is wrong with the training job has been
    found."""
    with tempfile.TemporaryDirectory(prefix="slurmtf-") as folder:

        def load_without(wrong: Collection[str]) -> Estimator:
            return _load_estimator_without(wrong, target, overrides, Path(folder))

        estimator, wrong = drop_wrong_parameters(load_without, findings)
        if estimator is None:
            findings.attempt(resolve_target, overrides.get("compute_target"))
            return None
        if not wrong:
            return estimator
        if experiment:
            _find_in_plan(experiment, estimator, wrong, findings)
        else:
            findings.attempt(resolve_target, estimator.compute_target)
        return None


def _load_estimator_without(wrong: Collection[str], target: str, overrides: GivenSettings, folder: Path) -> Estimator:
    """Return the estimator without some parameters. An empty script, in ``folder``, stands in for a missing one."""
    right = {name: value for name, value in overrides.items() if name not in wrong}
    if {*SOURCE} & {*wrong}:
        script = folder / "train.py"
        script.touch()
        right |= {"source_directory": str(folder)}
        target, right = (target, {**right, "entry_script": script.name}) if _is_job_file(target) else (str(script), right)
    return _load_estimator(target, right, wrong)


def _find_in_plan(experiment: Experiment, estimator: Estimator, wrong: set[str], findings: Findings) -> None:
    """Find the errors in the plan of a training job, leaving out the parameters known to be wrong.

    An unknown key may be meant for any other that is missing then: only what was given counts beside it.
    """
    guessed = not wrong <= {*FLAG_OF, *list_parameters()}
    given = estimator.to_document()
    try:
        experiment.plan(estimator)
    except InputError as err:
        errors = [(parse_parameter(one.where), one) for one in err.findings if one.is_error]
        findings.add((one for name, one in errors if name not in wrong and (name in given or not guessed)), type(err))


def _is_job_file(target: str) -> bool:
    return target.endswith((".yaml", ".yml"))


def _load_estimator(target: str, overrides: GivenSettings, wrong: Collection[str] = ()) -> Estimator:
    flags = {**FLAGS, "entry_script": target}
    if _is_job_file(target):
        document = read_job_file(target).drop_keys(wrong)
        return from_document(document, Path(target).parent, _merge(document, overrides), flags)
    settings = _resolve_script(target, overrides)
    software = settings.pop("environment_definition", None)
    try:
        estimator = TensorFlow(**settings, environment_definition=Environment(**software) if software else None)
    except SpecError as err:
        raise SpecError(*(locate(finding, flags) for finding in err.findings)) from None
    estimator.note_sources(flags)
    return estimator


def _merge(document: Document, overrides: GivenSettings) -> GivenSettings:
    """Merge what is given name by name (--env, --sbatch, --srun) into the job file's, replacing the same names."""
    if "environment_definition" in overrides:
        overrides = _merge_software(document, overrides)
    if "inputs" in overrides:
        overrides = {**overrides, "inputs": _merge_inputs(document, overrides["inputs"])}
    known = {name: document.data.get(name) for name in MAPPINGS if name in overrides}
    return {**overrides, **{name: {**old, **overrides[name]} for name, old in known.items() if isinstance(old, dict)}}


def _merge_software(document: Document, overrides: GivenSettings) -> GivenSettings:
    """Merge the job file's software parameters into those of the options: they become one object."""
    single = {name: document.data[name] for name in PACKAGES if document.data.get(name)}
    image = document.data.get("custom_docker_image")
    both = {**single, **({"image": image} if image else {}), **overrides["environment_definition"]}
    return {
        **overrides,
        "environment_definition": both,
        **dict.fromkeys((*single, *(["custom_docker_image"] if image else []))),
    }


def _merge_inputs(document: Document, given: list[dict[str, str]]) -> list[object]:
    """Merge the given inputs into those of a job file, replacing the same names."""
    base, names = Path(document.source).parent, {item["name"].upper() for item in given}
    listed = document.data.get("inputs")
    kept = [item for item in listed if isinstance(item, dict) and str(item.get("name")).upper() not in names] if listed else []
    return [*(resolve_input(item, base) for item in kept), *given]


def _resolve_script(target: str, overrides: GivenSettings) -> GivenSettings:
    """Return the overrides with entry script and source directory: by default the script's folder."""
    source = Path(to_absolute(overrides.get("source_directory") or "."))
    if parse_module_name(target) and not is_there(target):
        return {**overrides, "source_directory": str(source), "entry_script": target}
    script = Path(to_absolute(target))
    source = Path(to_absolute(overrides.get("source_directory") or script.parent))
    entry = str(script.relative_to(source)) if script.is_relative_to(source) else str(script)
    return {**overrides, "source_directory": str(source), "entry_script": entry}


def _build_overrides(options: GivenSettings, findings: Findings) -> GivenSettings:
    found: GivenSettings = {}
    for option in OPTIONS:
        value = options[option.parameter]
        if value not in (None, ()):
            found[option.parameter] = list(value) if option.repeated else value
    for name in PAIRS:
        if name in found:
            found[name] = dict(filter(None, (findings.attempt(_parse_pair, name, text) for text in found[name])))
    if "restarts" in found:
        found["restarts"] = dict(filter(None, (findings.attempt(_parse_restart, text) for text in found["restarts"])))
    if "notice" in found:
        found["notice"] = _parse_notice(found["notice"])
    if "stall" in found:
        found["stall"] = _parse_stall(found["stall"])
    if "inputs" in found:
        found["inputs"] = [item for text in found["inputs"] if (item := findings.attempt(_parse_input, text))]
    software = {option.parameter: options[option.parameter] for option in SOFTWARE if options[option.parameter]}
    if is_image_path(software.get("image", "")):
        software["image"] = to_absolute(software["image"])
    if software:
        found["environment_definition"] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in software.items()
        }
    return found


def _parse_input(text: str) -> dict[str, str]:
    name, given, rest = text.partition("=")
    if not (given and name and rest):
        raise SpecError(Finding("bad-input", "--input", f"{text!r} is not NAME=PATH", "write NAME=PATH or NAME=PATH:MODE"))
    path, _, mode = rest.rpartition(":")
    return {"name": name, "path": path, "mode": mode} if path and mode in MODES else {"name": name, "path": rest}


def _parse_restart(text: str) -> tuple[str, object]:
    cause, given, value = text.partition("=")
    if not (given and cause and value):
        remedy = "write CAUSE=TIMES, for example time-limit=10"
        raise SpecError(Finding("bad-restart", "--restart", f"{text!r} is not CAUSE=TIMES", remedy))
    times, *memory = value.split(":", 2)
    count = int(times) if times.isdigit() else times
    return cause, {"times": count, **dict(zip(("memory", "at_most"), memory, strict=False))} if memory else count


def _parse_notice(text: str) -> GivenSettings:
    """Parse a notice in the form of sbatch's --signal."""
    name, _, before = text.rpartition("@")
    seconds = {"before": int(before) if before.isdigit() else before}
    return {**seconds, "signal": name if name.startswith("SIG") else f"SIG{name}"} if name else seconds


def _parse_stall(text: str) -> GivenSettings:
    minutes, given, action = text.partition(":")
    number = float(minutes) if minutes.replace(".", "", 1).isdigit() else minutes
    return {"minutes": number, **({"action": action} if given else {})}


def _get_own_variable(name: str) -> str:
    """Return a variable of this shell for the script: that way its value is in no process list."""
    if name not in os.environ:
        what, remedy = f"{name!r} is not set in this shell", "write NAME=VALUE, or set and export it"
        raise SpecError(Finding("bad-pair", "--env", what, remedy))
    return os.environ[name]


def _parse_pair(name: str, text: str) -> tuple[str, object]:
    key, given, value = text.partition("=")
    if given:
        return key, value
    if name == "environment_variables":
        return key, _get_own_variable(key)
    return key, True
