"""The command line, behind scripts/cluster."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from .cluster import Cluster
from .config import NODES, VARIANTS
from .errors import ClusterError

DESCRIPTION = "A throw-away Slurm on this machine, kept running for a developer."


def home() -> Path:
    own = os.environ.get("SLURMTF_CLUSTER_DIR")
    folder = Path(own or Path(tempfile.gettempdir(), f"slurmtf-cluster-{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ClusterError(f"{folder} belongs to somebody else")
    return folder


def main() -> int:
    arguments = _parser().parse_args()
    try:
        cluster = Cluster(home() / arguments.variant, variant=arguments.variant)
        _COMMANDS[arguments.command](cluster, arguments)
    except ClusterError as error:
        sys.exit(f"cluster: {error}")
    return 0


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--variant", default="default", choices=VARIANTS)
    parser = argparse.ArgumentParser(prog="cluster", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in _COMMANDS.items():
        command = commands.add_parser(name, parents=[common], help=function.__doc__, description=function.__doc__)
        if name.startswith("node-"):
            command.add_argument("node", choices=[node.name for node in NODES])
        if name == "exec":
            command.add_argument("argv", nargs=argparse.REMAINDER, metavar="CMD ...")
    return parser


def start(cluster: Cluster, _: argparse.Namespace) -> None:
    """start it, unless it runs"""
    began = time.monotonic()
    if cluster.running:
        print(f"already running in {cluster.directory}")
        return
    cluster.start(keep=True)
    print(f"running in {cluster.directory} after {time.monotonic() - began:.1f} s")


def stop(cluster: Cluster, _: argparse.Namespace) -> None:
    """end it and its jobs at once; the logs stay until the next start"""
    cluster.stop()


def status(cluster: Cluster, _: argparse.Namespace) -> None:
    """show which machines are on, and what Slurm says of them"""
    for name, alive in cluster.alive().items():
        print(f"{name}: {'on' if alive else 'off'}")
    if cluster.running:
        print(cluster.run("sinfo", "--Node", "--long").stdout, end="")


def shell(cluster: Cluster, _: argparse.Namespace) -> None:
    """a shell that is a client of the cluster"""
    _become(cluster, [os.environ.get("SHELL", "/bin/sh")])


def execute(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """run a command as a client of the cluster"""
    _become(cluster, arguments.argv or ["sinfo"])


def node_kill(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """switch a node off, as in a power cut"""
    cluster.kill_node(arguments.node)


def node_up(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """switch a node on again"""
    cluster.start_node(arguments.node)


def _become(cluster: Cluster, argv: list[str]) -> None:
    if not cluster.running:
        raise ClusterError("not running")
    try:
        os.execvpe(argv[0], argv, cluster.client_environ())
    except OSError as error:
        raise ClusterError(f"{argv[0]}: {error.strerror}") from error


_COMMANDS = {
    "start": start,
    "stop": stop,
    "status": status,
    "shell": shell,
    "exec": execute,
    "node-kill": node_kill,
    "node-up": node_up,
}

if __name__ == "__main__":
    sys.exit(main())
