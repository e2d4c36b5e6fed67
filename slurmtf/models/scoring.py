"""Scoring many files with a model: shards by a job array or here, each written whole or not at all, merged in order."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurmtf.environments.building import Tell
from slurmtf.environments.store import store_of
from slurmtf.environments.tools import SCORING
from slurmtf.errors import InputError, SlurmtfError
from slurmtf.files import load_json, make_private, read_json, write_json, write_private, writing
from slurmtf.findings import Finding
from slurmtf.models.needs import Needs
from slurmtf.models.registry import Model
from slurmtf.models.sources import source_at, tool_for
from slurmtf.runs.workspace import workspace_of
from slurmtf.sites import resolve_target
from slurmtf.submit.tools import LOG, Toolbox

TELL_S = 5.0
PLAN, RESULT = "plan.json", "scores.npz"
ANYTHING = Needs()
LAST_LINES = 3
ANOTHER_FOLDER = "another folder for the scores (--output)"


class ScoringFailedError(SlurmtfError):
    """Shards failed. Those that are done stay: the same command again scores the others."""


@dataclass(frozen=True)
class Scorer:
    """What scores: a model's file, how it is run, and in which tool environment."""

    path: Path
    engine: str
    kind: str
    environment: str
    weights: Path | None = None
    name: str = ""


def score(
    model: str | Path | Model,
    inputs: Sequence[str],
    *,
    output: str | Path | None = None,
    shards: int = 1,
    script: str | Path | None = None,
    batch: int | None = None,
    rejects: bool = False,
    environment: str | None = None,
    site: str | None = None,
    workspace: str | Path | None = None,
    cpus: int | None = None,
    memory: str | None = None,
    time_limit: str | None = None,
    partition: str | None = None,
    account: str | None = None,
    gpu: bool = False,
    packages: Sequence[str] = (),
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Score the rows of files with a model and return the folder of the scores, and figures.

    ``inputs`` are files or patterns; the order of the rows is that of the files' paths. ``script`` has Azure ML's ``init()``
    and ``run(data)``. ``batch``: how many rows are scored at a time, left out: by the size of a row. ``rejects``: a row that
    can't be scored goes to ``rejects.jsonl``; else it ends its shard. With the same ``output`` again, shards that are done are
    not done again. ``gpu``: each shard by a GPU; ``packages``: pip packages that the script needs.

    Raises ScoringFailedError when a shard failed; InputError when there is nothing to score, or the folder holds other scores.
    """
    needs = Needs(cpus, memory, time_limit, partition, account, gpu, tuple(packages))
    scorer = scorer_of(model, environment, workspace, needs)
    files = files_of(inputs)
    tell = tell or _silent
    found = resolve_target(site)
    toolbox = Toolbox(found, store_of(found, workspace_of(found.storage.workspace, workspace)), tell)
    folder = _carried(Path(output or f"scores-{re.sub('[^A-Za-z0-9._-]', '-', scorer.name)}").resolve())
    python = toolbox.python(scorer.environment, more=needs.packages)
    with writing(folder, ANOTHER_FOLDER):
        make_private(folder / "shards")
        plan = _plan(scorer, files, folder, script, batch, rejects) | {"gpu": gpu, "packages": sorted(packages)}
        counted = _counted(toolbox, python, plan, folder, shards)
        began = time.monotonic()
        todo = [shard for shard in range(counted["shards"]) if not _done(folder, shard)]
        if todo:
            tell(f"{len(todo)} of {counted['shards']} shards to score, {sum(counted['counts'])} rows in {len(files)} files")
            write_json_list(folder / "todo.json", todo)
            words = ["score", str(folder / PLAN), str(folder / "todo.json")]
            tick = _Progress(folder, counted, tell)
            toolbox.run_each(python, words, folder, "score", len(todo), needs.flags(found), tick)
        _check_done(folder, counted)
        toolbox.run(python, ["merge", str(folder / PLAN)], folder, "score")
    return _summary(folder, counted, time.monotonic() - began)


def scorer_of(
    model: str | Path | Model, environment: str | None, workspace: str | Path | None, needs: Needs = ANYTHING
) -> Scorer:
    """Return what scores: of a registered model its ONNX file where there is one; a path as it is.

    Raises ModelChangedError when a registered file is not what it was, InputError when there is no such model.
    """
    if isinstance(model, str) and not Path(model).exists():
        model = Model.find(model, workspace=workspace)
    if isinstance(model, Model):
        model.check()
        name, path = f"{model.name}-{model.version}", model.onnx or model.path
    else:
        path = Path(model).resolve()
        name = path.stem
    if path.suffix == ".onnx":
        return Scorer(path, "onnx", "onnx", needs.environment("onnx", environment or SCORING), name=name)
    source = source_at(path)
    if source is None or source.kind == "checkpoint":
        what, remedy = "can't be run for scores", "export it first: slurmtf export"
        raise InputError(Finding("no-scorer", str(path), what, remedy))
    chosen = needs.environment("tensorflow", environment or tool_for(source, {}))
    return Scorer(path, "tensorflow", source.kind, chosen, source.weights, name)


def files_of(inputs: Sequence[str]) -> list[Path]:
    """Return the files that paths and patterns mean, each once, by path. Raises InputError when one means none."""
    found: dict[Path, None] = {}
    for pattern in inputs:
        path = Path(pattern).expanduser()
        found_here = glob.glob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns too, which Path.glob refuses
        matches = sorted(path.iterdir()) if path.is_dir() else sorted(map(Path, found_here))
        files = [one.resolve() for one in matches if one.is_file() and not one.name.startswith(".")]
        if not files:
            raise InputError(
                Finding("no-input", "input", f"{pattern!r} means no file", "pass a file, a folder or a pattern in quotes")
            )
        found.update(dict.fromkeys(files))
    return list(found)


def _carried(folder: Path) -> Path:
    """Return a folder whose path Slurm can carry. Raises InputError for one with '%' or a backslash."""
    if re.search(r"[%\\]", str(folder)):
        what = "holds '%' or a backslash, which Slurm's file names can't carry"
        raise InputError(Finding("bad-output", "output", f"{folder} {what}", "pass another folder with --output"))
    return folder


def _plan(
    scorer: Scorer, files: Sequence[Path], folder: Path, script: str | Path | None, batch: int | None, rejects: bool
) -> dict[str, Any]:
    """Return what decides the scores; how many shards there are does not."""
    own = None
    if script is not None:
        if not Path(script).is_file():
            raise InputError(
                Finding("no-script", "script", f"{script} does not exist", "pass a file with init() and run(data)")
            )
        own = str(folder / "score.py")
    return {
        "model": str(scorer.path),
        "engine": scorer.engine,
        "kind": scorer.kind,
        "weights": str(scorer.weights) if scorer.weights else None,
        "files": [str(file) for file in files],
        "sizes": [file.stat().st_size for file in files],
        "script": own,
        "script_sha256": hashlib.sha256(Path(script).read_bytes()).hexdigest() if script is not None else None,
        "script_source": str(Path(script).resolve()) if script is not None else None,
        "asked_batch": batch,
        "rejects": rejects,
        "folder": str(folder),
    }


def _counted(toolbox: Toolbox, python: str, plan: Mapping[str, Any], folder: Path, shards: int) -> dict[str, Any]:
    """Return the plan with the rows of each file and the number of shards: the one that is there, or a new one.

    Raises InputError when another plan is there, or a file can't be read.
    """
    known = read_json(folder / PLAN)
    if known:
        differing = [name for name, value in plan.items() if known.get(name) != value]
        if differing:
            what = f"{folder} holds scores with other settings: {', '.join(differing)}"
            raise InputError(Finding("other-scores", "output", what, "pass another folder with --output, or remove that one"))
        return known
    if plan["script_source"]:
        write_private(folder / "score.py", Path(plan["script_source"]).read_bytes())
    asked = folder / "count.json"
    write_json(asked, dict(plan))
    toolbox.run(python, ["count", str(asked)], folder, "score")
    answer = read_json(f"{asked}.counts")
    if not answer:
        what = "the rows could not be counted"
        raise SlurmtfError(Finding("scoring-failed", str(folder), what, f"the log: {folder / 'tool.log'}"))
    if answer["unreadable"]:
        raise InputError(*(Finding("unreadable-input", file, why) for file, why in answer["unreadable"].items()))
    batches = -(-sum(answer["counts"]) // answer["batch"])
    known = {name: answer[name] for name in ("counts", "row_bytes", "batch")}
    counted = {**plan, **known, "shards": max(1, min(shards, batches))}
    write_json(folder / PLAN, counted)
    return counted


def write_json_list(path: Path, values: Sequence[int]) -> None:
    write_private(path, json.dumps(values) + "\n")


def _done(folder: Path, shard: int) -> bool:
    return (folder / "shards" / f"{shard:05d}.json").is_file()


def _check_done(folder: Path, plan: Mapping[str, Any]) -> None:
    """Raise ScoringFailedError unless every shard is done."""
    missing = [shard for shard in range(plan["shards"]) if not _done(folder, shard)]
    if missing:
        again = f"{plan['shards'] - len(missing)} of {plan['shards']} shards are done; the same command again scores the others"
        raise ScoringFailedError(*(_failure(folder, shard, again) for shard in missing))


def _failure(folder: Path, shard: int, again: str) -> Finding:
    facts = read_json(folder / "shards" / f"{shard:05d}.failed")
    if not facts:
        what = "ended before it was done" + _last_words(folder)
        return Finding("shard-failed", f"shard {shard}", what, f"the logs are in {folder}; {again}")
    if facts["row"] < 0:
        return Finding("shard-failed", f"shard {shard}", facts["why"], again)
    where = f"{facts['file']}, row {facts['row']}"
    return Finding("bad-row", where, facts["why"], f"correct it, or pass --rejects to go on without such rows; {again}")


def _last_words(folder: Path) -> str:
    """Return the end of the log that was written last."""
    logs = sorted([*folder.glob("shard-*.log"), *folder.glob(LOG)], key=lambda path: path.stat().st_mtime)
    lines = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:] if logs else []
    return "; the last log ends with: " + " | ".join(lines) if lines else ""


def _summary(folder: Path, plan: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    if not (folder / RESULT).is_file():
        raise SlurmtfError(
            Finding("scoring-failed", str(folder), "the shards could not be merged", f"see {folder / 'tool.log'}")
        )
    of_shards = [load_json(folder / "shards" / f"{shard:05d}.json") for shard in range(plan["shards"])]
    rows = sum(one["rows"] for one in of_shards)
    worked = sum(one["seconds"] for one in of_shards)
    bad = [reject for one in of_shards for reject in one["rejects"]]
    if rows and len(bad) == rows:
        raise ScoringFailedError(Finding("all-rejected", bad[0]["file"], f"no row could be scored: {bad[0]['why']}"))
    return {
        "folder": str(folder),
        "scores": str(folder / RESULT),
        "rows": rows,
        "rejected": len(bad),
        "shards": plan["shards"],
        "seconds": round(seconds, 1),
        "rows_per_second_of_a_shard": round(rows / worked) if worked else None,
    }


class _Progress:
    """Tells how far it has come, every few seconds."""

    def __init__(self, folder: Path, plan: Mapping[str, Any], tell: Tell) -> None:
        self._folder, self._shards, self._total, self._tell = folder, plan["shards"], sum(plan["counts"]), tell
        self._began = self._told = time.monotonic()
        self._rows = progress(folder, self._shards)[1]

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._told < TELL_S:
            return
        self._told = now
        done, rows = progress(self._folder, self._shards)
        rate = (rows - self._rows) / (now - self._began)
        self._tell(f"{done} of {self._shards} shards, {rows} of {self._total} rows, {rate:.0f} rows a second ...")


def progress(folder: Path, shards: int) -> tuple[int, int]:
    """Return how many shards are done, and how many rows, those of shards under way too."""
    known = [_known(folder / "shards" / f"{shard:05d}") for shard in range(shards)]
    return sum(done for done, _ in known), sum(rows for _, rows in known)


def _known(place: Path) -> tuple[bool, int]:
    for end in (".json", ".at"):
        try:
            return end == ".json", int(load_json(place.with_suffix(end))["rows"])
        except (OSError, ValueError, LookupError):
            continue
    return False, 0


def _silent(text: str) -> None:  # noqa: ARG001
    return
