"""Session fixtures with the pythons of the environments; the first use on a machine builds, which takes minutes.

Where one can't be built its tests are skipped; with SLURMTF_REQUIRE_ENVS=1 they fail, save where only its Python (3.7, 3.13) is
missing.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from slurmtf.errors import SoftwareError

from .interpreters import NoInterpreter
from .specs import build


@pytest.fixture(scope="session")
def tf_newest(pytestconfig: pytest.Config) -> Path:
    """TensorFlow 2.21, Keras 3 and tf_keras, patched Horovod."""
    return provide("newest", pytestconfig)


@pytest.fixture(scope="session")
def tf_classic(pytestconfig: pytest.Config) -> Path:
    """TensorFlow 2.15 with Keras 2 and estimators, Horovod as released."""
    return provide("classic", pytestconfig)


@pytest.fixture(scope="session")
def tf1(pytestconfig: pytest.Config) -> Path:
    """TensorFlow 1.15 on Python 3.7, Horovod 0.21."""
    return provide("tf1", pytestconfig, optional=True)


@pytest.fixture(scope="session")
def jax(pytestconfig: pytest.Config) -> Path:
    """Keras 3 on JAX 0.10, without TensorFlow."""
    return provide("jax", pytestconfig)


@pytest.fixture(scope="session")
def jax_313(pytestconfig: pytest.Config) -> Path:
    """The same on Python 3.13."""
    return provide("jax-3.13", pytestconfig, optional=True)


@pytest.fixture(scope="session")
def mlflow(pytestconfig: pytest.Config) -> Path:
    """MLflow, and what slurmtf needs."""
    return provide("mlflow", pytestconfig)


def provide(name: str, config: pytest.Config, optional: bool = False) -> Path:
    try:
        with progress_shown(config):
            return build(name)
    except (SoftwareError, NoInterpreter) as error:
        reason, forgiven = f"environment {name}: {error}", optional and isinstance(error, NoInterpreter)
    if os.environ.get("SLURMTF_REQUIRE_ENVS") == "1" and not forgiven:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def progress_shown(config: pytest.Config) -> AbstractContextManager[None]:
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()
