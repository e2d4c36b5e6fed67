"""Builders that are killed, that run at once, or that find a full or read-only disk, or no network."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.environments import spec as specs
from slurmtf.environments.building import ANOTHER_STORE
from slurmtf.environments.store import FOLDER
from slurmtf.files import REMEDIES
from slurmtf.runs.workspaces.garbage import discard, find_garbage
from slurmtf.trusted import OWN
from tests.patience import HANG_S, until

from .support import Lab, alive, children, meant, version_of, write_wheel

PHASES = {"venv": '[ "$1" = venv ]', "install": '[ "$1" = pip ]'}
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and networks of its own need root")


@pytest.fixture
def slow_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a uv that stays in one phase for long; return the file that it creates on reaching it."""
    real = specs._find_uv()
    assert real, "uv comes with the development tools"

    def make(phase: str) -> Path:
        here, script = tmp_path / f"in-{phase}", tmp_path / "bin" / "uv"
        script.parent.mkdir()
        script.write_text(
            f'#!/bin/sh\nif {PHASES[phase]} && [ ! -e {here} ]; then touch {here}; sleep 3600; fi\nexec {real} "$@"\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
        return here

    return make


def started_in(lab: Lab, phase: str, slow_uv: Callable[[str], Path]) -> subprocess.Popen[str]:
    """Start a builder and wait until it is in that phase."""
    here = slow_uv(phase)
    process = lab.start("speck")
    until(here.exists, f"the phase {phase}")
    return process


@pytest.mark.parametrize("phase", PHASES)
def test_a_killed_build_is_not_taken_for_whole(lab: Lab, phase: str, slow_uv: Callable[[str], Path]) -> None:
    process = started_in(lab, phase, slow_uv)
    (builder,) = children(process.pid)
    steps = children(builder)
    assert steps
    os.kill(builder, signal.SIGKILL)
    process.communicate(timeout=HANG_S)
    until(lambda: not any(Path(f"/proc/{pid}").exists() and alive(pid) for pid in steps), "the end of what it had started")
    assert lab.store.list_names() == []
    assert len(lab.builds) == (1 if phase == "install" else len(lab.builds))
    assert version_of(lab.build("speck"), "speck") == "1.0"
    assert len([name for name in lab.builds if name.startswith("pip-")]) == 1
    assert lab.store.find_leftovers() == []


def test_gc_removes_what_a_killed_builder_left_but_no_build_in_progress(
    tmp_path: Path, lab: Lab, slow_uv: Callable[[str], Path]
) -> None:
    lab = Lab(tmp_path / OWN / FOLDER, lab.wheels)
    whole = lab.build("speck==1.0")
    process = started_in(lab, "install", slow_uv)
    assert find_garbage(tmp_path) == []
    (builder,) = children(process.pid)
    os.kill(builder, signal.SIGKILL)
    process.communicate(timeout=HANG_S)
    (found,) = find_garbage(tmp_path)
    assert found.kind == "unfinished environment"
    assert found.path.parent == Path(lab.store.layout.built)
    assert discard(found) is None
    assert version_of(whole, "speck") == "1.0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(lab: Lab, number: int, slow_uv: Callable[[str], Path]) -> None:
    process = started_in(lab, "install", slow_uv)
    (builder,) = children(process.pid)
    os.kill(builder, number)
    assert process.wait(timeout=HANG_S) == 1
    assert (lab.builds, list(Path(lab.store.layout.claims).iterdir())) == ([], [])


def test_ctrl_c_ends_a_builder_and_all_that_it_started(lab: Lab, slow_uv: Callable[[str], Path]) -> None:
    process = started_in(lab, "install", slow_uv)
    (builder,) = children(process.pid)
    steps = children(builder)
    os.kill(process.pid, signal.SIGINT)  # as in a notebook: only this process gets it
    process.communicate(timeout=HANG_S)
    until(lambda: not any(map(alive, [builder, *steps])), "the end of all processes")
    assert (lab.builds, list(Path(lab.store.layout.claims).iterdir())) == ([], [])


def test_two_concurrent_builders_build_once(lab: Lab) -> None:
    builders = [lab.start("speck") for _ in range(3)]
    answers = [builder.communicate(timeout=HANG_S) for builder in builders]
    assert {builder.returncode for builder in builders} == {0}, answers
    assert len({out for out, _ in answers}) == 1
    assert len(lab.builds) == 1


@ROOT_ONLY
def test_a_full_disk_fails_the_build_with_the_reason(lab: Lab) -> None:
    write_wheel(lab.wheels, "huge", filler=4_000_000)
    lab.root.mkdir()
    script = f'mount -t tmpfs -o size=2m tmpfs {lab.root} && exec "$@"'
    process = lab.start("huge", before=("unshare", "--mount", "sh", "-c", script, "sh"))
    _, error = process.communicate(timeout=HANG_S)
    assert process.returncode == 1
    assert meant("No space left on device") in error
    assert "environments.folder" in error


@ROOT_ONLY
def test_environments_in_a_read_only_store_are_usable(lab: Lab) -> None:
    folder = lab.build("speck")
    read_only = f'mount --bind {lab.root} {lab.root} && mount -o remount,ro,bind {lab.root} && exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", read_only, "sh")
    there = lab.start("speck", before=before)
    assert there.communicate(timeout=HANG_S)[0].strip() == str(folder)
    _, error = (missing := lab.start("speck==1.0", before=before)).communicate(timeout=HANG_S)
    assert missing.returncode == 1
    assert (str(lab.root) in error, REMEDIES[errno.EROFS].format(ANOTHER_STORE) in error) == (True, True)


@ROOT_ONLY
def test_a_build_failure_names_the_missing_network(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without a wheel is looked for on an index, on an unreachable host."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    wish = ("--index-url https://packages.invalid/simple", "nowhere")
    script = (
        "import sys; from slurmtf.environments import EnvironmentStore; from slurmtf.environments.building import build\n"
        "from slurmtf.environments.spec import build_package_spec; from slurmtf.estimator import Environment\n"
        "from slurmtf.errors import SlurmtfError; from slurmtf.sites import load; from pathlib import Path\n"
        "site = load('local'); spec = build_package_spec(Environment(pip_packages=sys.argv[2:]), site, Path())\n"
        "try: build(spec, EnvironmentStore(sys.argv[1]), site, print)\n"
        "except SlurmtfError as err: sys.exit(str(err))"
    )
    command = ["unshare", "--net", sys.executable, "-c", script, str(lab.root), *wish]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 1
    assert meant("Network is unreachable") in done.stderr
    assert "slurmtf env build" in done.stderr


def test_builders_of_different_environments_do_not_wait_for_each_other(lab: Lab, slow_uv: Callable[[str], Path]) -> None:
    process = started_in(lab, "install", slow_uv)
    assert version_of(lab.build("speck==1.0"), "speck") == "1.0"
    assert process.poll() is None
    for pid in children(process.pid):
        os.kill(pid, signal.SIGTERM)
    process.wait(timeout=HANG_S)
