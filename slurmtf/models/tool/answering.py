"""The process that scores for a server: requests arrive on standard input, responses leave on standard output."""

from __future__ import annotations

import json
import math
import os
import struct
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from .batches import Scorer, to_storable
from .drawing import Spec
from .feeding import cast, feed_arrays, feed_records
from .interchange import JsonObject
from .scorers import ModelChangedError, ScriptError, load_scorer

HEAD = struct.Struct("<HI")
"""The head of each body: an HTTP status (0 in a request), and the body's length."""
UNUSABLE = 503
"""The status of a first frame that reports why there is no scorer."""
Spoken = tuple[int, bytes]
JSON, HEALTHY = "application/json", "Healthy"
TYPES = {"f": "number", "i": "integer", "u": "integer", "b": "boolean"}
"""JSON Schema's names, by the kind of a numpy dtype."""


class RefusedRequest(NamedTuple):
    """A request is refused; the message says why."""

    why: str


def write_frame(file: IO[bytes], status: int, body: bytes) -> None:
    file.write(HEAD.pack(status, len(body)) + body)
    file.flush()


def read_frame(file: IO[bytes]) -> Spoken | None:
    """Return the other side's frame; None if it has ended."""
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    status, length = HEAD.unpack(head)
    body = file.read(length)
    return (status, body) if len(body) == length else None


def answer_requests(path: str) -> int:
    """Load the scorer, describe its inputs, and answer requests until there are no more. Returns the exit code."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of a score script goes to the log, line by line: this process may be killed
    sys.stdout = os.fdopen(1, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    try:
        scorer = load_scorer({**request, "cpus": len(os.sched_getaffinity(0))})
    except (ScriptError, ModelChangedError) as err:
        write_frame(out, UNUSABLE, str(err).encode())
        return 1
    write_frame(out, 200, json.dumps(build_schema(request["name"], scorer.specs)).encode())
    while asked := read_frame(sys.stdin.buffer):
        write_frame(out, *answer(scorer, asked[1]))
    return 0


def answer(scorer: Scorer, body: bytes) -> Spoken:
    """Return the status and body of the response to a request's body."""
    try:
        text = body.decode("utf-8")
        data = _convert_request(scorer, json.loads(text))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as err:
        return refuse(400, f"can't be read: {_summarize_error(err)}")
    if isinstance(data, RefusedRequest):
        return refuse(400, data.why)
    try:
        found = scorer.raw(text) if scorer.raw else scorer.call(data)
        return 200, _encode_json(_to_plain(found))
    except Exception as err:  # the runtime's, or the user's script's
        traceback.print_exc()
        return refuse(500, f"can't be scored: {type(err).__name__}: {_summarize_error(err)}")


def _convert_request(scorer: Scorer, given: object) -> object:
    """Return the content of a request in the scorer's form, or the error. Raises ValueError and the like."""
    if not isinstance(given, dict) or not isinstance(given.get("data"), list | dict):
        return RefusedRequest('the body must be {"data": ...}: rows, or arrays by the names of the inputs; see /swagger.json')
    data, specs = given["data"], scorer.specs
    if specs is None:
        return _feed_script(data)
    if isinstance(data, Mapping):
        return feed_arrays({name: _to_array(values, specs.get(name)) for name, values in data.items()}, specs)
    if data and all(isinstance(row, Mapping) for row in data):
        return feed_records(data, specs)
    if len(specs) > 1:
        return RefusedRequest(f"the model takes {', '.join(specs)}: send arrays by these names, or rows that have them")
    (spec,) = specs.values()
    return feed_arrays({"": _to_array(data, spec)}, specs)


def _feed_script(data: Any) -> object:
    if isinstance(data, Mapping):
        return {name: np.asarray(values) for name, values in data.items()}
    return data if any(isinstance(row, Mapping) for row in data) else np.asarray(data)


def _to_array(values: object, spec: Spec | None) -> object:
    """Return nested lists as an array. Raises ValueError if rows differ in length."""
    found = np.asarray(values)
    if spec is not None and spec.dtype != "str":
        found = cast(found, spec.dtype)
    if not found.ndim:
        raise ValueError("expected rows, not a single value")
    return found


def _to_plain(value: object) -> object:
    """Return a result as JSON: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(name): _to_plain(own) for name, own in value.items()}
    if isinstance(value, list | tuple) and any(isinstance(one, Mapping | list | tuple) for one in value):
        return [_to_plain(one) for one in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    found = to_storable(value)
    found = np.char.decode(found, "utf-8", "replace") if found.dtype.kind == "S" else found
    return _replace_nonfinite(found.tolist()) if found.dtype.kind == "f" else found.tolist()


def _replace_nonfinite(value: Any) -> object:
    if isinstance(value, list):
        return [_replace_nonfinite(one) for one in value]
    return value if math.isfinite(value) else None


def _encode_json(value: object) -> bytes:
    return json.dumps(value).encode()


def refuse(status: int, text: str) -> Spoken:
    """Return the response to a refused request: Azure ML's ErrorResponse."""
    return status, _encode_json({"status_code": status, "message": text})


def _summarize_error(err: BaseException) -> str:
    return next((line.strip() for line in str(err).splitlines() if line.strip()), type(err).__name__)[:300]


def build_schema(name: str, specs: Mapping[str, Spec] | None) -> JsonObject:
    """Return the OpenAPI 2.0 description, as Azure ML's services have it (Azure ML's documentation, "Generate a Swagger schema"
    in "How to deploy and where", 2019): the paths, operations and definitions have the same names."""
    failed = _build_response("what was wrong", "ErrorResponse")
    health = {
        "operationId": "ServiceHealthCheck",
        "responses": {
            "200": {"description": "it serves", "schema": {"type": "string"}, "examples": {JSON: HEALTHY}},
            "default": failed,
        },
    }
    score = {
        "operationId": "RunMLService",
        "security": [{"Bearer": []}],
        "parameters": [{"name": "serviceInputPayload", "in": "body", "required": True, **_build_reference("ServiceInput")}],
        "responses": {"200": _build_response("the scores", "ServiceOutput"), "default": failed},
    }
    return {
        "swagger": "2.0",
        "info": {"title": name, "description": f"{name}, served by slurmtf", "version": "1.0"},
        "schemes": ["http"],
        "consumes": [JSON],
        "produces": [JSON],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
        "paths": {"/": {"get": health}, "/score": {"post": score}},
        "definitions": {
            "ServiceInput": {
                "type": "object",
                "required": ["data"],
                "properties": {"data": _build_data_schema(specs)},
                **_build_example(specs),
            },
            "ServiceOutput": {"type": "object"},
            "ErrorResponse": {
                "type": "object",
                "properties": {"status_code": {"type": "integer", "format": "int32"}, "message": {"type": "string"}},
            },
        },
    }


def _build_reference(name: str) -> dict[str, object]:
    return {"schema": {"$ref": f"#/definitions/{name}"}}


def _build_response(text: str, name: str) -> dict[str, object]:
    return {"description": text, **_build_reference(name)}


def _build_example(specs: Mapping[str, Spec] | None) -> dict[str, object]:
    """Return a request with one row, if the model's inputs are known."""
    if specs is None:
        return {}
    rows = {name: _to_plain(np.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)) for name, spec in specs.items()}
    return {"example": {"data": next(iter(rows.values())) if len(rows) == 1 else rows}}


def _build_data_schema(specs: Mapping[str, Spec] | None) -> dict[str, object]:
    if specs is None:
        return {"description": "what run(data) takes: rows, or arrays by name"}
    if len(specs) == 1:
        return _build_rows_schema(next(iter(specs.values())))
    return {
        "type": "object",
        "required": list(specs),
        "properties": {name: _build_rows_schema(spec) for name, spec in specs.items()},
    }


def _build_rows_schema(spec: Spec) -> dict[str, object]:
    found: dict[str, object] = {"type": "string" if spec.dtype == "str" else TYPES.get(np.dtype(spec.dtype).kind, "number")}
    for size in reversed(spec.shape[1:]):
        found = {"type": "array", "items": found, **({} if size is None else {"minItems": size, "maxItems": size})}
    return {"type": "array", "items": found}
