"""Probing real interpreters: of venvs, of modules, of every version, and those that can't be probed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Experiment, TensorFlow
from slurmtf.environments import EnvironmentSpec, Software
from slurmtf.environments.probe import Script, ask_interpreter
from slurmtf.environments.software import HorovodBuild
from slurmtf.errors import SpecError
from slurmtf.estimator import Environment
from slurmtf.sites import Site
from slurmtf.sites.model import JobEnvironment, Modules
from tests.environments import interpreters
from tests.patience import HANG_S

MODULES = Path("/etc/profile.d/modules.sh")
EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass
class Lab:
    """A source, and a venv that holds the files that a test writes."""

    source: Path
    prefix: Path

    @property
    def python(self) -> str:
        return str(self.prefix / "bin" / "python")

    def put(self, files: dict[str, str | bytes], folder: Path | None = None) -> None:
        """Write files into the venv's packages, or another folder."""
        base = folder or next((self.prefix / "lib").glob("python3*")) / "site-packages"
        for name, content in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def ask(self, *modules: str, site: Site | None = None, software: Software | None = None, **settings: Any) -> Software:
        estimator = TensorFlow(self.source, **settings)
        script = Script(modules, [str(self.source)])
        with ask_interpreter(estimator, site or Site(name="here"), software or Software(self.python), script) as answer:
            return answer()


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=HANG_S)
    return folder


@pytest.fixture
def lab(tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    return Lab(tmp_path, prefix)


def test_an_empty_environment_has_the_standard_library(lab: Lab) -> None:
    probed = lab.ask("os", "sys", "json", "sklearn", "numpy")
    assert probed == Software(lab.python, executable=lab.python, missing=frozenset({"sklearn", "numpy"}))


@pytest.mark.parametrize("minor", interpreters.MINORS)
def test_every_python_can_be_probed(lab: Lab, minor: str) -> None:
    found = interpreters.installed(minor)
    if found is None:
        pytest.skip(f"no working python{minor} in PATH")
    (lab.source / "data").mkdir()
    probed = lab.ask("argparse", "no_such_thing", "data", software=Software(str(found.path)))
    assert probed.missing == {"no_such_thing", "data"}
    assert probed.executable


def test_packages_are_known_by_their_metadata(lab: Lab, tmp_path: Path) -> None:
    lab.put({"Some_Thing.x-1.2.dist-info/METADATA": "", "old-3.0-py3.11.egg-info": "", "rest.txt": ""}, tmp_path / "lib")
    probed = lab.ask(environment_variables={"PYTHONPATH": str(tmp_path / "lib")})
    assert probed.packages == {"some_thing_x": "1.2", "old": "3.0"}


def test_probing_does_not_change_where_modules_are_found() -> None:
    """An interactive Python has its working folder in sys.path."""
    code = "import slurmtf.environments.probe, sys; print(sys.path[0] == '')"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "True\n"


def test_probing_imports_nothing(lab: Lab, tmp_path: Path) -> None:
    trap = "raise SystemExit('imported')"
    lab.put({"json.py": trap, "re.py": trap}, lab.source)
    lab.put({"tensorflow/__init__.py": trap, "horovod/__init__.py": trap, "other.py": trap}, tmp_path / "lib")
    probed = lab.ask("tensorflow", "other", "gone", environment_variables={"PYTHONPATH": str(tmp_path / "lib")})
    assert (probed.gpu_build, probed.horovod) == (None, HorovodBuild())
    assert probed.missing == {"gone"}


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("build_info = OrderedDict([('is_cuda_build', True), ('is_rocm_build', False)])", True),
        ("build_info = OrderedDict([('is_cuda_build', False), ('is_rocm_build', True)])", True),
        ("is_rocm_build = False\nis_cuda_build = False", False),
        ("", None),
    ],
)
@pytest.mark.parametrize("package", ["tensorflow", "tensorflow_core"])
def test_tensorflow_gpu_support_is_detected(lab: Lab, tmp_path: Path, package: str, text: str, build: bool | None) -> None:
    lab.put({"tensorflow/__init__.py": "", f"{package}/python/platform/build_info.py": text}, tmp_path / "lib")
    assert lab.ask(environment_variables={"PYTHONPATH": str(tmp_path / "lib")}).gpu_build is build


@pytest.mark.parametrize(
    ("library", "features"),
    [
        (b"\x7fELF\0libmpi.so.40\0_ZN4gloo7Context\0", ("mpi", "gloo")),
        (b"\x7fELF\0_ZN4gloo7Context\0ncclAllReduce\0no libmpi\0", ("gloo", "nccl")),
        (b"", ()),
    ],
)
def test_the_frameworks_of_horovod_are_detected(lab: Lab, tmp_path: Path, library: bytes, features: tuple[str, ...]) -> None:
    metadata = '{\n"tensorflow": "2.15.1",\n"dummy": "none"\n}'
    files: dict[str, str | bytes] = {"__init__.py": "", "metadata.json": metadata, "tensorflow/mpi_lib.abi3.so": library}
    lab.put(files, tmp_path / "lib" / "horovod")
    probed = lab.ask(environment_variables={"PYTHONPATH": str(tmp_path / "lib")})
    assert probed.horovod == HorovodBuild("2.15.1", features)


def test_a_folder_of_the_source_is_a_module_only_if_it_is_a_package(lab: Lab) -> None:
    lab.put({"data/digits.csv": "", "own/__init__.py": "", "fast.abi3.so": ""}, lab.source)
    assert lab.ask("data", "own", "fast").missing == {"data"}


@pytest.mark.parametrize(
    ("site", "software", "settings", "found"),
    [
        (Site(name="here"), {}, {}, True),
        (Site(name="here"), {"unset": ("PYTHONPATH",)}, {}, False),
        (Site(name="here"), {"variables": {"PYTHONPATH": ""}}, {}, False),
        (Site(name="here", environment=JobEnvironment(unset=["PYTHONPATH"])), {}, {}, False),
        (Site(name="here", environment=JobEnvironment(export="NONE")), {}, {}, False),
        (Site(name="here"), {}, {"sbatch": {"export": "NIL"}}, False),
        (Site(name="here"), {}, {"environment_variables": {"PYTHONPATH": "lib"}}, True),
        (Site(name="here"), {}, {"environment_variables": {"PYTHONPATH": "other"}}, False),
    ],
)
def test_modules_are_looked_for_where_the_job_finds_them(
    lab: Lab, site: Site, software: Any, settings: Any, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.put({"helper.py": ""}, lab.source / "lib")
    monkeypatch.setenv("PYTHONPATH", str(lab.source / "lib"))
    probed = lab.ask("helper", site=site, software=Software(lab.python, **software), **settings)
    assert probed.missing == (set() if found else {"helper"})


# --- interpreters that can't be probed


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo hello",
        "echo 'Lmod has detected the following error: gone' >&2; exec {python} \"$@\"",
    ],
)
def test_an_unreliable_answer_is_discarded(lab: Lab, script: str) -> None:
    fake = lab.source / "python"
    fake.write_text(f"#!/bin/sh\n{script.format(python=lab.python)}\n", encoding="utf-8")
    fake.chmod(0o755)
    software = Software(str(fake), packages={"kept": "1"})
    assert lab.ask("gone", software=software) == software


@pytest.mark.parametrize(
    "software",
    [
        Software("/no/such/python"),
        Software("no-such-python"),
        Software(sys.executable, image="/images/tf.sif"),
        Software("/store/pip-0123/bin/python", spec=EnvironmentSpec("pip", "python3")),
    ],
)
def test_an_interpreter_that_is_not_here_is_not_probed(lab: Lab, software: Software) -> None:
    assert lab.ask("gone", software=software) == software


def test_noise_around_the_answer_is_ignored(lab: Lab) -> None:
    fake = lab.source / "python"
    fake.write_text(f'#!/bin/sh\nprintf "Welcome to the cluster"\n{lab.python} "$@"\necho Bye\n', encoding="utf-8")
    fake.chmod(0o755)
    assert lab.ask("gone", software=Software(str(fake))).missing == {"gone"}


def test_an_interpreter_that_hangs_is_not_waited_for(lab: Lab) -> None:
    fake = lab.source / "python"
    fake.write_text("#!/bin/sh\nsleep 120 & exec sleep 3600\n", encoding="utf-8")
    fake.chmod(0o755)
    began = time.monotonic()
    with (
        pytest.raises(KeyError),
        ask_interpreter(TensorFlow(lab.source), Site(name="here"), Software(str(fake)), Script([], [])),
    ):
        raise KeyError
    assert time.monotonic() - began < 60


def test_the_container_command_precedes_its_interpreter(lab: Lab) -> None:
    software = Software(lab.python, image="/images/tf.sif")
    with ask_interpreter(TensorFlow(lab.source), Site(name="here"), software, Script(["gone"], []), ["env", "A=B"]) as answer:
        assert answer().missing == {"gone"}


# --- modules


@pytest.fixture
def module_site(lab: Lab) -> Callable[..., Site]:
    """Makes a site whose module ``tf/2.15`` brings the venv's Python."""
    if not MODULES.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail("environment-modules is not installed")
        pytest.skip("environment-modules is not installed")
    folder = lab.source / "modulefiles"
    text = f"#%Module1.0\nprepend-path PATH {lab.prefix}/bin\n"
    lab.put({"tf/2.15": text}, folder)

    def make(init: str | None = str(MODULES), loads: str = "tf/2.15") -> Site:
        return Site(name="here", modules=Modules(init=init, use=[str(folder)], tensorflow={"2.15": [loads]}))

    return make


def test_the_python_of_modules_is_probed(lab: Lab, module_site: Callable[..., Site]) -> None:
    probed = lab.ask("gone", site=module_site(), software=Software("python3"), framework_version="2.15")
    assert probed.missing == {"gone"}
    assert probed.executable == f"{lab.prefix}/bin/python3"


@pytest.mark.parametrize(("settings", "unknown"), [({"init": "/no/such/file"}, set()), ({"loads": "tf/9"}, {"tf/9"})])
def test_without_the_modules_nothing_is_known_of_the_software(
    lab: Lab, module_site: Callable[..., Site], settings: dict[str, Any], unknown: set[str]
) -> None:
    software = Software("python3")
    probed = lab.ask("gone", site=module_site(**settings), software=software, framework_version="2.15")
    assert probed == replace(software, unknown_modules=frozenset(unknown))


@pytest.mark.parametrize("python", ["python3", "/not/yet/built/bin/python"])
def test_each_missing_module_is_reported(lab: Lab, module_site: Callable[..., Site], python: str) -> None:
    software = Software(python, modules=("nosuch/1.0", "tf/2.15", "gone/2"))
    assert lab.ask(site=module_site(), software=software).unknown_modules == {"nosuch/1.0", "gone/2"}


def test_modules_for_another_machine_type_are_not_probed(lab: Lab) -> None:
    site = Site(name="here", arch="sparc", modules=Modules(load=["tf"]))
    assert lab.ask("gone", site=site, software=Software("python3")) == Software("python3")


# --- the environments of the test jobs


@pytest.mark.tensorflow
@pytest.mark.parametrize(("fixture", "version"), [("tf_classic", "2.15.1"), ("tf_newest", "2.21.0")])
def test_real_tensorflow_and_horovod_are_recognized(
    lab: Lab, fixture: str, version: str, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue(fixture)
    probed = lab.ask("tensorflow", "horovod", "sklearn", "yaml", "cv2", software=Software(str(python)))
    assert probed.missing == {"cv2"}
    assert probed.gpu_build is False
    assert probed.packages["tensorflow_cpu"] == version
    assert probed.horovod == HorovodBuild(version, ("mpi", "gloo"))


@pytest.mark.tensorflow
def test_the_examples_give_no_findings(tf_classic: Path, tf_newest: Path, jax: Path, tmp_path: Path) -> None:
    codes = ("missing-import", "horovod-", "cpu-tensorflow", "framework-version")
    for job in sorted(EXAMPLES.glob("*/job.yaml")):
        name = job.parent.name
        python = jax if "jax" in name else tf_newest if "keras3" in name else tf_classic
        script = "pi.py" if (job.parent / "pi.py").exists() else "train.py"
        estimator = TensorFlow(job.parent, entry_script=script, environment_definition=Environment(python=str(python)))
        plan, _ = Experiment("examples", tmp_path).plan(estimator)
        assert not [warning for warning in plan.warnings if warning.code.startswith(codes)]


# --- before anything is written


def test_a_run_that_could_not_start_leaves_nothing_behind(lab: Lab) -> None:
    lab.put({"train.py": "import no_such_thing\n"}, lab.source)
    workspace = lab.source.parent / f"{lab.source.name}-workspace"
    with pytest.raises(SpecError) as caught:
        Experiment("lost", workspace).submit(
            TensorFlow(lab.source, compute_target="local", environment_definition=Environment(python=lab.python))
        )
    assert caught.value.findings[0].where == "train.py:1"
    assert not workspace.exists()
