"""MLflow's servers and stores: whether one is configured, and how it is talked to. The package is the extra ``mlflow``."""

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
"""How MLflow talks unless the user says: it prints nothing, and gives up after seconds where nobody listens, after a minute
where nobody answers. By itself it goes on for four minutes, or a quarter of an hour."""
LONGEST_TEXT = 300
PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")


class MirrorError(SlurmtfError):
    """MLflow does not have what the run folder or the registry has."""


def tracking_uri() -> str:
    """Return where MLflow keeps runs; empty when none is configured."""
    return os.environ.get(var.MLFLOW_TRACKING_URI) or ""


def registry_uri() -> str:
    """Return where MLflow keeps models; empty when none is configured."""
    return os.environ.get(var.MLFLOW_REGISTRY_URI) or tracking_uri()


def is_installed() -> bool:
    """Whether the package is there; it is not imported for that."""
    return importlib.util.find_spec("mlflow") is not None


def check_tracking() -> None:
    """Raise InputError when there is nothing to mirror a run into, or with."""
    if not tracking_uri():
        remedy = "set it to where your MLflow is: http://HOST:PORT, or sqlite:///PATH for a file of your own"
        raise InputError(Finding("no-tracking-server", f"${var.MLFLOW_TRACKING_URI}", "is not set", remedy))
    if not is_installed():
        raise InputError(Finding("no-mlflow", "MLflow", "is not installed here", "pip install 'slurmtf[mlflow]'"))


def without_password(text: str) -> str:
    """Return a text with the passwords of its addresses replaced."""
    return PASSWORD.sub(r"\1:***@", text)


@contextmanager
def translate_errors(uri: str, where: str, what: str, remedy: str) -> Iterator[None]:
    """Raise whatever comes of talking to MLflow as a MirrorError: ``where`` is what it is about, ``what`` follows from it.

    A server that is away is tried for seconds, one that does not answer for a minute (see WHILE_TALKING).
    """
    ours = {name: value for name, value in WHILE_TALKING.items() if not os.environ.get(name)}
    os.environ.update(ours)
    try:
        yield
    except SlurmtfError:
        raise
    except Exception as err:  # MLflow's, of its store, of its server
        told = f"{what} ({without_password(uri)}): {_summarize(err)}"
        raise MirrorError(Finding("mlflow-failed", where, told, remedy)) from None
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _summarize(error: Exception) -> str:
    """Return what an error says, in a line; of a long one both ends: its cause stands last."""
    text = without_password(" ".join(str(error).split()))
    half = LONGEST_TEXT // 2
    short = text if len(text) <= LONGEST_TEXT else f"{text[:half]} ... {text[-half:]}"
    return f"{type(error).__name__}: {short}"


def experiment_id(client: Any, name: str) -> str:
    """Return the id of an experiment in MLflow; it is created if it does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a second, and an extra

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as err:
            if err.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # somebody was faster
    return str(found.experiment_id)
