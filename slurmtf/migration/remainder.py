"""What else a submitting file does with Azure ML, and the counterpart of each call here."""

from __future__ import annotations

from slurmtf.migration.draft import is_data, list_owners
from slurmtf.migration.notes import Kind, Notes
from slurmtf.migration.software import UNTRANSLATED_CALLS
from slurmtf.migration.values import Thing

MAPPED, DROPPED, DECIDE = Kind.MAPPED, Kind.DROPPED, Kind.DECIDE
CLUSTERS = "clusters are described by site profiles: 'slurmtf sites list'"
MODELS = "a model registry is not Azure ML's here: the file is in the run's outputs, Run.download_file() brings it"
CALLS: dict[str, tuple[Kind, str]] = {
    "Workspace": (DROPPED, "a workspace is a folder: --workspace, or the site's"),
    "Workspace.from_config": (DROPPED, "a workspace is a folder: --workspace, or the site's"),
    "Workspace.get": (DROPPED, "a workspace is a folder: --workspace, or the site's"),
    "Workspace.create": (DROPPED, "a workspace is a folder, created by the first submission"),
    "wait_for_completion": (MAPPED, "'slurmtf run' follows a run to its end; in Python, Run.wait_for_completion()"),
    "wait_for_provisioning": (DROPPED, CLUSTERS),
    "RunDetails": (MAPPED, "a Run shows itself in a notebook; in a terminal, 'slurmtf status' and 'slurmtf metrics --plot'"),
    "get_metrics": (MAPPED, "'slurmtf metrics RUN'; in Python, Run.get_metrics()"),
    "get_status": (MAPPED, "'slurmtf status RUN'; in Python, Run.get_status()"),
    "get_details": (MAPPED, "'slurmtf status RUN'; in Python, Run.get_details()"),
    "get_details_with_logs": (MAPPED, "'slurmtf logs RUN'"),
    "get_all_logs": (MAPPED, "'slurmtf logs RUN'"),
    "get_file_names": (MAPPED, "in Python, Run.get_file_names()"),
    "get_runs": (MAPPED, "'slurmtf ls --experiment NAME'"),
    "download_file": (MAPPED, "in Python, Run.download_file()"),
    "download_files": (MAPPED, "in Python, Run.download_files()"),
    "cancel": (MAPPED, "'slurmtf cancel RUN'"),
    "tag": (DECIDE, "pass tags when the run is submitted: --tag NAME=VALUE"),
    "register_model": (DECIDE, MODELS),
    "register": (DECIDE, MODELS),
    "upload": (DECIDE, "copy the data to a folder that all nodes see, and list it in inputs"),
    "upload_files": (DECIDE, "copy the data to a folder that all nodes see, and list it in inputs"),
    "download": (DECIDE, "read the data where it is"),
    "start_logging": (DECIDE, "there is no run without a job: submit the script, or log in it with slurmtf.Run.get_context()"),
    "get_context": (MAPPED, "'azureml: true' serves Run.get_context() in the job"),
    "Tensorboard": (MAPPED, "'slurmtf tensorboard RUN'"),
    "export_to_tensorboard": (DECIDE, "'slurmtf tensorboard RUN' reads what the script wrote; nothing is exported"),
    "get_best_run_by_primary_metric": (MAPPED, "'slurmtf sweep best'"),
    "get_children_sorted_by_primary_metric": (MAPPED, "'slurmtf sweep trials'"),
}
"""By the name of what is called, with its class if the name alone is ambiguous."""
QUIET = (
    "Experiment", "submit", "show", "get_widget", "VERSION", "core", "path", "as_mount", "as_download", "as_upload",
    "as_named_input", "ContainerRegistry", "add_pip_package", "add_conda_package", "CondaDependencies",
    "CondaDependencies.create", "RunConfiguration", *UNTRANSLATED_CALLS,
)  # fmt: skip
"""Calls that other parts of the report cover, or that need no note."""


COMPUTE = ("ComputeTarget", "AmlCompute", "compute_targets", "BatchAiCompute", "RemoteCompute", "provisioning_configuration")


def _find_counterpart(thing: Thing, name: str) -> tuple[Kind, str]:
    """Return the counterpart of a call; a call on a cluster has none of those of a run."""
    if any(part in COMPUTE for one in list_owners(thing) for part in one.symbol.path.split(".")):
        return DROPPED, CLUSTERS
    return CALLS.get(name) or CALLS.get(thing.name) or (DECIDE, "slurmtf has no known counterpart")


def note_remainder(notes: Notes, things: list[Thing], covered: set[str]) -> None:
    """Add a note for each call of Azure ML that no other part covers; ``covered`` are the names of those that one covers."""
    for thing in things:
        if not thing.is_azure or thing.name in covered or is_data(thing):
            continue
        name = ".".join(thing.symbol.path.split(".")[-2:])
        if name in QUIET or (name not in CALLS and thing.name in QUIET):
            continue
        kind, what = _find_counterpart(thing, name)
        {MAPPED: notes.add_mapped, DROPPED: notes.add_dropped, DECIDE: notes.add_undecided}[kind](
            thing.line, f"{thing.text}: {what}"
        )
