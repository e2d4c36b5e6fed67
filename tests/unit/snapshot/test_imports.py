"""The imports of a script: which modules must come from elsewhere, where they are imported, and how much they are needed."""

from __future__ import annotations

import ast
import contextlib
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.snapshot import ScriptFacts, examine
from slurmtf.snapshot.imports import Need, iterate_statements

FOREIGN = "sklearn"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def read(root: Path, files: dict[str, str], script: str = "train.py") -> ScriptFacts:
    return examine(tree(root, files), script)


def foreign(root: Path, files: dict[str, str], script: str = "train.py") -> list[tuple[str, str, Need]]:
    return [(one.module, one.where, one.need) for one in read(root, files, script).foreign]


def need_of(root: Path, text: str) -> Need | None:
    """Return how much a script needs the foreign module; None if it does not import it at all."""
    return next((one.need for one in read(root, {"train.py": text}).foreign if one.module == FOREIGN), None)


@pytest.mark.parametrize(
    "text",
    [
        "import sklearn",
        "import sklearn.datasets as d",
        "import json, sklearn",
        "from sklearn import datasets",
        "from sklearn import *",
        "if __name__ == '__main__':\n    import sklearn",
        "if '__main__' == __name__:\n    import sklearn",
        "with open('x') as f:\n    import sklearn",
        "class A:\n    import sklearn",
        "try:\n    import sklearn\nfinally:\n    pass",
        "try:\n    import sklearn\nexcept KeyError:\n    pass",
        "try:\n    pass\nfinally:\n    import sklearn",
        "try:\n    import sklearn\nexcept ImportError:\n    raise SystemExit('no sklearn')",
        "try:\n    import sklearn\nexcept ImportError:\n    print('no sklearn')\n    sys.exit(1)",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import sklearn",
        "def f():\n    import sklearn\nimport sklearn",
    ],
)
def test_certain_imports_are_recognized(tmp_path: Path, text: str) -> None:
    assert need_of(tmp_path, text) is Need.CERTAIN


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import sklearn",
        "async def f():\n    import sklearn",
        "class A:\n    def f(self):\n        import sklearn",
        "if args.forest:\n    import sklearn",
        "if x:\n    pass\nelse:\n    import sklearn",
        "if x:\n    pass\nelif y:\n    import sklearn",
        "for x in y:\n    import sklearn",
        "while x:\n    import sklearn",
        "match x:\n    case 1:\n        import sklearn",
        "try:\n    pass\nexcept KeyError:\n    import sklearn",
        "if x:\n    with y:\n        import sklearn",
        "import sys\nsys.path.append('/opt/lib')\nimport sklearn",
        "import subprocess\nsubprocess.run(['pip', 'install', 'scikit-learn'])\nimport sklearn",
    ],
)
def test_possible_imports_are_recognized(tmp_path: Path, text: str) -> None:
    assert need_of(tmp_path, text) is Need.POSSIBLE


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import sklearn\nexcept ImportError:\n    sklearn = None",
        "try:\n    import sklearn\nexcept (ModuleNotFoundError, OSError):\n    pass",
        "try:\n    import sklearn\nexcept:\n    pass",
        "try:\n    import cuml\nexcept ImportError:\n    import sklearn",
        "with contextlib.suppress(ImportError):\n    import sklearn",
        "if sys.version_info < (3, 8):\n    import sklearn",
        "if sys.platform == 'darwin':\n    import sklearn",
        "def f():\n    try:\n        import sklearn\n    except ImportError:\n        pass",
    ],
)
def test_optional_imports_are_recognized(tmp_path: Path, text: str) -> None:
    assert need_of(tmp_path, text) is Need.HANDLED


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_imports_for_type_checkers_do_not_count(tmp_path: Path, test: str) -> None:
    assert need_of(tmp_path, f"import typing\nif {test}:\n    import sklearn") is None


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* came with Python 3.11")
def test_exception_groups_also_make_imports_optional(tmp_path: Path) -> None:
    assert need_of(tmp_path, "try:\n    import sklearn\nexcept* ImportError:\n    pass") is Need.HANDLED


def test_the_statement_that_needs_the_module_most_is_reported(tmp_path: Path) -> None:
    text = "def f():\n    import sklearn\n\n\nimport sklearn\nimport sklearn.svm\n"
    assert foreign(tmp_path, {"train.py": text}) == [("sklearn", "train.py:5", Need.CERTAIN)]


# --- the source's own modules


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("import own", "own.py"),
        ("import own", "own/__init__.py"),
        ("import own.deep.er", "own/deep/er.py"),  # a namespace package
        ("from own import deep", "own/deep.py"),
        ("from own.deep import anything", "own/deep.py"),
        ("from own import *", "own.py"),
        ("from own import attribute", "own/__init__.py"),
        ("import own", "own/data.txt"),
        ("import own", "own.so"),
        ("import own", "own.cpython-311-x86_64-linux-gnu.so"),
        ("from . import own", "own.py"),
        ("from .own import x", "own.py"),
    ],
)
def test_own_modules_are_not_foreign(tmp_path: Path, text: str, file: str) -> None:
    assert foreign(tmp_path, {"train.py": text, file: ""}) == []


def test_own_modules_are_followed(tmp_path: Path) -> None:
    files = {
        "train.py": "import own.deep\n",
        "own/__init__.py": "import one\n",
        "own/deep.py": "\nfrom . import side\nfrom .. import up\nif __name__ == '__main__':\n    import never\n",
        "own/side.py": "import two\n",
        "up.py": "def f():\n    import three\n",
    }
    assert sorted(foreign(tmp_path, files)) == [
        ("one", "own/__init__.py:1", Need.CERTAIN),
        ("three", "up.py:2", Need.POSSIBLE),
        ("two", "own/side.py:1", Need.CERTAIN),
    ]


def test_imports_of_a_possible_module_are_possible(tmp_path: Path) -> None:
    files = {"train.py": "def f():\n    import own\n", "own.py": "import sklearn\n"}
    assert foreign(tmp_path, files) == [("sklearn", "own.py:1", Need.POSSIBLE)]


def test_a_module_imported_twice_has_the_greater_need(tmp_path: Path) -> None:
    files = {"train.py": "def f():\n    import own\nimport other\n", "other.py": "import own\n", "own.py": "import sklearn\n"}
    assert foreign(tmp_path, files) == [("sklearn", "own.py:1", Need.CERTAIN)]


def test_modules_may_import_each_other(tmp_path: Path) -> None:
    assert foreign(tmp_path, {"train.py": "import a", "a.py": "import b", "b.py": "import a, train"}) == []


@pytest.mark.parametrize("own", ["scripts/helper.py", "helper.py"])
def test_the_scripts_folder_and_the_source_are_searched(tmp_path: Path, own: str) -> None:
    files = {"scripts/train.py": "import helper, other\n", own: "import yaml\n"}
    assert foreign(tmp_path, files, "scripts/train.py") == [
        ("other", "scripts/train.py:1", Need.CERTAIN),
        ("yaml", f"{own}:1", Need.CERTAIN),
    ]


def test_a_data_folder_named_like_a_package_does_not_hide_it(tmp_path: Path) -> None:
    files = {"train.py": "from sklearn.datasets import load_digits\n", "sklearn/digits.csv": ""}
    assert foreign(tmp_path, files) == [("sklearn", "train.py:1", Need.CERTAIN)]


@pytest.mark.parametrize("file", ["horovod.py", "scripts/horovod/__init__.py"])
def test_a_file_that_hides_a_framework_is_reported(tmp_path: Path, file: str) -> None:
    facts = read(tmp_path, {"scripts/train.py": "import horovod\n", file: ""}, "scripts/train.py")
    assert (facts.shadows, facts.foreign) == (("horovod",), ())


def test_files_elsewhere_in_the_source_are_found(tmp_path: Path) -> None:
    facts = read(tmp_path, {"train.py": "import own, big, lost\n"})
    files = ["a/own.py", "b/own.py", "src/big/__init__.py", "src/big/lost.txt", "train.py"]
    assert facts.locate_missing(["own", "big", "lost"], files).places == {"own": "a/own.py", "big": "src/big/__init__.py"}


def test_a_script_that_changes_sys_path_is_respected(tmp_path: Path) -> None:
    facts = read(tmp_path, {"train.py": "import sys\nsys.path.insert(0, 'src')\nimport own, sklearn\n"})
    placed = facts.locate_missing(["own", "sklearn"], ["src/own.py"])
    assert [(one.module, one.need) for one in placed.foreign if one.module != "sys"] == [("sklearn", Need.POSSIBLE)]


# --- odd sources


@pytest.mark.parametrize(
    "data",
    [
        b"import \xff",
        b"\0",
        b"print 'Python 2'",
        b"match match:\n case",
        b"(" * 5000,
        b"# coding: nonsense\n",
        b"import a as",
        b"",
    ],
)
def test_an_unreadable_file_is_no_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "train.py").write_bytes(data)
    facts = examine(tmp_path, "train.py")
    assert facts.foreign == ()
    assert facts.certain is (data == b"")


def test_long_chains_of_conditions_are_parsed(tmp_path: Path) -> None:
    text = "if x == 0:\n    pass\n" + "".join(f"elif x == {n}:\n    import m{n}\n" for n in range(300))
    assert len(foreign(tmp_path, {"train.py": text})) == 300


def test_warnings_of_python_about_a_source_are_not_printed(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(tmp_path, {"train.py": "x = '\\d'\nimport yaml\n"}).certain


HEADS = ["if x:", "def f():", "class A:", "for x in y:", "while x:", "with suppress(x):", "try:", "if __name__ == '__main__':"]
BLOCKS = st.recursive(
    st.sampled_from(["import a", "from b import c", "from . import d", "x = 1", "import e.f as g"]),
    lambda inner: st.tuples(
        st.sampled_from(HEADS),
        st.lists(inner, min_size=1, max_size=3),
    ).map(lambda made: _written(*made)),
    max_leaves=12,
)


def _written(head: str, body: list[str]) -> str:
    inner = "\n".join("    " + line for part in body for line in part.splitlines())
    tail = "\nexcept ImportError:\n    import z" if head == "try:" else ""
    return f"{head}\n{inner}{tail}"


@given(st.lists(BLOCKS, min_size=1, max_size=4))
def test_each_import_is_found_once_at_its_place(parts: list[str]) -> None:
    parsed = ast.parse("\n".join(parts))
    lines = {node.lineno for node in ast.walk(parsed) if isinstance(node, ast.Import | ast.ImportFrom)}
    found = [statement.line for statement in iterate_statements(parsed, is_main=True)]
    assert sorted(found) == sorted(lines)


@given(st.text(alphabet="import fromasyelxctd:.,*()\n\t \\'\"#=0", max_size=200))
def test_any_source_is_accepted(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "odd.py").write_text(text, encoding="utf-8", errors="replace")
    facts = examine(folder, "odd.py")
    with contextlib.suppress(SyntaxError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(text)
        assert facts.certain


def test_a_module_is_found_from_the_source_and_may_import_relatively(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "", "pkg/train.py": "from . import model\n", "pkg/model.py": "import sklearn"}
    facts = examine(tree(tmp_path, files), "pkg/train.py", is_module=True)
    assert facts.relative == 0
    assert {one.module for one in facts.foreign} == {"sklearn"}
    assert examine(tmp_path, "pkg/train.py").relative == 1


@pytest.mark.parametrize(
    ("script", "text", "is_module", "relative", "levels"),
    [
        ("train.py", "import os\nfrom . import a\nfrom ..b import c\n", False, 2, 2),
        ("pkg/train.py", "from .a import b\n", True, 0, 1),
        ("pkg/train.py", "from .a import b\nfrom ..c import d\n", True, 2, 2),
        ("pkg/sub/train.py", "from ..c import d\n", True, 0, 2),
        ("pkg/sub/train.py", "from ..c import d\n", False, 1, 2),
        ("train.py", "from . import a\n", True, 1, 1),
        ("pkg/__main__.py", "from . import a\n", True, 0, 1),
        ("train.py", "try:\n    from . import a\nexcept ImportError:\n    import a\n", False, 0, 0),
    ],
)
def test_relative_imports_beyond_the_package_are_recognized(
    tmp_path: Path, script: str, text: str, is_module: bool, relative: int, levels: int
) -> None:
    facts = examine(tree(tmp_path, {script: text}), script, is_module)
    assert (facts.relative, facts.levels) == (relative, levels)
