"""Requests and answers of a served model, and the scoring process: its end does not end the service."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from slurmtf.models.tool.answering import answer, build_schema  # noqa: E402
from slurmtf.models.tool.batches import Scorer  # noqa: E402
from slurmtf.models.tool.drawing import Spec  # noqa: E402
from slurmtf.models.tool.scorers import ScriptError, load_scorer  # noqa: E402
from slurmtf.models.tool.serving import Service, StartError, Worker  # noqa: E402

ONE = {"x": Spec((None, 2), "float32")}
TWO = {"left": Spec((None, 1), "float32"), "word": Spec((None,), "str")}


def sums(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if (inputs["x"] < 0).any():
        raise ArithmeticError("negative\nand more")
    with np.errstate(divide="ignore"):
        return {"sum": inputs["x"].sum(axis=1), "inverse": 1 / inputs["x"][:, :1]}


def texts(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "text": np.array([f"{word}{left[0]:g}".encode() for left, word in zip(inputs["left"], inputs["word"], strict=True)])
    }


def asked(scorer: Scorer, body: str | bytes) -> tuple[int, Any]:
    status, found = answer(scorer, body.encode() if isinstance(body, str) else body)
    return status, json.loads(found)


@pytest.mark.parametrize("data", ["[[1, 2], [4, 4]]", '{"x": [[1, 2], [4, 4]]}', '[{"a": 1, "b": 2}, {"a": 4, "b": 4}]'])
def test_rows_arrays_and_records_are_scored(data: str) -> None:
    assert asked(Scorer(sums, ONE), f'{{"data": {data}}}') == (200, {"sum": [3.0, 8.0], "inverse": [[1.0], [0.25]]})


def test_values_that_are_no_numbers_become_null() -> None:
    assert asked(Scorer(sums, ONE), '{"data": [[0, 1]]}') == (200, {"sum": [1.0], "inverse": [[None]]})


@pytest.mark.parametrize(
    "data", ['{"left": [[1], [2]], "word": ["a", "ü"]}', '[{"left": 1, "word": "a"}, {"left": 2, "word": "ü"}]']
)
def test_several_inputs_are_given_by_name(data: str) -> None:
    assert asked(Scorer(texts, TWO), f'{{"data": {data}}}') == (200, {"text": ["a1", "ü2"]})


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ("{", 400, "can't be read"),
        (b"\xff\xfe", 400, "can't be read"),
        ("[" * 100_000, 400, "can't be read"),
        ("[[1, 2]]", 400, "the body must be"),
        ('{"rows": []}', 400, "the body must be"),
        ('{"data": [[1, 2, 3]]}', 400, "x has the shape (3,), and the model takes (2)"),
        ('{"data": [[1], [1, 2]]}', 400, "can't be read"),
        ('{"data": [["one", 2]]}', 400, "one"),
        ('{"data": 7}', 400, "the body must be"),
        ('{"data": {"x": 7}}', 400, "single value"),
        ('{"data": [[-1, 2]]}', 500, "ArithmeticError: negative"),
    ],
)  # fmt: skip
def test_a_bad_request_gets_the_reason(body: str | bytes, status: int, why: str) -> None:
    found, reply = asked(Scorer(sums, ONE), body)
    assert (found, why in reply["message"]) == (status, True), reply
    assert "\n" not in reply["message"]


def test_rows_without_names_are_refused_if_names_are_needed() -> None:
    status, reply = asked(Scorer(texts, TWO), '{"data": [[1, "a"]]}')
    assert (status, "left, word" in reply["message"]) == (400, True)


AZURE = """
import json, numpy
def init(): pass
def run(raw_data):
    data = numpy.array(json.loads(raw_data)["data"])
    return json.dumps(data.sum(axis=1).tolist())
"""


def script(folder: Path, text: str) -> Scorer:
    (folder / "score.py").write_text(text)
    return load_scorer({"script": str(folder / "score.py"), "model": "m.onnx", "hashes": {}})


def test_a_script_gets_an_array_or_the_text_as_in_azure_ml(tmp_path: Path) -> None:
    own = script(tmp_path, "def init(): pass\ndef run(data): return [{'n': int(row.sum())} for row in data]")
    assert asked(own, '{"data": [[1, 2], [3, 4]]}') == (200, {"score": [{"n": 3}, {"n": 7}]})
    of_text = script(tmp_path, AZURE)
    assert asked(of_text, '{"data": [[1, 2], [3, 4]], "more": 1}') == (200, [3, 7])
    assert of_text.call(np.array([[1, 2], [3, 4]])) == {"score": [3, 7]}  # in a batch


def test_the_schema_describes_the_input() -> None:
    found = build_schema("digits-1", {"image": Spec((None, 8, None), "float32")})
    data = found["definitions"]["ServiceInput"]["properties"]["data"]
    row = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}, "minItems": 8, "maxItems": 8}
    assert data == {"type": "array", "items": row}
    both = build_schema("m", TWO)["definitions"]["ServiceInput"]["properties"]["data"]
    assert (both["required"], both["properties"]["word"]) == (["left", "word"], {"type": "array", "items": {"type": "string"}})
    assert found["paths"]["/score"]["post"]["security"] == [{"Bearer": []}]


def test_the_schema_has_azure_mls_names() -> None:
    found = build_schema("m", ONE)
    assert {path: {verb: own["operationId"] for verb, own in of.items()} for path, of in found["paths"].items()} == {
        "/": {"get": "ServiceHealthCheck"},
        "/score": {"post": "RunMLService"},
    }
    assert found["definitions"].keys() == {"ServiceInput", "ServiceOutput", "ErrorResponse"}
    assert found["definitions"]["ErrorResponse"]["properties"].keys() == {"status_code", "message"}
    (payload,) = found["paths"]["/score"]["post"]["parameters"]
    assert (payload["name"], payload["schema"]) == ("serviceInputPayload", {"$ref": "#/definitions/ServiceInput"})
    (status, reply) = asked(Scorer(sums, ONE), "{}")
    assert reply["status_code"] == status == 400


@pytest.mark.parametrize(("call", "specs"), [(sums, ONE), (texts, TWO)])
def test_the_example_in_the_schema_is_accepted(call: Any, specs: dict[str, Spec]) -> None:
    example = build_schema("m", specs)["definitions"]["ServiceInput"]["example"]
    assert asked(Scorer(call, specs), json.dumps(example))[0] == 200


def requested(method: str, path: str, token: str | None = "secret", body: bytes = b"") -> tuple[str, Any, dict[str, str]]:
    """Return the answer of the application."""
    response: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body)}
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    service = Service(lambda asked: (200, asked + b"!"), b'{"swagger": "2.0"}', "secret")
    (found,) = service(environ, lambda status, headers: response.extend((status, dict(headers))))
    return response[0], found, response[1]


@pytest.mark.parametrize(
    ("method", "path", "token", "expected"),
    [
        ("GET", "/", None, "200 OK"),
        ("GET", "/swagger.json", "secret", "200 OK"),
        ("POST", "/score", "secret", "200 OK"),
        ("POST", "/score", None, "401 Unauthorized"),
        ("POST", "/score", "Secret", "401 Unauthorized"),
        ("POST", "/score", "sécret", "401 Unauthorized"),
        ("GET", "/swagger.json", "", "401 Unauthorized"),
        ("GET", "/nothing", None, "401 Unauthorized"),
        ("GET", "/nothing", "secret", "404 Not Found"),
        ("GET", "/score", "secret", "405 Method Not Allowed"),
        ("DELETE", "/", None, "405 Method Not Allowed"),
    ],
)
def test_each_path_requires_its_method_and_token(method: str, path: str, token: str | None, expected: str) -> None:
    status, body, headers = requested(method, path, token, b"data")
    assert status == expected
    assert headers["Content-Length"] == str(len(body))
    assert (body == b"data!") == (method == "POST" and status == "200 OK")


ECHO = """
import os, struct, sys, time
head = struct.Struct("<HI")
def say(status, body):
    sys.stdout.buffer.write(head.pack(status, len(body)) + body)
    sys.stdout.buffer.flush()
if os.path.exists(sys.argv[1]):
    sys.stdin.buffer.read(head.size)  # until it is ended
say(200, str(os.getpid()).encode())
while given := sys.stdin.buffer.read(head.size):
    body = sys.stdin.buffer.read(head.unpack(given)[1])
    if body == b"end":
        os._exit(7)
    if body == b"sleep":
        time.sleep(60)
    say(200, str(os.getpid()).encode())
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker that is not ready as long as the file ``hang`` exists."""
    found = Worker([sys.executable, "-c", ECHO, str(tmp_path / "hang")], 3, 60)
    yield found
    found.end()


@pytest.mark.parametrize(("body", "status", "why"), [(b"end", 500, b"exit code 7"), (b"sleep", 504, b"more than 3 s")])
def test_a_process_ended_by_a_request_is_restarted(worker: Worker, body: bytes, status: int, why: bytes) -> None:
    pid = worker.start()
    assert worker.ask(b"x") == (200, pid)
    found, reply = worker.ask(body)
    assert (found, why in reply) == (status, True), reply
    again, other = until_ready(worker)
    assert (again, other != pid) == (200, True)


def until_ready(worker: Worker) -> tuple[int, bytes]:
    """Return the answer once the worker is ready: on a slow machine a start takes longer than a request."""
    while b"try again" in (found := worker.ask(b"x"))[1]:
        pass
    return found


@pytest.mark.parametrize(("start_limit", "why"), [(60.0, b"try again"), (0.5, b"--start-seconds")])
def test_a_hanging_start_delays_no_request_and_is_ended(start_limit: float, why: bytes, worker: Worker, tmp_path: Path) -> None:
    worker.start()
    (tmp_path / "hang").touch()
    assert worker.ask(b"end")[0] == 500
    worker._limit, worker._start_limit = 1.0, start_limit
    status, reply = worker.ask(b"x")
    assert (status, why in reply) == (503, True), reply
    (tmp_path / "hang").unlink()
    worker.end()
    worker._limit, worker._start_limit = 60.0, 60.0
    assert worker.ask(b"x")[0] == 200


def test_the_first_start_has_the_same_limit(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    worker._start_limit = 0.5
    with pytest.raises(StartError, match=r"0\.5 s.*--start-seconds"):
        worker.start()


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("import nothing_of_that_name", "mine.py:1", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def run(data): pass", "mine.py", "has no function init()"),
        ("def init(): pass\nrun = 7", "mine.py", "has no function run(data)"),
        ("def init(): pass\ndef run(): pass", "mine.py", "run() can't be called as run(data)"),
        ("def run(data): pass\ndef init():\n    {}['x']", "mine.py:3", "KeyError: 'x'"),
        ("def run(data): pass\ndef init():\n    raise SystemExit('no model')", "mine.py:3", "SystemExit: no model"),
        ("def run(data):\n  pass pass", "mine.py:2", "SyntaxError"),
    ],
)
def test_an_unusable_script_is_reported_with_its_line(text: str, where: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(text)
    plan = {"script": str(tmp_path / "score.py"), "script_source": "mine.py", "model": "m.onnx", "hashes": {}}
    with pytest.raises(ScriptError) as caught:
        load_scorer(plan)
    assert (caught.value.where, caught.value.why.startswith(why)) == (where, True), caught.value


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit('no model')", "the log says why"),
        ("import os, struct; os.write(1, struct.pack('<HI', 503, 4) + b'mine')", "mine"),
    ],
)
def test_an_unloadable_model_is_reported(program: str, why: str) -> None:
    broken = Worker([sys.executable, "-c", program], 60, 60)
    with pytest.raises(StartError, match=why):
        broken.start()
    status, reply = broken.ask(b"x")
    assert (status, why.encode() in reply) == (503, True)
