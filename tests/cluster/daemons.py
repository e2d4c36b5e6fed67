"""Starting munge, MariaDB and Slurm's daemons in their machines. Nothing stops them: their machine is killed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import config
from .config import MARIADB, MUNGE, SLURMCTLD_PID, SLURMDBD_PID, SPOOL
from .machine import Machine, wait_for


def start_munged(login: Machine, folder: Path) -> None:
    # --force: in a user namespace the folders above belong to `nobody`, which it would refuse.
    login.launch(
        "munged",
        "--force",
        f"--socket={MUNGE}/socket",
        f"--key-file={folder}/etc/munge.key",
        f"--pid-file={MUNGE}/pid",
        f"--log-file={folder}/log/munged.log",
        f"--seed-file={MUNGE}/seed",
    )


def start_accounting(login: Machine, folder: Path) -> None:
    start_mariadbd(login, folder)
    start_slurmdbd(login, folder)
    login.run("sacctmgr", "--immediate", text=config.associations())


def start_slurmdbd(login: Machine, folder: Path) -> None:
    login.launch("slurmdbd")
    wait_for(lambda: login.succeeds("sacctmgr", "show", "cluster"), "slurmdbd", log=folder / "log/slurmdbd.log")


def kill_slurmdbd(login: Machine) -> None:
    login.run("kill", "-KILL", login.run("cat", str(SLURMDBD_PID)).strip())


def start_mariadbd(login: Machine, folder: Path) -> None:
    login.launch(
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={MARIADB}",
        f"--user={config.user()}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--innodb-log-file-size=16M",
    )
    login.launch(
        *("setsid", "--fork", "mariadbd", "--no-defaults"),
        f"--datadir={MARIADB}",
        f"--socket={MARIADB}/socket",
        f"--pid-file={MARIADB}/pid",
        f"--user={config.user()}",
        f"--log-error={folder}/log/mariadbd.log",
        "--bind-address=127.0.0.1",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=128M",
        "--innodb-log-file-size=16M",
        "--innodb-lock-wait-timeout=900",
        "--skip-name-resolve",
        "--performance-schema=OFF",
    )
    client = ("--no-defaults", "--user=root", f"--socket={MARIADB}/socket")
    wait_for(lambda: login.succeeds("mariadb-admin", *client, "ping"), "mariadbd", log=folder / "log/mariadbd.log")
    login.run("mariadb", *client, text=config.DATABASE)


def start_slurmctld(login: Machine, folder: Path) -> None:
    login.launch("slurmctld")
    wait_for(lambda: login.succeeds("scontrol", "ping"), "slurmctld", log=folder / "log/slurmctld.log")


def kill_slurmctld(login: Machine) -> None:
    signal_slurmctld(login, "KILL")
    wait_for(lambda: not login.succeeds("scontrol", "ping"), "the end of slurmctld")


def signal_slurmctld(login: Machine, name: str) -> None:
    login.run("kill", f"-{name}", login.run("cat", str(SLURMCTLD_PID)).strip())


def start_slurmd(node: Machine) -> None:
    node.launch("slurmd")


def declare_down(login: Machine, node: str) -> None:
    # A slurmd that is back before SlurmdTimeout leaves the lost jobs RUNNING: its kernel has not rebooted.
    login.run("scontrol", "update", f"nodename={node}", "state=down", "reason=power cut")


def wait_until_saved(login: Machine, since: float) -> None:
    words = ("stat", "--format=%.Y", f"{SPOOL}/slurmctld/job_state")
    wait_for(lambda: float(login.run(*words)) > since, "slurmctld has saved its jobs")


def wait_until_up(login: Machine, nodes: Iterable[str]) -> None:
    query = ("sinfo", "--noheader", "--Node", "--partition=debug", "--states=idle,mixed,allocated", "--format=%N")
    wait_for(lambda: set(login.run(*query).split()).issuperset(nodes), f"{', '.join(nodes)} up")
