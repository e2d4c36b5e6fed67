"""Run a run again with the source, settings and software that it had, even if they have changed since."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurmtf.documents import Document, dump_yaml
from slurmtf.errors import InputError, SnapshotError, SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.arguments import ScriptParams
from slurmtf.estimator.document import from_document, parse_setting
from slurmtf.experiments.experiment import Experiment
from slurmtf.experiments.run import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.snapshot import is_whole
from slurmtf.runs.receipts.receipt import read_receipt
from slurmtf.runs.states.sweeps import is_sweep
from slurmtf.runs.workspaces.workspace import check_ours
from slurmtf.submit.submission import Submission

BEFORE = "rerun_of"


def rerun(run: Run, changes: Mapping[str, object], tell: Callable[[str], None], after: Sequence[Run | str] = ()) -> Run:
    """Submit a run again: its stored source, its settings but for ``changes``, and its environment, which is built again with
    the versions that it had if it is gone.

    ``changes`` are settings of the estimator by name; names that begin with '-' are arguments of the script.
    ``after`` lists runs that it follows, as in :meth:`Experiment.submit`; what it followed the first time has ended.
    Raises InputError if this is not possible, SlurmError if Slurm does not answer.
    """
    check_ours(run.folder)
    if is_sweep(run.layout):
        remedy = f"'slurmtf sweep resume {run.word}' continues it with more trials, 'slurmtf sweep submit FILE' starts it over"
        raise InputError(Finding("is-a-sweep", run.id, "is a sweep, which can't be rerun from its record", remedy))
    plan, receipt = run.plan, read_receipt(run.layout)
    with unpack_source(run.layout, plan["provenance"]["snapshot"]["id"]) as source:
        estimator = apply_changes(collect_settings(plan), changes, source)
        experiment = Experiment(run.experiment, run.folder.parents[1])
        lock = [] if SOFTWARE & changes.keys() else receipt.get("lock") or []
        return experiment.submit_shaped(estimator, receipt.get("tags"), tell, _build_shape(run, plan, receipt), after, lock)


SOFTWARE = {
    "environment_definition",
    "pip_packages",
    "pip_requirements_file",
    "conda_packages",
    "conda_dependencies_file",
    "framework_version",
}
"""Settings that request another environment."""
WAITING = ("dependency", "kill-on-invalid-dep")
"""Flags that tell Slurm which runs a run follows."""


def collect_settings(plan: JsonView) -> dict[str, object]:
    """Return a run's settings, including those taken from where it was submitted: the default site, and slurmtf's Python."""
    settings = {"compute_target": plan["site"], **plan["provenance"]["estimator"]}
    batch = plan["batch"]
    if plan["provenance"].get("after"):  # by job ids; these jobs have ended
        settings["sbatch"] = {name: value for name, value in (settings.get("sbatch") or {}).items() if name not in WAITING}
    own = plan["provenance"]["environment_spec"] or batch["container"] or batch["shell"]["modules"]
    if not own and not (SOFTWARE | {"custom_docker_image"}) & settings.keys() and "/" in batch["python"]:
        settings["environment_definition"] = {"python": batch["python"]}
    return settings


def _build_shape(run: Run, plan: JsonView, receipt: JsonView) -> Callable[[Submission], Submission]:
    """Make the new run record where its source is from, instead of the folder into which it was unpacked."""

    def record_origin(submission: Submission) -> Submission:
        folder = plan["provenance"]["estimator"].get("source_directory")
        settings = {**submission.plan.provenance.estimator, "source_directory": folder}
        provenance = replace(submission.plan.provenance, estimator=settings)
        facts = {**submission.receipt, BEFORE: run.id, "source": {**receipt["source"]}}
        return replace(submission, plan=replace(submission.plan, provenance=provenance), receipt=facts)

    return record_origin


@contextlib.contextmanager
def unpack_source(layout: RunLayout, snapshot: str) -> Iterator[Path]:
    """Yield a folder with the source of a run, until it has been submitted. Raises SnapshotError if the source is not
    intact."""
    try:
        whole = is_whole(layout.source, snapshot)
    except OSError as err:
        raise SnapshotError(Finding("no-source", layout.source, f"can't be read: {err.strerror}", "")) from None
    if not whole:
        raise SnapshotError(Finding("source-changed", layout.source, "is not what was submitted: it has changed since", ""))
    with tempfile.TemporaryDirectory(prefix="slurmtf-rerun-") as folder, tarfile.open(layout.source) as archive:
        if hasattr(tarfile, "fully_trusted_filter"):
            archive.extraction_filter = tarfile.fully_trusted_filter  # our own snapshot, checked above, may hold any link
        archive.extractall(folder)  # noqa: S202
        yield Path(folder)


def apply_changes(settings: JsonView, changes: Mapping[str, object], source: Path) -> Estimator:
    """Return the estimator of a run's settings with changes. Raises SpecError with everything that is wrong."""
    own = {name: value for name, value in changes.items() if not name.startswith("-")}
    arguments = {name: value for name, value in changes.items() if name.startswith("-")}
    if arguments:
        own["script_params"] = replace_arguments(own.get("script_params", settings.get("script_params")), arguments)
    recorded = {name: value for name, value in settings.items() if name not in ("source_directory", *own)}
    document = Document(dump_yaml(recorded), "the run's settings", SpecError)
    flags = {name: f"--with {name}" for name in own}
    return from_document(document, source, {**own, "source_directory": str(source)}, flags)


def replace_arguments(params: Any, changes: Mapping[str, object]) -> ScriptParams:
    """Return a script's arguments, a mapping or a list of words, with those of the same name replaced."""
    if isinstance(params, Sequence) and not isinstance(params, str):
        words = [str(word) for word in params]
        for name, value in changes.items():
            words = _replace_argument(words, name, str(value))
        return words
    return {**(params or {}), **changes}


def _replace_argument(words: list[str], name: str, value: str) -> list[str]:
    for place, word in enumerate(words):
        if word.startswith(f"{name}="):
            return [*words[:place], f"{name}={value}", *words[place + 1 :]]
        if word == name:
            follows = words[place + 1 : place + 2]
            valued = bool(follows) and not _is_flag(follows[0])
            return [*words[: place + 1], value, *words[place + 1 + valued :]]
    return [*words, name, value]


def _is_flag(word: str) -> bool:
    return word.startswith("-") and not word.lstrip("-")[:1].isdigit() and not word.startswith("-.")


def parse_change(text: str) -> tuple[str, object]:
    """Return name and value of ``NAME=VALUE``; the value is read as in a job file. Raises SpecError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        remedy = "use --with time=2:00:00, or --with=--learning-rate=0.1 for an argument of the script"
        raise SpecError(Finding("bad-change", "with", f"{text!r} is not NAME=VALUE", remedy))
    return name, value if name.startswith("-") else parse_setting(name, value)
