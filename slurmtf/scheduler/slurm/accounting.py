"""The resources that jobs have used, according to Slurm's accounting and jobstats, if the site has them. Pure.

jobstats (github.com/PrincetonUniversity/jobstats) stores a job's summary in AdminComment: ``JS1:``, then base64 of gzipped
JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable

from slurmtf.job.contract.interchange import JsonObject
from slurmtf.scheduler.books import JobUsage, NodeBooks

FIELDS = "JobID,ElapsedRaw,TotalCPU,MaxRSS,AdminComment,WorkDir"
JOBSTATS = "JS1:"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGT]?)n?c?")
LONGEST = 1 << 22


def build_usage_query(job_ids: Iterable[str], cluster: str | None = None) -> list[str]:
    """Return the command that lists what jobs and their steps have used, for all jobs at once (sacct(1))."""
    clusters = [f"--clusters={cluster}"] if cluster else []
    return ["sacct", *clusters, "--noheader", "--parsable2", f"--format={FIELDS}", f"--jobs={','.join(job_ids)}"]


def parse_usage(text: str) -> dict[str, JobUsage]:
    """Parse the output of :func:`build_usage_query`, by job name. A job's usage includes its steps."""
    found: dict[str, JobUsage] = {}
    for line in text.splitlines():
        if line.count("|") < 5:
            continue
        name, seconds, cpu, rss, comment, folder = line.split("|", 5)
        job, _, step = name.partition(".")
        before = found.get(job, JobUsage())
        whole = JobUsage(_parse_float(seconds), _parse_seconds(cpu), 0, folder, parse_jobstats(comment)) if not step else before
        found[job] = whole._replace(max_rss=max(before.max_rss, parse_size(rss)))
    return found


def parse_size(text: str) -> int:
    """Return the number of bytes of a size such as ``1234K``; 0 for anything else."""
    match = SIZE.fullmatch(text.strip())
    return round(float(match[1]) * UNITS[match[2]]) if match else 0


def _parse_seconds(text: str) -> float:
    """Return the number of seconds of ``[DD-[HH:]]MM:SS[.mmm]`` (sacct(1), TotalCPU); 0 for anything else."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + _parse_float(part)
    return total + 86400 * _parse_float(days)


def _parse_float(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text.strip()) else 0.0


def parse_jobstats(comment: str) -> tuple[NodeBooks, ...]:
    """Return the nodes in a job's jobstats summary; none if the comment has no summary."""
    if not comment.startswith(JOBSTATS):
        return ()
    try:
        packed = base64.b64decode(comment[len(JOBSTATS) :].strip())
        facts = json.loads(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, LONGEST))
        return tuple(_parse_node(str(name), node) for name, node in facts["nodes"].items())
    except (binascii.Error, zlib.error, ValueError, LookupError, TypeError, AttributeError):
        return ()


def _parse_node(name: str, facts: JsonObject) -> NodeBooks:
    busy, used, total = (facts.get(f"gpu_{what}") or {} for what in ("utilization", "used_memory", "total_memory"))
    mib = 1 << 20
    gpus = tuple((float(busy[key]), float(used.get(key, 0)) / mib, float(total.get(key, 0)) / mib) for key in sorted(busy))
    return NodeBooks(name, float(facts.get("total_time") or 0), int(facts.get("used_memory") or 0), gpus)
