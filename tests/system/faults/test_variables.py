"""Task variables in arguments and environment variables, replaced without a shell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slurmtf import ParameterServer

from .support import Faults, assert_completed, end_of

SHOW = """
import json, os, pathlib, sys, time
name = os.environ["SLURMTF_ROLE"] + "-" + os.environ["SLURMTF_INDEX"]
shown = {"argv": sys.argv[1:], "environ": dict(os.environ)}
partial = pathlib.Path("outputs", name + ".partial")
partial.write_text(json.dumps(shown))
partial.rename("outputs/" + name + ".json")
while name == "worker-1" and len(list(pathlib.Path("outputs").glob("*.json"))) < 3 or name == "ps-0":
    time.sleep(0.1)
"""
UNTOUCHED = [
    "$HOME",
    "${SLURMTF_NO_SUCH}",
    "$SLURMTF_",
    "$SLURMTF_ROLES",
    "${SLURMTF_ROLE",
    "$",
    "$$",
    "100$",
    "a$1",
    "`id`",
    "$(id)",
]
ARGUMENTS: dict[str, Any] = {
    "--job_name": "$SLURMTF_ROLE",
    "--task_index": "${SLURMTF_INDEX}",
    "--worker_hosts": "$SLURMTF_WORKER_HOSTS",
    "--ps_hosts": "$SLURMTF_PS_HOSTS",
    "--several": ["${SLURMTF_ROLE}-$SLURMTF_RANK/$SLURMTF_WORLD_SIZE", "$SLURMTF_ROLE$SLURMTF_INDEX"],
    "--untouched": UNTOUCHED,
}
VARIABLES = {
    "MY_ROLE": "$SLURMTF_ROLE:${SLURMTF_INDEX}",
    "MY_PATH": "$PATH",
    "MY_NOBODY": "$SLURMTF_NOBODY",
    "SLURMTF_MINE": "$SLURMTF_RANK",
}


@pytest.fixture(scope="module")
def shown(here: Faults) -> dict[str, dict[str, Any]]:
    distribution = ParameterServer(2, 1, layout="original")
    run = here.submit(distribution, {}, script=SHOW, script_params=ARGUMENTS, environment_variables=VARIABLES)
    assert_completed(end_of(run))
    return {
        name: json.loads((run.folder / "outputs" / f"{name}.json").read_text()) for name in ("ps-0", "worker-0", "worker-1")
    }


@pytest.mark.parametrize(("name", "rank"), [("ps-0", "0"), ("worker-0", "1"), ("worker-1", "2")])
def test_arguments(name: str, rank: str, shown: dict[str, dict[str, Any]]) -> None:
    argv, environ = shown[name]["argv"], shown[name]["environ"]
    role, _, index = name.partition("-")
    cluster = json.loads(environ["TF_CONFIG"])["cluster"]
    assert argv == [
        *("--job_name", role, "--task_index", index),
        *("--worker_hosts", ",".join(cluster["worker"]), "--ps_hosts", ",".join(cluster["ps"])),
        *("--several", f"{role}-{rank}/3", f"{role}{index}"),
        *("--untouched", *UNTOUCHED),
    ]
    assert environ["SLURMTF_ADDRESS"] == cluster[role][int(index)]


@pytest.mark.parametrize(("name", "rank"), [("ps-0", "0"), ("worker-1", "2")])
def test_task_variables_are_replaced_in_the_environment(name: str, rank: str, shown: dict[str, dict[str, Any]]) -> None:
    environ = shown[name]["environ"]
    assert environ["MY_ROLE"] == name.replace("-", ":")
    assert (environ["MY_PATH"], environ["MY_NOBODY"], environ["SLURMTF_MINE"]) == ("$PATH", "$SLURMTF_NOBODY", rank)
