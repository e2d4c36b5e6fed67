"""Class Cluster: a folder on the host, and one machine each for the login node and the compute nodes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import config, daemons, network, requirements, shims, tree
from .machine import SYSTEM_PATH, Machine


class Cluster:
    def __init__(self, directory: Path, *, variant: str = "default") -> None:
        if variant not in config.VARIANTS:
            raise ValueError(f"no variant {variant!r}; there are {', '.join(config.VARIANTS)}")
        self.directory = directory.absolute()
        self.variant = config.VARIANTS[variant]
        self._ready = self.directory / "ready"
        self._login = self._machine(config.LOGIN)
        self._nodes = {node.name: self._machine(node.name) for node in config.NODES}

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self._nodes)

    @property
    def running(self) -> bool:
        return self._ready.exists() and self._login.pid is not None

    def alive(self) -> dict[str, bool]:
        """By machine: is it on?"""
        return {machine.name: machine.pid is not None for machine in (self._login, *self._nodes.values())}

    def start(self, *, keep: bool = False) -> None:
        """Does nothing when it runs already. It ends with this process, however that ends, unless we are to keep it."""
        requirements.check(self.variant)
        with self._locked():
            if not self.running:
                self._clear()
                self._start(keep)

    def stop(self) -> None:
        """Ends everything at once, jobs too. The logs stay until the next start."""
        if self.directory.exists():
            with self._locked():
                self._kill()

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables that make a process on the host a client of this cluster."""
        path = f"{self.directory}/bin:{os.environ.get('PATH', SYSTEM_PATH)}"
        return {"PATH": path, "SLURM_CONF": f"{self.directory}/etc/slurm.conf"}

    def client_environ(self) -> dict[str, str]:
        """A whole environment for a client: ours, without the settings of another Slurm."""
        return {**shims.without_slurm(os.environ), **self.environment()}

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """subprocess.run of a client, with its output as text."""
        client = {"env": self.client_environ(), "capture_output": True, "text": True}
        return subprocess.run(argv, check=False, **{**client, **options})

    def kill_node(self, name: str) -> None:
        """A power cut: the controller notices it after SlurmdTimeout, 20 to 30 s."""
        self._nodes[name].kill()

    def start_node(self, name: str) -> None:
        """Switches a node on again, without the jobs that it had, and plugs it in."""
        self.kill_node(name)
        daemons.declare_down(self._login, name)
        self._boot_node(name)
        daemons.wait_until_up(self._login, [name])

    def wait_until_saved(self, since: float) -> None:
        """Until slurmctld has saved its jobs after a change to one of them, which it does within five seconds."""
        daemons.wait_until_saved(self._login, since)

    def restart_controller(self) -> None:
        """slurmctld is killed, and started again a moment later; jobs run on meanwhile. It knows what it had saved."""
        daemons.kill_slurmctld(self._login)
        daemons.start_slurmctld(self._login, self.directory)

    @contextmanager
    def silent_controller(self) -> Iterator[None]:
        """slurmctld hears what it is asked, and answers afterwards."""
        daemons.signal_slurmctld(self._login, "STOP")
        try:
            yield
        finally:
            daemons.signal_slurmctld(self._login, "CONT")

    @contextmanager
    def without_slurmdbd(self) -> Iterator[None]:
        """slurmdbd is down: sacct gets no answer, and slurmctld keeps for later what it would tell it."""
        daemons.kill_slurmdbd(self._login)
        try:
            yield
        finally:
            daemons.start_slurmdbd(self._login, self.directory)

    def cut_link(self, name: str) -> None:
        """A node falls silent and runs on: nobody is told. The controller notices it after SlurmdTimeout, 20 to 30 s."""
        network.disconnect(self._login, name)

    def hide(self, name: str, folder: Path) -> None:
        """A folder is empty on one node, as long as that is on."""
        self._nodes[name].run("mount", "-t", "tmpfs", "tmpfs", str(folder))

    @contextmanager
    def read_only(self, name: str, folder: Path) -> Iterator[None]:
        """Nothing in a folder can be opened for writing on one node; what is open already can be written."""
        self._nodes[name].run("mount", "--bind", str(folder), str(folder))
        self._nodes[name].run("mount", "-o", "remount,bind,ro", str(folder))
        try:
            yield
        finally:
            self.show(name, folder)

    def show(self, name: str, folder: Path) -> None:
        self._nodes[name].run("umount", str(folder))

    @contextmanager
    def only_suffixed(self) -> Iterator[None]:
        """The nodes reach each other by their second names alone."""
        hosts = self.directory / "etc" / "hosts"  # written in place: it is mounted
        hosts.write_text(config.hosts(only_suffixed=True))
        try:
            yield
        finally:
            hosts.write_text(config.hosts())

    @contextmanager
    def telling_of_preemption(self, grace_s: int) -> Iterator[None]:
        """A job of the partition `low` gets the signal that it asked for when it is preempted, and so much time."""
        with self._configured(
            lambda usual: (
                usual.replace("PartitionName=low ", f"PartitionName=low GraceTime={grace_s} ")
                + "SlurmctldParameters=preempt_send_user_signal\n"
            )
        ):
            yield

    @contextmanager
    def killing_for_memory(self) -> Iterator[None]:
        """A step that uses more memory than its job has asked for is killed: without cgroups, by what the nodes sample."""
        with self._configured(lambda usual: usual + "JobAcctGatherParams=OverMemoryKill\n"):
            yield

    @contextmanager
    def _configured(self, changed: Callable[[str], str]) -> Iterator[None]:
        conf = self.directory / "etc" / "slurm.conf"
        usual = conf.read_text()
        conf.write_text(changed(usual))
        self._login.run("scontrol", "reconfigure")
        try:
            yield
        finally:
            conf.write_text(usual)
            self._login.run("scontrol", "reconfigure")

    def _machine(self, name: str) -> Machine:
        # TMPDIR: MariaDB names its temporary files by process number, and those repeat in every cluster.
        environment = {"SLURM_CONF": f"{self.directory}/etc/slurm.conf", "TMPDIR": str(config.SPOOL)}
        return Machine(self.directory / "machines" / name, environment, self.directory / "log" / f"{name}.log")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _clear(self) -> None:
        """Away with what a killed start has left."""
        self._kill()
        for name in ("bin", "dev", "etc", "log", "machines"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def _kill(self) -> None:
        self._ready.unlink(missing_ok=True)
        for machine in (*self._nodes.values(), self._login):
            machine.kill()

    def _start(self, keep: bool) -> None:
        try:
            config.write(self.directory, self.variant)
            self._boot_login(keep)
            self._start_services()
            for name in self._nodes:
                self._boot_node(name)
            daemons.wait_until_up(self._login, self.nodes)
            self._ready.touch()
        except BaseException:
            self._kill()
            raise

    def _boot_login(self, keep: bool) -> None:
        other_release = tree.build(self.variant.suite) if self.variant.suite else None
        self._login.boot(kept=keep)
        if other_release:
            self._login.run("sh", "-ec", tree.MOUNT, "sh", str(other_release))
        self._login.run("sh", "-ec", config.MOUNT, "sh", str(self.directory))
        network.install_switch(self._login)
        shims.write(self.directory / "bin", self._login)
        if other_release:
            shims.write_apptainer(self.directory / "bin", self._login)

    def _start_services(self) -> None:
        daemons.start_munged(self._login, self.directory)
        if self.variant.accounting:
            daemons.start_accounting(self._login, self.directory)
        daemons.start_slurmctld(self._login, self.directory)

    def _boot_node(self, name: str) -> None:
        node = self._nodes[name]
        node.boot_under(self._login)
        node.run(*config.SHARED_MEMORY)
        network.connect(self._login, node, config.ADDRESSES[name])
        daemons.start_slurmd(node)
