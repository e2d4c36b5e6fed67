"""Site profiles: those that come with slurmtf, the search path, inheritance, and the findings about wrong ones."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from slurmtf.errors import SiteError
from slurmtf.estimator.quantities import normalize_flag, parse_memory
from slurmtf.findings import Finding
from slurmtf.sites import Site, list_profiles, load, resolve_target
from slurmtf.sites.search import find_data, get_default_site, list_search_path
from tests.unit.support import refusing

PACKAGED = sorted(path.stem for path in find_data("site_configs").glob("*.yaml"))
GENERIC = {"local", "slurm"}
CLUSTERS = [name for name in PACKAGED if name not in GENERIC]
RETIRED = {"puhti", "mahti", "archer2", "beluga", "cedar", "graham", "niagara", "piz-daint", "maverick2", "stampede2"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and working directory, and no variables of slurmtf."""
    for folder in ("home", "work"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "SLURMTF_SITE", "SLURMTF_SITE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def of_user(home: Path, name: str, text: str) -> Path:
    """Write a profile of the user."""
    return write(home / ".config/slurmtf/site_configs" / f"{name}.yaml", text)


def findings(path: Path | str) -> tuple[Finding, ...]:
    with pytest.raises(SiteError) as caught:
        load(path)
    return caught.value.findings


# --- the profiles that come with slurmtf


@functools.cache
def profile(name: str) -> Site:
    return load(find_data("site_configs") / f"{name}.yaml")


def test_the_documented_clusters_have_profiles() -> None:
    promised = {
        "lumi-g", "roihu-gpu", "lonestar6", "vista", "daint", "clariden", "sherlock", "narval", "delta", "wice", "alex",
        "jureca-dc", "juwels-booster", "perlmutter", "frontier", "snellius", "kestrel", "nesi-mahuika", "mila", "della",
    }  # fmt: skip
    assert promised | GENERIC <= set(PACKAGED)
    assert set(PACKAGED) <= set(list_profiles())


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_profile_loads(name: str) -> None:
    site = load(name)
    assert site.name == name
    assert site.description
    assert Path(site.source) == find_data("site_configs").resolve() / f"{name}.yaml"


@pytest.mark.parametrize("name", sorted(GENERIC))
def test_the_generic_profiles_are_verified_and_request_nothing(name: str) -> None:
    site = profile(name)
    assert site.verified
    assert (site.required, site.forbidden, site.partitions) == ([], [], {})


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_is_documented_and_not_verified(name: str) -> None:
    site = profile(name)
    assert not site.verified
    assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", site.documented_on or "")
    assert site.sources
    assert all(re.fullmatch(r"https://\S+", page) for page in site.sources.values())
    assert site.description != profile("slurm").description
    text = (find_data("site_configs") / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "not verified" in text.split("extends:")[0]
    assert text.isascii()


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_has_notes_for_its_users(name: str) -> None:
    site = profile(name)
    assert site.notes
    assert all(note == note.strip() and note.isprintable() and len(note) < 250 for note in site.notes)


@pytest.mark.parametrize("name", PACKAGED)
def test_retired_clusters_are_marked(name: str) -> None:
    assert profile(name).status == "retired" or name not in RETIRED


@pytest.mark.parametrize("name", PACKAGED)
def test_a_profile_writes_no_flag_that_its_site_refuses(name: str) -> None:
    site = profile(name)
    refused = {normalize_flag(flag) for flag in site.forbidden}
    written = {normalize_flag(flag) for flag in (*site.directives, *site.gpu.sbatch, site.gpu.request)}
    asked = {
        "account": site.defaults.account, "clusters": site.cluster, "constraint": site.gpu.constraint,
        "export": site.environment.export, "mem": site.defaults.memory or site.defaults.memory_per_gpu,
        "partition": site.defaults.partition or site.defaults.gpu_partition, "qos": site.defaults.qos,
    }  # fmt: skip
    assert not refused & (written | {flag for flag, value in asked.items() if value is not None})


@pytest.mark.parametrize("name", PACKAGED)
def test_a_profile_names_only_its_own_partitions(name: str) -> None:
    site = profile(name)
    presets = [preset.partition for preset in site.presets.values()]
    named = {site.defaults.partition, site.defaults.gpu_partition, site.requeue.partition, *presets} - {None}
    assert named <= set(site.partitions)


@pytest.mark.parametrize("name", PACKAGED)
def test_the_defaults_fit_on_a_whole_node(name: str) -> None:
    site = profile(name)
    counts = {site.gpu.per_node, *(partition.gpus_per_node for partition in site.partitions.values())} - {None}
    for count in counts:
        if site.max_cpus_per_node and site.defaults.cpus_per_gpu:
            assert (count or 0) * site.defaults.cpus_per_gpu <= site.max_cpus_per_node
        if site.gpu.per_node:
            assert (count or 0) <= site.gpu.per_node
    if site.defaults.memory_per_gpu is not None:
        assert parse_memory(site.defaults.memory_per_gpu) > 0


@pytest.mark.parametrize(
    ("name", "request_flag", "launcher", "required"),
    [
        ("lumi-g", "gpus-per-node", "srun", {"account", "partition"}),
        ("roihu-gpu", "gres", "srun", {"account", "partition"}),
        ("lonestar6", "none", "ibrun", {"partition", "time"}),
        ("vista", "none", "ibrun", {"partition", "time"}),
        ("daint", "gpus-per-task", "srun", set()),
        ("clariden", "gpus-per-task", "srun", set()),
        ("sherlock", "gpus", "srun", set()),
        ("narval", "gpus-per-node", "srun", {"account", "time"}),
        ("delta", "gpus-per-node", "srun", {"account", "partition"}),
        ("wice", "gpus-per-node", "mpirun", {"account", "partition"}),
        ("alex", "gres", "srun", {"time"}),
        ("jureca-dc", "gres", "srun", {"account", "partition"}),
        ("juwels-booster", "gres", "srun", {"account", "partition"}),
        ("perlmutter", "gpus-per-node", "srun", {"account", "qos"}),
    ],
)
def test_the_profiles_request_jobs_as_their_clusters_require(
    name: str, request_flag: str, launcher: str, required: set[str]
) -> None:
    site = profile(name)
    assert (site.gpu.request, site.launcher.default, set(site.required)) == (request_flag, launcher, required)


def test_the_profiles_know_pitfalls_of_single_clusters() -> None:
    for name in ("lonestar6", "vista"):
        assert {"gres", "gpus-per-task", "mem", "export", "nodelist", "exclude"} <= set(profile(name).forbidden)
    assert profile("wice").cluster == "wice"
    assert "srun" in profile("wice").launcher.forbidden
    assert {profile(name).network.host_suffix for name in ("jureca-dc", "juwels-booster")} == {"i"}
    assert profile("alex").environment.export == "NONE"
    assert profile("alex").environment.unset == ["SLURM_EXPORT_ENV"]
    assert profile("perlmutter").gpu.constraint == "gpu"
    assert profile("lumi-g").gpu.vendor == "amd"
    assert profile("lumi-g").max_cpus_per_node == 56
    assert profile("roihu-gpu").mail_works is False


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("lumi-g", "project_465000123", "465000123"), ("delta", "abcd-delta-gpu", "abcd")],
)
def test_the_form_of_an_account_is_checked(name: str, good: str, bad: str) -> None:
    pattern = profile(name).account_pattern or ""
    assert re.fullmatch(pattern, good)
    assert not re.fullmatch(pattern, bad)


# --- the search path


def test_profiles_are_searched_in_the_order_of_folders(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMTF_SITE_PATH", f"{tmp_path}/a::{tmp_path}/b")
    monkeypatch.setenv("XDG_CONFIG_HOME", f"{tmp_path}/xdg")
    assert list_search_path("site_configs", "SLURMTF_SITE_PATH") == [
        tmp_path / "a",
        tmp_path / "b",
        tmp_path / "work/.slurmtf/site_configs",
        tmp_path / "xdg/slurmtf/site_configs",
        Path("/etc/slurmtf/site_configs"),
        find_data("site_configs"),
    ]
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert list_search_path("site_configs", "SLURMTF_SITE_PATH")[3] == home / ".config/slurmtf/site_configs"


def test_the_most_specific_profile_takes_precedence(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("delta").description.startswith("Delta")
    of_user(home, "delta", "description: user's\n")
    assert load("delta").description == "user's"
    write(Path(".slurmtf/site_configs/delta.yaml"), "description: project's\n")
    assert load("delta").description == "project's"
    write(tmp_path / "a/delta.yaml", "description: variable's\n")
    monkeypatch.setenv("SLURMTF_SITE_PATH", f"{tmp_path}/none:{tmp_path}/a")
    assert load("delta").description == "variable's"
    explicit = write(tmp_path / "b/delta.yaml", "description: explicit\n")
    assert load(explicit).description == load(str(explicit)).description == "explicit"


@pytest.mark.parametrize("spelling", ["./mine.yaml", "mine.yaml", "~/mine.yaml"])
def test_a_path_is_not_taken_for_a_name(spelling: str, home: Path) -> None:
    for folder in (Path(), home):
        write(folder / "mine.yaml", "description: a file\n")
    site = load(spelling)
    assert (site.name, site.description) == ("mine", "a file")


def test_every_available_profile_is_listed_once(home: Path) -> None:
    mine = of_user(home, "mine", "extends: slurm\n")
    other = of_user(home, "delta", "extends: slurm\n")
    found = list_profiles()
    assert (found["mine"], found["delta"]) == (mine, other)
    assert list(found) == sorted(found)
    assert found["slurm"].parent == find_data("site_configs")


def test_an_unknown_site_is_refused() -> None:
    with refusing(SiteError, "unknown-site", "sherlok", "sherlock"):
        load("sherlok")
    with refusing(SiteError, "unknown-site", "zzz", "sherlock", "slurm"):
        resolve_target("zzz")


def test_a_missing_profile_file_is_refused() -> None:
    (finding,) = findings("./nothing.yaml")
    assert (finding.code, Path(finding.where).name) == ("unreadable", "nothing.yaml")
    assert "No such file or directory" in finding.what


# --- the default site


def test_the_default_site_is_resolved(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_default_site() == "local"
    assert resolve_target(None).scheduler == "local"
    write(home / ".config/slurmtf/config.yaml", "default_site: daint\n")
    assert get_default_site() == "daint"
    assert resolve_target(None).name == "daint"
    monkeypatch.setenv("SLURMTF_SITE", "vista")
    assert get_default_site() == "vista"
    assert resolve_target(None).name == "vista"
    assert resolve_target("delta").name == "delta"


def test_a_configuration_may_lack_a_default_site(home: Path) -> None:
    write(home / ".config/slurmtf/config.yaml", "# nothing is set\ndefault_site:\n")
    assert get_default_site() == "local"


def test_a_site_object_is_used_as_it_is() -> None:
    site = Site(name="made by hand")
    assert resolve_target(site) is site


# --- inheritance


def test_scalars_and_lists_are_replaced_and_mappings_merged(tmp_path: Path) -> None:
    write(
        tmp_path / "base.yaml",
        """
        description: base
        verified: true
        documented_on: 2026-01
        notes: [one, two]
        required: [account]
        gpu: {request: gpus, per_node: 4, srun: {gpu-bind: closest, mpi: pmix}}
        partitions: {gpu: {max_time: 1-0, gpus: true}, cpu: {gpus: false}}
        """,
    )
    child = write(
        tmp_path / "child.yaml",
        """
        extends: ./base.yaml
        description: child
        notes: [three]
        required: []
        gpu: {per_node: 8, srun: {gpu-bind: none}}
        partitions: {gpu: {max_time: 2-0}, debug: {max_time: 1:30:00}}
        """,
    )
    site = load(child)
    assert (site.name, site.description, site.documented_on) == ("child", "child", "2026-01")
    assert site.notes == ["three"]
    assert site.required == []
    assert (site.gpu.request, site.gpu.per_node) == ("gpus", 8)
    assert site.gpu.srun == {"gpu-bind": "none", "mpi": "pmix"}
    assert list(site.partitions) == ["gpu", "cpu", "debug"]
    assert (site.partitions["gpu"].max_time, site.partitions["gpu"].gpus) == ("2-0", True)
    assert site.partitions["debug"].max_time == "1:30:00"


def test_null_removes_an_inherited_value(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "defaults: {account: a, qos: q}\n")
    site = load(write(tmp_path / "child.yaml", "extends: ./base.yaml\ndefaults: {account: null}\n"))
    assert (site.defaults.account, site.defaults.qos) == (None, "q")


def test_name_and_verified_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "name: base\nverified: true\ncluster: c\n")
    site = load(write(tmp_path / "child.yaml", "extends: ./base.yaml\n"))
    assert (site.name, site.verified, site.cluster) == ("child", False, "c")
    grandchild = load(write(tmp_path / "grandchild.yaml", "extends: ./child.yaml\nname: other\n"))
    assert (grandchild.name, grandchild.cluster) == ("other", "c")


def test_a_path_is_relative_to_the_extending_profile(tmp_path: Path) -> None:
    write(tmp_path / "shared/base.yaml", "description: shared\n")
    assert load(write(tmp_path / "mine/child.yaml", "extends: ../shared/base.yaml\n")).description == "shared"


def test_a_profile_may_extend_the_packaged_one_with_its_name(home: Path) -> None:
    path = of_user(home, "delta", "extends: delta\ndefaults: {account: abcd-delta-gpu}\n")
    site = load("delta")
    assert site.source == str(path)
    assert site.defaults.account == "abcd-delta-gpu"
    assert site.defaults.cpus_per_gpu == 16
    assert not site.verified


def test_a_profile_may_replace_the_one_that_all_extend(home: Path) -> None:
    of_user(home, "slurm", "extends: slurm\ndefaults: {account: mine}\n")
    assert load("slurm").defaults.account == "mine"
    assert load("lumi-g").defaults.account == "mine"


# --- findings about wrong profiles


@pytest.mark.parametrize(
    ("text", "where", "code", "meant"),
    [
        ("extends: slurm\nlaunchr: {}\n", ":2: launchr", "unknown-key", "'launcher'"),
        ("gpu:\n  request: gres\n  pernode: 4\n", ":3: gpu.pernode", "unknown-key", "'per_node'"),
        ("partitions:\n  a:\n    max_tim: 1\n", ":3: partitions.a.max_tim", "unknown-key", "'max_time'"),
        ("extends: sherlok\n", ":1: extends", "unknown-site", "'sherlock'"),
    ],
)
def test_a_wrong_profile_is_reported_with_the_line(text: str, where: str, code: str, meant: str, tmp_path: Path) -> None:
    path = write(tmp_path / "wrong.yaml", text)
    (finding,) = findings(path)
    assert (finding.code, finding.source or finding.where) == (code, f"{path}{where}")
    assert meant in finding.remedy


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("gpu:\n  request: gpu\n", ":2: gpu.request", "'gres', 'gpus-per-node', 'gpus-per-task', 'gpus' or 'none'"),
        ("status: old\n", ":1: status", "'live' or 'retired'"),
        ("gpu:\n  per_node: four\n", ":2: gpu.per_node", "valid integer"),
        ("required: account\n", ":1: required", "valid list"),
        ("network: {internet: maybe}\n", ":1: network.internet", "(found 'maybe')"),
    ],
)
def test_a_value_of_the_wrong_type_is_reported(text: str, place: str, what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "wrong.yaml", text)
    (finding,) = findings(path)
    assert finding.source == f"{path}{place}"
    assert what in finding.what


@pytest.mark.parametrize(
    ("text", "key", "code"),
    [
        ("account_pattern: '['\n", "account_pattern", "bad-pattern"),
        ("environment: {shebang: '#!/bin/sh'}\n", "environment.shebang", "bad-shebang"),
        ("environment: {shebang: /bin/bash}\n", "environment.shebang", "bad-shebang"),
        ("environment: {variables: {NCCL-DEBUG: INFO}}\n", "environment.variables.NCCL-DEBUG", "bad-variable-name"),
        ('environment: {prologue: ["a\\ab"]}\n', "environment.prologue", "control-characters"),
        ("defaults: {time: soon}\n", "defaults.time", "bad-time"),
        ("min_time: 5 min\n", "min_time", "bad-time"),
        ("partitions: {gpu: {max_time: 1 day}}\n", "partitions.gpu.max_time", "bad-time"),
        ("partitions: {gpu: {default_time: x}}\n", "partitions.gpu.default_time", "bad-time"),
        ("defaults: {memory: lots}\n", "defaults.memory", "bad-memory"),
        ("defaults: {memory_per_gpu: 1.5G}\n", "defaults.memory_per_gpu", "bad-memory"),
        ("required: [mem]\nforbidden: [--mem]\n", "forbidden", "flag-forbidden-too"),
        ("launcher: {default: mpirun, forbidden: [mpirun]}\n", "launcher.forbidden", "forbidden-launcher"),
        ("directives: {'two words': 1}\n", "directives", "bad-flag"),
        ("gpu: {sbatch: {'two words': 1}}\n", "gpu.sbatch", "bad-flag"),
        ("gpu: {srun: {'two words': 1}}\n", "gpu.srun", "bad-flag"),
    ],
)
def test_a_contradictory_profile_is_refused(text: str, key: str, code: str, tmp_path: Path) -> None:
    path = write(tmp_path / "wrong.yaml", f"extends: slurm\n{text}")
    (finding,) = findings(path)
    assert finding.code == code
    assert re.match(rf"{re.escape(str(path))}:[23]: {re.escape(key)}", finding.source or finding.where)


@pytest.mark.parametrize("shebang", ["#!/bin/bash", "#!/bin/bash -l", "#!/usr/bin/bash", "#! /bin/bash --login"])
def test_the_shebang_must_be_of_bash(shebang: str, tmp_path: Path) -> None:
    path = write(tmp_path / "right.yaml", f"environment: {{shebang: '{shebang}'}}\n")
    assert load(path).environment.shebang == shebang


def test_profiles_that_extend_each_other_are_refused(home: Path) -> None:
    of_user(home, "one", "extends: two\n")
    two = of_user(home, "two", "description: two\nextends: one\n")
    assert [(found.code, found.where) for found in findings("one")] == [("extends-itself", f"{two}:2: extends")]


def test_a_profile_that_extends_itself_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", "extends: ./own.yaml\n")
    assert [(found.code, found.where) for found in findings(path)] == [("extends-itself", f"{path}:1: extends")]


def test_an_error_in_an_extended_profile_is_reported_with_its_own_file(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", "cluster: a\ngpus: 4\n")
    (finding,) = findings(write(tmp_path / "child.yaml", "extends: ./base.yaml\n"))
    assert (finding.code, finding.source or finding.where) == ("unknown-key", f"{base}:2: gpus")


def test_all_errors_of_a_profile_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "wrong.yaml", "defaults: {time: x, memory: y}\nenvironment: {shebang: z}\n")
    assert len(findings(path)) == 3


def test_unknown_differs_from_no(tmp_path: Path) -> None:
    site = load(write(tmp_path / "a.yaml", "network: {internet: false}\nrequeue: {default: unknown}\n"))
    assert site.network.internet is False
    assert site.requeue.default == "unknown"
    assert site.mail_works == "unknown"
    assert load("slurm").network.internet == "unknown"
