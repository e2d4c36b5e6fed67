"""What documents show: their commands, their tables, and the files that the commands name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"^(?: {4}|```\S*\n)(?:\$ )?(?:\.venv/bin/)?slurmtf (?P<words>[^\n]*)$", re.MULTILINE)
NAMED = re.compile(r"`slurmtf (?P<words>[^`]+)`")
REDIRECTION = re.compile(r"\s+[>|].*$")

FILES = {
    "train.py": "print('training')\n",
    "prepare.py": "print('preparing')\n",
    "report.py": "print('reporting')\n",
    "submit.py": "",
    "hvd.py": "import sys\n",
    "pkg/__init__.py": "",
    "pkg/train.py": "print('training')\n",
    "job.yaml": "entry_script: train.py\nscript_params: {--how: fine}\ntime: 10\n",
    "ended.yaml": "compute_target: slurm\ndistributed_backend: ps\n",
    "mine.sh.j2": '{% extends "slurm.sh.j2" %}\n',
    "bad.yaml": "extends: slurm\nlaunchr: {}\n",
    "requirements.txt": "tensorflow==2.15.1\n",
    "tensorflow.sif": "",
    "mnist/train.csv": "",
    **{str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("examples/resume*/*.yaml")},
    **{str(path.relative_to(ROOT)): "print('training')\n" for path in ROOT.glob("examples/resume*/*.py")},
}
PROFILES = {
    "mycluster.yaml": "extends: slurm\ncontainers: {runtime: apptainer}\n",
    "offline.yaml": "extends: slurm\nnetwork: {internet: false}\n",
    "lab.yaml": "extends: slurm\npresets: {two-gpus: {gpus_per_node: 2}}\n",
}


def documented() -> Iterator[tuple[str, str]]:
    """Yield the document and the words of each command on a line of its own."""
    for document in DOCUMENTS:
        for match in SHOWN.finditer(document.read_text(encoding="utf-8")):
            yield document.name, REDIRECTION.sub("", match["words"])


def named() -> Iterator[tuple[str, str]]:
    """Yield the document and the words of each command within a sentence, which is often incomplete."""
    for document in DOCUMENTS:
        for match in NAMED.finditer(document.read_text(encoding="utf-8")):
            yield document.name, " ".join(match["words"].split())


def table(document: str, heading: str) -> dict[str, str]:
    """Return the table under a heading row that begins like this: the code in the first cell of each row, to the rest."""
    lines = iter((ROOT / document).read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows: dict[str, str] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, _, rest = line.strip("| ").partition(" | ")
        rows.update(dict.fromkeys(re.findall(r"`([^`]+)`", first), rest))
    return rows
