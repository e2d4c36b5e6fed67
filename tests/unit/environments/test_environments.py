"""The software that an estimator requests: what exists already, what must be built, and under which name."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import EnvironmentSpec, EnvironmentStore, Software, resolve_software
from slurmtf.environments.existing import find_existing
from slurmtf.environments.shell import build_module_commands, wrap_in_shell
from slurmtf.environments.software import FOREIGN_VARIABLES
from slurmtf.environments.spec import build_package_spec
from slurmtf.environments.store import resolve_store
from slurmtf.errors import SlurmtfError, SpecError, WorkspaceError
from slurmtf.estimator import Environment
from slurmtf.plan import render
from slurmtf.sites import Site
from slurmtf.sites.model import Environments, Modules
from slurmtf.sites.search import find_data
from tests.unit.support import SITE, plan_of, refused, refusing, tells, tensorflow

HERE = Site(name="here")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A folder that looks like a virtual environment."""
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text("")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "MAMBA_ROOT_PREFIX",
        "CONDA_ROOT",
        "CONDA_PREFIX",
        "CONDA_PREFIX_1",
        "CONDA_EXE",
        "CONDA_ENVS_PATH",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path


def conda(folder: Path) -> Path:
    (folder / "conda-meta").mkdir(parents=True)
    return folder


# --- existing software


def test_the_default_is_the_submitting_python() -> None:
    assert find_existing(Environment()) == Software(sys.executable)


def test_modules_provide_their_own_python() -> None:
    assert find_existing(Environment(modules=["tf"])) == Software("python3", ("tf",))
    assert find_existing(Environment(), of_version=True).python == "python3"


def test_the_folder_of_an_environment_is_activated(prefix: Path) -> None:
    software = find_existing(Environment(python=str(prefix), variables={"A": "1"}))
    assert (software.python, software.prefix, software.kind) == (str(prefix / "bin/python"), str(prefix), "venv")
    assert (software.unset, software.variables) == (FOREIGN_VARIABLES, {"A": "1"})


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    with refusing(SpecError, "not-an-environment"):
        find_existing(Environment(python=str(tmp_path)))


def test_a_missing_interpreter_is_refused() -> None:
    with refusing(SpecError, "python-missing"):
        find_existing(Environment(python="/opt/none/python"))


@pytest.mark.parametrize("name", [".venv", "tf-gpu"])
def test_a_name_that_is_neither_folder_nor_command_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was once taken for a command, and the job ended with 'not found'."""
    monkeypatch.chdir(tmp_path)
    with refusing(SpecError, "python-missing", name, "`environment_definition.conda=...`"):
        find_existing(Environment(python=name))
    assert find_existing(Environment(python=name, modules=["pythons"])).python == name, "a module may bring it"
    assert find_existing(Environment(python="python3.99")).python == "python3.99", "a node may have it"


@pytest.mark.parametrize("place", ["listed", "home", "mamba", "exe", "path"])
def test_a_conda_environment_is_found_by_name(home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folders = {"home": home / "miniforge3/envs/tf", "exe": home / "opt/envs/tf"}
    folder = conda(folders.get(place, home / "somewhere" / "envs" / "tf"))
    if place == "listed":
        (home / ".conda").mkdir()
        (home / ".conda" / "environments.txt").write_text(f"/gone/envs/tf\n{folder}\n")
    if place == "mamba":
        monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(home / "somewhere"))
    if place == "exe":
        monkeypatch.setenv("CONDA_EXE", str(home / "opt/bin/conda"))
    if place == "path":
        monkeypatch.setenv("CONDA_ENVS_PATH", f"{home}/none{os.pathsep}{folder.parent}")
    software = find_existing(Environment(conda="tf"))
    assert (software.prefix, software.kind) == (str(folder), "conda")


@pytest.mark.parametrize("place", ["micromamba", ".local/share/mamba", "data/mamba"])
def test_environments_of_micromamba_are_found(home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """1.x in ~/micromamba, 2.x in the user's data folder (XDG); its 'base' is a folder without an environment."""
    folder = conda(home / place / "envs" / "tf")
    if place.startswith("data"):
        monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    software = find_existing(Environment(conda="tf"))
    assert (software.prefix, software.kind) == (str(folder), "conda")
    with refusing(SpecError, "unknown-conda"):
        find_existing(Environment(conda="base"))


def test_the_base_environment_is_condas_own_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conda(home / "opt/envs/tf")
    root = conda(home / "opt")
    monkeypatch.setenv("CONDA_PREFIX", str(home / "opt/envs/tf"))
    monkeypatch.setenv("CONDA_EXE", str(root / "bin/conda"))
    assert find_existing(Environment(conda="base")).prefix == str(root)


@pytest.mark.parametrize("folder", ["bin", "condabin"])
def test_conda_environments_are_found_by_path_alone(home: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """With PATH as a module sets it, in a shell without 'conda init'."""
    root, mine = conda(home / "opt"), conda(home / "opt/envs/tf")
    program = root / folder / "conda"
    program.parent.mkdir()
    program.touch(0o755)
    (home / "link").mkdir()
    (home / "link" / "conda").symlink_to(program)
    monkeypatch.setenv("PATH", str(home / "link"))
    assert find_existing(Environment(conda="base")).prefix == str(root)
    assert find_existing(Environment(conda="tf")).prefix == str(mine)


@pytest.mark.parametrize("text", ["envs_dirs:\n  - $WHERE/mine\n", "envs_path: ~/space/mine\n", "{not yaml"])
def test_environments_of_condarc_are_found(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    folder = conda(home / "space/mine/tf")
    monkeypatch.setenv("WHERE", str(home / "space"))
    (home / ".condarc").write_text(text, encoding="utf-8")
    if text.startswith("{"):
        with refusing(SpecError, "unknown-conda"):
            find_existing(Environment(conda="tf"))
    else:
        assert find_existing(Environment(conda="tf")).prefix == str(folder)


@pytest.mark.parametrize("kind", ["conda", "venv"])
def test_an_interpreter_activates_its_environment(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python3.11").touch()
    (folder / "conda-meta").mkdir() if kind == "conda" else (folder / "pyvenv.cfg").touch()
    software = find_existing(Environment(python=str(folder / "bin" / "python3.11")))
    assert (software.prefix, software.kind) == (str(folder), kind)
    assert software.python == str(folder / "bin" / "python3.11")
    assert software.unset == FOREIGN_VARIABLES


def test_a_missing_conda_environment_is_refused(home: Path) -> None:
    conda(home / "miniforge3/envs/tensorflow")
    with pytest.raises(SpecError) as caught:
        find_existing(Environment(conda="tensorflw"))
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("unknown-conda", "environment_definition.conda")
    assert tells(finding, "'tensorflow'")


# --- refused environments


@pytest.mark.parametrize(
    ("wish", "code", "where"),
    [
        ({"image": "a.sif", "pip_packages": ["x"]}, "image-and-packages", "image"),
        ({"conda": "tf", "pip_packages": ["x"]}, "conda-and-packages", "conda"),
        ({"conda": "tf", "python": "python3"}, "conda-and-packages", "conda"),
        ({"conda_channels": ["x"]}, "channels-alone", "conda_channels"),
        ({"pip_packages": [""]}, "bad-list", "pip_packages"),
        ({"pip_requirements_file": "../outside.yml"}, "file-missing", "pip_requirements_file"),
        ({"variables": {"a b": "1"}}, "bad-variable-name", "variables['a b']"),
        ({"conda_dependencies_file": "environment.yml", "pip_packages": ["x"]}, "file-and-packages", "conda_dependencies_file"),
    ],
)
def test_a_contradictory_environment_is_refused(source: Path, wish: dict[str, Any], code: str, where: str) -> None:
    first = refused(source, environment_definition=Environment(**wish))[0]
    assert (first.code, first.where) == (code, f"environment_definition.{where}")


def test_an_environment_is_read_from_a_file(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "env.yaml"
    file.write_text("python: python3.11\npip_packages: [scipy]\nbuild: job\n")
    wish = Environment(python="python3.11", pip_packages=["scipy"], build="job")
    assert Environment.from_yaml(file) == wish
    assert tensorflow(source, environment_definition=str(file)).environment == wish
    file.write_text("pip_package: [scipy]\n")
    with refusing(SpecError, "unknown-key"):
        tensorflow(source, environment_definition=str(file))


# --- environments to build


def spec(source: Path, site: Site = HERE, **wish: Any) -> EnvironmentSpec:
    return build_package_spec(Environment(**wish), site, source)


def test_parameters_and_object_request_the_same(source: Path, tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path)
    single = resolve_software(tensorflow(source, pip_packages=["scipy"]), HERE, store)
    whole = resolve_software(tensorflow(source, environment_definition=Environment(pip_packages=["scipy"])), HERE, store)
    assert single == whole
    assert single.spec is not None
    assert single.python == str(tmp_path / single.spec.name / "bin/python")
    assert not list(tmp_path.iterdir())


def test_what_is_installed_decides_the_name(source: Path) -> None:
    scipy = spec(source, pip_packages=["scipy"])
    same: list[dict[str, Any]] = [{"name": "mine"}, {"variables": {"A": "1"}}, {"build": "job"}]
    others: list[dict[str, Any]] = [
        {"pip_packages": ["scipy<2"]}, {"modules": ["gcc"]}, {"variables": {"HOROVOD_GPU_OPERATIONS": "NCCL"}},
    ]  # fmt: skip
    assert {spec(source, **{"pip_packages": ["scipy"], **more}).name for more in same} == {scipy.name}
    names = {spec(source, **{"pip_packages": ["scipy"], **more}).name for more in others}
    assert len({*names, scipy.name}) == 4
    assert spec(source, dataclasses.replace(HERE, arch="aarch64"), pip_packages=["scipy"]).name not in {*names, scipy.name}


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({"kind": "conda"}, True),
        ({"modules": ("cuda",)}, True),
        ({"requirements": ("numpy", "scipy")}, True),
        ({"constraints": ("numpy<2",)}, True),
        ({"bare": ("tf_keras",)}, True),
        ({"horovod": "horovod==0.28.1"}, True),
        ({"conda": {"packages": ["git"]}}, True),
        ({"conda": {"program": "/opt/micromamba"}}, False),
        ({"image": "docker://lab/tf"}, True),
        ({"variables": {"HOROVOD_WITH_MPI": "1"}}, True),
        ({"variables": {"HTTPS_PROXY": "proxy"}}, False),
        ({"identity": ("3.11",)}, True),
        ({"label": "mine"}, False),
        ({"python": "/usr/bin/python3"}, False),  # the identity has its version
    ],
)
def test_a_name_is_a_hash_of_all_that_is_installed(change: dict[str, Any], another: bool) -> None:
    one = EnvironmentSpec("pip", "python3", requirements=("numpy",))
    assert (dataclasses.replace(one, **change).name != one.name) is another


def test_the_content_of_a_requirements_file_decides_not_its_name(source: Path) -> None:
    (source / "a.txt").write_text("scipy\n")
    (source / "b.txt").write_text("# the same\nscipy\n")
    assert spec(source, pip_requirements_file="a.txt").name == spec(source, pip_packages=["scipy"]).name
    assert spec(source, pip_requirements_file="b.txt").name == spec(source, pip_packages=["scipy"]).name


@pytest.mark.usefixtures("python_3_11")
def test_a_spec_survives_a_plan(source: Path) -> None:
    found = spec(source, pip_packages=["tensorflow==2.15.1", "horovod"], name="mine")
    assert EnvironmentSpec.from_dict(dataclasses.asdict(found)) == found
    assert EnvironmentSpec.from_dict(dataclasses.asdict(found)).name == found.name


def test_no_password_of_an_index_is_shown(source: Path) -> None:
    packages = ["--index-url https://ada:s3cret@example.org/simple", "scipy", "x @ git+https://ada:s3cret@example.org/x.git"]
    assert spec(source, pip_packages=packages).summary == "scipy, x @ git+https://example.org/x.git"


@pytest.mark.usefixtures("python_3_11")
def test_horovod_is_built_apart_from_what_pip_installs(source: Path) -> None:
    found = spec(source, pip_packages=["tensorflow-cpu==2.15.1", "Horovod[tensorflow]==0.28.1"])
    assert (found.requirements, found.horovod) == (("tensorflow-cpu==2.15.1",), "Horovod[tensorflow]==0.28.1")


def test_horovod_without_tensorflow_is_refused(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        spec(source, pip_packages=["horovod"])
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("horovod-without-tensorflow", "pip_packages['horovod']")


def test_tf_keras_is_installed_without_dependencies_with_another_tensorflow_build(source: Path) -> None:
    assert spec(source, pip_packages=["tensorflow-cpu==2.21.0", "tf-keras==2.21.0"]).bare == ("tf-keras==2.21.0",)
    assert spec(source, pip_packages=["tensorflow==2.21.0", "tf-keras==2.21.0"]).bare == ()


def test_conda_packages_include_pip_if_pip_packages_follow(source: Path) -> None:
    site = Site(name="here", environments=Environments(channels=["c"], conda="mamba"))
    found = spec(source, site, conda_packages=["python=3.11"], pip_packages=["scipy"])
    assert found.kind == "conda"
    assert found.conda == {"program": "mamba", "packages": ["python=3.11", "pip"], "file": "", "channels": ["c"]}
    assert found.requirements == ("scipy",)


# --- the store


def test_the_store_is_in_its_configured_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMTF_ENVIRONMENTS", raising=False)
    monkeypatch.setenv("PROJECT", "/projects/lab")
    assert resolve_store(HERE, tmp_path).root == tmp_path / ".slurmtf" / "environments"
    site = Site(name="here", environments=Environments(folder="$PROJECT/envs"))
    assert resolve_store(site, tmp_path).root == Path("/projects/lab/envs")
    with refusing(WorkspaceError, "variable-unset"):
        resolve_store(Site(name="here", environments=Environments(folder="$NOWHERE/envs")), tmp_path)
    monkeypatch.setenv("SLURMTF_ENVIRONMENTS", str(tmp_path / "mine"))
    assert resolve_store(site, tmp_path).root == tmp_path / "mine"


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    store = EnvironmentStore(tmp_path / "none")
    assert (store.list_names(), store.find_leftovers(), store.record("x"), store.failure("x")) == ([], [], {}, None)
    with refusing(SlurmtfError, "unknown-environment"):
        store.find("x")


# --- the shell


def test_module_lines_keep_their_order() -> None:
    modules = Modules(init="/etc/m.sh", reset="module purge", use=["/opt/m"], load=["gcc"], tensorflow={"2.15": ["tf/2.15"]})
    site = Site(name="here", modules=modules)
    assert build_module_commands(site, ["mine"], "2.15") == (
        ("source", "/etc/m.sh"), ("module", "purge"), ("module", "use", "/opt/m"), ("module", "load", "gcc"),
        ("module", "load", "tf/2.15"), ("module", "load", "mine"),
    )  # fmt: skip
    assert build_module_commands(HERE, []) == ()


def test_a_command_in_the_shell_of_modules_is_quoted() -> None:
    assert wrap_in_shell(["python3", "-c", "a b"], [], HERE) == ["python3", "-c", "a b"]
    assert wrap_in_shell(["python3", "-c", "a b"], ["x; rm"], HERE) == [
        "bash",
        "-lc",
        "module load 'x; rm' && exec python3 -c 'a b'",
    ]


# --- the plan


def test_the_script_activates_the_environment_or_says_that_it_is_gone(source: Path, tmp_path: Path) -> None:
    estimator = tensorflow(source, pip_packages=["scipy"])
    software = resolve_software(estimator, SITE, EnvironmentStore(tmp_path))
    script = render(plan_of(estimator, SITE, software), [find_data("templates")])
    assert software.spec is not None
    assert f"ENVIRONMENT={tmp_path}/{software.spec.name}\n" in script
    assert "slurmtf env rebuild $RUN" in script
    assert 'export VIRTUAL_ENV="$ENVIRONMENT"\n' in script
    assert "unset PYTHONHOME PYTHONPATH VIRTUAL_ENV" in script


def test_a_conda_environment_is_activated_without_conda(source: Path) -> None:
    software = Software("/envs/tf/bin/python", prefix="/envs/tf", kind="conda", unset=FOREIGN_VARIABLES)
    script = render(plan_of(tensorflow(source), SITE, software), [find_data("templates")])
    assert 'export CONDA_PREFIX="$ENVIRONMENT"' in script
    assert '"$ENVIRONMENT"/etc/conda/activate.d/*.sh' in script
    assert "VIRTUAL_ENV=" not in script
    assert "env rebuild" not in script


@pytest.mark.parametrize(
    ("packages", "refused"),
    [
        (["tensorflow-cpu==2.15.1", "horovod==0.21.3"], ("0.28", "2.6")),
        (["tensorflow-cpu==2.13.1", "horovod==0.27.0"], ("0.28", "2.13")),
        (["tensorflow==2.12.0", "horovod==0.25.0"], None),
        (["tensorflow==2.10.0", "horovod[tensorflow]==0.24.3"], ("0.25", "2.10")),
        (["tensorflow==2.10.0", "horovod==0.25.0"], None),
        (["tensorflow==2.9.1", "horovod==0.24.3"], None),
        (["tensorflow==2.9.1", "horovod==0.22.1"], ("0.23", "2.7")),
        (["tensorflow==2.7.0", "horovod==0.21.3"], ("0.23", "2.6")),
        (["tensorflow==2.6.0", "horovod==0.22.1"], None),
        (["tensorflow==2.6.0", "horovod==0.22.0"], ("0.22.1", "2.6")),
        (["tensorflow==2.5.0", "horovod==0.21.3"], None),
        (["tensorflow==2.4.1", "horovod==0.20.3"], ("0.21", "2.4")),
        (["tensorflow==2.3.0", "horovod==0.20.3"], None),
        (["tensorflow==1.15.5", "horovod==0.21.3"], None),
        (["tensorflow==2.21.0", "horovod==0.28.1"], None),
        (["tensorflow==2.21.0", "horovod"], None),
        (["tensorflow", "horovod==0.21.3"], None),
    ],
)
def test_a_horovod_that_can_not_be_compiled_is_refused_before_installation(
    source: Path, packages: list[str], refused: tuple[str, str] | None
) -> None:
    if not refused:
        assert spec(source, python="python-of-a-node", pip_packages=packages).horovod == packages[1]
        return
    with pytest.raises(SpecError) as caught:
        spec(source, python="python-of-a-node", pip_packages=packages)
    (finding,) = caught.value.findings
    first, earlier = refused
    assert (finding.code, tells(finding, f"({first} ", f" {earlier}")) == ("horovod-too-old", True)


def test_all_errors_of_an_environment_are_reported_at_once(source: Path) -> None:
    with pytest.raises(SpecError) as caught:
        spec(source, python="/nonexistent/python", pip_packages=["horovod==0.21.3", "./lib", "horovod"])
    assert {finding.code for finding in caught.value.findings} == {"local-requirement", "python-missing"}
    with pytest.raises(SpecError) as caught:
        spec(source, python="/nonexistent/python", pip_packages=["horovod==0.21.3", "horovod"])
    assert [finding.code for finding in caught.value.findings] == [
        "horovod-twice", "horovod-without-tensorflow", "python-missing",
    ]  # fmt: skip
