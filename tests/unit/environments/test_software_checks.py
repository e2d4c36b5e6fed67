"""Findings about software with which a script can't run, and when there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import EnvironmentSpec, Software
from slurmtf.environments.missing import check_missing_imports
from slurmtf.environments.software import HorovodBuild
from slurmtf.errors import SpecError
from slurmtf.estimator import Mpi
from slurmtf.findings import Finding
from slurmtf.plan import LaunchPlan, resolve
from slurmtf.plan.checks import check_legacy_keras, describe_needs
from slurmtf.sites.model import Launcher, Modules
from slurmtf.snapshot import examine
from slurmtf.snapshot.imports import Need
from slurmtf.snapshot.script import Import
from tests.unit.support import PLACE, SITE, SNAPSHOT, codes, tells, tensorflow

PYTHON = "/opt/env/bin/python3"
LACKING = Software(PYTHON, packages={"tensorflow": "2.15.1"}, missing=frozenset({"sklearn", "own"}))
HOROVOD = Software(
    PYTHON,
    packages={"tensorflow_cpu": "2.18.0", "horovod": "0.28.1+tf2.15.1.ompi"},
    horovod=HorovodBuild("2.15.1", ("mpi", "gloo")),
)
TO_BUILD = EnvironmentSpec("pip", "python3", requirements=("tensorflow==2.15.1",))
MPI_SITE = replace(SITE, launcher=Launcher(mpi="pmix"))
VERSIONS = replace(SITE, modules=Modules(tensorflow={"2.15": ["tf/2.15"], "2.1": ["tf/2.1"], "latest": ["tf"]}))


def planned(folder: Path, text: str, software: Software, site: Any = SITE, **settings: Any) -> LaunchPlan:
    (folder / "train.py").write_text(text, encoding="utf-8")
    facts = examine(folder, "train.py").locate_missing(software.missing, ["train.py", "src/own.py"])
    return resolve(tensorflow(folder, **settings), site, software, SNAPSHOT, PLACE, facts)


def findings(folder: Path, text: str, software: Software, site: Any = SITE, **settings: Any) -> list[Finding]:
    with pytest.raises(SpecError) as caught:
        planned(folder, text, software, site, **settings)
    return list(caught.value.findings)


def test_a_missing_module_is_reported_with_its_line_and_package(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "import os, yaml\nimport tensorflow as tf\nfrom sklearn import svm\n", LACKING)
    assert (found.code, found.where) == ("missing-import", "train.py:3")
    packages = "`pip_packages[]=pyyaml,scikit-learn,tensorflow`"
    assert tells(found, "sklearn", PYTHON, f"{PYTHON} -m pip install scikit-learn;", packages)


@pytest.mark.parametrize(
    ("settings", "home", "remedy"),
    [
        ({"prefix": "/envs/tf"}, "/envs/tf", f"{PYTHON} -m pip install scikit-learn;"),
        (
            {"spec": TO_BUILD},
            f"{TO_BUILD.name} (tensorflow==2.15.1)",
            "`pip_packages[]=scikit-learn`",
        ),
        (
            {"spec": EnvironmentSpec("conda", "python", conda={"packages": ["tensorflow"]})},
            f"{EnvironmentSpec('conda', 'python', conda={'packages': ['tensorflow']}).name} (tensorflow)",
            "`conda_packages[]=scikit-learn`",
        ),
        ({"python": "python3", "executable": "/apps/tf/bin/python3"}, "/apps/tf/bin/python3", "scikit-learn"),
        ({"image": "/images/tf.sif", "runtime": "apptainer"}, "/images/tf.sif", "scikit-learn"),
    ],
)
def test_the_remedy_depends_on_where_the_software_comes_from(
    tmp_path: Path, settings: dict[str, Any], home: str, remedy: str
) -> None:
    (found,) = findings(tmp_path, "import sklearn", replace(LACKING, **settings))
    assert found.code == "missing-import"
    assert found.what.endswith(home)
    assert remedy in found.remedy
    assert ("pip install" in found.remedy) is ("prefix" in settings), "only what is the user's own is added to"


def test_horovod_is_installed_neither_by_pip_nor_without_tensorflow(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "import horovod.keras", Software(PYTHON, missing=frozenset({"horovod"})))
    assert f"slurmtf env build-horovod {PYTHON} --install;" in found.remedy
    assert found.remedy.endswith("`pip_packages[]=horovod,tensorflow`")


def test_a_module_elsewhere_in_the_source_is_named(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "import own", LACKING)
    assert tells(found, "src/own.py", "`environment_variables[PYTHONPATH]=src`")


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("import google.protobuf", "-m pip install protobuf"),
        ("from google.cloud import storage", ""),
        ("import google.cloud.storage", "-m pip install google-cloud-storage"),
        ("import cv2", "-m pip install opencv-python-headless"),
        ("from PIL import Image", "-m pip install pillow"),
        ("import attr", "-m pip install attrs"),
        ("from official.vision import x", "-m pip install tf-models-official"),
        ("from object_detection.utils import x", "Object Detection API"),
        ("from azureml.core import Run", "-m pip install azureml-core"),
        ("import numpy", "-m pip install numpy"),
        ("import nobody_knows_this", ""),
    ],
)
def test_a_package_is_named_only_if_it_is_known(tmp_path: Path, statement: str, remedy: str) -> None:
    module = statement.split()[1].split(".", maxsplit=1)[0]
    (found,) = findings(tmp_path, statement, Software(PYTHON, missing=frozenset({module})))
    assert tells(found, remedy or module)
    assert ("pip install" in found.remedy) is remedy.startswith("-m pip install")


def test_a_package_above_the_source_is_found(tmp_path: Path) -> None:
    (tmp_path / "pkg" / "utils").mkdir(parents=True)
    (found,) = findings(tmp_path / "pkg", "from pkg.utils import x", Software(PYTHON, missing=frozenset({"pkg"})))
    assert found.remedy.endswith(f"`source_directory={tmp_path}`")


def test_a_module_in_the_source_is_not_looked_for_above_it() -> None:
    found = Import("nets", "train.py:1", Need.CERTAIN, beside="/above")
    (finding,) = check_missing_imports([found], Software(PYTHON), [], {"nets": "lib/nets.py"})
    assert tells(finding, "lib/nets.py") and "/above" not in finding.remedy


@pytest.mark.parametrize(
    ("folder", "entry", "statement", "module", "source"),
    [
        ("pkg", "train.py", "from . import model", "pkg.train", ""),
        ("pkg/nets", "train.py", "from ..data import load", "pkg.nets.train", ""),
        ("pkg", "nets/train.py", "from .data import load", "nets.train", "pkg"),
        ("pkg", "nets/train.py", "from ..data import load", "pkg.nets.train", ""),
        ("pkg", "nets.train", "from ..data import load", "pkg.nets.train", ""),
        ("pkg/nets", "train", "from . import model", "nets.train", "pkg"),
    ],
)
def test_a_script_that_imports_from_its_own_package_is_run_as_a_module(
    tmp_path: Path, folder: str, entry: str, statement: str, module: str, source: str
) -> None:
    root, is_module = tmp_path / folder, not entry.endswith(".py")
    file = f"{entry.replace('.', '/')}.py" if is_module else entry
    (root / file).parent.mkdir(parents=True)
    (root / file).write_text(f"import os\n{statement}\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        facts = examine(root, file, is_module)
        resolve(tensorflow(root, entry_script=entry), SITE, Software(PYTHON), SNAPSHOT, PLACE, facts)
    (found,) = caught.value.findings
    assert (found.code, found.where) == ("relative-import", f"{file}:2")
    moved = f" and `source_directory={tmp_path / source}`" if tmp_path / source != root else ""
    assert found.remedy.endswith(f"set `entry_script={module}`{moved}")


def test_all_missing_modules_are_reported_at_once(tmp_path: Path) -> None:
    assert [found.where for found in findings(tmp_path, "import own\nimport sklearn", LACKING)] == ["train.py:1", "train.py:2"]


MANY = """
import numpy, scipy
from sklearn import svm
import horovod.tensorflow as hvd
import own, other
import acme_lib, acme_tools.x
def late():
    import torch
    import pandas
"""


@pytest.mark.parametrize(
    ("settings", "packages"),
    [
        ({}, [f"{PYTHON} -m pip install numpy scipy scikit-learn && slurmtf env build-horovod {PYTHON} --install;",
              "`pip_packages[]=horovod,numpy,scikit-learn,scipy,tensorflow`"]),
        ({"spec": TO_BUILD}, ["`pip_packages[]=numpy,scipy,scikit-learn,horovod`"]),
        ({"image": "/images/tf.sif", "runtime": "apptainer"}, ["build numpy, scipy, scikit-learn, horovod into the image"]),
        ({"python": "python3", "executable": "/apps/python3"}, ["load modules that bring numpy, scipy, scikit-learn, horovod"]),
    ],
)  # fmt: skip
def test_many_missing_modules_are_one_finding_for_each_remedy(
    tmp_path: Path, settings: dict[str, Any], packages: list[str]
) -> None:
    """Twenty modules missing in an empty environment once filled three screens."""
    missing = frozenset({"numpy", "scipy", "sklearn", "horovod", "own", "other", "acme_lib", "acme_tools", "torch", "pandas"})
    software = replace(Software(PYTHON, missing=missing), **settings)
    (tmp_path / "train.py").write_text(MANY, encoding="utf-8")
    facts = examine(tmp_path, "train.py").locate_missing(missing, ["train.py", "src/own.py", "lib/other/__init__.py"])
    with pytest.raises(SpecError) as caught:
        resolve(tensorflow(tmp_path), SITE, software, SNAPSHOT, PLACE, facts)
    found = {finding.where: finding for finding in caught.value.findings}
    assert [(one.where, one.severity) for one in caught.value.findings] == [
        ("train.py:2", "error"), ("train.py:5", "error"), ("train.py:6", "error"), ("train.py:8", "warning"),
    ]  # fmt: skip
    assert tells(found["train.py:2"], "numpy (train.py:2), scipy (train.py:2), sklearn (train.py:3), horovod (train.py:4)")
    assert tells(found["train.py:2"], *packages)
    assert tells(found["train.py:5"], "own, other,", "src/own.py, lib/other/__init__.py", "[PYTHONPATH]=src:lib`")
    assert tells(found["train.py:6"], "acme_lib, acme_tools.x (their names may differ)")
    assert tells(found["train.py:8"], "may import torch (train.py:8), pandas (train.py:9), which are not in")


def test_a_module_that_may_not_be_needed_gives_a_warning(tmp_path: Path) -> None:
    (warning,) = planned(tmp_path, "def f():\n    import sklearn", LACKING).warnings
    assert (warning.code, warning.where, warning.severity) == ("missing-import", "train.py:2", "warning")
    assert tells(warning, "sklearn", PYTHON, "-m pip install scikit-learn")


def test_an_optional_module_is_not_reported(tmp_path: Path) -> None:
    assert planned(tmp_path, "try:\n    import sklearn\nexcept ImportError:\n    pass", LACKING).warnings == ()


def test_an_optional_horovod_is_reported_if_processes_need_it(tmp_path: Path) -> None:
    text = "try:\n    import horovod.tensorflow as hvd\nexcept ImportError:\n    hvd = None"
    lacking = Software(PYTHON, missing=frozenset({"horovod"}))
    assert planned(tmp_path, text, lacking).warnings == ()
    (warning,) = planned(tmp_path, text, lacking, distributed_backend="mpi").warnings
    assert (warning.code, tells(warning, "horovod")) == ("missing-import", True)


@pytest.mark.parametrize("text", ["import sklearn", "def f():\n    import sklearn"])
def test_both_findings_can_be_silenced(tmp_path: Path, text: str) -> None:
    assert planned(tmp_path, text, LACKING, silence=["missing-import"]).warnings == ()


def test_unknown_software_gives_no_findings(tmp_path: Path) -> None:
    text = "import sklearn, own, tensorflow, horovod.tensorflow"
    plan = planned(tmp_path, text, Software("python3"), VERSIONS, framework_version="2.15", use_gpu=True)
    assert plan.warnings == ()


# --- TensorFlow


@pytest.mark.parametrize(
    ("asked", "found", "reported"),
    [
        ("2.15", "2.15.1", False),
        ("2.15", "2.15", False),
        ("2.1", "2.15.1", True),
        ("2.15", "2.16.0", True),
        ("latest", "2.16.0", False),
        ("2.1", "2.1.0rc1", False),
    ],
)
def test_another_version_than_requested_is_reported(tmp_path: Path, asked: str, found: str, reported: bool) -> None:
    software = Software("python3", packages={"tensorflow": found}, executable="/apps/bin/python3")
    warnings = planned(tmp_path, "", software, VERSIONS, framework_version=asked).warnings
    assert codes(warnings) == ["framework-version"] * reported
    assert all(tells(one, "`framework_version`", repr(asked), "/apps/bin/python3", found) for one in warnings)


@pytest.mark.parametrize(
    ("build", "gpus", "reported"), [(False, 1, True), (False, 0, False), (True, 1, False), (None, 1, False)]
)  # fmt: skip
def test_gpus_with_a_cpu_tensorflow_are_reported(tmp_path: Path, build: bool | None, gpus: int, reported: bool) -> None:
    software = Software(PYTHON, packages={"tensorflow_cpu": "2.18.0"}, gpu_build=build)
    warnings = planned(tmp_path, "", software, gpus_per_node=gpus).warnings
    assert [warning.code for warning in warnings] == ["cpu-tensorflow"] * reported


# --- Environments that must still be built


def yet(*requirements: str, **spec: Any) -> Software:
    return Software(PYTHON, spec=EnvironmentSpec("pip", "python3", requirements=requirements, **spec))


@pytest.mark.parametrize(
    ("software", "settings", "codes"),
    [
        (yet("tensorflow==2.16.2"), {"framework_version": "2.15"}, ["framework-version"]),
        (yet("tensorflow[and-cuda] == 2.15.1"), {"framework_version": "2.15"}, []),
        (yet("tensorflow>=2.16"), {"framework_version": "2.15"}, []),
        (yet("tensorflow-probability==0.2"), {"framework_version": "2.15"}, []),
        (yet(conda={"packages": ["tensorflow=2.16"]}), {"framework_version": "2.15"}, ["framework-version"]),
        (yet("tensorflow-cpu"), {"gpus_per_node": 1}, ["cpu-tensorflow"]),
        (yet("tensorflow-cpu"), {"sbatch": {"gres": "gpu:1"}}, ["cpu-tensorflow"]),
        (yet("tensorflow"), {"gpus_per_node": 1}, []),
        (yet("tensorflow==2.16.2"), {"distributed_backend": "multiworker", "worker_count": 2}, ["keras-3"]),
        (yet("tensorflow==2.15.1"), {"distributed_backend": "multiworker", "worker_count": 2}, []),
    ],
)
def test_an_unbuilt_environment_is_judged_by_its_requirements(
    tmp_path: Path, software: Software, settings: dict[str, Any], codes: list[str]
) -> None:
    text = "import tensorflow as tf\ntf.distribute.MultiWorkerMirroredStrategy()\nmodel.fit()"
    warnings = planned(tmp_path, text, software, VERSIONS, **settings).warnings
    assert [warning.code for warning in warnings] == codes


def test_an_unbuilt_environment_must_include_all_that_a_script_needs(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sklearn\ndef f():\n    import scipy\n", encoding="utf-8")
    facts, software = examine(tmp_path, "train.py"), yet("tensorflow==2.16.2")
    found = describe_needs(tensorflow(tmp_path, legacy_keras=True), facts, software)
    assert {module: finding.remedy for module, finding in found.items()} == {
        "sklearn": "add `pip_packages[]=scikit-learn`",
        "tf_keras": "add `pip_packages[]=tf-keras`",
    }
    assert describe_needs(tensorflow(tmp_path, silence=["missing-import"]), facts, software) == {}


# --- Keras 2 with TensorFlow 2.16 and later


def with_keras(version: str, *packages: str) -> Software:
    return Software(PYTHON, packages={"tensorflow": version, **dict.fromkeys(packages, "2.16.0")})


@pytest.mark.parametrize(
    ("software", "refused"),
    [
        (with_keras("2.15.1"), True),  # has Keras 2: nothing would change
        (with_keras("2.16.2"), True),  # without tf_keras nothing could be imported
        (with_keras("2.16.2", "tf_keras"), False),
        (yet("tensorflow==2.15.1"), True),
        (yet("tensorflow==2.16.2", "tf-keras"), False),
        (Software(PYTHON), False),  # unknown
    ],
)
def test_keras_2_is_suggested_if_it_helps(tmp_path: Path, software: Software, refused: bool) -> None:
    (tmp_path / "train.py").touch()
    estimator = tensorflow(tmp_path, legacy_keras=True)
    assert codes(check_legacy_keras(estimator, software)) == ["legacy-keras"] * refused
    assert codes(check_legacy_keras(tensorflow(tmp_path), software)) == []


@pytest.mark.parametrize(
    ("text", "version", "settings", "expected"),
    [
        ("import horovod.tensorflow.keras as hvd\nhvd.init()", "2.16.2", {}, ["keras-3"]),
        ("import horovod.tensorflow.keras as hvd\nhvd.init()", "2.15.1", {}, []),
        ("import horovod.tensorflow.keras as hvd\nhvd.init()", "2.16.2", {"legacy_keras": True}, []),
        ("import horovod.tensorflow as hvd\nhvd.init()", "2.16.2", {}, []),
        ("from mpi4py import MPI\nMPI.COMM_WORLD.Get_rank()", "2.16.2", {"transport": "gloo"}, ["gloo"]),
        ("from mpi4py import MPI\nMPI.COMM_WORLD.Get_rank()", "2.16.2", {"transport": "mpi"}, []),
    ],
)
def test_strategies_that_do_not_fit_mpi_are_reported(
    tmp_path: Path, text: str, version: str, settings: dict[str, Any], expected: list[str]
) -> None:
    transport = settings.pop("transport", "auto")
    training = Mpi(2, transport=transport)
    software = with_keras(version, "tf_keras")
    warnings = planned(tmp_path, text, software, MPI_SITE, distributed_training=training, **settings).warnings
    assert [warning.code for warning in warnings] == expected


# --- Azure ML's Run

WITHOUT_AZUREML = Software(PYTHON, missing=frozenset({"azureml"}))


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("from azureml.core import Run", {"azureml": True}, ""),
        ("from azureml.core.run import Run", {"azureml": True}, ""),
        ("import azureml.core\nazureml.core.Run.get_context()", {"azureml": True}, ""),
        ("import azureml.core.run", {"azureml": True}, ""),
        ("def f():\n    from azureml.core import Run", {"azureml": True}, ""),
        ("from azureml.core import Run, Workspace", {"azureml": True}, "azureml.core.Workspace: slurmtf serves"),
        ("from azureml.core.model import Model", {"azureml": True}, "azureml.core.model, azureml.core.model.Model:"),
        ("from azureml.core import Run", {}, "azureml,"),
        ("from azureml.core import Run", {"silence": ["missing-import"]}, ""),
    ],
)
def test_azure_mls_run_is_served_on_request(tmp_path: Path, text: str, settings: dict[str, Any], message: str) -> None:
    if not message:
        plan = planned(tmp_path, text, WITHOUT_AZUREML, **settings)
        assert plan.warnings == ()
        assert dict(plan.job.variables).get("SLURMTF_AZUREML") == ("1" if "azureml" in settings else None)
        return
    (found,) = findings(tmp_path, text, WITHOUT_AZUREML, **settings)
    assert tells(found, message)


# --- Horovod


def test_a_horovod_for_another_tensorflow_is_reported(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "import horovod.tensorflow as hvd", HOROVOD, distributed_backend="mpi")
    assert found.code == "horovod-build"
    assert tells(found, PYTHON, "0.28.1", "2.15.1", "2.18.0", f"slurmtf env build-horovod {PYTHON} --install")


@pytest.mark.parametrize(
    ("text", "software", "settings"),
    [
        ("import tensorflow", HOROVOD, {}),
        ("import horovod", HOROVOD, {"silence": ["horovod-build"]}),
        ("import horovod", replace(HOROVOD, packages={"tensorflow": "2.15.0"}), {}),
        ("import horovod", replace(HOROVOD, packages={}), {}),
        ("import horovod", replace(HOROVOD, horovod=HorovodBuild()), {}),
        ("import horovod", replace(HOROVOD, horovod=None), {}),
    ],
)
def test_a_suitable_or_unused_horovod_gives_no_finding(
    tmp_path: Path, text: str, software: Software, settings: dict[str, Any]
) -> None:
    assert planned(tmp_path, text, software, **settings).warnings == ()


@pytest.mark.parametrize(
    ("site", "features", "lacks"),
    [
        (SITE, ("mpi", "gloo"), None),
        (SITE, ("mpi",), "Gloo"),
        (MPI_SITE, ("mpi", "gloo"), None),
        (MPI_SITE, ("gloo",), None),
        (MPI_SITE, (), None),
    ],
)
def test_a_horovod_without_the_jobs_transport_gives_a_warning(
    tmp_path: Path, site: Any, features: tuple[str, ...], lacks: str | None
) -> None:
    software = replace(HOROVOD, packages={"tensorflow": "2.15.1"}, horovod=HorovodBuild("2.15.1", features))
    warnings = planned(tmp_path, "import horovod.tensorflow", software, site, distributed_backend="mpi").warnings
    text = f"Horovod in {PYTHON} was built without {lacks}: "
    assert [(warning.code, warning.what.startswith(text)) for warning in warnings] == [("horovod-transport", True)] * bool(
        lacks
    )


def test_a_horovod_without_mpi_uses_gloo_unless_mpi_is_requested(tmp_path: Path) -> None:
    software = replace(HOROVOD, packages={"tensorflow": "2.15.1"}, horovod=HorovodBuild("2.15.1", ("gloo",)))
    plan = planned(tmp_path, "import horovod.tensorflow", software, MPI_SITE, distributed_backend="mpi")
    assert plan.job.distribution.gloo
    assert PYTHON in plan.provenance.choice
    wanted = planned(tmp_path, "import horovod.tensorflow", software, MPI_SITE, distributed_training=Mpi(transport="mpi"))
    assert not wanted.job.distribution.gloo
    assert wanted.warnings[0].code == "horovod-transport"
    both = planned(tmp_path, "import horovod.tensorflow, mpi4py", software, MPI_SITE, distributed_backend="mpi")
    assert not both.job.distribution.gloo
