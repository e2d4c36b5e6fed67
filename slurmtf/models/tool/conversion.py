"""Convert a saved model to an ONNX file: several routes in order, each verified."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from .checking import Model, RejectedError, UnverifiableError, verify
from .command import Command, ConverterCall
from .files import write_json
from .interchange import JsonView
from .loading import LoadError, ServedModel, compute_weights_size, list_versions, load
from .refusal import build_refusal, check_size

SHOWN_LOG = 2000
Routes = Sequence[tuple[str, Callable[[ServedModel, str, int], str]]]
"""The ways to convert, in the order in which they are tried: each writes a file, and returns what the converter has to say."""


def convert_all(paths: Sequence[str]) -> int:
    """Carry out these conversion requests; each result is written beside its request. Returns 1 if one was refused."""
    routes = (("command", functools.partial(_convert_by_command, Command())), ("function", _convert_by_function))
    results = [convert_request(path, routes) for path in paths]
    return 0 if all(result["ok"] for result in results) else 1


def convert_request(path: str, routes: Routes) -> dict[str, object]:
    """Convert one request by the first route that produces a good file, and write ``REQUEST.result.json``.

    Nothing else is left but the requested file.
    """
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    began = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=".export-", dir=Path(request["output"]).parent))
    try:
        result = _try_routes(request, work, routes)
    except Exception as err:  # TensorFlow and the converter raise any error: the other requests continue
        traceback.print_exc()
        what = f"{type(err).__name__}: {str(err)[:500]} (in {traceback.extract_tb(err.__traceback__)[-1]})"
        remedy = "export it in the script, model.export('outputs/model'), and then that"
        result = {"ok": False, "code": "conversion-failed", "what": what, "remedy": remedy, "tried": []}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result.update(versions=list_versions(), seconds=round(time.monotonic() - began, 1))
    write_json(f"{path}.result.json", result)
    return result


def _try_routes(request: JsonView, work: Path, routes: Routes) -> dict[str, object]:
    try:
        served = load(request, work)
    except LoadError as err:
        return {"ok": False, "code": "not-loadable", "tried": [], **err.facts, "what": err.what, "remedy": err.remedy}
    weights = compute_weights_size(served.source)
    refused = check_size(weights)
    if refused:
        return {"ok": False, "tried": [], **refused}
    samples = dict(np.load(request["samples"], allow_pickle=False)) if request.get("samples") else None
    model = Model(served.inputs, served.call, served.known)
    tried: list[dict[str, str]] = []
    for name, route in routes:
        file, log = str(work / f"{name}.onnx"), ""
        if name == "function" and served.function is None:
            continue
        try:
            log = route(served, file, request["opset"])
            figures = verify(file, model, request["tolerance"], samples)
        except RejectedError as err:
            tried.append({"route": name, "why": str(err), "log": log})
            continue
        except (UnverifiableError, ValueError) as err:
            remedy = "pass real inputs: --samples FILE.npz, with an array for each of " + ", ".join(served.inputs)
            return {"ok": False, "code": "not-verifiable", "what": str(err), "remedy": remedy, "tried": tried}
        _keep(file, request["output"])
        return {
            "ok": True,
            "route": name,
            "opset": request["opset"],
            "tried": tried,
            **_build_interface(served),
            "verified": figures,
            "weights_bytes": weights,
        }
    logs = "\n".join(one["why"] + one["log"] for one in tried)
    return {"ok": False, **build_refusal(served.layers, served.nodes, logs), "tried": tried}


def _build_interface(served: ServedModel) -> dict[str, object]:
    return {"inputs": {name: spec.to_dict() for name, spec in served.inputs.items()}, "outputs": list(served.outputs)}


def _keep(file: str, output: str) -> None:
    """Move the verified file, whole, to its place."""
    with open(file, "rb") as written:
        os.fsync(written.fileno())
    Path(file).chmod(0o600)
    Path(file).replace(output)


def _convert_by_command(command: Command, served: ServedModel, file: str, opset: int) -> str:
    """Convert with the converter's command line, which may fail with exit code 0. Raises RejectedError."""
    printed = Path(f"{file}.log")
    try:
        code = command(ConverterCall([*served.source, "--output", file, "--opset", str(opset)], str(printed)))
    except (EOFError, OSError) as err:
        raise RejectedError(f"the converter could not be started: {err or 'its process was killed'}") from None
    log = printed.read_text(encoding="utf-8", errors="replace") if printed.is_file() else ""
    if code or not Path(file).is_file():
        last = next((line for line in reversed(log.splitlines()) if line.strip()), "it printed nothing")
        raise RejectedError(f"the converter failed with status {code}: {last.strip()[:300]}\n{_find_problems(log)}")
    return _find_problems(log)


def _convert_by_function(served: ServedModel, file: str, opset: int) -> str:
    """Convert the function through the converter's Python interface. Raises RejectedError."""
    import tf2onnx  # noqa: PLC0415

    signature, _ = served.function
    names = list(served.inputs)
    types = [tf.TensorSpec(spec.shape, _to_dtype(spec.dtype), name) for name, spec in served.inputs.items()]
    function = tf.function(
        lambda *given: signature(**dict(zip(names, given, strict=True))), input_signature=types, autograph=False
    )
    try:
        tf2onnx.convert.from_function(function, input_signature=types, opset=opset, output_path=file)
    except Exception as err:  # the converter's own, of any kind
        raise RejectedError(f"the converter failed: {str(err)[:300] or type(err).__name__}") from None
    return ""


def _to_dtype(name: str) -> object:
    return tf.string if name == "str" else tf.as_dtype(name)


def _find_problems(log: str) -> str:
    """Return the converter's lines that report problems."""
    return "\n".join(_select_problem_lines(log.splitlines()))[:SHOWN_LOG]


def _select_problem_lines(lines: Sequence[str]) -> Iterator[str]:
    yield from (line for line in lines if "ERROR" in line or "not supported" in line)
