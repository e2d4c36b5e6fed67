"""Every Python on which our programs in a job must run."""

from __future__ import annotations

import pytest

from tests.environments import interpreters


@pytest.fixture(params=interpreters.MINORS)
def interpreter(request: pytest.FixtureRequest) -> str:
    """The path of a Python interpreter, one for each version in turn."""
    found = interpreters.installed(request.param)
    if found is None:
        pytest.skip(f"no working python{request.param} in PATH")
    return str(found.path)
