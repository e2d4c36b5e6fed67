"""A finding names settings as the user gave them: as flags, in a job file, in Python."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from slurmtf import Experiment, TensorFlow
from slurmtf.cli.flags import OPTIONS, PLACE, SOFTWARE
from slurmtf.errors import InputError
from slurmtf.estimator.document import from_yaml
from tests.unit.cli.support import CommandLine

LONESTAR = {"compute_target": "lonestar6"}
CASES = [
    (["-s", "lonestar6"], LONESTAR, "partition", ["set --partition, one of", "set --time"],
     ["set partition, one of", "set time"], ["set partition, one of", "set time"]),
    (["-s", "slurm", "-N", "2"], {"compute_target": "slurm", "node_count": 2}, "node_count",
     ["set --backend to mpi"], ["set distributed_backend to mpi"], ["set distributed_backend to mpi"]),
    (["-s", "slurm", "--workers", "2"], {"compute_target": "slurm", "worker_count": 2}, "worker_count",
     ["set --backend ps or --backend multiworker, or leave --workers out"],
     ["set distributed_backend: ps or distributed_backend: multiworker, or leave worker_count out"],
     ["set distributed_backend='ps' or distributed_backend='multiworker', or leave worker_count out"]),
    (["-s", "slurm", "--gpu-type", "a100"], {"compute_target": "slurm", "gpu_type": "a100"}, "gpu_type",
     ["set --gpu or --gpus-per-node"], ["set use_gpu: true or gpus_per_node"], ["set use_gpu=True or gpus_per_node"]),
    (["-s", "slurm", "--sbatch", "nodes=2"], {"compute_target": "slurm", "sbatch": {"nodes": 2}}, "sbatch",
     ["set --nodes"], ["set node_count"], ["set node_count"]),
    (["-s", "slurm", "--mem", "1G", "--sbatch", "mem-per-cpu=1G"],
     {"compute_target": "slurm", "memory": "1G", "sbatch": {"mem-per-cpu": "1G"}}, "sbatch",
     ["--sbatch mem-per-cpu: excludes --mem"], ["excludes memory"], ["excludes memory"]),
]  # fmt: skip


def in_python(settings: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        Experiment("x").plan(TensorFlow(".", **settings))
    return str(caught.value)


def in_yaml(settings: dict[str, Any]) -> str:
    Path("job.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Experiment("x").plan(from_yaml("job.yaml"))
    return str(caught.value)


@pytest.mark.parametrize(("flags", "settings", "where", "to_flags", "to_yaml", "to_python"), CASES)
def test_a_remedy_names_the_setting_as_the_user_gave_it(
    flags: list[str],
    settings: dict[str, Any],
    where: str,
    to_flags: list[str],
    to_yaml: list[str],
    to_python: list[str],
    project: Path,
    slurmtf: CommandLine,
) -> None:
    done = slurmtf("plan", "train.py", *flags)
    assert done.exit_code == 2, project
    for message, expected in ((done.err, to_flags), (in_yaml(settings), to_yaml), (in_python(settings), to_python)):
        assert [words for words in expected if words not in message] == [], message
        assert "`" not in message
    assert where in in_python(settings)


def test_settings_of_a_job_file_are_named_as_yaml_along_with_flags(project: Path, slurmtf: CommandLine) -> None:
    (project / "job.yaml").write_text("compute_target: slurm\nworker_count: 2\n", encoding="utf-8")
    done = slurmtf("plan", "job.yaml", "--sbatch", "nodes=2")
    assert "job.yaml:2: worker_count: needs --backend" in done.err
    assert "or leave worker_count out" in done.err
    assert re.search(r"--sbatch nodes: .*\n    -> set --nodes$", done.err, re.MULTILINE)


def test_json_has_the_same_wording(project: Path, slurmtf: CommandLine) -> None:
    done = slurmtf("plan", "train.py", "-s", "slurm", "--gpu-type", "a100", "--json")
    (finding,) = json.loads(done.out)["error"]["findings"]
    assert (finding["source"], finding["remedy"]) == ("--gpu-type", "set --gpu or --gpus-per-node"), project


def test_warnings_have_the_same_wording(project: Path, slurmtf: CommandLine) -> None:
    (project / "train.py").write_text(
        "import tensorflow as tf\ntf.distribute.MultiWorkerMirroredStrategy()\n", encoding="utf-8"
    )
    done = slurmtf("plan", "train.py", "-s", "slurm", "--backend", "ps", "--workers", "2", "--python", "/usr/bin/python3")
    assert "set --backend multiworker" in done.err


def findings(slurmtf: CommandLine, *words: str) -> list[tuple[str, str]]:
    """Return the findings about a plan for lonestar6: what and where."""
    done = slurmtf("plan", *words, "-s", "lonestar6", "--json")
    return sorted((one["code"], one["source"]) for one in json.loads(done.out)["error"]["findings"])


def test_all_that_is_wrong_is_told_at_once(project: Path, slurmtf: CommandLine) -> None:
    """Those that the estimator finds, and those that only its plan finds about the site, the software and the data."""
    Path("job.yaml").write_text("entry_script: bad.py\n", encoding="utf-8")
    wrong = ["--input", "d=/nonexistent", "--launcher", "nosuch", "--image", "/no.sif", "--workspace", "w"]
    of_plan = [
        ("image-missing", "--image"),
        ("missing-input", "--input"),
        ("required-flag", "--partition"),
        ("unknown-launcher", "--launcher"),
    ]
    of_time = ("required-flag", "--time")
    assert findings(slurmtf, "train.py", "--time", "soon", *wrong) == sorted([("bad-time", "--time"), *of_plan])
    assert findings(slurmtf, "bad.py", *wrong) == sorted([("script-missing", "bad.py"), of_time, *of_plan])
    assert findings(slurmtf, "job.yaml", *wrong) == sorted([("script-missing", "job.yaml:1: entry_script"), of_time, *of_plan])
    assert findings(slurmtf, "train.py", "--source", "nowhere", *wrong) == sorted(
        [("source-missing", "--source"), of_time, *of_plan]
    )


@pytest.mark.parametrize("flag", [option.flags[0] for option in (*OPTIONS, *SOFTWARE, *PLACE) if option.kind is not bool])
def test_an_empty_option_is_not_a_missing_one(flag: str, project: Path, slurmtf: CommandLine) -> None:
    """Like "$RUN" in a shell in which it is unset: no other Python, workspace or checkpoint is used silently."""
    done = slurmtf("plan", "train.py", flag, "")
    assert done.exit_code == 2
    assert f"{flag}: is empty" in done.err or f"'{flag}'" in done.err  # click refuses a value that is no number


@pytest.mark.parametrize("flag", ["--python", "--conda", "--image", "--module", "--conda-package"])
def test_a_value_that_looks_like_an_option_is_refused_before_the_job(flag: str, project: Path, slurmtf: CommandLine) -> None:
    done = slurmtf("plan", "train.py", flag, "-w")
    assert done.exit_code == 2
    assert f"{flag}: '-w' begins with a dash" in done.err


def test_a_plan_shows_no_variables_value(project: Path, slurmtf: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret-of-the-shell")
    done = slurmtf("plan", "train.py", "-s", "slurm", "-e", "TOKEN", "-e", "OTHER=s3cret=too", "--json")
    plan = json.loads(done.out)["data"]
    assert plan["job"]["variables"].items() >= {"TOKEN": "...", "OTHER": "..."}.items()
    assert plan["provenance"]["estimator"]["environment_variables"] == {"TOKEN": "...", "OTHER": "..."}
    assert "s3cret" not in done.out + slurmtf("plan", "train.py", "-s", "slurm", "-e", "TOKEN").out, project
