"""The builder itself, on environments that hold next to nothing; `uv` is a script of the test's where it matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from . import fixtures, horovod, interpreters, recipes
from .cache import MARKER, BuildError, build_environ, root
from .horovod import WITHOUT_XLA
from .interpreters import Interpreter, NoInterpreter
from .recipes import ENVIRONMENTS, UV, Environment, find_uv

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGE = str(__package__)
IMPORT_ROOT = Path(__file__).parents[len(PACKAGE.split("."))]
BUILDER = f"""
import sys
from pathlib import Path
from {PACKAGE}.recipes import Environment
print(Environment("tiny", (sys.argv[1],), (Path(sys.argv[2]),)).build())
"""

FakeUv = Callable[[str], Path]


@pytest.fixture(scope="session")
def installers() -> dict[str, Path | None]:
    return {"uv": find_uv(), "pip": None}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLURMTF_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(tmp_path: Path, cache: Path) -> Environment:
    requirements = tmp_path / "tiny.txt"
    requirements.write_text("six==1.17.0\n")
    return Environment("tiny", (MINOR,), (requirements,))


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUv:
    """Puts a uv first in PATH that notes each call in a file, which is returned, and then does as the argument says,
    in the environment's folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def make(body: str) -> Path:
        calls = tmp_path / "calls"
        script = tmp_path / "script"
        script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\necho "$@" >> {calls}\n{body}\n')
        script.chmod(0o755)
        script.replace(folder / "uv")  # a shell may still be reading the one before
        return calls

    return make


def start_builder(environment: Environment) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, MINOR, str(environment.requirements[0])],
        env={**os.environ, "PYTHONPATH": str(IMPORT_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} never came"
        time.sleep(0.01)


def folder_of(environment: Environment) -> Path:
    return environment.folder(interpreters.find(environment.pythons))


def make_wheel(folder: Path) -> Path:
    wheel = folder / "speck-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("speck.py", "here = True\n")
        archive.writestr("speck-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: speck\nVersion: 1.0\n")
        archive.writestr("speck-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("speck-1.0.dist-info/RECORD", "")
    return wheel


# The real environments' definitions


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_requirement_is_pinned(name: str) -> None:
    environment = ENVIRONMENTS[name]
    files = (*environment.requirements, *environment.no_deps)
    lines = [line.split("#")[0].strip() for file in files for line in file.read_text().splitlines()]
    assert [line for line in lines if line and "==" not in line.split(";")[0]] == []


@pytest.mark.parametrize("name", ["newest", "classic"])
def test_horovod_is_built_for_the_environment_s_tensorflow(name: str) -> None:
    environment = ENVIRONMENTS[name]
    assert environment.horovod
    assert f"tensorflow-cpu=={environment.horovod.tensorflow}\n" in environment.requirements[0].read_text()


# Building


def test_an_empty_environment_is_a_working_python(cache: Path, uv: FakeUv) -> None:
    calls = uv("")
    python = Environment("empty", (MINOR,), ()).build()
    prefix = subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip()
    assert Path(prefix) == python.parent.parent
    assert cache in python.parents
    assert not calls.exists()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_packages_are_installed_and_compiled(
    tool: str,
    installers: dict[str, Path | None],
    tmp_path: Path,
    tiny: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if tool == "uv" and not installers["uv"]:
        pytest.skip(f"{UV} can't be had")
    monkeypatch.setattr(recipes, "find_uv", lambda: installers[tool])
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    tiny.requirements[0].write_text(f"speck @ {make_wheel(tmp_path).as_uri()}\n")
    python = tiny.build()
    compiled = subprocess.check_output([python, "-c", "import speck; print(speck.__cached__)"], text=True)
    assert Path(compiled.strip()).exists()


def test_the_second_call_builds_nothing(tiny: Environment, uv: FakeUv) -> None:
    calls = uv("")
    assert tiny.build() == tiny.build()
    assert len(calls.read_text().splitlines()) == 1


def test_other_requirements_are_another_environment(tiny: Environment) -> None:
    before = folder_of(tiny)
    tiny.requirements[0].write_text("six==1.16.0\n")
    assert folder_of(tiny) != before


def test_another_mpi_is_another_environment(tiny: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    built = replace(tiny, horovod=horovod.Horovod("2.15.1"))
    monkeypatch.setattr(horovod, "mpi", lambda: "mpirun (Open MPI) 4.1.4")
    before = folder_of(built)
    monkeypatch.setattr(horovod, "mpi", lambda: "mpirun (Open MPI) 5.0.1")
    assert folder_of(built) != before


def test_a_failed_build_shows_the_end_of_its_log_and_where_it_lies(tiny: Environment, uv: FakeUv) -> None:
    uv("seq 100; exit 3")
    with pytest.raises(BuildError) as raised:
        tiny.build()
    log = folder_of(tiny).parent / f"{folder_of(tiny).name}.log"
    lines = str(raised.value).splitlines()
    assert "installing failed with status 3" in lines[0]
    assert lines[1:-1] == [str(number) for number in range(71, 101)]
    assert lines[-1] == f"log: {log}"
    assert "\n1\n2\n" in log.read_text()


def test_a_failed_build_is_tried_again(tiny: Environment, uv: FakeUv) -> None:
    uv("exit 3")
    with pytest.raises(BuildError):
        tiny.build()
    uv("")
    assert tiny.build().exists()


def test_a_killed_build_is_not_taken_for_whole(tmp_path: Path, tiny: Environment, uv: FakeUv) -> None:
    started = tmp_path / "started"
    uv(f"touch half {started}; exec sleep 60")
    builder = start_builder(tiny)
    wait_for(started)
    os.killpg(builder.pid, signal.SIGKILL)
    builder.communicate()
    half = folder_of(tiny) / "half"
    assert half.exists() and not (folder_of(tiny) / MARKER).exists()
    uv("")
    assert tiny.build().exists()
    assert not half.exists()


def test_what_a_killed_builder_started_is_waited_for(tmp_path: Path, tiny: Environment, uv: FakeUv) -> None:
    started, late = tmp_path / "started", tmp_path / "late"
    uv(f"touch {started}; sleep 0.5; touch half {late}")
    builder = start_builder(tiny)
    wait_for(started)
    builder.kill()
    builder.communicate()
    uv(f"test -e {late}")
    assert tiny.build().exists()
    assert not (folder_of(tiny) / "half").exists()


def test_two_builders_at_once_build_once(tiny: Environment, uv: FakeUv) -> None:
    calls = uv("sleep 0.3")
    builders = [start_builder(tiny), start_builder(tiny)]
    pythons = {builder.communicate(timeout=60)[0].strip() for builder in builders}
    assert pythons == {str(folder_of(tiny) / "bin" / "python")}
    assert len(calls.read_text().splitlines()) == 1


def test_an_environment_whose_interpreter_is_gone_is_built_again(tiny: Environment, uv: FakeUv) -> None:
    uv("")
    python = tiny.build()
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert tiny.build().exists()


@pytest.mark.parametrize("name", ["PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "HOROVOD_GPU"])
def test_what_would_steer_a_build_is_kept_from_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert name not in build_environ()


# The cache's place


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_TEST_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert root() == tmp_path / "xdg" / "slurmtf-tests"
    monkeypatch.setenv("SLURMTF_TEST_CACHE", str(tmp_path / "own"))
    assert root() == tmp_path / "own"
    monkeypatch.delenv("SLURMTF_TEST_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root() == tmp_path / ".cache" / "slurmtf-tests"


# Interpreters

OTHER = "3.7" if MINOR != "3.7" else "3.8"


def fake_python(file: Path, answer: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{answer}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    interpreters.installed.cache_clear()
    folders = [tmp_path / "shims", tmp_path / "usr"]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    return folders


def test_the_running_python_is_taken_if_it_will_do() -> None:
    assert interpreters.find((OTHER, MINOR)).path == Path(sys.executable).resolve()


def test_a_python_that_does_not_work_is_passed_over(path: list[Path]) -> None:
    fake_python(path[0] / f"python{OTHER}", "echo command not found >&2; exit 127")
    fake_python(path[1] / f"python{OTHER}", f"echo /real/python; echo {OTHER}.9")
    assert interpreters.find((OTHER,)) == Interpreter(Path("/real/python"), f"{OTHER}.9")


def test_behind_a_shim_of_a_version_that_is_not_activated_is_the_version(tmp_path: Path, path: list[Path]) -> None:
    fake_python(path[0] / f"python{OTHER}", "exit 127")
    fake_python(tmp_path / f"versions/{OTHER}.16/bin/python{OTHER}", f"echo /real/python; echo {OTHER}.16")
    assert interpreters.find((OTHER,)).version == f"{OTHER}.16"


def test_no_python_at_all(path: list[Path]) -> None:
    with pytest.raises(NoInterpreter, match=rf"no working python{OTHER} in PATH"):
        interpreters.find((OTHER,))


# Horovod


def test_the_patch_changes_one_line(tmp_path: Path) -> None:
    source = tmp_path / WITHOUT_XLA.file
    source.parent.mkdir(parents=True)
    source.write_text("#include <a>\n#if TENSORFLOW_VERSION >= 2006000000\n#endif\n")
    WITHOUT_XLA.apply(tmp_path)
    assert source.read_text() == "#include <a>\n#if TENSORFLOW_VERSION >= 2006000000 && HAVE_GPU\n#endif\n"
    with pytest.raises(BuildError, match="does not fit"):
        WITHOUT_XLA.apply(tmp_path)


def test_without_mpi_the_reason_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    horovod.mpi.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="Horovod needs MPI: mpirun --version"):
        horovod.mpi()


# Fixtures

NEEDS = "can't be built"


def outcome(monkeypatch: pytest.MonkeyPatch, config: pytest.Config, error: Exception, required: str) -> type:
    def broken(name: str) -> Path:
        raise error

    monkeypatch.setattr(fixtures, "build", broken)
    monkeypatch.setenv("SLURMTF_REQUIRE_ENVS", required)
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match=NEEDS) as raised:
        fixtures.provide("tiny", config, optional=True)
    return raised.type


def test_what_can_t_be_built_skips(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    assert outcome(monkeypatch, pytestconfig, BuildError(NEEDS), "") is pytest.skip.Exception


def test_what_can_t_be_built_but_is_required_fails(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    assert outcome(monkeypatch, pytestconfig, BuildError(NEEDS), "1") is pytest.fail.Exception


def test_an_optional_python_is_never_required(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    assert outcome(monkeypatch, pytestconfig, NoInterpreter(NEEDS), "1") is pytest.skip.Exception


# The command


def test_the_command_rejects_unknown_names() -> None:
    command = [sys.executable, "-m", PACKAGE, "nonesuch"]
    answer = subprocess.run(command, check=False, cwd=IMPORT_ROOT, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "no environment nonesuch; there are newest, classic, tf1" in answer.stderr
