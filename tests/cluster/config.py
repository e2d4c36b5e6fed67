"""The cluster as plain data, and the text of its configuration files.

Every cluster has a network of its own, so that all of them use Slurm's usual ports and the same addresses.
"""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

LOGIN = "login"
ADDRESS = "10.77.0.1"
SUBNET = "10.77.0.0/24"
SUFFIX = "i"
NOWHERE = "10.99.0."

# Slurm's short-lived files lie in a tmpfs that only the cluster sees: on a disk the database takes ten times as long
# to create, and a socket's path in a session's temporary folder would exceed the 108 characters that the kernel allows.
SPOOL = Path("/var/spool")
MUNGE = SPOOL / "munge"
MARIADB = SPOOL / "mariadb"
SLURMCTLD_PID = SPOOL / "slurmctld.pid"
SLURMDBD_PID = SPOOL / "slurmdbd.pid"

ACCOUNT = "physics"
ACCOUNTS = "physics,chemistry"


@dataclass(frozen=True)
class Variant:
    """suite: take Slurm from this release of Debian, not from the host. job_ids: the first, and the one after the last."""

    accounting: bool = True
    max_array_size: int = 1001
    job_ids: tuple[int, int] | None = None
    min_job_age: int = 300
    suite: str | None = None


VARIANTS = {
    "default": Variant(),
    "noaccounting": Variant(accounting=False),
    "tinyarray": Variant(accounting=False, max_array_size=5),
    "fewids": Variant(job_ids=(100, 106), min_job_age=2),
    "slurm24": Variant(suite="trixie"),
}


@dataclass(frozen=True)
class Node:
    name: str
    address: str
    feature: str
    gpu: str = ""
    gpus: int = 0


NODES = (
    Node("node1", "10.77.0.11", "a100,fast", "a100", 4),
    Node("node2", "10.77.0.12", "a100,fast", "a100", 4),
    Node("node3", "10.77.0.13", "v100", "v100", 2),
    Node("node4", "10.77.0.14", "cpuonly"),
)

ADDRESSES = {node.name: node.address for node in NODES}

OPENMPI = "/etc/openmpi/openmpi-mca-params.conf"

# Open MPI names what the ranks of a node share by the node, and by the number of the job (srun) or of a process (mpirun). Two
# clusters have the same names and numbers: what their jobs shared, both wrote into, and died by SIGSEGV.
SHARED_MEMORY = ("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")

# $1 is the cluster's folder. The folder of the shims is empty inside.
MOUNT = f"""
mount -t tmpfs -o mode=755 tmpfs "$1/bin"
mount -t tmpfs -o mode=755 tmpfs {SPOOL}
mount --bind "$1/etc/hosts" /etc/hosts
mkdir {MUNGE} {MARIADB} {SPOOL}/slurmctld {SPOOL}/slurmd {SPOOL}/tmp
mkdir -m 1777 {" ".join(f"{SPOOL}/tmp/{node.name}" for node in NODES)}
if [ -f {OPENMPI} ]; then
    cp {OPENMPI} {SPOOL}/openmpi.conf
    printf "\\norte_tmpdir_base = {SPOOL}/tmp\\n" >>{SPOOL}/openmpi.conf
    mount --bind {SPOOL}/openmpi.conf {OPENMPI}
fi
"""


def user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def slurm_conf(folder: Path, variant: Variant) -> str:
    accounting = _accounting() if variant.accounting else ""
    parts = [_controller(folder, variant), _SCHEDULING, accounting, _nodes(), _PARTITIONS]
    return "\n".join(part.strip() for part in parts) + "\n"


def _controller(folder: Path, variant: Variant) -> str:
    # config_overrides, task/none: the nodes have more CPUs and memory than the machine that plays them.
    # TmpFS: mpi/pmix makes a folder there that is named after the step alone, so each node needs its own.
    # cred_expire: a requeued job may not start again before its credential has expired, by default 120 s.
    ids = "FirstJobId={}\nMaxJobId={}".format(*variant.job_ids) if variant.job_ids else ""
    return f"""
ClusterName=lab
SlurmctldHost={LOGIN}
SlurmUser={user()}
SlurmdUser={user()}
AuthType=auth/munge
AuthInfo=socket={MUNGE}/socket,cred_expire=10
StateSaveLocation={SPOOL}/slurmctld
SlurmdSpoolDir={SPOOL}/slurmd/%n
TmpFS={SPOOL}/tmp/%n
SlurmctldPidFile={SLURMCTLD_PID}
SlurmdPidFile={SPOOL}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
MpiParams=ports=12000-12999
GresTypes=gpu
MaxArraySize={variant.max_array_size}
MaxJobCount=20000
MinJobAge={variant.min_job_age}
{ids}
"""


# With Slurm's own settings a batch job starts after three seconds, and a canceled one has thirty to end.
# A node is drained whose steps can't report their end for UnkillableStepTimeout: at least five MessageTimeouts (slurm.conf(5)),
# and longer than any test silences the controller.
_SCHEDULING = """
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=1,bf_continue,default_queue_depth=1000,bf_max_job_test=1000
KillWait=10
UnkillableStepTimeout=600
CompleteWait=0
InactiveLimit=0
MessageTimeout=20
SlurmctldTimeout=30
SlurmdTimeout=20
TCPTimeout=5
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
"""


def _accounting() -> str:
    return f"""
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={LOGIN}
AccountingStoragePass={MUNGE}/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment,job_env,job_script
AccountingStorageEnforce=associations,limits,qos
PriorityType=priority/multifactor
PriorityWeightQOS=1000
"""


def _nodes() -> str:
    return "\n".join(
        f"NodeName={node.name} NodeAddr={node.address} Boards=1 Sockets=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=16000"
        f" Feature={node.feature}" + (f" Gres=gpu:{node.gpu}:{node.gpus}" if node.gpus else "")
        for node in NODES
    )


_PARTITIONS = """
PartitionName=debug Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=60 PriorityTier=5 PreemptMode=OFF
PartitionName=low Nodes=ALL MaxTime=1-0 DefaultTime=60 PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=1-0 DefaultTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=short Nodes=ALL MaxTime=1 DefaultTime=1 PriorityTier=5 PreemptMode=OFF
"""


def gres_conf(folder: Path) -> str:
    lines = [
        f"NodeName={node.name} Name=gpu Type={node.gpu} File={folder}/dev/nvidia[0-{node.gpus - 1}]"
        for node in NODES
        if node.gpus
    ]
    return "\n".join(["AutoDetect=off", *lines]) + "\n"


def slurmdbd_conf(folder: Path) -> str:
    return f"""\
AuthType=auth/munge
AuthInfo=socket={MUNGE}/socket
DbdHost={LOGIN}
SlurmUser={user()}
LogFile={folder}/log/slurmdbd.log
PidFile={SLURMDBD_PID}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


# slurmdbd would make the database after a connection to it has failed. With the libmariadb of MariaDB 11.8.9 (Connector/C
# 3.4.10) no query works on a handle whose first connection failed: mysql_real_connect() drops the handle's options, and then
# the "maxmimum allowed number of columns" is 0.
DATABASE = """
create database slurm;
create user slurm@127.0.0.1 identified by 'slurm';
grant all on slurm.* to slurm@127.0.0.1;
"""


def associations() -> str:
    return f"""\
add cluster lab
add qos low,high,tiny
modify qos high set priority=100
modify qos low set priority=1
modify qos tiny set MaxTRESPerUser=cpu=4 MaxWall=00:05:00 flags=DenyOnLimit
add account {ACCOUNTS} cluster=lab
modify account {ACCOUNTS} set qos=normal,low,high,tiny
add user {user()} account={ACCOUNTS} defaultaccount={ACCOUNT}
"""


def hosts(only_suffixed: bool = False) -> str:
    """Each node has a second name, as where only that of a fast network routes (a profile's network.host_suffix).

    ``only_suffixed``: what the first name stands for is in a network to which no node has a route. Slurm itself takes NodeAddr.
    """
    lines = [f"{ADDRESS} {LOGIN}"]
    for number, node in enumerate(NODES):
        first = f"{NOWHERE}{number + 1}" if only_suffixed else node.address
        lines += [f"{first} {node.name}", f"{node.address} {node.name}{SUFFIX}"]
    return "\n".join(["127.0.0.1 localhost", *lines]) + "\n"


def write(folder: Path, variant: Variant) -> None:
    for name in ("bin", "dev", "etc", "log"):
        (folder / name).mkdir()
    etc = folder / "etc"
    (etc / "slurm.conf").write_text(slurm_conf(folder, variant))
    (etc / "gres.conf").write_text(gres_conf(folder))
    (etc / "hosts").write_text(hosts())
    _write_secret(etc / "slurmdbd.conf", slurmdbd_conf(folder).encode())
    _write_secret(etc / "munge.key", secrets.token_bytes(128))
    for index in range(max(node.gpus for node in NODES)):
        # Slurm wants a character device (or a link to one); with a plain file it leaves CUDA_VISIBLE_DEVICES unset.
        (folder / "dev" / f"nvidia{index}").symlink_to("/dev/null")


def _write_secret(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)
