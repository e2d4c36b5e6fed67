"""All that is wrong with a request is reported at once, in its user's words; beside an unknown key, only what was given."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.support import CommandLine

JOB = "entry_script: train.py\ncompute_target: lonestar6\nlauncher: nosuch\n"


def test_a_command_line_with_five_faults(project: Path, slurmtf: CommandLine) -> None:
    (project / "train.py").write_text("import not_there_at_all\n", encoding="utf-8")
    words = ("--input", "d=/nonexistent", "--launcher", "nosuch", "--image", "/no.sif", "--json")
    done = slurmtf("plan", "train.py", "-s", "lonestar6", *words)
    found = {(one["code"], one["source"]) for one in json.loads(done.out)["error"]["findings"]}
    assert found >= {
        ("missing-input", "--input"),
        ("unknown-launcher", "--launcher"),
        ("image-missing", "--image"),
        ("required-flag", "--partition"),
    }
    assert "missing-import" in {code for code, _ in found}


def test_an_unknown_key_may_be_meant_for_what_is_missing(project: Path, slurmtf: CommandLine) -> None:
    (project / "job.yaml").write_text(JOB, encoding="utf-8")
    assert {"required-flag", "unknown-launcher"} <= {*slurmtf("plan", "job.yaml", "--json").codes}
    (project / "job.yaml").write_text(f"{JOB}partitoin: gpu-a100\n", encoding="utf-8")
    assert {*slurmtf("plan", "job.yaml", "--json").codes} == {"unknown-key", "unknown-launcher"}
