"""Connect to MLflow's servers and stores, if one is configured. The package comes with the extra ``mlflow``."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slurmtf.errors import InputError, SlurmtfError
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var

WHILE_TALKING = {
    var.MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2",
    var.MLFLOW_HTTP_REQUEST_TIMEOUT: "20",
    var.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: "true",
}
"""MLflow's settings unless the user sets them: it prints nothing, and gives up after seconds if nothing listens, or after a
minute if nothing answers. Its defaults are four minutes and a quarter of an hour."""
LONGEST_TEXT = 300
PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")


class MirrorError(SlurmtfError):
    """Content of the run folder or the registry could not be copied into MLflow."""


def get_tracking_uri() -> str:
    """Return the address of MLflow's tracking server or store; empty if none is configured."""
    return os.environ.get(var.MLFLOW_TRACKING_URI) or ""


def get_registry_uri() -> str:
    """Return the address of MLflow's model registry; empty if none is configured."""
    return os.environ.get(var.MLFLOW_REGISTRY_URI) or get_tracking_uri()


def is_installed() -> bool:
    """Return whether MLflow is installed, without importing it."""
    return importlib.util.find_spec("mlflow") is not None


def check_tracking() -> None:
    """Raise InputError if MLflow is not configured or not installed."""
    if not get_tracking_uri():
        remedy = "set it to where your MLflow is: http://HOST:PORT, or sqlite:///PATH for a file of your own"
        raise InputError(Finding("no-tracking-server", f"${var.MLFLOW_TRACKING_URI}", "is not set", remedy))
    if not is_installed():
        raise InputError(Finding("no-mlflow", "MLflow", "is not installed here", "pip install 'slurmtf[mlflow]'"))


def hide_passwords(text: str) -> str:
    """Return a text with the passwords in its URLs replaced."""
    return PASSWORD.sub(r"\1:***@", text)


@contextmanager
def translate_errors(uri: str, where: str, what: str, remedy: str) -> Iterator[None]:
    """Turn any error from MLflow into a MirrorError: ``where`` is what it concerns, ``what`` is the consequence.

    A server that is down is retried for seconds, one that does not answer for a minute (see WHILE_TALKING).
    """
    ours = {name: value for name, value in WHILE_TALKING.items() if not os.environ.get(name)}
    os.environ.update(ours)
    try:
        yield
    except SlurmtfError:
        raise
    except Exception as err:  # of MLflow, its store or its server
        failure = f"{what} ({hide_passwords(uri)}): {_summarize(err)}"
        raise MirrorError(Finding("mlflow-failed", where, failure, remedy)) from None
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _summarize(error: Exception) -> str:
    """Return an error in one line; a long one is cut in the middle, because its cause comes last."""
    text = hide_passwords(" ".join(str(error).split()))
    half = LONGEST_TEXT // 2
    short = text if len(text) <= LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"
    return f"{type(error).__name__}: {short}"


def ensure_experiment(client: Any, name: str) -> str:
    """Return the id of an experiment in MLflow, creating it if it does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a second, and an extra

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as err:
            if err.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process created it first
    return str(found.experiment_id)
