"""The loader of a program's zip: one read for all modules, as code or as source."""

from __future__ import annotations

import marshal
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from slurmtf.job.contract import loader
from tests.patience import HANG_S

MODULES = {
    "prog/__init__.py": b"",
    "prog/one.py": b"from .part import two\n\nVALUE = two.VALUE + 1\n",
    "prog/part/__init__.py": b"",
    "prog/part/two.py": b"VALUE = 1\n\ndef fail():\n    raise KeyError('of the part')  # this line is shown\n",
}
OTHER_MAGIC = b"\x00\x00\r\n"
INSTALLED = "import pkgutil, sys, traceback; from loader import install; install(sys.argv[1], 'prog'); "


@pytest.fixture(params=[MAGIC_NUMBER, OTHER_MAGIC], ids=["code", "source"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A program that was compiled for this Python, or for another one."""
    code = {name: marshal.dumps(compile(text, name, "exec")) for name, text in MODULES.items()}
    with zipfile.ZipFile(tmp_path / "prog.pyz", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(loader.SOURCES, marshal.dumps(MODULES, 2))
        zipped.writestr(loader.name_compiled(request.param), marshal.dumps(code, 2))
    return tmp_path / "prog.pyz"


def run(archive: Path, program: str) -> str:
    (archive.parent / "loader.py").write_bytes(Path(loader.__file__).read_bytes())
    command = [sys.executable, "-c", INSTALLED + program, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False, cwd=archive.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_and_packages_are_loaded(archive: Path) -> None:
    output = run(
        archive, "from prog import one; print(one.VALUE, one.__file__, one.__package__, sys.modules['prog.part'].__path__)"
    )
    assert output == f"2 {archive}/prog/one.py prog []\n"


def test_a_traceback_shows_the_source(archive: Path) -> None:
    program = "from prog.part import two\ntry:\n    two.fail()\nexcept KeyError:\n    print(traceback.format_exc())"
    assert "# this line is shown" in run(archive, f"exec({program!r})")


@pytest.mark.parametrize("remove", ["os.unlink(sys.argv[1])", "os.truncate(sys.argv[1], 0)"])
def test_an_error_is_shown_although_the_zip_is_gone(archive: Path, remove: str) -> None:
    """Else the traceback would end in an error of the loader, and the script's, or the agent's, own would be lost."""
    program = "from prog.part import two\nimport os\n" + remove + "\ntry:\n    two.fail()\nexcept KeyError:\n    "
    assert "KeyError: 'of the part'" in run(archive, f"exec({program + 'print(traceback.format_exc())'!r})")


def test_a_module_can_be_read_as_text(archive: Path) -> None:
    program = "print(pkgutil.get_data('prog.part', 'two.py').decode())"
    assert run(archive, program) == MODULES["prog/part/two.py"].decode() + "\n"


@pytest.mark.parametrize("missing", ["import prog.three", "import prog.part.one", "from prog import none"])
def test_what_is_not_there_can_not_be_imported(archive: Path, missing: str) -> None:
    assert run(archive, f"exec({f'try: {missing}' + chr(10) + 'except ImportError: print(1)'!r})") == "1\n"


def test_a_file_that_is_not_in_the_zip_can_not_be_read(archive: Path) -> None:
    program = 'exec(\'try: pkgutil.get_data("prog", "no.txt")\\nexcept OSError as err: print(err)\')'
    assert run(archive, program) == f"prog/no.txt is not in {archive}\n"
