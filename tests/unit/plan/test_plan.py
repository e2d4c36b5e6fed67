"""Resolving a plan: what is decided from an estimator and a site, and what is refused."""

from __future__ import annotations

import builtins
import dataclasses
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import Software
from slurmtf.errors import SpecError
from slurmtf.estimator import Environment, Estimator, TensorFlow
from slurmtf.estimator.azureml import warn_about_older_names
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.life import Budget
from slurmtf.job.contract.plan import JobPlan
from slurmtf.plan import LaunchPlan, resolve
from slurmtf.plan.model import Resources
from slurmtf.sites import Site
from slurmtf.sites.model import Defaults, Gpu, JobEnvironment, Modules, Network, Partition, Preset, Requeue
from tests.unit.support import (
    PLACE,
    SITE,
    SNAPSHOT,
    SOFTWARE,
    codes,
    flags,
    plan_of,
    planned,
    profile,
    resources,
    tells,
    tensorflow,
    unplannable,
)

# --- the plan of an estimator without settings


def test_a_job_without_requests_has_the_defaults(source: Path) -> None:
    plan = planned(source)
    assert plan.resources == Resources(nodes=1, tasks=1, tasks_per_node=1)
    assert plan.batch.directives == (
        ("job-name", "digits"), ("nodes", 1), ("ntasks-per-node", 1), ("signal", "B:USR2@120"), ("open-mode", "append"),
        ("chdir", PLACE.folder), ("output", "logs/job.log"),
    )  # fmt: skip
    assert plan.job.launcher_words == ("srun", "--nodes=1", "--ntasks=1", "--export=ALL")
    assert plan.batch.command == ("/opt/env/bin/python3", "train.py")
    assert (plan.site, plan.job.scheduler, plan.batch.template, plan.warnings) == ("here", "slurm", "slurm.sh.j2", ())
    assert plan.job.variables == {}


def test_the_command_is_the_script_with_its_arguments(source: Path) -> None:
    plan = planned(source, entry_script="sub/main.py", script_params={"--lr": 0.1, "--flag": ""}, resume_from="/runs/a b")
    assert plan.batch.command == ("/opt/env/bin/python3", "sub/main.py", "--lr", "0.1", "--flag", "--resume-from", "/runs/a b")


def test_a_script_whose_name_begins_with_a_dash_is_no_option(source: Path) -> None:
    assert planned(source, entry_script="-x.py").batch.command == ("/opt/env/bin/python3", "./-x.py")


def test_variables_are_strings(source: Path) -> None:
    assert planned(source, environment_variables={"A": 1, "B": "x y"}).job.variables == {"A": "1", "B": "x y"}


def test_a_machine_without_scheduler_has_no_flags(source: Path) -> None:
    plan = plan_of(tensorflow(source, use_gpu=True, partition="gpu", sbatch={"hint": "x"}), profile("local"))
    assert (plan.job.scheduler, plan.batch.directives, plan.job.launcher, plan.job.launcher_words) == ("local", (), "none", ())
    assert plan.resources.gpus_per_node == 1
    assert plan.batch.template == "local.sh.j2"


# --- precedence: the user, then the preset, then the site

FULL = Site(
    name="full",
    partitions={
        "batch": Partition(),
        "gpu": Partition(gpu_type="a40", qos="of-partition"),
        "low": Partition(qos="of-low"),
        "big": Partition(),
    },
    defaults=Defaults(
        partition="batch", gpu_partition="gpu", account="lab", qos="normal", time="2:00:00", memory="8G", cpus_per_task=2
    ),
    gpu=Gpu(type="v100", constraint="gpus"),
    presets={
        "large": Preset(
            partition="big", qos="of-preset", constraint="fast", gpu_type="h100", gpus_per_node=8, cpus_per_task=16,
            memory="200G", time="1-0",
        )
    },
    requeue=Requeue(partition="low", qos="preemptible"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked", "by_user", "by_preset", "by_site"),
    [
        ("partition", "mine", "mine", "big", "gpu"),
        ("qos", "mine", "mine", "of-preset", "of-partition"),
        ("account", "mine", "mine", "lab", "lab"),
        ("gpu_type", "mine", "mine", "h100", "a40"),
        ("gpus_per_node", 3, 3, 8, 1),
        ("cpus_per_task", 5, 5, 16, 2),
        ("memory", "1G", "1G", "200G", "8G"),
        ("constraint", "mine", "mine&gpus", "fast&gpus", "gpus"),
    ],
)
def test_precedence_is_user_then_preset_then_site(
    source: Path, name: str, asked: object, by_user: object, by_preset: object, by_site: object
) -> None:
    found = [
        resources(source, FULL, use_gpu=True, vm_size="large", **{name: asked}),
        resources(source, FULL, use_gpu=True, vm_size="large"),
        resources(source, FULL, use_gpu=True),
    ]
    assert [getattr(one, name) for one in found] == [by_user, by_preset, by_site]


@pytest.mark.parametrize(
    ("settings", "time_s"),
    [
        ({"time": "30:00", "vm_size": "large"}, 1800),
        ({"max_run_duration_seconds": 90, "vm_size": "large"}, 90),
        ({"vm_size": "large"}, 86_400),
        ({}, 7200),
    ],
)
def test_the_time_limit(source: Path, settings: dict[str, Any], time_s: int) -> None:
    assert resources(source, FULL, **settings).time_s == time_s


def test_the_time_limit_is_in_the_header(source: Path) -> None:
    assert flags(planned(source, time=90))["time"] == "01:30:00"
    assert flags(planned(source, max_run_duration_seconds=200_000))["time"] == "2-07:33:20"
    assert "time" not in flags(planned(source))


@pytest.mark.parametrize(("before", "signal"), [(None, 120), (30, 120), (85, 120), (86, 121), (600, 635)])
def test_slurm_warns_before_the_script_gets_its_notice(source: Path, before: int | None, signal: int) -> None:
    """The notice precedes the supervisor's stop, which is 35 s before the limit; the journal notes the limit at 120 s."""
    notice: dict[str, Any] = {} if before is None else {"notice": {"before": before}}
    assert flags(planned(source, **notice))["signal"] == f"B:USR2@{signal}"


def test_a_job_without_gpus_uses_another_partition(source: Path) -> None:
    found = resources(source, FULL)
    assert (found.partition, found.qos, found.constraint, found.gpu_type, found.gpus_per_node) == (
        "batch",
        "normal",
        None,
        None,
        0,
    )


def test_a_preemptible_job_has_its_flags(source: Path) -> None:
    plan = planned(source, FULL, vm_priority="lowpriority", use_gpu=True)
    assert (plan.resources.partition, plan.resources.qos, plan.resources.requeue) == ("low", "preemptible", True)
    assert flags(plan)["requeue"] is True
    assert resources(source, FULL, vm_priority="lowpriority", partition="mine").partition == "mine"
    sized = resources(source, FULL, vm_priority="lowpriority", vm_size="large")
    assert (sized.partition, sized.qos, sized.requeue) == ("big", "of-preset", True)  # the preset has its own
    dedicated = resources(source, FULL, vm_priority="dedicated")
    assert (dedicated.partition, dedicated.qos, dedicated.requeue) == ("batch", "normal", False)


def test_zero_is_a_valid_setting(source: Path) -> None:
    assert resources(source, FULL, vm_size="large", gpus_per_node=0).gpus_per_node == 0
    assert resources(source, FULL, memory=0).memory == "0"


# --- the shell


def test_the_jobs_shell_is_set_up(source: Path) -> None:
    site = Site(
        name="here",
        environment=JobEnvironment(shebang="#!/bin/bash -l", unset=["A"], variables={"B": "1"}, prologue=["ulimit -c 0"]),
        modules=Modules(
            init="/etc/modules.sh", reset="module purge", use=["/sw"], load=["slurm"], tensorflow={"2.16": ["tf/2.16"]}
        ),
        network=Network(interface="ib0"),
    )
    plan = plan_of(tensorflow(source, framework_version="2.16"), site, Software("python3", ("cuda",), {"C": "2"}))
    assert (plan.batch.shell.shebang, plan.batch.shell.unset, plan.batch.shell.prologue) == (
        "#!/bin/bash -l",
        ("A",),
        ("ulimit -c 0",),
    )
    assert plan.batch.shell.modules == (
        ("source", "/etc/modules.sh"), ("module", "purge"), ("module", "use", "/sw"), ("module", "load", "slurm"),
        ("module", "load", "tf/2.16"), ("module", "load", "cuda"),
    )  # fmt: skip
    assert plan.batch.shell.exports == {"NCCL_SOCKET_IFNAME": "ib0", "B": "1", "C": "2"}


def test_modules_are_initialised_only_if_needed(source: Path) -> None:
    assert planned(source, Site(name="here", modules=Modules(init="/etc/modules.sh"))).batch.shell.modules == ()


@pytest.mark.parametrize("by", ["estimator", "site"])
def test_the_template_is_in_the_plan(source: Path, by: str) -> None:
    site = Site(name="here", template="site.sh.j2")
    asked = {"template": "mine.sh.j2"} if by == "estimator" else {}
    assert planned(source, site, **asked).batch.template == ("mine.sh.j2" if by == "estimator" else "site.sh.j2")


# --- what is refused


def test_an_unknown_preset_is_refused(source: Path) -> None:
    for name, site, known in (("larg", FULL, "'large'"), ("x", SITE, "none")):
        (finding,) = unplannable(tensorflow(source, vm_size=name), site)
        assert (finding.code, finding.where) == ("unknown-preset", "vm_size")
        assert tells(finding, repr(name), site.name, known)


def test_an_unknown_version_is_refused(source: Path) -> None:
    site = Site(name="here", modules=Modules(tensorflow={"2.15": ["a"], "2.16": ["b"]}))
    (finding,) = unplannable(tensorflow(source, framework_version="1.13"), site)
    assert (finding.code, finding.where) == ("unknown-framework-version", "framework_version")
    assert tells(finding, "'1.13'", "2.15, 2.16")


def test_several_nodes_on_one_machine_are_refused(source: Path) -> None:
    estimator = tensorflow(source, compute_target=profile("local"), node_count=2, distributed_backend="mpi")
    (finding,) = unplannable(estimator, profile("local"))
    assert (finding.code, finding.where) == ("nodes-on-local", "node_count")


# --- warnings

TIGHT = Site(
    name="tight",
    partitions={
        "short": Partition(max_time="1:00:00"),
        "cpu": Partition(gpus=False),
        "gpu": Partition(gpus=True, gpus_per_node=2),
        "few": Partition(max_nodes=2, max_gpus=4),
    },
    gpu=Gpu(types=["a100", "h100"], per_node=4, whole_nodes_when_multinode=True),
    max_cpus_per_node=64,
    min_time="0:05:00",
    mail_works=False,
)


TWO: dict[str, Any] = {"node_count": 2, "distributed_backend": "multiworker", "worker_count": 2}


@pytest.mark.parametrize(
    ("settings", "code", "facts"),
    [
        ({"partition": "shrt"}, "unknown-partition", ("tight", "'shrt'", "'short'")),
        ({"partition": "xyz"}, "unknown-partition", ("'xyz'", "short, cpu, gpu, few")),
        ({"partition": "short", "time": 90}, "over-time", ("short", "1:00:00")),
        ({"partition": "cpu", "use_gpu": True}, "no-gpus", ("cpu",)),
        ({"partition": "gpu", "gpus_per_node": 3}, "too-many-gpus", ("3 GPUs", "have 2")),
        ({"gpus_per_node": 5}, "too-many-gpus", ("5 GPUs", "have 4")),
        ({"use_gpu": True, "gpu_type": "h1000"}, "unknown-gpu-type", ("'h1000'", "'h100'")),
        ({"use_gpu": True, "gpu_type": "v5e"}, "unknown-gpu-type", ("'v5e'", "a100, h100")),
        ({"gpus_per_node": 1, **TWO}, "part-of-nodes", ("not 1", "`gpus_per_node=4`")),
        ({"partition": "few", **TWO, "node_count": 3, "worker_count": 3}, "over-nodes", ("few", "2 nodes")),
        ({"partition": "few", "gpus_per_node": 4, **TWO}, "over-gpus", ("few", "4 GPUs, 8")),
        ({"time": "4:30"}, "under-time", ("0:05:00", "`time`")),
        ({"cpus_per_task": 65}, "too-many-cpus", ("65 CPUs", "64")),
        ({"mail_type": ["END"]}, "no-mail", ("tight",)),
    ],
)  # fmt: skip
def test_warnings(source: Path, settings: dict[str, Any], code: str, facts: tuple[str, ...]) -> None:
    (found,) = planned(source, TIGHT, **settings).warnings
    assert (found.code, tells(found, *facts)) == (code, True)
    assert planned(source, TIGHT, **settings, silence=[code]).warnings == ()


def test_no_warning_about_what_the_profile_does_not_specify(source: Path) -> None:
    asked: dict[str, Any] = {"partition": "x", "gpus_per_node": 99, "time": "300-0", "mail_type": ["END"], "cpus_per_task": 999}
    assert planned(source, **asked).warnings == ()
    assert planned(source, TIGHT, partition="gpu", gpus_per_node=2, time="5:00", cpus_per_task=64).warnings == ()
    assert planned(source, TIGHT, partition="short", time="1:00:00").warnings == ()
    assert planned(source, TIGHT, partition="few", gpus_per_node=2, gpu_type="a100").warnings == ()
    assert planned(source, TIGHT, gpus_per_node=4, **TWO).warnings == ()


def test_a_time_limit_too_short_for_slurm_gives_a_warning(source: Path) -> None:
    assert codes(planned(source, time="3:59").warnings) == ["short-time"]
    assert planned(source, time="4:00").warnings == ()
    assert codes(planned(source, time="5:35", notice={"before": 300}).warnings) == ["early-notice"]
    assert planned(source, time="5:36", notice={"before": 300}).warnings == ()


def test_a_parameter_by_old_and_new_name_gives_a_warning(source: Path) -> None:
    asked: dict[str, Any] = {"pip_requirements_file": "requirements.txt", "pip_requirements_file_path": "notes.txt"}
    assert codes(planned(source, **asked).warnings) == ["old-name"]
    assert planned(source, **asked, silence=["old-name"]).warnings == ()
    assert codes(warn_about_older_names(dataclasses.replace(tensorflow(source, **asked), node_count=1))) == ["old-name"]
    assert planned(source, **{**asked, "pip_requirements_file_path": "requirements.txt"}).warnings == ()
    assert planned(source, pip_requirements_file_path="notes.txt").warnings == ()


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("snellius", {"partition": "gpu_a100", "gpus_per_node": 2, **TWO}, "part-of-nodes"),
        ("narval", {"account": "def-ada", "time": "0:04:00", "use_gpu": True}, "under-time"),
        ("narval", {"account": "def-ada", "time": 60, "use_gpu": True, "gpu_type": "a1000"}, "unknown-gpu-type"),
        ("daint", {"account": "g1", "partition": "debug", "node_count": 3, "worker_count": 3,
                   "distributed_backend": "multiworker"}, "over-nodes"),
        ("sherlock", {"time": 60, "gpus_per_node": 17}, "over-gpus"),
        ("mila", {"partition": "main", "gpus_per_node": 3}, "over-gpus"),
    ],
)  # fmt: skip
def test_profiles_of_real_clusters_give_their_warnings(source: Path, name: str, settings: dict[str, Any], code: str) -> None:
    assert code in codes(planned(source, profile(name), **settings).warnings)


def test_a_retired_site_gives_a_warning(source: Path) -> None:
    assert planned(source, Site(name="old", status="retired")).warnings[0].code == "retired"


# --- the plan is pure, plain data


def test_planning_changes_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estimator = tensorflow(source, use_gpu=True, environment_definition=Environment("/opt/env/bin/python3"))
    site = profile("narval")
    estimator = dataclasses.replace(estimator, account="def-ada", time=60)
    before = plan_of(estimator, site)

    def touched(*args: object, **_: object) -> None:
        raise AssertionError(f"planning is not pure: {args}")

    for owner, names in {
        builtins: ("open",),
        os: ("open", "stat", "lstat", "scandir", "listdir", "mkdir", "getcwd", "urandom", "readlink"),
        subprocess: ("Popen",),
        time: ("time", "time_ns", "strftime", "localtime", "monotonic"),
    }.items():
        for name in names:
            monkeypatch.setattr(owner, name, touched)
    monkeypatch.setattr(os, "environ", None)
    try:
        again = resolve(estimator, site, SOFTWARE, SNAPSHOT, PLACE)
        text = again.to_json()
    finally:
        monkeypatch.undo()
    assert again == before
    assert text == before.to_json()


def test_the_plan_is_json(source: Path) -> None:
    estimator = TensorFlow(source, script_params={"--x": "é\n\udcff"}, environment_variables={"A": "\udcfe"}, use_gpu=True)
    plan = plan_of(estimator, profile("slurm"))
    read = json.loads(plan.to_json())
    assert set(read) == {"schema"} | {field.name for field in dataclasses.fields(LaunchPlan)}
    assert read["batch"]["command"] == ["/opt/env/bin/python3", "train.py", "--x", "é\n\udcff"]
    assert read["job"]["variables"] == {"A": "\udcfe"}
    assert read["run"]["folder"] == PLACE.folder == "/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123"
    assert read["provenance"]["snapshot"] == dataclasses.asdict(SNAPSHOT)
    assert read["provenance"]["estimator"] == estimator.to_document()
    assert JobPlan.from_dict(read["job"]) == plan.job
    assert read["batch"]["directives"] == [list(pair) for pair in plan.batch.directives]
    assert plan.layout.plan == RunLayout(PLACE.folder).plan


def test_the_plan_is_frozen(source: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        planned(source).site = "x"  # type: ignore[misc]


def test_the_generic_estimator_has_the_same_plan(source: Path) -> None:
    generic, special = (plan_of(kind(source, use_gpu=True), SITE) for kind in (Estimator, TensorFlow))
    assert dataclasses.replace(generic, provenance=special.provenance) == special


def test_a_module_is_run_by_its_name(source: Path) -> None:
    plan = planned(source, entry_script="sub.main")
    assert plan.batch.command[1:] == ("-m", "sub.main")
    assert plan.script == "sub/main.py"


def test_a_job_without_a_time_limit(source: Path) -> None:
    site = Site(name="here", partitions={"short": Partition(max_time="1:00:00"), "long": Partition(max_time="UNLIMITED")})
    plan = planned(source, site, time="UNLIMITED", partition="short")
    assert (plan.resources.time_s, flags(plan)["time"]) == (0, "UNLIMITED")
    assert [one.code for one in plan.warnings] == ["over-time"]
    assert planned(source, site, time=0, partition="long").warnings == ()
    assert planned(source, site, time="300-0", partition="long").warnings == ()


def test_the_plan_holds_the_restart_rules(source: Path) -> None:
    more_memory = {"times": 2, "memory": "x1.5", "at_most": "128G"}
    restarts = {"time-limit": 10, "preempted": "unlimited", "out-of-memory": more_memory, "script": 0}
    plan = planned(source, restarts=restarts, memory="16G")
    assert plan.job.restarts == (
        Budget("time-limit", 10),
        Budget("preempted", None),
        Budget("out-of-memory", 2, 1.5, 131_072),
        Budget("script", 0),
    )
    assert plan.job.size.memory_mb == 16_384
    assert JobPlan.from_dict(json.loads(plan.to_json())["job"]) == plan.job


def test_memory_that_grows_on_restart_must_be_given(source: Path) -> None:
    restarts = {"out-of-memory": {"times": 2, "memory": "x1.5"}}
    for memory in (None, 0):
        with pytest.raises(SpecError) as caught:
            planned(source, restarts=restarts, memory=memory)
        assert [finding.code for finding in caught.value.findings] == ["memory-unknown"]
