"""Score many files with a model: in shards, by a job array or on this machine, each written whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.environments.building import Tell
from slurmtf.environments.store import resolve_store
from slurmtf.environments.tools import SCORING
from slurmtf.errors import InputError, SlurmtfError
from slurmtf.files import convert_write_errors, load_json, make_private, read_json, write_json, write_private
from slurmtf.findings import Finding
from slurmtf.job.contract.interchange import JsonObject, JsonView
from slurmtf.models.hashes import compute_sha256
from slurmtf.models.needs import Needs
from slurmtf.models.registry import Model
from slurmtf.models.scripts import check_script
from slurmtf.models.sources import choose_tool_environment, find_source
from slurmtf.runs.workspaces.workspace import resolve_workspace
from slurmtf.sites import resolve_target
from slurmtf.spelling import format_count
from slurmtf.submit.tools import ElementEnd, Toolbox

TELL_S = 5.0
PLAN, RESULT = "plan.json", "scores.npz"
NAMES = {
    **dict.fromkeys(("model", "engine", "kind", "weights"), "the model"),
    "hashes": "what the model's files hold",
    "files": "the input files",
    **dict.fromkeys(("sizes", "written"), "what the input files hold"),
    **dict.fromkeys(("script", "script_sha256", "script_source"), "--script"),
    "asked_batch": "--batch",
    "packages": "--pip",
}
"""What a plan's entries are called in messages; the others have the names of their parameters."""
ANOTHER_FOLDER = "another folder for the scores (--output)"
HINTS = {
    "module": "pass --pip PACKAGE for what the script imports, and another --output; ",
    "model": "pass another --output, or bring the model back; ",
    "space": f"free some space, or use {ANOTHER_FOLDER}; ",
}
"""The remedy for a failed shard, by the kind of failure that it recorded."""
CORRECTED = "correct it, and pass another --output: scores of two scripts are not mixed; "
ANYTHING = Needs()
LAST_LINES = 3
SHOWN = 5


class ScoringFailedError(SlurmtfError):
    """Shards failed. The finished ones are kept: repeating the command scores the others."""


@dataclass(frozen=True)
class Scorer:
    """A model's file, how it is run, and in which tool environment."""

    path: Path
    engine: str
    kind: str
    environment: str
    files: tuple[Path, ...]
    weights: Path | None = None
    name: str = ""

    @property
    def hashes(self) -> dict[str, str]:
        """Return the hash of each file, to be compared when the model is loaded. Raises OSError."""
        return {str(path): compute_sha256(path) for path in self.files}


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
) -> JsonObject:
    """Score the rows of files with a model; return the folder of the scores, and figures.

    ``inputs`` are files or patterns; rows are in the order of the files' paths. ``script`` has Azure ML's ``init()`` and
    ``run(data)``. ``batch``: how many rows are scored at a time, by default depending on the size of a row. ``rejects``: a row
    that can't be scored goes to ``rejects.jsonl``; otherwise its shard fails. If ``output`` exists, finished shards are
    not repeated. ``gpu``: one GPU for each shard; ``packages``: pip packages that the script needs.

    Raises ScoringFailedError if a shard failed; InputError if there is nothing to score, or the folder holds other scores.
    """
    found = resolve_target(site, "site")
    needs = Needs(cpus, memory, time_limit, partition, account, gpu, tuple(packages))
    if script is not None:
        check_script(script)
    scorer = choose_scorer(model, environment, workspace, needs)
    files = find_files(inputs)
    tell = tell or _ignore_step
    toolbox = Toolbox(found, resolve_store(found, resolve_workspace(found.storage.workspace, workspace)), tell)
    folder = _check_folder(Path(output or f"scores-{re.sub('[^A-Za-z0-9._-]', '-', scorer.name)}").resolve())
    python = toolbox.provide_python(scorer.environment, more=needs.packages)
    with convert_write_errors(folder, ANOTHER_FOLDER):
        make_private(folder / "shards")
        plan = _build_plan(scorer, files, folder, script, batch, rejects) | {"gpu": gpu, "packages": sorted(packages)}
        toolbox.wait_for_earlier(folder)
        counted = _count_rows(toolbox, python, plan, folder, shards)
        began = time.monotonic()
        todo = [shard for shard in range(counted["shards"]) if not _is_done(folder, shard)]
        if todo:
            rows = f"{format_count(sum(counted['counts']), 'row')} in {format_count(len(files), 'file')}"
            tell(f"{len(todo)} of {format_count(counted['shards'], 'shard')} to score, {rows}")
            write_json_list(folder / "todo.json", todo)
            _remove_progress(folder, todo)
            words = ["score", str(folder / PLAN), str(folder / "todo.json")]
            tick = _Progress(folder, counted, tell)
            ends = toolbox.run_each(python, words, folder, "score", len(todo), needs.to_flags(found), tick)
            _check_done(folder, counted, dict(zip(todo, ends, strict=True)))
        toolbox.run(python, ["merge", str(folder / PLAN)], folder, "score")
    return _build_summary(folder, counted, time.monotonic() - began)


def choose_scorer(
    model: str | Path | Model, environment: str | None, workspace: str | Path | None, needs: Needs = ANYTHING
) -> Scorer:
    """Return the scorer of a model: of a registered one its ONNX file if it has one; of a path the path itself.

    Raises ModelChangedError if a registered file has changed, InputError if there is no such model.
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
        return Scorer(path, "onnx", "onnx", needs.choose_environment("onnx", environment or SCORING), (path,), name=name)
    source = find_source(path)
    if source is None or source.kind == "checkpoint":
        what, remedy = "can't be run for scores", "export it first: slurmtf export"
        raise InputError(Finding("no-scorer", str(path), what, remedy))
    chosen = needs.choose_environment("tensorflow", environment or choose_tool_environment(source, {}))
    return Scorer(path, "tensorflow", source.kind, chosen, tuple(source.files), source.weights, name)


def find_files(inputs: Sequence[str]) -> list[Path]:
    """Return the files that paths and patterns match, each once, by path. Raises InputError if one matches none."""
    found: dict[Path, None] = {}
    for pattern in inputs:
        path = Path(pattern).expanduser()
        found_here = glob.glob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns too, which Path.glob refuses
        matches = sorted(path.iterdir()) if path.is_dir() else sorted(map(Path, found_here))
        files = [one.resolve() for one in matches if one.is_file() and not one.name.startswith(".")]
        if not files:
            raise InputError(
                Finding("no-input", "input", f"{pattern!r} matches no file", "pass a file, a folder or a pattern in quotes")
            )
        found.update(dict.fromkeys(files))
    return list(found)


def _check_folder(folder: Path) -> Path:
    """Return a folder whose path Slurm accepts. Raises InputError for one with '%' or a backslash."""
    if re.search(r"[%\\]", str(folder)):
        what = "holds '%' or a backslash, which Slurm's file names can't carry"
        raise InputError(Finding("bad-output", "output", f"{folder} {what}", "pass another folder with --output"))
    return folder


def _build_plan(
    scorer: Scorer, files: Sequence[Path], folder: Path, script: str | Path | None, batch: int | None, rejects: bool
) -> dict[str, object]:
    """Return everything that affects the scores, which excludes the number of shards."""
    return {
        "model": str(scorer.path),
        "hashes": scorer.hashes,
        "engine": scorer.engine,
        "kind": scorer.kind,
        "weights": str(scorer.weights) if scorer.weights else None,
        "files": [str(file) for file in files],
        "sizes": [file.stat().st_size for file in files],
        "written": [file.stat().st_mtime_ns for file in files],
        "script": str(folder / "score.py") if script is not None else None,
        "script_sha256": hashlib.sha256(Path(script).read_bytes()).hexdigest() if script is not None else None,
        "script_source": str(Path(script).resolve()) if script is not None else None,
        "asked_batch": batch,
        "rejects": rejects,
        "folder": str(folder),
    }


def _count_rows(toolbox: Toolbox, python: str, plan: JsonView, folder: Path, shards: int) -> JsonObject:
    """Return the plan with the rows of each file and the number of shards: the existing one, or a new one.

    Raises InputError if a different plan exists, or a file can't be read.
    """
    known = read_json(folder / PLAN)
    if known:
        differing = dict.fromkeys(NAMES.get(name, f"--{name}") for name, value in plan.items() if known.get(name) != value)
        if differing:
            what = f"{folder} holds scores of other input; these differ: {', '.join(differing)}"
            raise InputError(Finding("other-scores", "output", what, "pass another folder with --output, or remove that one"))
        return known
    if plan["script_source"]:
        write_private(folder / "score.py", Path(plan["script_source"]).read_bytes())
    asked, counts = folder / "count.json", folder / "count.json.counts"
    if read_json(asked) != plan or read_json(counts).get("unreadable", True):
        counts.unlink(missing_ok=True)
        write_json(asked, dict(plan))
        toolbox.run(python, ["count", str(asked)], folder, "score")
    answer = read_json(counts)
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


def _is_done(folder: Path, shard: int) -> bool:
    return (folder / "shards" / f"{shard:05d}.json").is_file()


def _remove_progress(folder: Path, shards: Sequence[int]) -> None:
    """Remove the progress of shards that start over."""
    for shard in shards:
        (folder / "shards" / f"{shard:05d}.at").unlink(missing_ok=True)


def _check_done(folder: Path, plan: JsonView, ends: Mapping[int, ElementEnd]) -> None:
    """Raise ScoringFailedError unless every shard is done."""
    missing = [shard for shard in range(plan["shards"]) if not _is_done(folder, shard)]
    if not missing:
        return
    done = f"{plan['shards'] - len(missing)} of {plan['shards']} shards are done; the same command again scores the others"
    why: dict[Finding, list[int]] = {}
    for shard in missing:
        why.setdefault(_describe_failure(folder, shard, ends[shard]), []).append(shard)
    raise ScoringFailedError(
        *(_describe_failed_shards(finding, shards, ends[shards[0]].log, done) for finding, shards in why.items())
    )


def _describe_failure(folder: Path, shard: int, end: ElementEnd) -> Finding:
    """Return why a shard is not done."""
    facts = read_json(folder / "shards" / f"{shard:05d}.failed")
    if not facts:
        how = f" ({end.how})" if end.how else ""
        return Finding("shard-failed", "", f"ended before it was complete{how}{_format_log_end(end.log)}")
    if facts.get("script"):
        return Finding("bad-script", facts["script"], facts["why"], HINTS.get(facts["kind"], CORRECTED))
    if facts["row"] < 0:
        return Finding("shard-failed", "", facts["why"], HINTS.get(facts["kind"], ""))
    where = f"{facts['file']}, row {facts['row']}"
    return Finding("bad-row", where, facts["why"], "correct it, or pass --rejects to go on without such rows")


def _describe_failed_shards(finding: Finding, shards: Sequence[int], log: Path, done: str) -> Finding:
    """Return a finding for some shards, with their numbers and the overall progress."""
    if finding.code == "bad-script":
        return replace(finding, remedy=f"{finding.remedy}the log: {log}")
    if finding.where:
        return replace(finding, remedy=f"{finding.remedy}; {done}")
    shown = ", ".join(map(str, shards[:SHOWN])) + (f" and {len(shards) - SHOWN} more" if len(shards) > SHOWN else "")
    where, whose = (f"shards {shown}", f"the log of shard {shards[0]}") if len(shards) > 1 else (f"shard {shown}", "its log")
    return replace(finding, where=where, remedy=f"{finding.remedy}{whose}: {log}; {done}")


def _format_log_end(log: Path) -> str:
    """Return the last lines of a shard's log, to end a sentence about its failure with."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:] if log.is_file() else []
    return "; its log ends with: " + " | ".join(lines) if lines else "; it has no log, so it was never started"


def _build_summary(folder: Path, plan: JsonView, seconds: float) -> dict[str, object]:
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
    """Reports progress every few seconds, if there is any. Time in the queue does not count."""

    def __init__(self, folder: Path, plan: JsonView, tell: Tell) -> None:
        self._folder, self._shards, self._total, self._tell = folder, plan["shards"], sum(plan["counts"]), tell
        self._began = self._told = time.monotonic()
        self._first = self._known = read_progress(folder, self._shards)

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._told < TELL_S:
            return
        before, self._told = self._told, now
        known = read_progress(self._folder, self._shards)
        if known == self._known:
            return
        if self._known == self._first:
            self._began = before
        self._known = done, rows = known
        rate = (rows - self._first[1]) / (now - self._began)
        self._tell(f"{done} of {self._shards} shards, {rows} of {self._total} rows, {rate:.0f} rows a second ...")


def read_progress(folder: Path, shards: int) -> tuple[int, int]:
    """Return how many shards are done, and how many rows, including those of unfinished shards."""
    known = [_read_shard_progress(folder / "shards" / f"{shard:05d}") for shard in range(shards)]
    return sum(done for done, _ in known), sum(rows for _, rows in known)


def _read_shard_progress(place: Path) -> tuple[bool, int]:
    for end in (".json", ".at"):
        try:
            return end == ".json", int(load_json(place.with_suffix(end))["rows"])
        except (OSError, ValueError, LookupError):
            continue
    return False, 0


def _ignore_step(text: str) -> None:  # noqa: ARG001
    return
