"""The header and the launch line of a plan: GPUs, constraints, flags that sites require or refuse, and those passed through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurmtf.cli.commands.plan import format_plan
from slurmtf.plan import render
from slurmtf.sites import Site
from slurmtf.sites.model import Defaults, Gpu, JobEnvironment, Partition, Preset
from slurmtf.sites.model import Launcher as SiteLauncher
from slurmtf.sites.search import find_data
from tests.unit.support import SITE, flags, planned, resources, tells, tensorflow, unplannable

# --- GPUs


@pytest.mark.parametrize(
    ("request_by", "kind", "flag"),
    [
        ("gres", None, {"gres": "gpu:4"}),
        ("gres", "a100", {"gres": "gpu:a100:4"}),
        ("gpus-per-node", None, {"gpus-per-node": "4"}),
        ("gpus-per-node", "a100", {"gpus-per-node": "a100:4"}),
        ("gpus-per-task", None, {"gpus-per-task": "4"}),
        ("gpus-per-task", "a100", {"gpus-per-task": "a100:4"}),
        ("gpus", None, {"gpus": "4"}),
        ("gpus", "a100", {"gpus": "a100:4"}),
        ("none", "a100", {}),
    ],
)
def test_gpus_are_requested_in_the_sites_form(source: Path, request_by: Any, kind: str | None, flag: dict[str, str]) -> None:
    found = flags(planned(source, Site(name="here", gpu=Gpu(request=request_by)), gpus_per_node=4, gpu_type=kind))
    names = ("gres", "gpus", "gpus-per-node", "gpus-per-task")
    assert {name: found[name] for name in names if name in found} == flag


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 0),
        ({"use_gpu": True}, 1),
        ({"gpus_per_node": 3}, 3),
        ({"use_gpu": True, "gpus_per_node": 2}, 2),
        ({"gpus_per_node": 0}, 0),
    ],
)  # fmt: skip
def test_the_number_of_gpus_is_resolved(source: Path, asked: dict[str, Any], count: int) -> None:
    assert resources(source, **asked).gpus_per_node == count


def test_the_type_of_gpu_is_requested(source: Path) -> None:
    site = Site(name="here", gpu=Gpu(type="a100", types=["a100", "a40"]), partitions={"mig": Partition(gpu_type="slice")})
    assert resources(source, site, use_gpu=True).gpu_type == "a100"
    assert resources(source, site, use_gpu=True, partition="mig").gpu_type == "slice"
    assert resources(source, site, use_gpu=True, gpu_type="a40").gpu_type == "a40"
    assert resources(source, site).gpu_type is None


def test_flags_that_accompany_gpus_are_added(source: Path) -> None:
    defaults = Defaults(cpus_per_gpu=16, memory_per_gpu="60G", memory="4G", cpus_per_task=1)
    site = Site(name="here", gpu=Gpu(sbatch={"gpu-bind": "closest"}, srun={"cpu-bind": "none"}), defaults=defaults)
    with_gpus = planned(source, site, gpus_per_node=2)
    assert (with_gpus.resources.cpus_per_task, with_gpus.resources.memory) == (32, "122880M")
    assert flags(with_gpus)["gpu-bind"] == "closest"
    words = ("srun", "--nodes=1", "--ntasks=1", "--cpus-per-task=32", "--export=ALL", "--cpu-bind=none")
    assert with_gpus.job.launcher_words == words
    without = planned(source, site)
    assert (without.resources.cpus_per_task, without.resources.memory) == (1, "4G")
    assert "gpu-bind" not in flags(without)
    assert "--cpu-bind=none" not in without.job.launcher_words
    asked = resources(source, site, gpus_per_node=2, cpus_per_task=3, memory="10G")
    assert (asked.cpus_per_task, asked.memory) == (3, "10G")


@pytest.mark.parametrize(("processes", "gpus", "each"), [(1, 4, "4"), (2, 4, "2"), (4, 4, "1")])
def test_gpus_are_requested_for_each_task(source: Path, processes: int, gpus: int, each: str) -> None:
    site = Site(name="here", gpu=Gpu(request="gpus-per-task"))
    asked: dict[str, Any] = {"distributed_backend": "mpi", "process_count_per_node": processes, "node_count": 2}
    assert flags(planned(source, site, gpus_per_node=gpus, **asked))["gpus-per-task"] == each


@pytest.mark.parametrize(
    ("passed", "found"),
    [
        ({"gres": "nvme:100"}, {"gres": "gpu:2,nvme:100"}),
        ({"gres": ["nvme:100", "shm:1"]}, {"gres": "gpu:2,nvme:100,shm:1"}),
        ({"gres": "gpu:a100:1"}, {"gres": "gpu:a100:1"}),
        ({"gres": None}, {}),
        ({"gpus": 8}, {"gpus": 8}),
        ({"gpus-per-node": 1, "gres": "nvme:1"}, {"gpus-per-node": 1, "gres": "nvme:1"}),
        ({"gpu-bind": "closest"}, {"gres": "gpu:2"}),
    ],
)
def test_the_users_own_generic_resources_are_kept(source: Path, passed: dict[str, Any], found: dict[str, object]) -> None:
    header = flags(planned(source, gpus_per_node=2, sbatch=passed))
    assert {
        name: value for name, value in header.items() if name in ("gres", "gpus", "gpus-per-node", "gpus-per-task")
    } == found


@pytest.mark.parametrize(
    ("own", "of_gpus", "joined"),
    [
        (None, None, None),
        ("a", None, "a"),
        (None, "gpu", "gpu"),
        ("a", "gpu", "a&gpu"),
        ("a|b", "gpu", "(a|b)&gpu"),
        ("a", "x|y", "a&(x|y)"),
        ("a|b", None, "a|b"),
        ("[a|b]", None, "[a|b]"),
        ("[a|b]", "gpu", "[a|b]&gpu"),
        ("(a|b)&c", "gpu", "(a|b)&c&gpu"),
    ],
)
def test_constraints_are_joined_by_and(source: Path, own: str | None, of_gpus: str | None, joined: str | None) -> None:
    site = Site(name="here", gpu=Gpu(constraint=of_gpus))
    plan = planned(source, site, constraint=own, use_gpu=True)
    assert plan.resources.constraint == joined
    assert flags(plan).get("constraint") == joined


# --- flags that a site requires or refuses


@pytest.mark.parametrize(
    ("required", "where", "facts"),
    [
        ("account", "account", ("`account`", "lab_.+")),
        ("partition", "partition", ("`partition`", "cpu, gpu")),
        ("time", "time", ("`time`",)),
        ("mem", "memory", ("`memory`",)),
        ("gres", "gpus_per_node", ("`gpus_per_node`",)),
        ("gpus", "sbatch['gpus']", ("`sbatch[gpus]`",)),  # no setting of this site writes it
        ("mail-user", "mail_user", ("`mail_user`",)),
        ("comment", "sbatch['comment']", ("`sbatch[comment]`",)),
    ],
)
def test_a_flag_required_by_the_site_must_be_given(source: Path, required: str, where: str, facts: tuple[str, ...]) -> None:
    site = Site(name="here", required=[required], account_pattern="lab_.+", partitions={"cpu": Partition(), "gpu": Partition()})
    (finding,) = unplannable(tensorflow(source), site)
    assert (finding.code, finding.where) == ("required-flag", where)
    assert tells(finding, "here", f"--{required}", *facts)
    given = {"account": "lab_1", "partition": "cpu", "time": 1, "mem": 1, "gres": "gpu:1", "gpus": 1}.get(required, "x@y")
    assert flags(planned(source, site, sbatch={required: given}))[required] == given


def test_all_missing_flags_are_reported_at_once(source: Path) -> None:
    findings = unplannable(tensorflow(source), Site(name="here", required=["account", "time", "qos"]))
    assert [finding.where for finding in findings] == ["account", "time", "qos"]


def test_a_required_flag_may_come_from_the_site(source: Path) -> None:
    site = Site(name="here", required=["account", "qos"], defaults=Defaults(account="lab"), directives={"qos": "normal"})
    assert flags(planned(source, site))["qos"] == "normal"


@pytest.mark.parametrize(
    ("forbidden", "settings", "where"),
    [
        ("mem", {"memory": "1G"}, "memory"),
        ("mem", {"memory": 0}, "memory"),
        ("mem", {"sbatch": {"mem": "1G"}}, "sbatch['mem']"),
        ("exclusive", {"exclusive": True}, "exclusive"),
        ("gres", {"sbatch": {"gres": "gpu:1"}}, "sbatch['gres']"),
        ("nodelist", {"sbatch": {"--nodelist": "n1"}}, "sbatch['nodelist']"),
        ("gpu-bind", {"sbatch": {"gpu_bind": "none"}}, "sbatch['gpu-bind']"),
    ],
)
def test_a_flag_refused_by_the_site_is_an_error(source: Path, forbidden: str, settings: dict[str, Any], where: str) -> None:
    (finding,) = unplannable(tensorflow(source, **settings), Site(name="here", forbidden=[forbidden]))
    assert (finding.code, finding.where) == ("forbidden-flag", where)
    assert tells(finding, "here", f"--{forbidden}")


@pytest.mark.parametrize("settings", [{"exclusive": False}, {"sbatch": {"mem": None}}, {"sbatch": {"exclusive": False}}])
def test_an_omitted_flag_is_not_requested(source: Path, settings: dict[str, Any]) -> None:
    plan = planned(source, Site(name="here", forbidden=["mem", "exclusive"]), **settings)
    assert not {"mem", "exclusive"} & flags(plan).keys()


def test_a_flag_refused_by_the_site_is_never_written(source: Path) -> None:
    site = Site(
        name="here",
        forbidden=["gres", "mem", "export", "signal"],
        defaults=Defaults(memory="8G", memory_per_gpu="8G"),
        environment=JobEnvironment(export="NONE"),
    )
    plan = planned(source, site, use_gpu=True)
    assert plan.resources.gpus_per_node == 1
    assert not {"gres", "mem", "export", "signal"} & flags(plan).keys()


def test_an_account_of_the_wrong_form_is_reported(source: Path) -> None:
    site = Site(name="here", account_pattern="project_[0-9]+")
    for settings in ({"account": "project_1x"}, {"sbatch": {"account": "project_1x"}}):
        (finding,) = unplannable(tensorflow(source, **settings), site)
        assert (finding.code, finding.where) == ("bad-account", "account")
        assert tells(finding, "'project_1x'", "project_[0-9]+")
    assert resources(source, site, account="project_1").account == "project_1"


# --- flags that exclude one another

DEFAULTS = Defaults(memory="8G", cpus_per_task=2, time="1:00:00")


@pytest.mark.parametrize(
    ("site", "settings", "there", "gone"),
    [
        ({"defaults": DEFAULTS}, {"sbatch": {"mem-per-cpu": "2G"}}, "mem-per-cpu", "mem"),
        ({"defaults": DEFAULTS}, {"sbatch": {"mem_per_gpu": "2G"}}, "mem_per_gpu", "mem"),
        ({"defaults": DEFAULTS}, {"sbatch": {"cpus-per-gpu": 4}}, "cpus-per-gpu", "cpus-per-task"),
        ({"defaults": DEFAULTS}, {"sbatch": {"tres-per-task": "cpu=4"}}, "tres-per-task", "cpus-per-task"),
        ({"defaults": DEFAULTS, "directives": {"mem-per-cpu": "2G"}}, {}, "mem-per-cpu", "mem"),
        ({"directives": {"mem-per-cpu": "2G"}}, {"memory": "16G"}, "mem", "mem-per-cpu"),
        ({"directives": {"mem-per-cpu": "2G"}}, {"vm_size": "big"}, "mem", "mem-per-cpu"),
        ({"directives": {"mem": "2G"}}, {"sbatch": {"mem-per-gpu": "4G"}}, "mem-per-gpu", "mem"),
        ({"directives": {"exclusive": True}}, {"sbatch": {"oversubscribe": True}}, "oversubscribe", "exclusive"),
        ({"directives": {"no-requeue": True}}, {"vm_priority": "lowpriority"}, "requeue", "no-requeue"),
        ({}, {"vm_priority": "lowpriority", "sbatch": {"no-requeue": True}}, "no-requeue", "requeue"),
        ({"directives": {"no-requeue": True}}, {"restarts": {"time-limit": 3}}, "requeue", "no-requeue"),
        ({"directives": {"no-requeue": True}}, {"restarts": {"preempted": "unlimited"}}, "requeue", "no-requeue"),
        ({}, {"restarts": {"preempted": "unlimited"}, "sbatch": {"no-requeue": True}}, "no-requeue", "requeue"),
        ({"directives": {"no-requeue": True}}, {"restarts": {"script": 3, "node-failure": 0}}, "no-requeue", "requeue"),
        ({"directives": {"hint": "nomultithread"}}, {"sbatch": {"threads-per-core": 2}}, "threads-per-core", "hint"),
        ({"directives": {"core-spec": 8}}, {"sbatch": {"thread-spec": 2}}, "thread-spec", "core-spec"),
        ({"gpu": Gpu(sbatch={"gpu-bind": "closest"})}, {"use_gpu": True, "sbatch": {"tres-bind": "gres/gpu:none"}},
         "tres-bind", "gpu-bind"),
    ],
)  # fmt: skip
def test_a_given_flag_replaces_those_that_it_excludes(
    source: Path, site: dict[str, Any], settings: dict[str, Any], there: str, gone: str
) -> None:
    presets = {"big": Preset(memory="200G")}
    found = flags(planned(source, Site(name="here", presets=presets, **site), **settings))
    assert there in found
    assert gone not in found


@pytest.mark.parametrize(
    ("directive", "settings", "expected"),
    [
        ({"mem": "2G"}, {"memory": "16G"}, ("mem", "16G")),
        ({"time": 30}, {"time": 90}, ("time", "01:30:00")),
        ({"time": 30}, {"max_run_duration_seconds": 90}, ("time", "00:01:30")),
        ({"partition": "all"}, {"partition": "gpu"}, ("partition", "gpu")),
        ({"partition": "all"}, {}, ("partition", "all")),
        ({"cpus-per-task": 2}, {"sbatch": {"cpus-per-task": 4}}, ("cpus-per-task", 4)),
    ],
)
def test_a_parameter_takes_precedence_over_a_profiles_directive(
    source: Path, directive: dict[str, Any], settings: dict[str, Any], expected: tuple[str, object]
) -> None:
    assert expected in planned(source, Site(name="here", directives=directive), **settings).batch.directives


@pytest.mark.parametrize(
    ("passed", "name", "expected"),
    [
        ({"mem": "3G"}, "memory", "3G"),
        ({"mem-per-cpu": "3G"}, "memory", None),
        ({"cpus-per-task": "6"}, "cpus_per_task", 6),
        ({"cpus-per-gpu": 6}, "cpus_per_task", None),
        ({"time": "2:00:00"}, "time_s", 7200),
        ({"time": "UNLIMITED"}, "time_s", 0),
        ({"partition": "gpu"}, "partition", "gpu"),
        ({"qos": "high"}, "qos", "high"),
        ({"account": "lab"}, "account", "lab"),
        ({"constraint": "a"}, "constraint", "a"),
        ({"exclusive": "user"}, "exclusive", True),
        ({"requeue": True}, "requeue", True),
    ],
)
@pytest.mark.parametrize("by", ["user", "profile"])
def test_the_plan_shows_the_resources_requested_by_any_flag(
    source: Path, passed: dict[str, Any], name: str, expected: object, by: str
) -> None:
    site = Site(name="here", defaults=DEFAULTS, directives=passed if by == "profile" else {})
    found = planned(source, site, sbatch=passed if by == "user" else {})
    assert getattr(found.resources, name) == expected


def test_cpus_of_the_users_own_flag_reach_srun(source: Path) -> None:
    site = Site(name="here", defaults=DEFAULTS)
    assert "--cpus-per-task=6" in planned(source, site, sbatch={"cpus-per-task": 6}).job.launcher_words
    assert not [word for word in planned(source, site, sbatch={"cpus-per-gpu": 6}).job.launcher_words if "cpus-per" in word]
    by_srun = planned(source, site, srun={"cpus-per-gpu": 3}).job.launcher_words
    assert [word for word in by_srun if "cpus-per" in word] == ["--cpus-per-gpu=3"]


def test_flags_that_accompany_a_partition_accompany_one_of_the_users_flag(source: Path) -> None:
    site = Site(name="here", partitions={"gpu": Partition(qos="of-gpu", max_time="1:00:00", gpu_type="a40")})
    plan = planned(source, site, use_gpu=True, sbatch={"partition": "gpu", "time": "2:00:00"})
    assert (plan.resources.qos, plan.resources.gpu_type) == ("of-gpu", "a40")
    assert "over-time" in [one.code for one in plan.warnings]


def test_all_generic_resources_are_joined_in_one_flag(source: Path) -> None:
    site = Site(name="here", directives={"gres": "nvme:100,lustre"}, gpu=Gpu(sbatch={"gres": "shm:1"}))
    plan = planned(source, site, use_gpu=True, sbatch={"gres": ["nvme:50", "craynetwork:2"]})
    assert flags(plan)["gres"] == "gpu:1,nvme:50,lustre,shm:1,craynetwork:2"


# --- launchers


@pytest.mark.parametrize(
    ("of_site", "asked", "launcher", "words"),
    [
        (SiteLauncher(), None, "srun", ("srun", "--nodes=1", "--ntasks=1", "--export=ALL")),
        (SiteLauncher(args=["--label"]), None, "srun", ("srun", "--nodes=1", "--ntasks=1", "--export=ALL", "--label")),
        (SiteLauncher(default="ibrun"), None, "ibrun", ("ibrun",)),
        (SiteLauncher(default="ibrun", single="none"), None, "none", ()),
        (SiteLauncher(default="mpirun", single="none", forbidden=["srun"]), None, "none", ()),
        (SiteLauncher(), "none", "none", ()),
        (SiteLauncher(single="none"), "srun", "srun", ("srun", "--nodes=1", "--ntasks=1", "--export=ALL")),
    ],
)
def test_the_launcher_is_resolved(
    source: Path, of_site: SiteLauncher, asked: str | None, launcher: str, words: tuple[str, ...]
) -> None:
    plan = planned(source, Site(name="here", launcher=of_site), launcher=asked)
    assert (plan.job.launcher, plan.job.launcher_words) == (launcher, words)


def test_a_launcher_refused_by_the_site_is_an_error(source: Path) -> None:
    site = Site(name="here", launcher=SiteLauncher(default="ibrun", forbidden=["srun"]))
    (finding,) = unplannable(tensorflow(source, launcher="srun"), site)
    assert (finding.code, finding.where) == ("forbidden-launcher", "launcher")
    assert tells(finding, "srun", "ibrun")


def test_an_unknown_launcher_is_refused(source: Path) -> None:
    for estimator, site, where, facts in (
        (tensorflow(source, launcher="sruns"), SITE, "launcher", ("'sruns'", "'srun'")),
        (tensorflow(source), Site(name="here", launcher=SiteLauncher(default="yod")), "site here: launcher", ("'yod'",)),
    ):
        (finding,) = unplannable(estimator, site)
        assert (finding.code, finding.where) == ("unknown-launcher", where)
        assert tells(finding, *facts)


# --- flags that are passed through


def test_a_flag_passed_through_replaces_ours(source: Path) -> None:
    plan = planned(source, sbatch={"job-name": "mine", "--hint": "nomultithread", "requeue": True, "comment": ["a", "b"]})
    assert plan.batch.directives[0] == ("job-name", "mine")
    assert plan.batch.directives[-4:] == (("hint", "nomultithread"), ("requeue", True), ("comment", "a"), ("comment", "b"))


@pytest.mark.parametrize("nothing", [None, False, []])
def test_a_flag_set_to_none_is_left_out(source: Path, nothing: object) -> None:
    assert "job-name" not in flags(planned(source, sbatch={"job-name": nothing}))
    assert planned(source, srun={"export": nothing}).job.launcher_words == ("srun", "--nodes=1", "--ntasks=1")


def test_flags_of_srun_are_passed_through(source: Path) -> None:
    plan = planned(
        source, cpus_per_task=4, srun={"cpu-bind": "cores", "--label": True, "export": "NONE", "mpi": ["a", "b"], "wait": 0}
    )
    assert plan.job.launcher_words == (
        "srun", "--nodes=1", "--ntasks=1", "--cpus-per-task=4", "--export=NONE", "--cpu-bind=cores", "--label", "--mpi=a",
        "--mpi=b", "--wait=0",
    )  # fmt: skip


def test_the_requested_cluster_is_used_however_it_is_given(source: Path) -> None:
    wice = Site(name="here", cluster="wice")
    for settings, cluster in (({}, "wice"), ({"sbatch": {"clusters": "lab"}}, "lab"), ({"sbatch": {"-M": "lab"}}, "lab")):
        plan = planned(source, wice, **settings)
        assert (plan.cluster, flags(plan)["clusters"]) == (cluster, cluster)
    assert planned(source, Site(name="here", directives={"clusters": "genius,wice"})).cluster == "genius,wice"
    assert planned(source).cluster is None


def test_later_flags_take_precedence(source: Path) -> None:
    site = Site(name="here", directives={"hint": "site", "comment": "site"}, gpu=Gpu(sbatch={"hint": "gpu", "comment": "gpu"}))
    plan = planned(source, site, use_gpu=True, sbatch={"hint": "user"})
    assert (flags(plan)["hint"], flags(plan)["comment"]) == ("user", "gpu")


def test_mail_flags_are_written(source: Path) -> None:
    asked: dict[str, Any] = {"mail_type": ["END", "FAIL"], "mail_user": "ada@example.org"}
    one_line = flags(planned(source, **asked))
    assert (one_line["mail-type"], one_line["mail-user"]) == ("END,FAIL", "ada@example.org")
    assert flags(planned(source, Site(name="here", mail_one_type_per_line=True), **asked))["mail-type"] == ["END", "FAIL"]


def test_every_request_has_its_flag(source: Path) -> None:
    plan = planned(
        source, Site(name="here", cluster="mars", environment=JobEnvironment(export="NONE")), job_name="mine", partition="gpu",
        account="lab", qos="high", constraint="fast", time="1-0", memory="16G", cpus_per_task=8, exclusive=True,
        gpus_per_node=2, gpu_type="a100",
    )  # fmt: skip
    assert plan.batch.directives[:-4] == (
        ("job-name", "mine"), ("clusters", "mars"), ("account", "lab"), ("partition", "gpu"), ("qos", "high"),
        ("constraint", "fast"), ("nodes", 1), ("ntasks-per-node", 1), ("cpus-per-task", 8), ("gres", "gpu:a100:2"),
        ("mem", "16G"), ("exclusive", True), ("time", "1-00:00:00"), ("export", "NONE"),
    )  # fmt: skip
    assert plan.cluster == "mars"


# --- what the user is shown


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"memory": "8G", "cpus_per_task": 2}, ["cpus       2 for each process", "memory     8G on each node"]),
        ({"sbatch": {"mem-per-cpu": "2G"}}, ["memory     2G for each CPU"]),
        ({"sbatch": {"mem_per_gpu": "2G", "cpus-per-gpu": 4}}, ["cpus       4 for each GPU", "memory     2G for each GPU"]),
        ({"time": "UNLIMITED"}, ["time       unlimited"]),
        ({"sbatch": {"gres": "gpu:a100:2"}}, ["nodes      1, each with 1 process, 2 GPU a100"]),
        ({"sbatch": {"partition": "gpu", "qos": "high"}}, ["partition  gpu", "qos        high"]),
        ({"sbatch": {"dependency": "afterok:5"}}, ["after      afterok:5"]),
        ({"sbatch": {"dependency": "singleton"}}, ["after      singleton"]),
    ],
)
def test_the_plan_is_shown_with_its_sources(source: Path, settings: dict[str, Any], rows: list[str]) -> None:
    shown = format_plan(planned(source, **settings)).splitlines()
    assert [row for row in rows if row not in shown] == []


@pytest.mark.parametrize(("name", "flag"), [("partition", "partition"), ("account", "account"), ("qos", "qos"),
                                            ("constraint", "constraint"), ("job_name", "job-name")])  # fmt: skip
def test_a_value_that_begins_with_a_dash_stays_its_flags_value(name: str, flag: str, source: Path) -> None:
    settings: dict[str, Any] = {name: "-w", "sbatch": {"comment": "-w"}, "srun": {"comment": "-w"}}
    plan = planned(source, **settings)
    header = render(plan, [find_data("templates")]).splitlines()
    assert {f"#SBATCH --{flag}=-w", "#SBATCH --comment=-w"} <= set(header)
    assert "--comment=-w" in plan.job.launcher_words
