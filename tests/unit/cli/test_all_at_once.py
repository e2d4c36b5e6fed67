"""All errors of a request are reported at once, in its user's words; with an unknown key, only those of what was given."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.support import CommandLine

JOB = "entry_script: train.py\ncompute_target: lonestar6\nlauncher: nosuch\n"


def test_five_errors_of_a_command_line_are_reported_at_once(project: Path, slurmtf: CommandLine) -> None:
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


def test_with_an_unknown_key_missing_keys_are_not_reported(project: Path, slurmtf: CommandLine) -> None:
    (project / "job.yaml").write_text(JOB, encoding="utf-8")
    assert {"required-flag", "unknown-launcher"} <= {*slurmtf("plan", "job.yaml", "--json").codes}
    (project / "job.yaml").write_text(f"{JOB}partitoin: gpu-a100\n", encoding="utf-8")
    assert {*slurmtf("plan", "job.yaml", "--json").codes} == {"unknown-key", "unknown-launcher"}
