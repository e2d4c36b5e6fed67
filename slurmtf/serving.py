"""Serve a model over HTTP, to try it, as a run whose script is a server, until its time limit or until it is canceled."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import json
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

from slurmtf.archives import build_tool_archive
from slurmtf.environments.building import Tell
from slurmtf.environments.store import resolve_store
from slurmtf.environments.tools import SCORING
from slurmtf.errors import SlurmtfError
from slurmtf.estimator import Environment, Estimator
from slurmtf.experiments.experiment import Experiment
from slurmtf.experiments.failures import describe_failure
from slurmtf.experiments.run import Run
from slurmtf.files import read_json, write_json
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.models.needs import Needs
from slurmtf.models.registry import Model
from slurmtf.models.scoring import Scorer, choose_scorer
from slurmtf.models.scripts import check_script
from slurmtf.runs.workspaces.workspace import resolve_workspace
from slurmtf.scheduler import get_scheduler
from slurmtf.sites import Site, resolve_target
from slurmtf.submit.refused import adapt_refusals
from slurmtf.submit.tools import SETTINGS, Toolbox

EXPERIMENT = "serve"
ENTRY, PROGRAM, REQUEST, SCRIPT = "serve.py", "tool.pyz", "request.json", "score.py"
LAUNCHER = f'''"""Serves a model: see slurmtf serve."""

import runpy
import sys

sys.argv = ["{PROGRAM}", "serve", "{REQUEST}"]
runpy.run_path("{PROGRAM}", run_name="__main__")
'''
TIME, LIMIT_S, START_S, BODY_MB = "1:00:00", 60.0, 600.0, 16.0
LOOK_S = 0.3
FIRST_STATE_S, LAST_STATE_S = 1.0, 30.0
USUAL_PORT = 8000
"""The port on the user's own machine, in the ssh command."""
CUT_SHORT = (BrokenPipeError, ConnectionResetError)
"""Exceptions raised when the service refuses a request before reading all of it. Its response can still be read."""
REMEDIES = {
    413: "send fewer rows at a time, or serve the model with a larger --body-megabytes",
    504: "send fewer rows at a time, or serve the model with larger --request-seconds",
}
"""The remedy for a refusal, by HTTP status."""


class ServiceError(SlurmtfError):
    """A service is not running, or refused a request."""


@dataclass(frozen=True)
class Service:
    """A model that is being served. It needs only the run: ``Service(Run.find("last"))`` works in another process."""

    run: Run

    @cached_property
    def address(self) -> tuple[str, int]:
        """Host and port; the host's IP address if its name can't be resolved here. Raises ServiceError if it is not ready."""
        found = read_json(Path(self.run.layout.outputs, "endpoint.json"))
        if not found:
            raise ServiceError(Finding("not-serving", self.run.id, "does not serve", f"see 'slurmtf status {self.run.word}'"))
        return _resolve(str(found["host"]), str(found["address"])), int(found["port"])

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://{host}:{port}"

    @property
    def authorization(self) -> Path:
        """The private file with the header that a request needs: ``curl -H @FILE``."""
        return Path(self.run.layout.outputs, "authorization")

    @property
    def ssh(self) -> str:
        """The command that forwards the service to ``localhost`` of another machine, through this one."""
        host, port = self.address
        return shlex.join(["ssh", "-N", "-L", f"{USUAL_PORT}:{host}:{port}", f"{getpass.getuser()}@{socket.getfqdn()}"])

    def score(self, data: object) -> Any:
        """Return the response to ``{"data": data}``. Raises ServiceError with the service's message otherwise."""
        return self._send_request("/score", json.dumps({"data": data}).encode())

    def fetch_schema(self) -> JsonObject:
        """Return the schema of its requests and responses, as OpenAPI 2.0."""
        found: dict[str, object] = self._send_request("/swagger.json", None)
        return found

    def _send_request(self, path: str, body: bytes | None) -> Any:
        name, _, value = self.authorization.read_text(encoding="ascii").strip().partition(": ")
        headers = {name: value, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(*self.address)  # without a proxy, because proxies don't reach nodes
        try:
            with contextlib.suppress(*CUT_SHORT):
                connection.request("GET" if body is None else "POST", path, body, headers)
            with connection.getresponse() as answer:
                status, found = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as err:
            what = f"can't be reached: {err}"
            raise ServiceError(Finding("not-serving", self.url, what, f"see 'slurmtf status {self.run.word}'")) from None
        finally:
            connection.close()
        if status != HTTPStatus.OK:
            what = f"{status}: {_parse_message(found)}"
            raise ServiceError(Finding("request-refused", self.url + path, what, REMEDIES.get(status, "")))
        return json.loads(found)

    def cancel(self) -> None:
        """Cancel the service."""
        self.run.cancel()


def serve(
    model: str | Path | Model,
    *,
    script: str | Path | None = None,
    environment: str | None = None,
    site: str | None = None,
    workspace: str | Path | None = None,
    cpus: int | None = None,
    memory: str | None = None,
    time_limit: str = TIME,
    partition: str | None = None,
    account: str | None = None,
    gpu: bool = False,
    packages: Sequence[str] = (),
    request_seconds: float = LIMIT_S,
    start_seconds: float = START_S,
    body_megabytes: float = BODY_MB,
    tell: Tell | None = None,
) -> Service:
    """Serve a model until its time limit, or until it is canceled; return the service once it is ready.

    ``script`` has Azure ML's ``init()`` and ``run(data)``. ``request_seconds`` and ``body_megabytes`` limit each request,
    ``start_seconds`` each start of the scoring process, ``init()`` included; the others are as in :func:`slurmtf.models.score`.
    On this machine it listens on loopback, in a job on all addresses of the node; a token is needed in either case. Raises
    InputError, ModelChangedError, or ServiceError if it ends before it is ready.
    """
    found = resolve_target(site, "site")
    needs = Needs(cpus, memory, time_limit, partition, account, gpu, tuple(packages))
    if script is not None:
        check_script(script)
    scorer = choose_scorer(model, environment, workspace, needs)
    tell = tell or _ignore_step
    place = resolve_workspace(found.storage.workspace, workspace)
    toolbox = Toolbox(found, resolve_store(found, place), tell)
    own = {
        "gpu": gpu,
        "python": toolbox.provide_python(scorer.environment, more=needs.packages),
        "limit": request_seconds,
        "start_limit": start_seconds,
        "body_bytes": int(body_megabytes * 1024 * 1024),
    }
    request = {**_build_request(scorer, found, script), **own}
    with tempfile.TemporaryDirectory(prefix="slurmtf-serve-") as source:
        _fill(Path(source), request, script)
        estimator = _build_estimator(Path(source), found, toolbox.provide_python(SCORING), needs)
        with adapt_refusals(found.name, needs.to_flags(found), SETTINGS):
            run = Experiment(EXPERIMENT, place).submit(estimator, {"model": scorer.name}, tell=tell)
    return _wait_until_ready(run, tell)


def _build_request(scorer: Scorer, site: Site, script: str | Path | None) -> dict[str, object]:
    """Return the server's configuration."""
    return {
        "name": scorer.name,
        "model": str(scorer.path),
        "hashes": scorer.hashes,
        "engine": scorer.engine,
        "kind": scorer.kind,
        "weights": str(scorer.weights) if scorer.weights else None,
        "script": SCRIPT if script is not None else None,
        "script_source": str(script) if script is not None else None,
        "folder": ".",
        "host": "0.0.0.0" if get_scheduler(site.scheduler, site.cluster).queues else "127.0.0.1",  # noqa: S104 - a token is needed
    }


def _fill(folder: Path, request: Mapping[str, object], script: str | Path | None) -> None:
    (folder / ENTRY).write_text(LAUNCHER, encoding="utf-8")
    (folder / PROGRAM).write_bytes(build_tool_archive())
    write_json(folder / REQUEST, dict(request))
    if script is not None:
        shutil.copyfile(script, folder / SCRIPT)


def _build_estimator(source: Path, site: Site, python: str, needs: Needs) -> Estimator:
    software = Environment(python=python)
    return Estimator(source, entry_script=ENTRY, compute_target=site, environment_definition=software, **needs.to_settings())


def _resolve(name: str, address: str) -> str:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return address
    return name


def _parse_message(body: bytes) -> str:
    """Return the message of a refusal: Azure ML's ErrorResponse, or the server's own text."""
    text = " ".join(body.decode("utf-8", "replace").split())
    try:
        return str(json.loads(text)["message"])
    except (ValueError, LookupError, TypeError):
        return text


def _wait_until_ready(run: Run, tell: Tell) -> Service:
    """Wait until a run is ready to serve. Raises ServiceError if it ends before."""
    service, pause = Service(run), FIRST_STATE_S
    tell(f"{run.id} is submitted; waiting until it serves ...")
    looked = time.monotonic()
    while not Path(run.layout.outputs, "endpoint.json").is_file():
        if time.monotonic() - looked > pause:
            state = run.state
            if state.status.final:
                raise ServiceError(describe_failure(run, state))
            looked, pause = time.monotonic(), min(LAST_STATE_S, pause * 1.5)
        time.sleep(LOOK_S)
    return service


def _ignore_step(text: str) -> None:  # noqa: ARG001
    return
