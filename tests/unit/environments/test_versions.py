"""Which versions of Python and TensorFlow go together, without building anything."""

from __future__ import annotations

import pytest

from slurmtf.environments.requirements import Line
from slurmtf.environments.versions import check_python


def refusals(version: str, *texts: str) -> list[tuple[str, str]]:
    findings = check_python(version, [Line(text, f"pip_packages[{text!r}]") for text in texts])
    return [(finding.code, f"{finding.what}; {finding.remedy}") for finding in findings]


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("3.7.17", "tensorflow==1.15.5"),
        ("3.7.17", "tensorflow-cpu==2.11.1"),
        ("3.8.2", "tensorflow==2.2.0"),
        ("3.11.7", "tensorflow==2.15.1"),
        ("3.13.1", "tensorflow==2.20.0"),
        ("3.13.1", "tensorflow-cpu==2.21.0"),
        ("3.6.15", "tensorflow==2.6.5"),
        pytest.param("3.14.0", "tensorflow==2.22.0", id="later than we know"),
        pytest.param("3.7.17", "tensorflow", id="no version"),
        pytest.param("3.7.17", "tensorflow>=2.15", id="a range"),
        pytest.param("3.7.17", "tensorflow==2.15.1; python_version >= '3.9'", id="not for this Python"),
        pytest.param("3.7.17", "numpy==2.1.0", id="another package"),
        pytest.param("python3", "tensorflow==2.15.1", id="a Python that can't be asked here"),
        pytest.param("", "tensorflow==2.15.1", id="conda's Python"),
    ],
)
def test_compatible_or_unknown_versions_are_not_refused(version: str, package: str) -> None:
    assert refusals(version, package) == []


@pytest.mark.parametrize(
    ("version", "package", "pythons", "other"),
    [
        ("3.7.17", "tensorflow==2.15.1", "Python 3.9 to 3.11", "2.8"),
        ("3.12.4", "tensorflow==2.15.1", "Python 3.9 to 3.11", "2.21"),
        ("3.8.10", "tensorflow==1.15.5", "Python 3.3 to 3.7", "2.12"),
        ("3.9.2", "tensorflow-cpu==2.21.0", "Python 3.10 to 3.13", "2.20"),
        ("3.12.4", "tensorflow-gpu==2.11.0", "Python 3.7 to 3.10", "2.21"),
        ("3.14.0", "tensorflow==2.21.0", "Python 3.10 to 3.13", ""),
    ],
)
def test_a_tensorflow_without_a_package_for_the_python_is_refused_with_alternatives(
    version: str, package: str, pythons: str, other: str
) -> None:
    ((code, text),) = refusals(version, "numpy==1.26.4", package)
    assert code == "python-unfit"
    assert pythons in text
    assert text.partition("such as ")[2] == other


@pytest.mark.parametrize("version", ["2.7.18", "3.5.10"])
def test_a_python_too_old_for_the_job_is_refused(version: str) -> None:
    assert [code for code, _ in refusals(version, "tensorflow==1.15.5")] == ["python-too-old"]


@pytest.mark.parametrize("line", ["--index-url https://wheels.example/simple", "https://wheels.example/a-1.0-py3-none-any.whl"])
def test_versions_are_not_checked_with_a_custom_index(line: str) -> None:
    assert refusals("3.12.4", line, "tensorflow==2.15.1") == []
