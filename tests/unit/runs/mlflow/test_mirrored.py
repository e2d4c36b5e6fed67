"""What is copied to MLflow: names, parameters, status, steps, files; and what happens if its server is away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from slurmtf.errors import InputError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.entries import Point
from slurmtf.runs.metrics.event_owners import Owners
from slurmtf.runs.mlflow import mirroring, tracking
from slurmtf.runs.mlflow.mirrored import (
    Part,
    find_files,
    get_step,
    to_milliseconds,
    to_mlflow_key,
    to_mlflow_status,
    to_parameters,
)
from slurmtf.runs.mlflow.mirroring import MirrorFollower, SentCounts, split_into_batches
from slurmtf.runs.mlflow.tracking import MirrorError, check_tracking, hide_passwords, translate_errors
from slurmtf.runs.states.state import RunStatus


@pytest.mark.parametrize("name", ["loss", "train/epoch_loss", "val loss", "größe", "a.b-c:d_1"])
def test_a_name_that_mlflow_takes_is_kept(name: str) -> None:
    assert to_mlflow_key(name) == name


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("loss (train)", "loss _train_-"),
        ("/loss", "loss-"),
        ("a//b", "a/b-"),
        ("../up", "up-"),
        ("[0]", "_0_-"),
        ("", "-"),
        ("x" * 300, "x" * 241 + "-"),
    ],
)
def test_another_name_is_changed_and_remains_unique(name: str, begin: str) -> None:
    assert to_mlflow_key(name).startswith(begin)
    assert len(to_mlflow_key(name)) == len(begin) + 8
    assert to_mlflow_key(name) != to_mlflow_key(name + "!")


def test_parameters_are_the_arguments_and_the_scalar_settings() -> None:
    settings = {
        "estimator": "TensorFlow",
        "source_directory": "/home/me",
        "script_params": ["--lr", "0.1", "--fast", "--rate=-3", "data"],
        "node_count": 2,
        "use_gpu": True,
        "environment_variables": {"TOKEN": "secret"},
    }
    assert to_parameters(settings) == {
        "lr": "0.1",
        "fast": "true",
        "rate": "-3",
        "[4]": "data",
        "slurmtf.node_count": "2",
        "slurmtf.use_gpu": "True",
    }
    assert to_parameters({"script_params": {"--lr": 0.1, "--fast": ""}}) == {"lr": "0.1", "fast": "true"}
    assert to_parameters({}) == {}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (RunStatus.QUEUED, "SCHEDULED"),
        (RunStatus.RUNNING, "RUNNING"),
        (RunStatus.FINALIZING, "RUNNING"),
        (RunStatus.COMPLETED, "FINISHED"),
        (RunStatus.FAILED, "FAILED"),
        (RunStatus.CANCELED, "KILLED"),
    ],
)
def test_status_is_translated_to_mlflows(status: RunStatus, word: str) -> None:
    assert to_mlflow_status(status) == word


@pytest.mark.parametrize(
    ("step", "expected"), [(None, 7), (3, 3), (2.0, 2), (10**30, (1 << 63) - 1), (float("nan"), 7), (-(10**30), 1 - (1 << 63))]
)
def test_steps_are_integers_of_64_bits(step: float | None, expected: int) -> None:
    assert get_step(Point(step, 1.0, 0.0), 7) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(1.5, 1500), (float("nan"), 0), (float("inf"), 0), (1e300, 0)])
def test_times_are_in_milliseconds(seconds: float, expected: int) -> None:
    assert to_milliseconds(seconds) == expected


def test_values_are_sent_in_batches() -> None:
    assert list(split_into_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(split_into_batches([], 2)) == []


@pytest.mark.parametrize(("status", "outputs"), [(RunStatus.RUNNING, []), (RunStatus.COMPLETED, ["outputs/a/model.h5"])])
def test_outputs_are_copied_when_the_run_has_ended(tmp_path: Path, status: RunStatus, outputs: list[str]) -> None:
    for name in ("receipt.json", "metrics/images/x.png", "metrics/main-0.jsonl", "outputs/a/model.h5", "logs/main-0.out"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "outputs/link").symlink_to("/etc/passwd")
    layout = RunLayout(str(tmp_path))
    found = find_files(Part("x", layout, status, {}, {}, Owners(layout)))
    assert sorted(found) == sorted(["receipt.json", "metrics/images/x.png", *outputs])


def test_passwords_are_not_sent() -> None:
    assert hide_passwords("at https://me:pass@host/x, sqlite:///a:b@c") == "at https://me:***@host/x, sqlite:///a:b@c"


def test_errors_of_mlflow_show_their_cause_and_no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with pytest.raises(MirrorError) as caught, translate_errors("http://me:pass@host", "x-1", "unreachable", "wait"):
        raise ValueError("x" * 400 + " http://me:pass@host: Connection refused")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where, finding.remedy) == ("mlflow-failed", "x-1", "wait")
    assert finding.what.startswith("unreachable (http://me:***@host): ValueError: xxx")
    assert finding.what.endswith("http://me:***@host: Connection refused")
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.parametrize(("given", "waits"), [("", "20"), ("300", "300")])
def test_a_server_is_waited_for_as_long_as_the_user_set_or_for_seconds(
    given: str, waits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", given)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with translate_errors("", "", "", ""):
        assert (os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) == (waits, "2")
    assert os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") == (given or None)
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_our_own_errors_are_not_translated() -> None:
    with pytest.raises(InputError), translate_errors("", "", "", ""):
        raise InputError(Finding("x", "x", "x"))


def test_without_mlflow_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError) as caught:
        check_tracking()
    assert caught.value.findings[0].code == "no-tracking-server"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    monkeypatch.setattr(tracking, "is_installed", lambda: False)
    with pytest.raises(InputError) as caught:
        check_tracking()
    assert caught.value.findings[0].code == "no-mlflow"


class Away:
    """A copy whose server does not answer the first requests."""

    def __init__(self, times: int) -> None:
        self.run: Any = type("Run", (), {"id": "x-1"})()
        self.times = times

    def update(self) -> SentCounts:
        self.times -= 1
        if self.times >= 0:
            raise MirrorError(Finding("mlflow-failed", "x-1", "could not be mirrored"))
        return SentCounts(3, 1)


def test_an_unreachable_server_is_reported_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "RETRY_S", 0.0)
    monkeypatch.setattr(mirroring, "FOLLOW_S", 0.0)
    messages: list[str] = []
    view = MirrorFollower([Away(2)], messages.append)  # type: ignore[list-item]
    for _ in range(4):
        view.show_new()
    assert [text.startswith("x-1: ") for text in messages] == [True, False]
    assert view.sent == {"x-1": SentCounts(6, 2)}


def test_a_server_unreachable_at_the_end_is_an_error() -> None:
    with pytest.raises(SlurmtfError):
        MirrorFollower([Away(1)]).show_rest()  # type: ignore[list-item]
