"""A foreign .slurmtf in the working directory is refused by name; templates are rendered in a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.errors import SiteError, TemplateError
from slurmtf.plan.rendering import render_script
from slurmtf.sites import load
from slurmtf.sites.search import find_data, get_default_site, list_search_path
from tests.unit.support import planned, refusing, tells

from .users import MALLORY, needs_root, of

TEMPLATES = find_data("templates")
THROUGH_GLOBALS = "{{ cycler.__init__.__globals__.os.system('touch ' ~ plan.run.folder) }}"
ESCAPES = [
    THROUGH_GLOBALS,
    "{{ plan.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
    "{{ plan.to_json.__func__ }}",
    "{{ '{0.__class__}'.format(plan) }}",
    "{{ range(100000000) | list }}",
    "{{ plan.job.variables.update(a=1) }}",
    "{{ self._TemplateReference__context }}",
    "{{ lipsum() }}",
    "{% include '../slurm.sh.j2' %}",
]


@pytest.fixture
def project(common: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with its own profile and template."""
    for name, text in {
        "site_configs/slurm.yaml": "scheduler: slurm\nenvironment: {prologue: [touch /planted]}\n",
        "templates/local.sh.j2": "#!/bin/bash\n# planted\n",
        "templates/base.sh.j2": "#!/bin/bash\n# planted\n",
    }.items():
        path = common / ".slurmtf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(common)
    monkeypatch.delenv("SLURMTF_SITE_PATH", raising=False)
    return common / ".slurmtf"


def test_the_users_own_project_is_read(project: Path, source: Path) -> None:
    assert load("slurm").environment.prologue == ["touch /planted"]
    found = render_script(planned(source, load("local")), list_search_path("templates", "SLURMTF_TEMPLATE_PATH"))
    assert found == ("#!/bin/bash\n# planted\n", (str(project / "templates/local.sh.j2"),))


@pytest.mark.parametrize("name", [".", "site_configs", "site_configs/slurm.yaml"])
@needs_root
def test_a_profile_of_another_user_is_refused_by_name(project: Path, name: str) -> None:
    of(MALLORY, project / name)
    with pytest.raises(SiteError) as caught:
        load("slurm")
    [finding] = caught.value.findings
    path = project / "site_configs/slurm.yaml"
    assert (finding.code, finding.where) == ("foreign-file", str(path))
    assert tells(finding, f"{project / name} ", f"user {MALLORY}", f"--site {path}")
    assert load(path).environment.prologue == ["touch /planted"], "a path that the user gives is taken"
    assert load("local").name == "local", "nothing of that name was planted"


def test_a_profile_in_a_world_writable_folder_is_refused(project: Path) -> None:
    (project / "site_configs").chmod(0o777)
    with refusing(SiteError, "foreign-file", f"{project}/site_configs"):
        load("slurm")


@needs_root
def test_a_profile_that_extends_a_planted_one_is_refused(project: Path, tmp_path: Path) -> None:
    of(MALLORY, project)
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: slurm\n")
    with refusing(SiteError, "foreign-file", f"user {MALLORY}"):
        load(mine)


@needs_root
def test_a_template_of_another_user_is_refused_by_name(project: Path, source: Path) -> None:
    plan = planned(source, load("local"))
    of(MALLORY, project / "templates")
    path = project / "templates/local.sh.j2"
    with pytest.raises(TemplateError) as caught:
        render_script(plan, list_search_path("templates", "SLURMTF_TEMPLATE_PATH"))
    [finding] = caught.value.findings
    assert (finding.code, finding.where) == ("foreign-file", str(path))
    assert tells(finding, f"{path.parent} ", f"user {MALLORY}")
    path.unlink()
    with refusing(TemplateError, "foreign-file"):  # which ours extends
        render_script(plan, list_search_path("templates", "SLURMTF_TEMPLATE_PATH"))


@needs_root
def test_a_configuration_of_another_user_is_refused(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = common / "slurmtf/config.yaml"
    config.parent.mkdir()
    config.write_text("default_site: della\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(common))
    monkeypatch.delenv("SLURMTF_SITE", raising=False)
    assert get_default_site() == "della"
    of(MALLORY, config)
    with refusing(SiteError, "foreign-file", str(config), f"user {MALLORY}"):
        get_default_site()


@pytest.mark.parametrize("text", ESCAPES)
def test_a_template_sees_only_the_plan(source: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "local.sh.j2").write_text(text)
    with pytest.raises(TemplateError):
        render_script(planned(source, load("local")), [tmp_path, TEMPLATES])


def test_the_templates_of_a_script_are_named(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.sh.j2"
    mine.write_text('{% extends "slurm.sh.j2" %}')
    found = render_script(planned(source, load("slurm"), template=str(mine)), [TEMPLATES])
    assert found.templates == (str(mine), str(TEMPLATES / "slurm.sh.j2"), str(TEMPLATES / "base.sh.j2"))
