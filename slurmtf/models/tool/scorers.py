"""Scorers: the user's script, or the model in its runtime."""

from __future__ import annotations

import errno
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .batches import Scorer
from .checking import TYPES
from .drawing import Spec
from .files import compute_sha256
from .interchange import JsonView

FULL = (errno.ENOSPC, errno.EDQUOT)
CUDA = "CUDAExecutionProvider"
RAW = "raw_data"
"""The parameter of a ``run`` that takes the text of a request, ``{"data": ...}``: so Azure ML's examples name it."""


class ModelChangedError(Exception):
    """A file of the model has changed since it was submitted, or is gone."""


class ScriptError(Exception):
    """A score script can't be used: its place, as its user knows it, and the reason; ``cause`` is the script's exception."""

    def __init__(self, where: str, why: str, cause: BaseException | None = None) -> None:
        self.where, self.why, self.cause = where, why, cause
        super().__init__(f"{where}: {why}")


def infer_failure_kind(err: BaseException | None) -> str:
    """Return the kind of a failure that the user can remedy: "module", "model" or "space"; otherwise empty."""
    if isinstance(err, ScriptError):
        return infer_failure_kind(err.cause)
    if isinstance(err, OSError) and err.errno in FULL:
        return "space"
    return "module" if isinstance(err, ModuleNotFoundError) else "model" if isinstance(err, ModelChangedError) else ""


def load_scorer(plan: JsonView) -> Scorer:
    """Return the scorer of a plan, with so many CPUs. Raises ModelChangedError, and errors of the script or the runtime."""
    changed = [path for path, known in plan["hashes"].items() if compute_sha256(path) != known]
    if changed:
        raise ModelChangedError(f"{', '.join(changed)} is not what it was when this was submitted")
    if plan["script"]:
        return _load_script(plan["script"], plan["model"], plan.get("script_source") or plan["script"])
    if plan["engine"] == "onnx":
        return _load_onnx(plan["model"], plan["gpu"], plan["cpus"])
    import tensorflow as tf  # noqa: PLC0415 - of these models alone

    from .loading import load  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(plan["cpus"])
    served = load(plan, Path(plan["folder"]))
    return Scorer(served.call, served.inputs)


def _load_onnx(path: str, gpu: bool, cpus: int) -> Scorer:
    import onnxruntime  # noqa: PLC0415

    if gpu:
        onnxruntime.preload_dlls()  # CUDA's libraries from pip packages, which are in no search path
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpus
    session = onnxruntime.InferenceSession(path, options, providers=[*([CUDA] if gpu else []), "CPUExecutionProvider"])
    if gpu and CUDA not in session.get_providers():
        raise RuntimeError("onnxruntime can't use a GPU here: see its messages in the log")
    specs = {
        one.name: Spec(
            tuple(size if isinstance(size, int) else None for size in one.shape),
            TYPES.get(one.type, one.type[len("tensor(") : -1]),
        )
        for one in session.get_inputs()
    }
    names = [one.name for one in session.get_outputs()]
    return Scorer(lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)), specs)


def _load_script(path: str, model: str, called: str) -> Scorer:
    """Return a score script: ``init()`` once, ``run(data)`` for each batch; ``$SLURMTF_MODEL`` is the model's path.

    ``called`` is the script as its user knows it. Raises ScriptError.
    """
    os.environ["SLURMTF_MODEL"] = model
    path = str(Path(path).resolve())
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("score", path)
    if spec is None or spec.loader is None:
        raise ScriptError(called, f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with _translate_errors(path, called):
        spec.loader.exec_module(module)
    takes_text = RAW in _inspect_signature(module, "run", called, "data").parameters
    _inspect_signature(module, "init", called)
    with _translate_errors(path, called):
        module.init()

    def call(data: object) -> Mapping[str, object]:
        answer = _parse_answer(module.run(json.dumps({"data": _to_list(data)}))) if takes_text else module.run(data)
        return answer if isinstance(answer, Mapping) else {"score": answer}

    return Scorer(call, None, (lambda text: _parse_answer(module.run(text))) if takes_text else None)


@contextmanager
def _translate_errors(path: str, called: str) -> Iterator[None]:
    """Raise a script's exceptions as ScriptError, with the script's own line."""
    try:
        yield
    except (Exception, SystemExit) as err:
        traceback.print_exc()
        lines = [frame.lineno for frame in traceback.extract_tb(err.__traceback__) if frame.filename == path]
        lines += [err.lineno] if isinstance(err, SyntaxError) and err.filename == path else []
        where = f"{called}:{lines[-1]}" if lines and lines[-1] else called
        raise ScriptError(where, f"{type(err).__name__}: {err}", err) from None


def _inspect_signature(module: object, name: str, called: str, *arguments: str) -> inspect.Signature:
    """Return the signature of one of a script's functions. Raises ScriptError if it can't be called with these arguments."""
    function = getattr(module, name, None)
    if not callable(function):
        raise ScriptError(called, f"has no function {name}({', '.join(arguments)})")
    try:
        found = inspect.signature(function)
    except ValueError:  # a built-in without a signature
        return inspect.Signature()
    try:
        found.bind(*arguments)
    except TypeError:
        raise ScriptError(called, f"{name}{found} can't be called as {name}({', '.join(arguments)})") from None
    return found


def _parse_answer(answer: object) -> object:
    """Return the result of a script that takes JSON; it may be JSON as well."""
    return json.loads(answer) if isinstance(answer, str) else answer


def _to_list(data: Any) -> object:
    if isinstance(data, Mapping):
        return {name: np.asarray(values).tolist() for name, values in data.items()}
    return [_to_list(row) for row in data] if isinstance(data, list) else data.tolist()
