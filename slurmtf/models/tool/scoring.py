"""Scoring many files: rows in the order of the files, in batches that are the same for any number of shards."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .checking import TYPES
from .drawing import Spec
from .feeding import joined, of_arrays, of_record
from .files import write_json, write_whole
from .readers import BadRow, UnreadableError, format_of

TELL_S = 2.0


class RowError(Exception):
    """A row can't be scored, and rejects are not wanted."""

    def __init__(self, file: str, row: int, why: str) -> None:
        self.file, self.row, self.why = file, row, why
        super().__init__(f"{file}, row {row}: {why}")


class Piece(NamedTuple):
    """Rows of one file, and the number of the first among all rows."""

    file: str
    start: int
    stop: int
    number: int


class Scorer(NamedTuple):
    """What scores a batch. ``specs``: what it takes; None: a script takes what was read."""

    call: Callable[[Any], Mapping[str, Any]]
    specs: Mapping[str, Spec] | None


def pieces(counts: Sequence[int], files: Sequence[str], first: int, last: int) -> Iterator[Piece]:
    """Yield where the rows from ``first`` to ``last`` (without it) lie, of all rows in the order of the files."""
    begin = 0
    for file, count in zip(files, counts, strict=True):
        start, stop = max(first, begin), min(last, begin + count)
        if start < stop:
            yield Piece(file, start - begin, stop - begin, start)
        begin += count


def batches_of(shard: int, shards: int, total: int, batch: int) -> range:
    """Return the numbers of the batches of a shard: whole batches, so that none depends on how many shards there are."""
    batches = -(-total // batch)
    return range(shard * batches // shards, (shard + 1) * batches // shards)


def count(path: str) -> int:
    """Write down how many rows each file has; a file that can't be read is named. Returns the exit code."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    counts, unreadable = [], {}
    for file in plan["files"]:
        try:
            counts.append(format_of(file).count(file))
        except (OSError, ValueError, UnreadableError, ImportError) as err:
            unreadable[file] = str(err)
    write_json(f"{path}.counts", {"counts": counts, "unreadable": unreadable})
    return 1 if unreadable else 0


def score(path: str, given: Sequence[str]) -> int:
    """Score shards: those named in the file ``given[0]``, in an array the one of its element. Returns the exit code.

    After ``array`` stands the number of the job's first element, where the array was submitted in slices.
    """
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    shards: list[int] = json.loads(Path(given[0]).read_text(encoding="utf-8"))
    if len(given) > 1:
        first = int(given[2]) if len(given) > 2 else 0
        shards = [shards[first + int(os.environ["SLURM_ARRAY_TASK_ID"])]]
    scorer = scorer_of(plan)
    return max([_scored(plan, shard, scorer) for shard in shards], default=0)


def _scored(plan: Mapping[str, Any], shard: int, scorer: Scorer) -> int:
    place = Path(plan["folder"], "shards", f"{shard:05d}")
    if place.with_suffix(".json").exists():
        return 0
    failed = place.with_suffix(".failed")
    failed.unlink(missing_ok=True)
    try:
        _write_shard(plan, shard, scorer, place)
    except RowError as err:
        write_json(failed, {"file": err.file, "row": err.row, "why": err.why})
        print(f"shard {shard}: {err}", flush=True)
        return 1
    except Exception as err:  # of the user's script, of the runtime
        traceback.print_exc()
        write_json(failed, {"file": "", "row": -1, "why": f"{type(err).__name__}: {err}"})
        return 1
    return 0


def _write_shard(plan: Mapping[str, Any], shard: int, scorer: Scorer, place: Path) -> None:
    began, told, total = time.monotonic(), 0.0, sum(plan["counts"])
    results: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    done = 0
    for batch in batches_of(shard, plan["shards"], total, plan["batch"]):
        rows = list(pieces(plan["counts"], plan["files"], batch * plan["batch"], min(total, (batch + 1) * plan["batch"])))
        result, bad = _batch(rows, scorer)
        if bad and not plan["rejects"]:
            raise RowError(bad[0]["file"], bad[0]["row"], bad[0]["why"])
        results += [result] if result else []
        rejects += bad
        done += sum(piece.stop - piece.start for piece in rows)
        if time.monotonic() - told > TELL_S:
            told = time.monotonic()
            write_json(place.with_suffix(".at"), {"rows": done, "seconds": told - began})
    buffer = io.BytesIO()
    np.savez(buffer, **(joined(results) if results else {"row": np.zeros(0, np.int64)}))
    write_whole(place.with_suffix(".npz"), buffer.getvalue())
    seconds = time.monotonic() - began
    write_json(place.with_suffix(".json"), {"rows": done, "seconds": seconds, "rejects": rejects})
    place.with_suffix(".at").unlink(missing_ok=True)
    print(f"shard {shard}: {done} rows in {seconds:.1f} s, {done / max(seconds, 1e-9):.0f} a second", flush=True)


def _batch(rows: Sequence[Piece], scorer: Scorer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the scores of a batch with the numbers of their rows, and its bad rows.

    When the whole fails, rows are tried one by one: the bad ones are named, and the others have their scores.
    """
    numbers = np.concatenate([np.arange(piece.number, piece.number + piece.stop - piece.start) for piece in rows])
    read = [(piece, format_of(piece.file).read(piece.file, piece.start, piece.stop)) for piece in rows]
    with contextlib.suppress(Exception):  # of the data, of the runtime, of a script: the rows tell which
        return _answer(scorer, _whole([data for _, data in read], scorer.specs), numbers), []
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for piece, data in read:
        for place in range(piece.stop - piece.start):
            try:
                good.append(_answer(scorer, _whole([_row(data, place)], scorer.specs), np.array([piece.number + place])))
            except Exception as err:  # the same
                why = (str(err).splitlines() or [type(err).__name__])[0][:300]
                bad.append({"file": piece.file, "row": piece.start + place, "why": why})
    return (joined(good) if good else {}), bad


def _row(data: Any, place: int) -> Any:
    """Return one row of what was read, as a batch of one."""
    if isinstance(data, dict):
        return {name: values[place : place + 1] for name, values in data.items()}
    return [data[place]]


def _whole(parts: Sequence[Any], specs: Mapping[str, Spec] | None) -> Any:
    """Return the parts of a batch as one, for the model or for a script."""
    if specs is None:
        if all(isinstance(part, dict) for part in parts):
            arrays = joined(parts)
            return next(iter(arrays.values())) if len(arrays) == 1 else arrays
        records = [record for part in parts for record in part]
        bad = next((record for record in records if isinstance(record, BadRow)), None)
        if bad:
            raise ValueError(bad.why)
        return records
    ready = []
    for part in parts:
        ready += [of_arrays(part, specs)] if isinstance(part, dict) else [of_record(record, specs) for record in part]
    return ready[0] if len(ready) == 1 else joined(ready)


def _answer(scorer: Scorer, data: Any, numbers: Any) -> dict[str, Any]:
    answer = {name: _storable(values) for name, values in scorer.call(data).items()}
    wrong = {name: len(values) for name, values in answer.items() if len(values) != len(numbers)}
    if wrong:
        raise ValueError(f"answers {wrong} for {len(numbers)} rows")
    return {"row": numbers.astype(np.int64), **answer}


def _storable(values: Any) -> Any:
    """Return an array that a file holds without pickle: other objects than texts as JSON."""
    found = np.asarray(values) if not isinstance(values, list) or not _is_mixed(values) else np.array(values, dtype=object)
    if found.dtype.kind != "O":
        return found
    flat = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in found.ravel().tolist()]
    texts = [one if isinstance(one, str) else json.dumps(one, default=lambda other: np.asarray(other).tolist()) for one in flat]
    return np.array(texts, dtype=str).reshape(found.shape)


def _is_mixed(values: Sequence[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


def scorer_of(plan: Mapping[str, Any]) -> Scorer:
    """Return what scores: the user's script, or the model in its runtime."""
    if plan["script"]:
        return _of_script(plan["script"], plan["model"])
    if plan["engine"] == "onnx":
        return _of_onnx(plan["model"])
    from .loading import load  # noqa: PLC0415 - TensorFlow

    served = load(plan, Path(plan["folder"]))
    return Scorer(served.call, served.inputs)


def _of_onnx(path: str) -> Scorer:
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    specs = {
        one.name: Spec(
            tuple(size if isinstance(size, int) else None for size in one.shape),
            TYPES.get(one.type, one.type[len("tensor(") : -1]),
        )
        for one in session.get_inputs()
    }
    names = [one.name for one in session.get_outputs()]
    return Scorer(lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)), specs)


def _of_script(path: str, model: str) -> Scorer:
    """Return a score script: ``init()`` once, ``run(data)`` for each batch; ``$SLURMTF_MODEL`` is the model's path."""
    os.environ["SLURMTF_MODEL"] = model
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.init()

    def call(data: Any) -> Mapping[str, Any]:
        answer = module.run(data)
        return answer if isinstance(answer, Mapping) else {"score": answer}

    return Scorer(call, None)


def merge(path: str) -> int:
    """Write the scores of all shards into one file, in the order of their rows, and the rejects. Returns the exit code."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(plan["folder"])
    parts, rejects = [], []
    for shard in range(plan["shards"]):
        place = folder / "shards" / f"{shard:05d}"
        rejects += json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))["rejects"]
        with np.load(place.with_suffix(".npz"), allow_pickle=False) as held:
            parts.append({name: held[name] for name in held.files})
    scored = [part for part in parts if len(part["row"])]
    buffer = io.BytesIO()
    np.savez(buffer, **(joined(scored) if scored else {"row": np.zeros(0, np.int64)}))
    lines = [json.dumps(one) + "\n" for one in rejects]
    write_whole(folder / "rejects.jsonl", "".join(lines).encode())
    write_whole(folder / "scores.npz", buffer.getvalue())
    return 0
