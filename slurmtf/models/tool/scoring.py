"""Score many files, shard by shard, each written whole or not at all."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from .batches import (
    Scorer,
    choose_batch_size,
    choose_block_size,
    compute_batch_range,
    estimate_size,
    iterate_pieces,
    read_blocks,
    score_block,
)
from .drawing import Spec
from .files import write_json, write_whole
from .interchange import JsonObject, JsonView
from .readers import UNREADABLE, get_format
from .results import Results, concatenate
from .scorers import ScriptError, infer_failure_kind, load_scorer

TELL_S = 2.0


class RowError(Exception):
    """A row can't be scored, and rejects are not allowed."""

    def __init__(self, file: str, row: int, why: str) -> None:
        self.file, self.row, self.why = file, row, why
        super().__init__(f"{file}, row {row}: {why}")


class BatchError(Exception):
    """The model can't score batches as they are cut."""


def count(path: str) -> int:
    """Record how many rows each file has, and how large a row is; an unreadable file is named.

    Returns the exit code.
    """
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    counts, unreadable = [], {}
    for file in plan["files"]:
        try:
            counts.append(get_format(file).count(file))
        except UNREADABLE as err:
            unreadable[file] = str(err)
    own = {} if unreadable else _compute_sizes(plan, counts, unreadable)
    write_json(f"{path}.counts", {"counts": counts, "unreadable": unreadable, **own})
    return 1 if unreadable else 0


def _compute_sizes(plan: JsonView, counts: Sequence[int], unreadable: dict[str, str]) -> dict[str, int]:
    """Return the size of a row and the rows of a batch; a file whose first row can't be read is added to ``unreadable``."""
    first = next((file for file, rows in zip(plan["files"], counts, strict=True) if rows), None)
    try:
        row_bytes = estimate_size(get_format(first).rows(first, 0)(1)) if first else 0
    except (*UNREADABLE, MemoryError) as err:
        unreadable[str(first)] = str(err) or "a row takes more memory than there is"
        return {}
    return {"row_bytes": row_bytes, "batch": plan["asked_batch"] or choose_batch_size(row_bytes, sum(counts))}


def score(path: str, given: Sequence[str]) -> int:
    """Score shards: those named in the file ``given[0]``, or of them what the other words say. Returns the exit code.

    ``array [FIRST]``: the one of this element of a job array, FIRST being the number of the job's first element, where the
    array was submitted in slices. ``part NUMBER PROCESSES CPUS``: every PROCESSES-th one, with so many CPUs.
    """
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    shards: list[int] = json.loads(Path(given[0]).read_text(encoding="utf-8"))
    how, *numbers = given[1:] or ("all",)
    cpus = len(os.sched_getaffinity(0))
    if how == "array":
        shards = [shards[int(numbers[0] if numbers else 0) + int(os.environ["SLURM_ARRAY_TASK_ID"])]]
    elif how == "part":
        number, processes, cpus = map(int, numbers)
        shards = shards[number::processes]
    return _score_all({**plan, "cpus": cpus}, [shard for shard in shards if not _get_shard_path(plan, shard, ".json").exists()])


def _score_all(plan: JsonView, shards: Sequence[int]) -> int:
    for shard in shards:
        _get_shard_path(plan, shard, ".failed").unlink(missing_ok=True)
    try:
        scorer = load_scorer(plan)
        check_batch(scorer.specs, plan["batch"])
    except (Exception, SystemExit) as err:  # of the user's script, of the runtime
        for shard in shards:
            _note_failure(plan, shard, err)
        return 1
    return max([_score(plan, shard, scorer) for shard in shards], default=0)


def check_batch(specs: Mapping[str, Spec] | None, batch: int) -> None:
    """Raise BatchError if a model takes no rows, or a fixed number of rows other than ``batch``."""
    if specs is not None and not specs:
        raise BatchError("the model has no inputs: there is nothing to score")
    fixed = {spec.shape[0] for spec in (specs or {}).values() if spec.is_fixed and spec.shape}
    if fixed and fixed != {batch}:
        sizes = ", ".join(map(str, sorted(fixed, key=str)))
        raise BatchError(f"the model takes {sizes} rows at a time, not {batch}: pass --batch {sizes}, and another --output")


def _get_shard_path(plan: JsonView, shard: int, end: str) -> Path:
    return Path(plan["folder"], "shards", f"{shard:05d}{end}")


def _score(plan: Mapping[str, object], shard: int, scorer: Scorer) -> int:
    try:
        _write_shard(plan, shard, scorer, _get_shard_path(plan, shard, ""))
    except RowError as err:
        write_json(_get_shard_path(plan, shard, ".failed"), {"file": err.file, "row": err.row, "why": err.why})
        print(f"shard {shard}: {err}", flush=True)
        return 1
    except Exception as err:  # the user's script's, the runtime's or the disk's
        _note_failure(plan, shard, err)
        return 1
    return 0


def _note_failure(plan: Mapping[str, object], shard: int, err: BaseException) -> None:
    traceback.print_exception(err)
    why, script = (err.why, err.where) if isinstance(err, ScriptError) else (f"{type(err).__name__}: {err}", "")
    write_json(
        _get_shard_path(plan, shard, ".failed"),
        {"file": "", "row": -1, "why": why, "kind": infer_failure_kind(err), "script": script},
    )


class _Progress:
    """The progress of a shard, written to a file every few seconds."""

    def __init__(self, path: Path) -> None:
        self._path, self._began, self._told, self.rows = path, time.monotonic(), 0.0, 0
        self._cpu = time.process_time()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads."""
        return time.process_time() - self._cpu

    def __call__(self, rows: int) -> None:
        self.rows += rows
        if time.monotonic() - self._told > TELL_S:
            self._told = time.monotonic()
            write_json(self._path, {"rows": self.rows, "seconds": self.seconds}, lasting=False)


def _write_shard(plan: JsonView, shard: int, scorer: Scorer, place: Path) -> None:
    total, batch, progress = sum(plan["counts"]), plan["batch"], _Progress(place.with_suffix(".at"))
    own = compute_batch_range(shard, plan["shards"], total, batch)
    mine = list(iterate_pieces(plan["counts"], plan["files"], own.start * batch, min(total, own.stop * batch)))
    results, rejects = Results(place.with_suffix(".npz")), list[JsonObject]()
    for parts in read_blocks(mine, choose_block_size(plan["row_bytes"], batch)):
        good, bad = score_block(parts, scorer, batch, progress)
        if bad and not plan["rejects"]:
            raise RowError(bad[0]["file"], bad[0]["row"], bad[0]["why"])
        for scores in good:
            results.add(scores)
        rejects += bad
    results.finish()
    seconds = progress.seconds
    facts = {"rows": progress.rows, "seconds": seconds, "cpu_seconds": progress.cpu_seconds, "rejects": rejects}
    write_json(place.with_suffix(".json"), facts)
    place.with_suffix(".at").unlink(missing_ok=True)
    rate = progress.rows / max(seconds, 1e-9)
    print(f"shard {shard}: {progress.rows} rows in {seconds:.1f} s, {rate:.0f} a second", flush=True)


def merge(path: str) -> int:
    """Write the scores of all shards into one file, in the order of their rows, and the rejects. Returns the exit code."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(plan["folder"])
    places = [folder / "shards" / f"{shard:05d}" for shard in range(plan["shards"])]
    results = (json.loads(place.with_suffix(".json").read_text(encoding="utf-8")) for place in places)
    lines = [json.dumps(one) + "\n" for facts in results for one in facts["rejects"]]
    write_whole(folder / "rejects.jsonl", "".join(lines).encode())
    concatenate([place.with_suffix(".npz") for place in places], folder / "scores.npz")
    return 0
