"""Strategies that use gRPC, in an environment with proxies that don't exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from .examples import Examples

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]

NOWHERE = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), NOWHERE)


def test_several_workers_train_despite_the_shells_proxies(
    examples: Examples, tf_classic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_proxy", "elsewhere")
    assert len(examples.start("local", "multiworker", tf_classic).results()) == 2


def test_parameter_servers_train_despite_the_profiles_proxies(examples: Examples, tf_classic: Path) -> None:
    lines = "".join(f"\n    {name}: {value}" for name, value in PROXIES.items())
    examples.profile.write_text(f"{examples.profile.read_text()}environment:\n  variables:{lines}\n")
    (chief,) = examples.start("srun", "ps-loop", tf_classic).results().values()
    assert (chief["workers"], chief["servers"]) == (2, 1)
