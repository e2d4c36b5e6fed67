"""Session fixtures with the pythons of the environments; the first use on a machine builds, which takes minutes.

Where one can't be built the tests are skipped, or with SLURMTF_REQUIRE_ENVS=1 they fail. Python 3.7 is required nowhere.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from .build import build
from .cache import BuildError
from .interpreters import NoInterpreter


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
    """TensorFlow 1.15 on Python 3.7."""
    return provide("tf1", pytestconfig, optional=True)


def provide(name: str, config: pytest.Config, optional: bool = False) -> Path:
    try:
        with progress_shown(config):
            return build(name)
    except BuildError as error:
        required = os.environ.get("SLURMTF_REQUIRE_ENVS") == "1"
        if required and not (optional and isinstance(error, NoInterpreter)):
            pytest.fail(f"environment {name}: {error}", pytrace=False)
        pytest.skip(f"environment {name}: {error}")


def progress_shown(config: pytest.Config) -> AbstractContextManager[None]:
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()
