"""``slurmtf env``, as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_S

from .support import version_of, write_wheel

SLURMTF = Path(sys.executable).with_name("slurmtf")


class Desk:
    """A source, wheels, and the command with its own workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = write_wheel(folder / "wheels", "speck").parent
        (folder / "source").mkdir()
        (folder / "source" / "train.py").write_text("import speck; print(speck.version)\n")
        self.job = folder / "source" / "job.yaml"
        packages = ["--no-index", f"--find-links {self.wheels}", "speck"]
        self.job.write_text(json.dumps({"compute_target": "local", "pip_packages": packages}))

    def slurmtf(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        own = {"SLURMTF_WORKSPACE": str(self.folder / "runs"), "XDG_CONFIG_HOME": str(self.folder / "config")}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SLURMTF_")}
        return subprocess.run(
            [SLURMTF, *argv], capture_output=True, text=True, check=False, timeout=HANG_S, env={**environ, **own}
        )

    def data(self, *argv: str | Path) -> Any:
        done = self.slurmtf(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def findings(self, *argv: str | Path) -> list[dict[str, str]]:
        """Return the findings that a command prints."""
        done = self.slurmtf(*argv, "--json")
        assert done.returncode == 2, done.stderr
        found: list[dict[str, str]] = json.loads(done.stdout)["error"]["findings"]
        return found

    def codes(self, *argv: str | Path) -> list[str]:
        return [finding["code"] for finding in self.findings(*argv)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_environment_is_managed_from_build_to_remove(desk: Desk) -> None:
    assert desk.data("env", "list") == []
    before = desk.slurmtf("plan", desk.job).stdout
    built = desk.slurmtf("env", "build", desk.job)
    assert built.returncode == 0, built.stderr
    assert "installing" in built.stderr
    folder = Path(built.stdout.strip())
    assert version_of(folder, "speck") == "1.0"
    after = desk.slurmtf("plan", desk.job).stdout
    assert [(folder.name in plan, "to be" in plan) for plan in (before, after)] == [(True, True), (True, False)]

    (listed,) = desk.data("env", "list")
    assert (listed["name"], listed["kind"], listed["folder"]) == (folder.name, "pip", str(folder))
    assert listed["bytes"] > 10_000
    assert desk.data("env", "show", folder.name)["packages"]["speck"] == "1.0"
    assert "speck==1.0" in desk.slurmtf("env", "show", folder.name[-12:], "--lock").stdout.splitlines()
    assert desk.slurmtf("env", "show", "nothing").returncode == 2

    assert desk.data("env", "remove", folder.name) == [{"name": folder.name, "bytes": listed["bytes"]}]
    assert not folder.exists()
    assert list((folder.parent / ".built").iterdir()) == []


def test_the_environment_of_a_run_is_rebuilt_with_its_versions(desk: Desk) -> None:
    run = desk.slurmtf("run", desk.job)
    assert (run.returncode, run.stdout) == (0, "1.0\n"), run.stderr
    assert desk.slurmtf("env", "remove", "--unused").stdout.startswith("removed pip-")
    write_wheel(desk.wheels, "speck", "2.0")
    again = desk.slurmtf("env", "rebuild", "last")
    assert again.returncode == 0, again.stderr
    assert version_of(Path(again.stdout.strip()), "speck") == "1.0"


def test_an_environment_is_built_from_a_record_elsewhere(desk: Desk) -> None:
    folder = Path(desk.slurmtf("env", "build", desk.job).stdout.strip())
    record = desk.folder / "record.json"
    record.write_text((folder / "slurmtf-environment.json").read_text())
    desk.slurmtf("env", "remove", folder.name)
    assert desk.slurmtf("env", "rebuild", record).stdout.strip() == str(folder)
    record.write_text("{}")
    assert desk.codes("env", "rebuild", record) == ["bad-record"]


def test_what_a_job_lacks_is_reported(desk: Desk) -> None:
    assert "slurmtf env build" in desk.data("env", "check", desk.job)["there"]
    folder = desk.slurmtf("env", "build", desk.job).stdout.strip()
    after = desk.data("env", "check", desk.job)
    assert after["software"] == folder
    assert after["there"].endswith(" packages")
    desk.job.with_name("train.py").write_text("import speck\nimport yaml\n")
    (lacking,) = desk.findings("env", "check", desk.job)
    assert (lacking["code"], lacking["where"]) == ("missing-import", "train.py:2")
    assert "pip_packages: [pyyaml]" in lacking["remedy"]


def test_a_job_that_needs_no_environment(desk: Desk) -> None:
    script = desk.job.with_name("bare.py")
    script.write_text("")
    assert desk.codes("env", "build", script) == ["nothing-to-build"]


def test_options_are_added_to_the_job_file(desk: Desk) -> None:
    write_wheel(desk.wheels, "more")
    packages = ["--no-index", f"--find-links {desk.wheels}", "speck", "more"]
    words = [word for package in packages for word in ("--pip", package)]
    desk.job.write_text(json.dumps({"compute_target": "local", "environment_definition": {"name": "mine"}}))
    folder = Path(desk.slurmtf("env", "build", desk.job, *words).stdout.strip())
    assert version_of(folder, "more") == "1.0"
    assert desk.data("env", "show", "mine")["label"] == "mine"


def test_names_are_needed_to_remove(desk: Desk) -> None:
    done = desk.slurmtf("env", "remove")
    assert (done.returncode, "name environments, or pass --unused" in done.stderr) == (2, True)
