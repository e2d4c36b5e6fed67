"""The software of a job on Slurm: built on the login node or by a job, found, missing, and activated."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus, Site, TensorFlow
from slurmtf.archives import build_job_archive
from slurmtf.environments import EnvironmentStore
from slurmtf.environments.spec import build_package_spec
from slurmtf.errors import RefusedError
from slurmtf.scheduler.slurm.jobs import list_mine
from slurmtf.scheduler.slurm.scheduler import SlurmScheduler
from slurmtf.sites.model import Defaults, Environments, Network
from slurmtf.submit.building import Building, provide, withdraw
from tests.integration.environments.support import Lab as BuildLab
from tests.integration.environments.support import write_wheel
from tests.patience import until

from .support import HELLO, Lab, call, findings, get_job, log, read_files, wait_for_status, wait_until_ended, write_program

pytestmark = pytest.mark.slurm

BY_JOB = Site(name="byjob", environments=Environments(build="job", job={"time": "5:00"}), defaults=Defaults(time="5:00"))
TELLS = "import os, speck, sys; print(speck.version, sys.prefix, os.environ['VIRTUAL_ENV'], os.environ.get('PYTHONPATH'))"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return write_wheel(tmp_path / "wheels", "speck").parent


def packages(wheels: Path, *names: str) -> list[str]:
    return ["--no-index", f"--find-links {wheels}", *names]


def store_of(lab: Lab) -> EnvironmentStore:
    return EnvironmentStore(lab.workspace / ".slurmtf" / "environments")


def test_an_environment_built_on_the_login_node_is_used_on_a_node(
    lab: Lab, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere/of/the/shell")
    run = lab.submit(TELLS, pip_packages=packages(wheels, "speck"))
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED
    (name,) = store_of(lab).list_names()
    prefix = str(store_of(lab).folder(name))
    assert log(run).split() == ["1.0", prefix, prefix, f"{run.layout.hook}:{run.layout.work}"]
    assert "speck==1.0" in run.receipt["lock"]
    again = lab.submit(TELLS, pip_packages=packages(wheels, "speck"))
    assert wait_until_ended(again)[0].status is RunStatus.COMPLETED
    assert store_of(lab).list_names() == [name]


def test_runs_wait_for_the_job_that_builds_their_environment(lab: Lab, wheels: Path) -> None:
    held = replace(BY_JOB, environments=replace(BY_JOB.environments, job={"time": "5:00", "hold": True}))
    runs = [lab.submit(TELLS, compute_target=held, pip_packages=packages(wheels, "speck")) for _ in range(2)]
    builders = {builder_of(run) for run in runs}
    assert len(builders) == 1, "one job builds it for both"
    call("scontrol", "release", *builders)
    states = wait_until_ended(*runs)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 2
    assert [log(run).split()[0] for run in runs] == ["1.0"] * 2
    query = ("sacct", "-X", "-n", "-P", "-o", "JobName,State", "-j", builders.pop())
    until(lambda: call(*query).endswith("|COMPLETED"), "the build job's end in sacct")
    third = lab.submit(TELLS, compute_target=BY_JOB, pip_packages=packages(wheels, "speck"))
    assert directive(third, "dependency") is None
    wait_until_ended(third)


def test_a_job_checks_the_imports_of_each_script_before_its_run(lab: Lab, wheels: Path) -> None:
    """Runs with different scripts share the environment, but not the result of the check."""
    held = replace(BY_JOB, environments=replace(BY_JOB.environments, job={"time": "5:00", "hold": True}))
    settings = {"compute_target": held, "pip_packages": packages(wheels, "speck")}
    bad = lab.submit("import speck\nimport sklearn", **settings)
    good = lab.submit(TELLS, **settings)
    assert [run.state.status for run in (bad, good)] == [RunStatus.QUEUED] * 2
    for run in (bad, good):
        call("scontrol", "release", builder_of(run))
    failed, completed = wait_until_ended(bad, good)
    assert (failed.status, failed.cause) == (RunStatus.FAILED, "software")
    (name,) = store_of(lab).list_names()
    assert failed.outcome
    assert all(fact in failed.outcome.detail["error"] for fact in ("train.py:2: ", " sklearn,", f" {name} (speck)"))
    assert "add pip_packages=['scikit-learn']" in lab.slurmtf("status", bad.id).stdout
    assert completed.status is RunStatus.COMPLETED, completed.message
    assert log(good).split()[0] == "1.0"
    logs = [Path(store_of(lab).layout.logs, f"{run.plan['provenance']['build_task']}.job").read_text() for run in (bad, good)]
    assert sum(text.count("built pip-") for text in logs) == 1
    assert not Path(bad.layout.journals).exists()


def test_a_job_builds_an_environment_without_a_network(lab: Lab, wheels: Path) -> None:
    """The packages are fetched where the run is submitted; their source is gone when the job starts."""
    write_wheel(wheels, "more", needs="speck")
    offline = replace(BY_JOB, network=Network(internet=False), environments=replace(BY_JOB.environments, job={"hold": True}))
    run = lab.submit(TELLS, compute_target=offline, pip_packages=packages(wheels, "more"))
    shutil.rmtree(wheels)
    call("scontrol", "release", builder_of(run))
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED, state.message
    assert log(run).split()[0] == "1.0"


def directive(run: Run, flag: str) -> object:
    return dict(run.plan["batch"]["directives"]).get(flag)


def builder_of(run: Run) -> str:
    """Return the id of the job that builds the run's environment."""
    return str(directive(run, "dependency")).removeprefix("afterok:")


def test_the_users_own_dependency_is_kept(lab: Lab, wheels: Path) -> None:
    first = lab.submit(HELLO)
    own = {"sbatch": {"dependency": f"afterany:{get_job(first)}"}}
    run = lab.submit(TELLS, compute_target=BY_JOB, pip_packages=packages(wheels, "speck"), **own)
    assert str(directive(run, "dependency")).endswith(f",afterany:{get_job(first)}")
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED


def test_the_users_failed_dependency_is_not_blamed_on_the_software(lab: Lab, wheels: Path) -> None:
    first = lab.submit("import sys; sys.exit(3)", sbatch={"hold": True})
    own = {"dependency": f"afterok:{get_job(first)}", "kill-on-invalid-dep": "yes"}
    run = lab.submit(TELLS, pip_packages=packages(wheels, "speck"), sbatch=own)
    call("scontrol", "release", get_job(first))
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause) == (RunStatus.CANCELED, "canceled")


def test_a_failed_build_job_fails_the_run_with_the_reason(lab: Lab, wheels: Path) -> None:
    run = lab.submit(TELLS, compute_target=BY_JOB, pip_packages=packages(wheels, "specck"))
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause) == (RunStatus.FAILED, "software")
    assert state.outcome
    assert "specck" in state.outcome.detail["error"]
    assert "specck" in lab.slurmtf("status", run.id).stdout


def test_an_interrupted_build_job_fails_the_run_with_the_reason(
    lab: Lab, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = write_program(lab.folder / "bin" / "uv", "#!/bin/sh\nsleep 300\n")
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    run = lab.submit(TELLS, compute_target=BY_JOB, pip_packages=packages(wheels, "speck"))
    until(lambda: list(Path(store_of(lab).layout.claims).iterdir()), "the build")
    call("scancel", builder_of(run))
    (state,) = wait_until_ended(run)
    assert (state.status, state.cause) == (RunStatus.FAILED, "software")
    assert state.outcome
    assert state.outcome.detail["error"]
    until(lambda: not list(Path(store_of(lab).layout.built).iterdir()), "the end of its builder")


def test_a_refused_run_leaves_no_build_job(lab: Lab, wheels: Path) -> None:
    with pytest.raises(RefusedError):
        lab.submit(TELLS, compute_target=BY_JOB, partition="none", pip_packages=packages(wheels, "speck"))
    assert not [job for job in list_mine(None) if not job.state.final and str(lab.folder) in job.folder]
    assert not list(lab.workspace.glob("lab/*"))


def test_a_build_job_needed_by_another_run_is_not_withdrawn(lab: Lab, wheels: Path) -> None:
    estimator = TensorFlow(lab.source(TELLS), compute_target=BY_JOB, pip_packages=packages(wheels, "speck"))
    store, held = store_of(lab), replace(BY_JOB, environments=replace(BY_JOB.environments, job={"hold": True}))
    building = Building(build_package_spec(estimator.environment, held, lab.folder), store, held, estimator, {})
    ours = provide(building, print)
    assert ours is not None
    theirs = provide(building, print)
    assert theirs == replace(ours, ours=False)
    withdraw(building, ours)
    assert not SlurmScheduler().observe([ours.job])[ours.job].state.final
    call("scancel", ours.awaited.job_id)


def test_wrong_packages_leave_no_run(lab: Lab, wheels: Path) -> None:
    packages = ("--pip", "--no-index", "--pip", "specck")
    (finding,) = findings(lab.slurmtf("submit", lab.source(TELLS) / "train.py", "-s", "slurm", *packages, "--json"))
    assert (finding["code"], "specck" in finding["what"]) == ("build-failed", True)
    assert not list(lab.workspace.glob("train/*"))


def test_an_environment_removed_before_the_job_starts_is_reported(lab: Lab, wheels: Path) -> None:
    run = lab.submit(TELLS, pip_packages=packages(wheels, "speck"), sbatch={"hold": True})
    held = lab.slurmtf("env", "remove", "pip")
    assert (held.returncode, f"run {run.id} needs it" in held.stderr) == (1, True)
    assert lab.slurmtf("env", "remove", "--unused").returncode == 0
    assert len(store_of(lab).list_names()) == 1
    assert lab.slurmtf("env", "remove", "pip", "--force").returncode == 0
    call("scontrol", "release", get_job(run))
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.FAILED
    assert f" {store_of(lab).root}" in state.message
    assert f"slurmtf env rebuild {run.folder}" in state.message

    rebuilt = lab.slurmtf("env", "rebuild", run.folder)
    assert rebuilt.returncode == 0, rebuilt.stderr
    call("scontrol", "release", call("sbatch", "--parsable", "job.sh", cwd=run.folder))
    until(lambda: (run.folder / "logs/main-0.out").exists() and log(run).startswith("1.0"), "the run, by hand")


def test_two_nodes_build_the_same_environment_only_once(lab: Lab, wheels: Path) -> None:
    """Their claims are files on a (stand-in for a) shared file system; each can see the other's host, but not its process."""
    builder = BuildLab(lab.folder / "store", wheels)
    spec, store = builder.spec("speck"), builder.store
    store.layout.prepare()
    path, program = Path(store.layout.spec(spec.name)), lab.folder / "agent.pyz"
    path.write_text(json.dumps(spec.to_dict(store.root)))
    program.write_bytes(build_job_archive())
    output = call("srun", "-N2", "--ntasks-per-node=1", sys.executable, "-I", program, "build", path)
    assert output.count("built pip-") == 1, output
    assert store.list_names() == [spec.name]
    assert len(builder.builds) == 1


def test_the_script_that_builds_an_environment_can_be_submitted_by_hand(lab: Lab, wheels: Path) -> None:
    run = lab.submit(TELLS, compute_target=BY_JOB, pip_packages=packages(wheels, "speck"), sbatch={"hold": True})
    store = store_of(lab)
    until(store.list_names, "the environment")
    (name,) = store.list_names()
    script = Path(store.layout.build_job(run.plan["provenance"]["build_task"]), "job.sh")
    before = read_files(store.folder(name))
    call("bash", script, env={**os.environ, "SLURM_JOB_ID": ""})
    assert read_files(store.folder(name)) == before
    wait_for_status(run, RunStatus.QUEUED)
    run.cancel()
