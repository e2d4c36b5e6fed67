"""Jobs in containers: which image, how it appears in the script, what is refused, and where the login is not written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import EnvironmentStore, Software, resolve_software
from slurmtf.environments.images import choose_image, resolve_image, resolve_login
from slurmtf.errors import SoftwareError, SpecError
from slurmtf.estimator import Environment, Input
from slurmtf.findings import Finding
from slurmtf.sites import Site
from slurmtf.sites.model import Containers, Gpu, JobEnvironment, Modules, Network
from slurmtf.submit.building import Building, provide
from tests.unit.plan.containers import NAME, boxed, site
from tests.unit.support import SITE, codes, plan_of, refused, refusing, tells, tensorflow, unplannable

BOTH = Site(
    name="both",
    arch="x86_64",
    containers=Containers(
        "apptainer", modules=["apptainer/1.4"], tensorflow={"2.15": "/i/2.15.sif", "2.16": "docker://tf:2.16"}
    ),
    modules=Modules(tensorflow={"2.15": ["tf/2.15"]}),
    environment=JobEnvironment(python="/usr/bin/python3"),
)
LOGIN = {"address": "registry.example.org", "username": "ada", "password": "s3cret"}


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "tf.sif"
    path.touch()
    return str(path)


def software(source: Path, where: Site, folder: Path, **settings: Any) -> Software:
    return resolve_software(tensorflow(source, **settings), where, EnvironmentStore(folder))


def wrong(source: Path, where: Site, folder: Path, **settings: Any) -> list[Finding]:
    with pytest.raises(SpecError) as caught:
        software(source, where, folder, **settings)
    return list(caught.value.findings)


# --- which image


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ""),
        ({"framework_version": "2.15"}, ""),  # modules come first ...
        ({"framework_version": "2.15", "use_docker": True}, "/i/2.15.sif"),  # ... unless a container is requested
        ({"framework_version": "2.16"}, "docker://tf:2.16"),
        ({"framework_version": "2.16", "use_docker": False}, ""),
        ({"framework_version": "2.16", "custom_docker_image": "/i/own.sif"}, "/i/own.sif"),
        ({"environment_definition": Environment(image="/i/own.sif")}, "/i/own.sif"),
    ],
)
def test_the_image_follows_from_the_settings(source: Path, settings: dict[str, Any], found: str) -> None:
    assert choose_image(tensorflow(source, **settings), BOTH) == found


@pytest.mark.parametrize(
    ("where", "facts"),
    [(SITE, ["`custom_docker_image`"]), (BOTH, ["`custom_docker_image`", "`framework_version`", "2.15, 2.16"])],
)
def test_a_container_without_an_image_is_refused(source: Path, tmp_path: Path, where: Site, facts: list[str]) -> None:
    (finding,) = wrong(source, where, tmp_path, use_docker=True)
    assert (finding.code, finding.where) == ("no-image", "use_docker")
    assert tells(finding, where.name, *facts)


@pytest.mark.parametrize(
    ("given", "registry", "found"),
    [
        ("docker://tensorflow/tensorflow:2.15.0", "", "docker://tensorflow/tensorflow:2.15.0"),
        ("tensorflow/tensorflow:2.15.0", "", "docker://tensorflow/tensorflow:2.15.0"),
        ("lab/tf", "registry.example.org", "docker://registry.example.org/lab/tf"),
        ("docker://registry.example.org/lab/tf", "https://registry.example.org/", "docker://registry.example.org/lab/tf"),
        ("oras://registry.example.org/lab/tf.sif:1", "", "oras://registry.example.org/lab/tf.sif:1"),
    ],
)
def test_a_registry_name_is_completed(given: str, registry: str, found: str) -> None:
    assert resolve_image(given, "image", registry) == found


def test_an_image_file_is_named_by_its_absolute_path(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(image).parent))
    assert resolve_image(image, "image") == resolve_image("~/tf.sif", "image") == image


@pytest.mark.parametrize(
    ("given", "code"), [("tf.sif", "image-relative"), ("./images/tf", "image-relative"), ("/no/tf.sif", "image-missing")]
)
def test_a_missing_image_file_is_refused(given: str, code: str) -> None:
    with refusing(SpecError, code):
        resolve_image(given, "image")


def test_the_software_of_an_image_file_is_in_the_plan(source: Path, tmp_path: Path, image: str) -> None:
    wish = Environment(image=image, python="/opt/tf/bin/python", modules=["cuda"], variables={"A": "1"})
    found = software(source, BOTH, tmp_path, environment_definition=wish)
    assert (found.image, found.runtime, found.spec) == (image, "apptainer", None)
    assert (found.python, found.host_python) == ("/opt/tf/bin/python", "/usr/bin/python3")
    assert found.modules == ("apptainer/1.4", "cuda")
    assert found.variables == {"PYTHONNOUSERSITE": "1", "A": "1"}


def test_an_image_is_fetched_from_a_registry_once_for_each_name(source: Path, tmp_path: Path) -> None:
    first, again, other = (
        software(source, BOTH, tmp_path, custom_docker_image=name) for name in ("lab/tf:1", "docker://lab/tf:1", "lab/tf:2")
    )
    assert first.spec
    assert (first.spec.kind, first.spec.image, first.spec.modules) == ("image", "docker://lab/tf:1", ("apptainer/1.4",))
    assert first.image == again.image == str(tmp_path / first.spec.name / "image.sif")
    assert other.image != first.image


@pytest.mark.parametrize("runtime", ["pyxis", "shifter", "podman-hpc"])
def test_other_runtimes_fetch_images_themselves(source: Path, tmp_path: Path, runtime: str) -> None:
    found = software(source, site(runtime), tmp_path, custom_docker_image="lab/tf:1")
    assert (found.image, found.spec) == ("docker://lab/tf:1", None)


def test_packages_added_to_an_image_of_the_site_are_refused(source: Path, tmp_path: Path) -> None:
    (finding,) = wrong(source, BOTH, tmp_path, framework_version="2.16", pip_packages=["scipy"])
    assert (finding.code, finding.where) == ("image-and-environment", "framework_version")
    assert tells(finding, "docker://tf:2.16", BOTH.name)


# --- what runs it


def test_a_site_without_containers_refuses_an_image(source: Path, tmp_path: Path, image: str) -> None:
    (finding,) = wrong(source, site("none"), tmp_path, custom_docker_image=image)
    assert (finding.code, finding.where) == ("no-container-runtime", "custom_docker_image")


def test_a_site_without_a_runtime_uses_the_one_in_path(
    source: Path, tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = wrong(source, SITE, tmp_path, custom_docker_image=image)
    assert finding.code == "container-runtime-missing"
    (tmp_path / "singularity").touch(0o755)
    assert software(source, SITE, tmp_path, custom_docker_image=image).runtime == "singularity"


def test_a_version_that_is_an_image_loads_no_modules(source: Path) -> None:
    own = {"framework_version": "2.15", "use_docker": True}
    assert plan_of(tensorflow(source, **own), BOTH, boxed("apptainer", "/i/2.15.sif")).batch.shell.modules == ()


def test_pyxis_works_only_with_srun(source: Path) -> None:
    estimator = tensorflow(source, launcher="none")
    (finding,) = unplannable(estimator, site("pyxis"), boxed("pyxis", NAME))
    assert (finding.code, finding.where) == ("launcher-without-containers", "launcher")
    assert tells(finding, "pyxis", "'none'", "`launcher=srun`")


@pytest.mark.parametrize("runtime", ["pyxis", "shifter", "podman-hpc"])
def test_an_image_unsuitable_for_the_runtime_is_refused(source: Path, runtime: str) -> None:
    (finding,) = unplannable(tensorflow(source), site(runtime), boxed(runtime, "oras://lab/tf.sif"))
    assert (finding.code, finding.where) == ("not-an-image", "custom_docker_image")
    assert tells(finding, runtime, "oras://lab/tf.sif")


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("docker://tensorflow/tensorflow:2.15.0", "--container-image=tensorflow/tensorflow:2.15.0"),
        ("docker://localhost/tf", "--container-image=localhost#tf"),
        ("docker://registry:5000/lab/tf", "--container-image=registry:5000#lab/tf"),
        ("/images/tf.sqsh", "--container-image=/images/tf.sqsh"),
    ],
)
def test_an_image_is_written_in_enroots_form(source: Path, image: str, word: str) -> None:
    container = plan_of(tensorflow(source), site("pyxis"), boxed("pyxis", image)).batch.container
    assert container
    assert container.words[0] == word


@pytest.mark.parametrize("char", [":", ",", " ", "\t", '"', "$", "`", "\\"])
def test_a_folder_that_pyxis_can_not_bind_is_refused(source: Path, char: str) -> None:
    estimator = tensorflow(source, inputs=[Input(f"/data/a{char}b")])
    (finding,) = unplannable(estimator, site("pyxis"), boxed("pyxis", NAME))
    assert (finding.code, finding.where) == ("unbindable-path", "inputs")
    assert tells(finding, f"/data/a{char}b", repr(char))


def test_pyxis_starts_only_squashfs_files(source: Path, tmp_path: Path, image: str) -> None:
    for path in (image, str(tmp_path)):
        (finding,) = wrong(source, site("pyxis"), tmp_path, custom_docker_image=path)
        assert (finding.code, tells(finding, path)) == ("not-squashfs", True)
    (tmp_path / "tf.sqsh").write_bytes(b"hsqs\0")
    assert software(source, site("pyxis"), tmp_path, custom_docker_image=f"{tmp_path}/tf.sqsh").image == f"{tmp_path}/tf.sqsh"


def test_variables_that_a_pyxis_image_must_not_replace_are_listed(source: Path) -> None:
    """Those of the profile and of the environment; PATH is the image's with each runtime."""
    where = replace(site("pyxis"), environment=JobEnvironment(variables={"PATH": "/opt/bin", "OF_SITE": "1"}))
    software = replace(boxed("pyxis", NAME), variables={"OF_JOB": "1"})
    container = plan_of(tensorflow(source), where, software).batch.container
    assert container
    assert [word for word in container.words if "-env" in word] == ["--container-env=OF_SITE,OF_JOB"]


@pytest.mark.parametrize("launcher", ["srun", "mpirun", "none", "spawn"])
def test_every_launcher_starts_the_container_command(source: Path, launcher: str) -> None:
    plan = plan_of(tensorflow(source, launcher=launcher), Site(name="here"), boxed("apptainer", "/i/tf.sif"))
    assert plan.batch.container
    assert plan.batch.container.words == ("apptainer", "exec", '--bind="$RUN"', '"$IMAGE"')
    assert (plan.batch.python, plan.batch.host_python, plan.batch.shell.image) == (
        "python3",
        "/opt/env/bin/python3",
        "/i/tf.sif",
    )


@pytest.mark.parametrize(("vendor", "flag"), [("nvidia", "--nv"), ("amd", "--rocm")])
def test_gpus_are_passed_to_the_container_on_request(source: Path, vendor: Any, flag: str) -> None:
    where = Site(name="here", gpu=Gpu(vendor=vendor))
    for asked in (True, False):
        container = plan_of(tensorflow(source, use_gpu=asked), where, boxed("apptainer", "/i/tf.sif")).batch.container
        assert container
        assert (flag in container.words) is asked


def test_shm_size_gives_a_warning_if_the_container_shares_the_nodes_memory(source: Path) -> None:
    plan = plan_of(tensorflow(source, shm_size="8g"), site("apptainer"), boxed("apptainer", "/i/tf.sif"))
    assert codes(plan.warnings) == ["shm-size"]


@pytest.mark.parametrize(
    ("name", "value"), [("shm_size", "8g"), ("image_registry_details", {"address": "registry.example.org"})]
)
def test_settings_that_need_a_container_are_refused_without_one(source: Path, name: str, value: object) -> None:
    (finding,) = unplannable(tensorflow(source, **{name: value}), SITE)
    assert (finding.code, finding.where) == ("image-setting-alone", name)
    assert tells(finding, "`custom_docker_image`", f"`{name}`")


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        ({"shm_size": "much"}, "bad-size", "shm_size"),
        ({"image_registry_details": {"pasword": "x"}}, "bad-login", "image_registry_details['pasword']"),
        ({"image_registry_details": {"username": "ada"}}, "bad-login", "image_registry_details"),
        ({"image_registry_details": "registry.example.org"}, "bad-login", "image_registry_details"),
    ],
)
def test_wrong_settings_of_an_image_are_refused(source: Path, settings: dict[str, Any], code: str, where: str) -> None:
    found = refused(source, custom_docker_image="lab/tf", **settings)
    assert [(finding.code, finding.where) for finding in found] == [(code, where)]


# --- the login


def test_a_login_is_in_no_record(source: Path, tmp_path: Path) -> None:
    estimator = tensorflow(source, custom_docker_image="lab/tf", image_registry_details=LOGIN)
    plan = plan_of(estimator, BOTH, resolve_software(estimator, BOTH, EnvironmentStore(tmp_path)))
    for text in (plan.to_json(), repr(estimator), str(plan)):
        assert "s3cret" not in text
        assert "'ada'" not in text
    assert plan.provenance.estimator["image_registry_details"] == {"address": "registry.example.org"}
    assert estimator.to_document()["image_registry_details"] == LOGIN


def test_only_the_fetching_process_gets_the_login(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    details = {"username": "ada", "password": "$LAB_PASSWORD"}
    estimator = tensorflow(source, custom_docker_image="lab/tf", image_registry_details=details)
    with refusing(SpecError, "variable-unset"):
        resolve_login(estimator)
    monkeypatch.setenv("LAB_PASSWORD", "s3cret")
    found = {"DOCKER_USERNAME": "ada", "DOCKER_PASSWORD": "s3cret"}
    assert resolve_login(estimator) == {
        f"{name}_{key}": value for name in ("APPTAINER", "SINGULARITY") for key, value in found.items()
    }


def test_no_job_gets_a_login(source: Path, tmp_path: Path) -> None:
    wish = Environment(image="lab/tf", build="job")
    estimator = tensorflow(source, environment_definition=wish)
    spec = resolve_software(estimator, BOTH, EnvironmentStore(tmp_path)).spec
    assert spec
    building = Building(spec, EnvironmentStore(tmp_path), BOTH, estimator, {})
    assert building.by_job
    assert not Building(spec, building.store, BOTH, estimator, {"APPTAINER_DOCKER_PASSWORD": "s3cret"}).by_job


def test_no_job_fetches_an_image_if_nodes_have_no_internet(source: Path, tmp_path: Path) -> None:
    estimator = tensorflow(source, environment_definition=Environment(image="lab/tf", build="job"))
    offline, store = replace(BOTH, network=Network(internet=False)), EnvironmentStore(tmp_path / "store")
    spec = resolve_software(estimator, offline, store).spec
    assert spec
    with refusing(SoftwareError, "build-failed"):
        provide(Building(spec, store, offline, estimator, {}), print)
    assert not store.root.exists()


@pytest.mark.parametrize("runtime", ["pyxis", "shifter", "podman-hpc"])
def test_a_login_is_refused_if_slurmtf_does_not_fetch(source: Path, tmp_path: Path, runtime: str) -> None:
    (finding,) = wrong(source, site(runtime), tmp_path, custom_docker_image="lab/tf", image_registry_details=LOGIN)
    assert (finding.code, tells(finding, runtime)) == ("useless-login", True)


def test_a_login_for_an_image_file_is_refused(source: Path, tmp_path: Path, image: str) -> None:
    (finding,) = wrong(source, BOTH, tmp_path, custom_docker_image=image, image_registry_details=LOGIN)
    assert (finding.code, tells(finding, image)) == ("useless-login", True)
