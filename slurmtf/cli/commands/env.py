"""``slurmtf env``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from slurmtf.cli.callbacks import Callback
from slurmtf.cli.options import JobRequest, job_options
from slurmtf.cli.output import emit, format_duration, format_size, format_table, format_time, json_option
from slurmtf.cli.steps import Steps
from slurmtf.environments import Software
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.environments.store import EnvironmentStore, find_environment, resolve_store
from slurmtf.environments.versions import TENSORFLOW
from slurmtf.errors import SlurmtfError, SpecError
from slurmtf.experiments import Run
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.runs.workspaces.workspace import list_run_folders, list_workspaces, resolve_workspace
from slurmtf.sites import resolve_target
from slurmtf.trusted import check_own

HEADING = ("NAME", "LABEL", "BUILT", "USED", "SIZE", "PYTHON", "HOLDS")
SHOWN = 60
SHOWN_PACKAGES = {
    "tensorflow": TENSORFLOW,
    "keras": ("keras",),
    "tf_keras": ("tf_keras",),
    "horovod": ("horovod",),
    "mpi4py": ("mpi4py",),
}
"""The packages whose versions 'slurmtf env check' shows."""


@click.group("env", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Manage the environments that slurmtf builds."""


def store_options(callback: Callback) -> Callback:
    """Add to a command the options that select the store; it gets an :class:`EnvironmentStore`."""

    def call_with_store(site: str | None, workspace: str | None, **options: object) -> None:
        found = resolve_target(site, "site")
        callback(store=resolve_store(found, resolve_workspace(found.storage.workspace, workspace)), **options)

    call_with_store.__doc__ = callback.__doc__
    about = "Workspace whose environments to use (default: your site's)."
    wrapped = click.option("--workspace", "-w", default=None, help=about)(call_with_store)
    return json_option(
        click.option("--site", "-s", default=None, help="Site whose environments to use (default: yours).")(wrapped)
    )


@command.command("list")
@store_options
def list_(store: EnvironmentStore) -> None:
    """List environments."""
    found = [_build_facts(store, name) for name in store.list_names()]
    rows = [HEADING, *(_format_row(facts) for facts in found)]
    emit(found, format_table(rows) if found else f"no environments in {store.root}")


def _build_facts(store: EnvironmentStore, name: str) -> JsonObject:
    record = store.record(name)
    facts = {key: record.get(key) for key in ("python", "tool", "built", "seconds", "host", "phases", "horovod", "packages")}
    spec = EnvironmentSpec.from_dict(record["spec"])
    own = {"name": name, "label": spec.label, "kind": spec.kind, "holds": spec.summary, "folder": str(store.folder(name))}
    return {**own, "bytes": store.size(name), "used": store.last_use(name), **facts}


def _format_row(facts: JsonObject) -> tuple[str, ...]:
    holds = facts["holds"]
    return (facts["name"], facts["label"], format_time(facts["built"]), format_time(facts["used"]), format_size(facts['bytes']),
            facts["python"] or "", holds if len(holds) <= SHOWN else holds[: SHOWN - 3] + "...")  # fmt: skip


@command.command("show")
@click.argument("name")
@click.option(
    "--lock", is_flag=True, help="Show only the exact versions, as a requirements file, after the URLs of conda packages."
)
@store_options
def show(store: EnvironmentStore, name: str, lock: bool) -> None:
    """Show what is in the environment NAME (or the end of one, or a label), and how it was built."""
    full = store.find(name)
    record = store.record(full)
    if lock:
        emit(record["lock"], "\n".join(record["lock"]))
        return
    facts = _build_facts(store, full)
    rows = {
        "name": facts["name"] + (f" ({facts['label']})" if facts["label"] else ""),
        "holds": facts["holds"],
        "python": facts["python"] or "",
        "built": f"{format_time(facts['built'])} on {facts['host']} with {facts['tool']},"
        f" in {format_duration(facts['seconds'])}",
        "used": format_time(facts["used"]),
        "size": format_size(facts["bytes"]),
        "folder": facts["folder"],
        "packages": ", ".join(line for line in record["lock"] if "://" not in line),
    }
    emit(facts, "\n".join(f"{name:<10} {value}" for name, value in rows.items() if value))


@command.command("build")
@job_options
def build(request: JobRequest) -> None:
    """Build the environment of TARGET, a script or a job file, without submitting anything that needs it."""
    with Steps() as steps:
        built = request.experiment.build(request.estimator, tell=steps.tell)
    if built["name"] is None:
        what = "needs nothing that has to be built"
        raise SpecError(
            Finding(
                "nothing-to-build",
                request.estimator.script,
                what,
                "name packages, a requirements or conda file, or the image of a registry",
            )
        )
    emit(built, built["folder"] + (f"\nbuild job {built['job_id']} builds it" if built["job_id"] else ""))


@command.command("check")
@job_options
def check(request: JobRequest) -> None:
    """Check that the Python of TARGET, a script or a job file, has what the script imports; show what it has.

    Exits with 2 when something is missing.
    """
    software, plan = request.experiment.check(request.estimator)
    facts = _build_software_facts(software)
    emit(facts, "\n".join(f"{name:<12} {value}" for name, value in facts.items() if value), plan.warnings)


def _build_software_facts(software: Software) -> dict[str, str]:
    versions = {
        name: next((software.packages[p] for p in packages if p in software.packages), "")
        for name, packages in SHOWN_PACKAGES.items()
    }
    if versions["tensorflow"] and software.gpu_build is not None:
        versions["tensorflow"] += ", built for GPUs" if software.gpu_build else ", built without GPUs"
    if versions["horovod"] and software.horovod is not None:
        features = ", ".join(software.horovod.features) or "unknown"
        versions["horovod"] += f", for TensorFlow {software.horovod.tensorflow or 'unknown'}, with {features}"
    place = software.prefix or software.image or software.executable or software.python
    there = f"{len(software.packages)} packages" if software.packages else "not known from here"
    return {"software": place, "there": "to be built: slurmtf env build" if software.is_to_build else there, **versions}


@command.command("rebuild")
@click.argument("what")
@click.option("--workspace", "-w", default=None, help="Workspace that holds the run (default: your site's and this machine's).")
@json_option
def rebuild(what: str, workspace: str | None) -> None:
    """Rebuild the environment of a run, or of a record (a .json file), with the same versions."""
    from slurmtf.environments.building import build  # noqa: PLC0415

    spec, lock, root, site = (
        _read_from_record(Path(what)) if what.endswith(".json") else _read_from_run(Run.find(what, workspace))
    )
    store = EnvironmentStore(root)
    with Steps() as steps:
        build(spec, store, resolve_target(site, "site"), steps.tell, lock)
    emit({"name": spec.name, "folder": str(store.folder(spec.name))}, str(store.folder(spec.name)))


def _read_from_record(path: Path) -> tuple[EnvironmentSpec, list[str], str, str | None]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return EnvironmentSpec.from_dict(record["spec"]), record["lock"], record["spec"]["root"], None
    except (OSError, ValueError, KeyError) as err:
        raise SpecError(
            Finding("bad-record", str(path), f"is not a record of an environment: {err}", "see 'slurmtf env show --json'")
        ) from None


def _read_from_run(run: Run) -> tuple[EnvironmentSpec, list[str], str, str | None]:
    check_own(run.folder, "name the environment's record, a .json file, if you trust it")
    plan = run.plan
    folder = find_environment(plan)
    if folder is None:
        raise SpecError(
            Finding("not-rebuildable", run.id, "runs with software that slurmtf did not build", "there is nothing to rebuild")
        )
    site = run.receipt["site"]["profile"] or plan["site"]  # a profile given by its path can't be found by name
    spec = EnvironmentSpec.from_dict(plan["provenance"]["environment_spec"])
    return spec, run.receipt.get("lock") or [], str(folder.parent), site


@command.command("remove")
@click.argument("names", nargs=-1)
@click.option(
    "--unused",
    is_flag=True,
    help="Remove all that no unfinished run needs, and packs of environments that are gone or have changed.",
)
@click.option("--force", is_flag=True, help="Also remove what an unfinished run needs.")
@store_options
def remove(store: EnvironmentStore, names: tuple[str, ...], unused: bool, force: bool) -> None:
    """Remove environments, by name, end of a name, or label. Those that an unfinished run needs are kept."""
    needed = _find_needed()
    chosen = [name for name in store.list_names() if name not in needed] if unused else [store.find(name) for name in names]
    if not (chosen or unused):
        raise click.UsageError("name environments, or pass --unused")
    held = {name: needed[name] for name in chosen if name in needed and not force}
    if held:
        raise SlurmtfError(
            *(
                Finding("environment-in-use", name, f"run {run} needs it", "wait for it to end, or pass --force")
                for name, run in held.items()
            )
        )
    freed = {name: store.size(name) for name in chosen}
    for name in chosen:
        store.remove(name)
    if unused:
        freed.update(_remove_packs(store))
    data = [{"name": name, "bytes": taken} for name, taken in freed.items()]
    emit(data, "\n".join(f"removed {name}, {format_size(taken)}" for name, taken in freed.items()) or "nothing to remove")


def _remove_packs(store: EnvironmentStore) -> dict[str, int]:
    """Remove the packs of environments that are gone or have changed; return their names and sizes."""
    from slurmtf.runs.workspaces.garbage import find_unneeded_packs  # noqa: PLC0415

    freed = {}
    for pack in find_unneeded_packs(store, list_workspaces()):
        freed[pack.name] = pack.stat().st_size
        pack.unlink(missing_ok=True)
    return freed


def _find_needed() -> dict[str, str]:
    """Return the environments that unfinished runs need, each with such a run."""
    from slurmtf.runs.status import read_states  # noqa: PLC0415

    runs = [Run(folder) for folder in list_run_folders(list_workspaces())]
    specs = [(run, run.plan["provenance"]["environment_spec"]) for run in runs]
    asking = [(run, EnvironmentSpec.from_dict(spec).name) for run, spec in specs if spec]
    states = read_states([run.folder for run, _ in asking])
    return {name: run.id for (run, name), state in zip(asking, states, strict=True) if not state.status.final}


@command.command("build-horovod")
@click.argument("python")
@click.option(
    "--version", "requirement", default="horovod", show_default=True, help="Requirement to build, for example horovod==0.28.1."
)
@click.option("--install", is_flag=True, help="Also install the wheel there.")
@store_options
def build_horovod(store: EnvironmentStore, python: str, requirement: str, install: bool) -> None:
    """Compile Horovod for the TensorFlow of the interpreter PYTHON and this machine's MPI, and print the path of the wheel.

    Variables HOROVOD_... of your shell are build options (HOROVOD_GPU_OPERATIONS=NCCL).
    """
    from slurmtf.environments import building  # noqa: PLC0415

    with Steps() as steps:
        wheel = building.build_horovod(python, requirement, install, store, steps.tell)
    emit({"wheel": wheel, "installed": install}, wheel)
