"""The contents of a packed environment: links that point into the copy, and bytecode that Python accepts."""

from __future__ import annotations

import importlib.util
import os
import py_compile
from pathlib import Path

import pytest

from slurmtf.job.build.pack import _is_compiled, _relocate_link, _walk_paths


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("/envs/a/lib/libx.so.1", "../lib/libx.so.1"),
        ("/real/a/lib/libx.so.1", "../lib/libx.so.1"),  # the store's folder is a link
        ("/envs/a", ".."),
        ("/envs/ab/lib", "/envs/ab/lib"),  # another environment with the same prefix
        ("/usr/lib/libc.so", "/usr/lib/libc.so"),
        ("libx.so.1", "libx.so.1"),
    ],
)
def test_a_link_into_the_environment_points_into_its_copy(link: str, expected: str) -> None:
    assert _relocate_link(link, "/real/a/bin/x", "/real/a", "/envs/a") == expected


MODES = py_compile.PycInvalidationMode


@pytest.mark.parametrize(
    ("mode", "later", "grown", "taken"),
    [
        (MODES.TIMESTAMP, 0, "", True),
        (MODES.TIMESTAMP, 10, "", False),
        (MODES.TIMESTAMP, 0, "# more\n", False),
        (MODES.UNCHECKED_HASH, 10, "# more\n", True),  # not checked
    ],
)
def test_bytecode_is_accepted_by_python(
    tmp_path: Path, mode: py_compile.PycInvalidationMode, later: int, grown: str, taken: bool
) -> None:
    module = tmp_path / "a.py"
    module.write_text("x = 1\n")
    assert not _is_compiled(str(module))
    py_compile.compile(str(module), invalidation_mode=mode, doraise=True)
    found = module.stat()
    module.write_text(f"x = 1\n{grown}")
    os.utime(module, (found.st_atime, found.st_mtime + later))
    assert _is_compiled(str(module)) is taken


@pytest.mark.parametrize("head", [b"", b"\0" * 15, b"\0" * 16])
def test_invalid_bytecode_is_compiled_again(tmp_path: Path, head: bytes) -> None:
    module = tmp_path / "a.py"
    module.write_text("x = 1\n")
    compiled = Path(importlib.util.cache_from_source(str(module)))
    compiled.parent.mkdir()
    compiled.write_bytes(head)
    assert not _is_compiled(str(module))


def test_links_to_folders_are_packed_as_links(tmp_path: Path) -> None:
    (tmp_path / "lib/python").mkdir(parents=True)
    (tmp_path / "lib/python/a.py").touch()
    (tmp_path / "lib64").symlink_to("lib")
    found = [os.path.relpath(path, tmp_path) for path in _walk_paths(str(tmp_path))]
    assert found == [".", "lib64", "lib", "lib/python", "lib/python/a.py"]
