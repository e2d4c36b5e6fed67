"""Runs in containers: with the real Apptainer on Slurm's nodes and on this machine, with a stand-in for pyxis on the nodes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Environment, Experiment, Input, Mpi, Run, RunStatus, TensorFlow
from slurmtf.diagnosis.dying import explain
from slurmtf.errors import SoftwareError, SpecError
from slurmtf.job.build.image import MEANINGS
from slurmtf.job.build.installer import explain_failure
from slurmtf.job.build.work import StepError
from slurmtf.job.contract.attempt.outcome import End, Outcome
from slurmtf.sites.model import Containers, Storage
from tests.cluster import Cluster
from tests.environments import cache
from tests.patience import until
from tests.system.distributed.examples import EXAMPLES
from tests.system.faults.support import assert_nothing_left
from tests.system.slurm.support import POLITE, call, get_job, log, read_files, wait_until_ended
from tests.system.slurm.support import wait_until_started as waiting
from tests.unit.support import refusing, tells

from . import image as images
from .conftest import Boxes, at
from .registry import registry

# Each task writes what it sees of its surroundings to a file of its own.
LOOK = """
import json, os, sys, time
names = ("PATH", "PYTHONPATH", "PYTHONNOUSERSITE", "TF_CONFIG", "CUDA_VISIBLE_DEVICES", "TOKEN", "OF_IMAGE", "SHARED")
seen = {name: os.environ.get(name) for name in names}
seen.update(version=sys.version.split()[0], cwd=os.getcwd(), argv=sys.argv[1:], release=open("/etc/os-release").read())
seen.update(host=os.uname().nodename, root=sorted(os.listdir("/")), files=sorted(os.listdir(".")), prefix=sys.prefix)
name = "{SLURMTF_ROLE}-{SLURMTF_INDEX}.json".format(**os.environ)
with open(name, "w") as file:
    json.dump(seen, file)
os.rename(name, "outputs/" + name)
deadline = time.time() + 600  # a parameter server is ended when the workers are done: they wait for its word
while len(os.listdir("outputs")) < int(os.environ["SLURMTF_WORLD_SIZE"]) and time.time() < deadline:
    time.sleep(0.1)
"""
PS: dict[str, Any] = {"distributed_backend": "ps", "worker_count": 2, "parameter_server_count": 1}
LOGIN = ("ada", "s3cret-0815")


def seen(run: Run, task: str = "main-0") -> dict[str, Any]:
    """Return what a task saw, after checking that it ran inside the image."""
    found: dict[str, Any] = json.loads((run.folder / "outputs" / f"{task}.json").read_text())
    assert found["release"] == images.RELEASE
    assert not {"boot", "srv", "sbin"} & set(found["root"]), "this is the host's root"
    assert found["cwd"] == run.layout.work
    return found


def completed(run: Run) -> Run:
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.COMPLETED, state.message
    return run


def end_of(run: Run) -> Outcome:
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.FAILED
    assert state.outcome is not None
    return state.outcome


def version_of(image: Path) -> str:
    (library,) = (image / "usr/lib").glob("python3*")
    return library.name.removeprefix("python")


def test_the_script_runs_inside_the_container(place: Boxes, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs with the image's Python, whatever is active where the run is submitted."""
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    own = {"script_params": {"--text": "two words; $HOME"}, "environment_variables": {"TOKEN": "secret"}, "gpus_per_node": 2}
    run = completed(place.submit(LOOK, custom_docker_image=place.image, **own))
    found = seen(run)
    assert found["version"].startswith(version_of(image) + ".")
    assert (found["prefix"], found["files"]) == ("/usr", ["logs", "outputs", "train.py"])
    assert found["PYTHONPATH"] == f"{run.layout.hook}:{run.layout.work}"
    assert found["PYTHONNOUSERSITE"] == "1"
    assert (found["argv"], found["TOKEN"], found["CUDA_VISIBLE_DEVICES"]) == (["--text", "two words; $HOME"], "secret", "0,1")
    assert "secret" not in Path(run.layout.script).read_text()


def test_roles_connect_between_containers(place: Boxes) -> None:
    nodes = 1 if place.target.scheduler == "local" else 2
    run = completed(place.submit(LOOK, custom_docker_image=place.image, node_count=nodes, **PS))
    tasks = {name: seen(run, name) for name in ("ps-0", "worker-0", "worker-1")}
    configs = {name: json.loads(task["TF_CONFIG"]) for name, task in tasks.items()}
    assert [len(configs["ps-0"]["cluster"][role]) for role in ("ps", "worker")] == [1, 2]
    assert all(config["cluster"] == configs["ps-0"]["cluster"] for config in configs.values())
    assert {name: "{type}-{index}".format(**config["task"]) for name, config in configs.items()} == {n: n for n in tasks}
    assert len({task["host"] for task in tasks.values()}) == nodes


def test_mpirun_starts_containers_on_each_node(boxes: Boxes, image: Path) -> None:
    settings = {"distributed_backend": "mpi", "process_count_per_node": 2, "node_count": 2, "launcher": "mpirun"}
    run = completed(boxes.submit(LOOK, custom_docker_image=image, **settings))
    hosts = [seen(run, f"rank-{rank}")["host"] for rank in range(4)]
    assert sorted(hosts) == sorted([hosts[0], hosts[0], hosts[-1], hosts[-1]])
    assert len(set(hosts)) == 2


def test_tensorflow_trains_across_containers(nodes: Boxes, tf_classic: Path) -> None:
    """Two workers on two nodes end with the same weights. TensorFlow is outside the image, in bound folders."""
    binds = [str(cache.root()), str(tf_classic.resolve().parents[1])]
    nodes.target = at("slurm", replace(nodes.containers, binds=binds))
    wish = Environment(image=str(nodes.image), python=str(tf_classic))
    settings: dict[str, Any] = {"distributed_backend": "multiworker", "worker_count": 2, "node_count": 2, "cpus_per_task": 1}
    source = EXAMPLES / "multiworker"
    run = completed(nodes.submit_source(source, environment_definition=wish, script_params={"--epochs": 1}, **settings))
    results = [json.loads(path.read_text()) for path in (run.folder / "outputs").glob("result-*.json")]
    assert sorted(result["role"] for result in results) == ["worker-0", "worker-1"]
    assert results[0]["weights"] == results[1]["weights"]
    assert [result["replicas"] for result in results] == [2, 2]


def test_jax_joins_processes_of_two_nodes_in_containers(nodes: Boxes, jax: Path) -> None:
    """Inside, they know where to meet, and which process each is. JAX is outside the image, in bound folders."""
    binds = [str(cache.root()), str(jax.resolve().parents[1])]
    nodes.target = at("slurm", replace(nodes.containers, binds=binds))
    wish = Environment(image=str(nodes.image), python=str(jax))
    settings: dict[str, Any] = {"distributed_backend": "jax", "process_count_per_node": 2, "node_count": 2, "cpus_per_task": 1}
    arguments = {"--epochs": 1}
    run = completed(
        nodes.submit_source(EXAMPLES / "keras3-jax", environment_definition=wish, script_params=arguments, **settings)
    )
    results = [json.loads(path.read_text()) for path in (run.folder / "outputs").glob("result-*.json")]
    assert sorted(result["rank"] for result in results) == [0, 1, 2, 3]
    assert {result["size"] for result in results} == {result["devices"] for result in results} == {4}
    assert len({result["weights"] for result in results}) == 1


def test_the_exit_of_the_script_is_the_exit_of_the_run(place: Boxes) -> None:
    """An exit code, and a signal, which a container runtime would turn into an exit code above 128."""
    left = place.submit("raise SystemExit(7)", custom_docker_image=place.image)
    assert end_of(left).end == End(7)
    died = place.submit("import os; os.kill(os.getpid(), 11)", custom_docker_image=place.image)
    assert end_of(died).end == End(None, 11)


def test_a_canceled_script_has_time_to_end(place: Boxes) -> None:
    run = place.submit(POLITE, custom_docker_image=place.image)
    waiting(run)
    run.cancel()
    (state,) = wait_until_ended(run)
    assert state.status is RunStatus.CANCELED
    assert (run.folder / "outputs/last-words").read_text() == "saved"
    assert_nothing_left(run)


def test_a_killed_supervisor_ends_its_containers(here: Boxes, image: Path) -> None:
    run = here.submit(POLITE, custom_docker_image=image)
    waiting(run)
    os.kill(int(str(run.state.job_id)), signal.SIGKILL)
    assert_nothing_left(run)


def test_folders_of_the_site_are_mounted(nodes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data (under another name) and the node's own disk: neither is in a folder that a container shows by default."""
    monkeypatch.setenv("LAB_DATA", "/usr/share/zoneinfo")
    monkeypatch.setenv("LAB_DISK", "/var/spool/tmp")
    nodes.target = replace(
        at("slurm", replace(nodes.containers, binds=["$LAB_DATA:/data"])), storage=Storage(workspace=None, local="$LAB_DISK")
    )
    script = 'import os; print(os.path.exists("/data/UTC"), os.path.isdir(os.environ["LAB_DISK"]))'
    assert log(completed(nodes.submit(script, custom_docker_image=nodes.image))) == "True True\n"
    monkeypatch.setenv("LAB_DISK", "/nowhere")
    assert log(completed(nodes.submit(script, custom_docker_image=nodes.image))) == "True False\n"


# --- images from a registry


def test_an_image_is_fetched_from_a_registry_once(boxes: Boxes, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched once, with a login, into one file; the password is stored nowhere."""
    monkeypatch.setenv("APPTAINER_NOHTTPS", "1")
    with registry(image, LOGIN) as server:
        details = dict(zip(("address", "username", "password"), (server.host, *LOGIN), strict=True))
        own = {"custom_docker_image": "lab/image:1", "image_registry_details": details}
        first = completed(boxes.submit(LOOK, **own))
        asked = len(server.asked)
        second = completed(boxes.submit(LOOK, **own))
        assert asked
        assert len(server.asked) == asked
    assert seen(first)["OF_IMAGE"] == seen(second)["OF_IMAGE"] == "yes"
    fetched = Path(first.plan["batch"]["container"]["image"])
    assert first.receipt["lock"] == [f"image.sif sha256:{hashlib.sha256(fetched.read_bytes()).hexdigest()}"]
    assert not [name for name, data in read_files(boxes.workspace).items() if LOGIN[1].encode() in data]


def meant(printed: str) -> str:
    """Return the builder's explanation of what a runtime prints."""
    return explain_failure(StepError("fetching", 1, printed), MEANINGS).what.partition(" (")[0]


@pytest.mark.parametrize(
    ("login", "name", "printed"),
    [(("ada", "wrong"), "lab/image:1", "unauthorized"), (LOGIN, "lab/image:nothing", "manifest unknown")],
)
def test_an_unavailable_image_is_refused(
    boxes: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: tuple[str, str], name: str, printed: str
) -> None:
    monkeypatch.setenv("APPTAINER_NOHTTPS", "1")
    (tmp_path / "root").mkdir()
    with registry(tmp_path / "root", LOGIN) as server, pytest.raises(SoftwareError) as caught:
        details = dict(zip(("address", "username", "password"), (server.host, *login), strict=True))
        boxes.submit(LOOK, custom_docker_image=name, image_registry_details=details)
    (finding,) = caught.value.findings
    assert (finding.code, tells(finding, meant(printed), "(FATAL:")) == ("build-failed", True)


UNKNOWN = (
    "-> find the package that brings speck (its name may differ) and build it into the image, "
    "or move your own speck into the source"
)


def test_a_job_fetches_the_image_for_a_waiting_run(
    boxes: Boxes, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the login node had no Apptainer. The registry is a job, too, on a node that all of them can reach."""
    monkeypatch.setenv("APPTAINER_NOHTTPS", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    port, serve = tmp_path / "port", f"{sys.executable} -m tests.system.containers.registry {image}"
    job = call("sbatch", "--parsable", "--nodelist=node4", f"--output={port}", f"--wrap=exec {serve}")
    try:
        number = until(lambda: port.exists() and port.read_text().strip(), "the registry")
        wish = Environment(image=f"node4:{number}/lab/image:1", build="job")
        run, other = (boxes.submit(script, environment_definition=wish) for script in (LOOK, f"import speck\n{LOOK}"))
        completed(run)
        (lacking,) = wait_until_ended(other)
    finally:
        call("scancel", job)
    assert seen(run)["OF_IMAGE"] == "yes"
    assert (lacking.status, lacking.cause) == (RunStatus.FAILED, "software")
    assert lacking.message.splitlines()[1].strip() == UNKNOWN


def test_an_unreachable_registry_is_reported(boxes: Boxes) -> None:
    with refusing(SoftwareError, "build-failed", meant("connection refused")):
        boxes.submit(LOOK, custom_docker_image="localhost:9/lab/image:1")


# --- before the submission


def test_the_python_of_an_image_is_probed(boxes: Boxes, image: Path) -> None:
    """Before anything is submitted, the check runs on this machine, in the image."""
    script = "import horovod.tensorflow"
    estimator = TensorFlow(
        boxes.source(script),
        compute_target=boxes.target,
        custom_docker_image=str(image),
        distributed_training=Mpi(transport="gloo"),
    )
    with pytest.raises(SpecError) as caught:
        Experiment("lab", boxes.workspace).plan(estimator)
    (found,) = caught.value.findings
    assert (found.code, found.where, tells(found, "horovod", str(image))) == ("missing-import", "train.py:1", True)


# --- what goes wrong inside


def test_a_python_missing_in_the_image_is_explained(boxes: Boxes, image: Path) -> None:
    wish = Environment(image=str(image), python="python4")
    outcome = end_of(boxes.submit(LOOK, environment_definition=wish))
    assert '"python4": executable file not found' in outcome.tail
    assert explain(outcome).rule == "not-in-image"


def test_an_image_removed_while_the_job_waited_is_named(boxes: Boxes, image: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.symlink_to(image)
    run = boxes.submit(LOOK, custom_docker_image=copy, sbatch={"hold": True})
    copy.unlink()
    call("scontrol", "release", get_job(run))
    assert str(copy) in end_of(run).tail


@pytest.mark.parametrize("launcher", ["srun", "none"])
def test_a_node_without_the_runtime_is_explained(boxes: Boxes, image: Path, launcher: str) -> None:
    boxes.target = at("slurm", Containers("singularity"))
    outcome = end_of(boxes.submit(LOOK, custom_docker_image=image, launcher=launcher))
    assert explain(outcome).rule == "runtime-missing"


def test_a_folder_missing_on_the_node_is_explained(nodes: Boxes) -> None:
    nodes.target = at("slurm", replace(nodes.containers, binds=["/no/data"]))
    assert explain(end_of(nodes.submit(LOOK, custom_docker_image=nodes.image))).rule == "bind-missing"


def test_a_slurm_without_pyxis_is_explained(boxes: Boxes) -> None:
    boxes.target = at("slurm", Containers("pyxis"))
    outcome = end_of(boxes.submit(LOOK, custom_docker_image="tensorflow/tensorflow:2.15.0"))
    assert explain(outcome).rule == "no-pyxis"


# --- pyxis alone


def test_variables_of_the_image_replace_only_those_of_the_shell(pyxis: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in images.VARIABLES.keys() - {"PATH"}:
        monkeypatch.setenv(name, "of the shell")
    wish = Environment(image=str(pyxis.image), variables={"SHARED": "of the environment"})
    found = seen(completed(pyxis.submit(LOOK, environment_definition=wish, environment_variables={"TOKEN": "of the run"})))
    expected = {**images.VARIABLES, "SHARED": "of the environment", "TOKEN": "of the run"}
    assert {name: found[name] for name in expected} == expected


def test_the_home_is_mounted_on_request(pyxis: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile requests it, with pyxis's own options."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    script = 'import os; print(os.path.isdir(os.environ["HOME"]))'
    for word, there in (("--container-mount-home", True), ("--no-container-mount-home", False)):
        pyxis.target = at("slurm", replace(pyxis.containers, args=[word]))
        assert log(completed(pyxis.submit(script, custom_docker_image=pyxis.image))) == f"{there}\n"


def test_an_image_missing_on_the_node_is_explained(pyxis: Boxes, slurm24: Cluster, tmp_path: Path) -> None:
    copy = tmp_path / "images/image.sqsh"
    copy.parent.mkdir()
    shutil.copyfile(pyxis.image, copy)
    slurm24.hide("node2", copy.parent)
    try:
        nodes = {"node_count": 2, "sbatch": {"nodelist": "node1,node2"}}
        outcome = end_of(pyxis.submit(LOOK, custom_docker_image=copy, **nodes, **PS))
    finally:
        slurm24.show("node2", copy.parent)
    found = explain(outcome)
    assert found.rule == "image-missing" and str(copy) in found.remedy


@pytest.mark.parametrize(
    ("named", "python", "rule"),
    [
        ("lab/image:1", "python3", "image-fetch"),
        ("", "python4", "command-missing"),
    ],
)
def test_what_pyxis_can_not_start_is_explained(pyxis: Boxes, named: str, python: str, rule: str) -> None:
    wish = Environment(image=named or str(pyxis.image), python=python)
    assert explain(end_of(pyxis.submit(LOOK, environment_definition=wish))).rule == rule


def test_steps_without_an_image_run_as_usual(pyxis: Boxes) -> None:
    """A check of the stand-in itself: the step runs on the node's own root, and options that pyxis lacks are refused."""
    assert log(completed(pyxis.submit('import os; print(os.path.isdir("/srv"))'))) == "True\n"
    done = subprocess.run(["srun", "--container-nonsense=1", "true"], capture_output=True, text=True, check=False)
    assert "unrecognized option '--container-nonsense=1'" in done.stderr


# --- the command


def test_the_command_line_overrides_the_job_file(boxes: Boxes, slurm24: Cluster, image: Path, tmp_path: Path) -> None:
    """--image overrides the job file's image."""
    profile = tmp_path / "lab.yaml"
    profile.write_text("extends: slurm\ncontainers: {runtime: apptainer, args: [--userns]}\n")
    source = boxes.source(LOOK)
    (source / "job.yaml").write_text("entry_script: train.py\ncustom_docker_image: /no/such.sif\n")
    shown = boxes.slurmtf("plan", source / "job.yaml", "--site", profile, "--image", image)
    assert re.search(rf"^container +{image}, run by apptainer$", shown.stdout, re.MULTILINE), shown.stderr
    relative = f"./{os.path.relpath(image)}"
    done = boxes.slurmtf("run", source / "job.yaml", "--site", profile, "--image", relative, env=slurm24.environment())
    assert done.returncode == 0, done.stderr


def test_source_and_data_are_staged_to_the_nodes_own_disk(nodes: Boxes) -> None:
    disk, data, results = (nodes.folder / name for name in ("disk", "data", "results"))
    disk.mkdir()
    data.mkdir()
    (data / "a.txt").write_text("content")
    script = """
import os
print(os.getcwd(), os.environ["SLURMTF_INPUT_DATA"], open(os.environ["SLURMTF_INPUT_DATA"] + "/a.txt").read())
open(os.environ["SLURMTF_INPUT_RESULTS"] + "/model", "w").close()
"""
    site = replace(at("slurm", nodes.containers), storage=Storage(local=str(disk)))
    inputs = [Input(data, mode="download"), Input(results, mode="upload")]
    run = completed(
        nodes.submit(script, compute_target=site, custom_docker_image=str(nodes.image), inputs=inputs, stage="node-local")
    )
    work, there, content = log(run).split()
    assert work.startswith(f"{disk}/slurmtf-")
    assert there.startswith(f"{disk}/slurmtf-")
    assert content == "content"
    assert (results / "model").exists()
    assert list(disk.glob("slurmtf-*/*/*")) == []
