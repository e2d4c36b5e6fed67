"""pip requirements: files and all that they include, as lines; refuses what can't be part of a shared environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.environments.requirements import gather_requirements, normalize_name
from slurmtf.errors import SpecError
from tests.unit.support import tells


def lines(file: Path, *packages: str) -> list[str]:
    return [line.text for line in gather_requirements(packages, file)]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_comments_blank_lines_and_continuations_are_handled(tmp_path: Path) -> None:
    text = "# all of it\nnumpy==1.26.4  # pinned\n\nscipy \\\n  >=1.10\nkeras\\\n"
    assert lines(write(tmp_path / "r.txt", text)) == ["numpy==1.26.4", "scipy >=1.10", "keras"]


def test_a_hash_in_a_url_is_no_comment(tmp_path: Path) -> None:
    text = "x @ https://example.org/x.zip#egg=x\n"
    assert lines(write(tmp_path / "r.txt", text)) == ["x @ https://example.org/x.zip#egg=x"]


def test_duplicate_requirements_are_merged(tmp_path: Path) -> None:
    file = write(tmp_path / "r.txt", "numpy\nscipy  <2\n")
    assert lines(file, "numpy", "scipy <2") == ["numpy", "scipy  <2"]


def test_included_files_are_relative_to_the_one_that_includes_them(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "more.txt", "scipy\n-r ../base.txt\n")
    write(tmp_path / "base.txt", "numpy\n")
    assert lines(write(tmp_path / "r.txt", "-r sub/more.txt\n--requirement=base.txt\nkeras\n")) == ["scipy", "numpy", "keras"]


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "-r b.txt\nnumpy\n")
    assert lines(write(tmp_path / "b.txt", "-r a.txt\nscipy\n")) == ["numpy", "scipy"]


def test_constraints_are_kept_apart_from_requirements(tmp_path: Path) -> None:
    write(tmp_path / "limits.txt", "numpy<2\n")
    found = gather_requirements(["numpy"], write(tmp_path / "r.txt", "-c limits.txt\nscipy\n"))
    assert [(line.text, line.constraint) for line in found] == [("numpy", False), ("numpy<2", True), ("scipy", False)]


def test_options_of_pip_are_kept(tmp_path: Path) -> None:
    text = "--index-url https://example.org/simple\n--no-binary :all:\nnumpy --hash=sha256:00\n"
    assert lines(write(tmp_path / "r.txt", text)) == text.splitlines()


@pytest.mark.parametrize(
    "line",
    ["-e .", "--editable=./lib", "-e git+https://example.org/x.git#egg=x", ".", ".[extra]", "./lib", "../lib", "/lib", "~/lib",
     "lib/x", "file:///opt/x.whl", "x-1.0-py3-none-any.whl", "x @ file:///opt/x"],
)  # fmt: skip
def test_a_local_folder_or_file_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpecError) as caught:
        lines(write(tmp_path / "r.txt", f"numpy\n{line}\n"))
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("local-requirement", "r.txt:2")
    assert tells(finding, repr(line), "PYTHONPATH")


@pytest.mark.parametrize(
    ("line", "remedy"),
    [("tensorflo w", "PEP 508"), ("tensorflow=2.15.1", "NAME==VERSION"), ("numpy >=", "PEP 508")],
)
def test_lines_that_pip_would_refuse_are_refused(tmp_path: Path, line: str, remedy: str) -> None:
    file = write(tmp_path / "r.txt", f"scipy\n{line}\n")
    with pytest.raises(SpecError) as caught:
        gather_requirements([line], file)
    assert [(found.code, found.where, tells(found, repr(line), remedy)) for found in caught.value.findings] == [
        ("bad-requirement", f"pip_packages[{line!r}]", True), ("bad-requirement", "r.txt:2", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["--index-url https://example.org", "x==1.0 --hash=sha256:abc", "x ~= 1.0", "X.y[z] ; python_version < '3.9'", "x<2,>=1",
     "x[a,b]>=1; python_version>'3'", "git+https://example.org/x.git@v1", "x @ https://example.org/x-1.0.zip"],
)  # fmt: skip
def test_lines_that_pip_accepts_are_accepted(tmp_path: Path, line: str) -> None:
    assert lines(write(tmp_path / "r.txt", f"{line}\n")) == [line]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "r.txt", "-r none.txt\n")
    with pytest.raises(SpecError) as caught:
        lines(file)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("requirements-unreadable", "r.txt")
    assert tells(finding, "none.txt")


def test_names_are_compared_as_in_pip() -> None:
    assert {normalize_name(name) for name in ("scikit-learn", "Scikit.Learn", "scikit__learn")} == {"scikit_learn"}


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path / "r.txt", "./lib\n-r none.txt\nnumpy\n-c neither.txt\n")
    with pytest.raises(SpecError) as caught:
        gather_requirements(["-e ."], file)
    assert [(found.code, found.where) for found in caught.value.findings] == [
        ("requirements-unreadable", "r.txt"),
        ("requirements-unreadable", "r.txt"),
        ("local-requirement", "pip_packages['-e .']"),
        ("local-requirement", "r.txt:1"),
    ]
