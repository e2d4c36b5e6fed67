"""The environment of the user's script: its role, the other tasks, the resources it may use."""

import os
import re
from typing import Dict, List, Mapping

from ..common import addresses
from ..contract import variables as var
from ..contract.interchange import JsonView
from ..contract.layout import RunLayout, to_native
from ..contract.plan import JobPlan, LaunchOrder, Run
from ..contract.roles import Role, choose_chief
from ..staging import relocation
from . import shares, tf_config, trackers

TASK_VARIABLE = re.compile(r"\$(?:\{(SLURMTF_[A-Z0-9_]+)\}|(SLURMTF_[A-Z0-9_]+))")
AS_PLANNED = LaunchOrder()
RESUME_FROM = "--resume-from"


class TaskEnvironment:
    """Builds the variables of one task's script from the plan, the role, and the supervisor's start message."""

    def __init__(
        self,
        plan: JobPlan,
        layout: RunLayout,
        role: Role,
        start: JsonView,
        staged: JsonView,
        order: LaunchOrder = AS_PLANNED,
    ) -> None:
        """``staged`` describes what is on the node's own disk (empty: nothing); ``order`` is the launch's."""
        self._order = order
        self._staged = staged
        self._plan = plan
        self._layout = layout
        self._role = role
        self._start = start

    def build_variables(self, inherited: Mapping[str, str]) -> Dict[str, str]:
        """Return the complete environment. The user's own variables take precedence; PYTHONPATH is prepended to."""
        found = {name: self._relocate(value) for name, value in inherited.items()}
        found.setdefault(var.PYTHONUNBUFFERED, "1")
        own = self._build_identity()
        given = {**self._plan.variables, **self._order.variables}
        users = {to_native(name): self.expand(to_native(value), own) for name, value in given.items()}
        python_path = users.pop(var.PYTHONPATH, found.get(var.PYTHONPATH))
        found[var.PYTHONPATH] = os.pathsep.join(filter(None, [self._layout.hook, self.work, python_path]))
        found.update(own)
        found.update(shares.build_thread_counts(self._plan, self._start, inherited, len(os.sched_getaffinity(0))))
        found.update(shares.build_gpu_variables(self._plan, self._role, self._start, inherited))
        found.update(self._start.get("variables", {}))
        if self._plan.autolog and self._role == choose_chief(self._plan):
            found[var.SLURMTF_AUTOLOG] = self._plan.autolog
        if self._plan.resume_from:
            found[var.AZUREML_DATAREFERENCE_MODEL_LOCATION] = own[var.SLURMTF_RESUME_FROM]
        launch = self._layout.launch(self._order.folder)
        found[var.SLURMTF_UNCAUGHT] = launch.uncaught(self._role.label)
        if self._plan.stall.minutes:
            found[var.SLURMTF_STACKS] = launch.stacks(self._role.label)
        if self._plan.notice.keras:
            found[var.SLURMTF_STOP] = self._plan.notice.keras
        self._add_cluster(found)
        found.update(users)
        if var.TF_CONFIG in users:
            found.pop(var.SLURMTF_TF_CONFIG_FILE, None)
        found.update(trackers.build_variables(self._run, self._role, launch, found))
        nodes = self._start.get("nodes", {})
        found.update(addresses.bypass_proxies(found, nodes.get("names", ()), nodes.get("addresses", ())))
        return found

    def expand_command(self, command: List[str]) -> List[str]:
        """Return the command with its task variables expanded, without a shell."""
        own, given = self._build_identity(), to_native(self._plan.resume_from)
        words = [self._relocate(command[0]), *command[1:]]
        resumed = [own[var.SLURMTF_RESUME_FROM] if pair == (RESUME_FROM, given) else pair[1] for pair in zip(words, words[1:])]
        return [self.expand(word, own) for word in [words[0], *resumed]]

    def _find_resume_folder(self) -> str:
        """Return the folder to resume from; empty if there is none."""
        outputs = self._layout.launch(self._order.folder).outputs
        attempt = self._order.variables.get(var.SLURMTF_ATTEMPT, "1")
        return outputs if attempt != "1" and _has_content(outputs) else to_native(self._plan.resume_from)

    @property
    def source(self) -> str:
        """The folder of the unpacked source."""
        return str(self._staged.get("work") or self._layout.work)

    @property
    def work(self) -> str:
        """The script's working directory: a launch with a folder of its own has one of its own, on the same disk as the
        source."""
        if not self._order.folder:
            return self.source
        if self._staged.get("work", self._layout.work) == self._layout.work:
            return self._layout.launch(self._order.folder).work
        return os.path.join(os.path.dirname(self.source), "launches", self._order.folder)

    def _relocate(self, text: str) -> str:
        """Return an inherited variable or a word with the environment's path replaced by that of its copy on this node."""
        place = self._staged.get("prefix")
        return relocation.relocate_text(text, [self._plan.stage.prefix, *self._staged["names"]], place) if place else text

    @staticmethod
    def expand(text: str, own: Mapping[str, str]) -> str:
        """Replace ``$SLURMTF_ROLE``, ``${SLURMTF_INDEX}`` and other task variables by their values; leave everything else
        unchanged."""
        return TASK_VARIABLE.sub(lambda found: own.get(found[1] or found[2], found[0]), text)

    @property
    def _run(self) -> Run:
        """The run as its script knows it: a trial of a sweep is a run of its own, ``<sweep>_<number>``."""
        run, trial = self._plan.run, self._order.variables.get(var.SLURMTF_TRIAL)
        return run if trial is None else run._replace(run_id="{}_{}".format(run.run_id, trial))

    def _build_identity(self) -> Dict[str, str]:
        run, cluster = self._run, self._start.get("cluster", {})
        own = cluster.get(self._role.role, [])
        place = self._find_resume_folder()
        resume = {var.SLURMTF_RESUME_FROM: place} if place else {}
        return {
            **resume,
            var.SLURMTF_RUN_ID: run.run_id,
            var.SLURMTF_EXPERIMENT: run.experiment,
            var.SLURMTF_RUN_FOLDER: self._layout.folder,
            var.SLURMTF_LAUNCH_FOLDER: self._layout.launch(self._order.folder).folder,
            var.SLURMTF_NOTICE: self._layout.launch(self._order.folder).notice(self._role.label),
            var.SLURMTF_ROLE: self._role.role,
            var.SLURMTF_INDEX: str(self._role.number),
            var.SLURMTF_RANK: str(self._role.rank),
            var.SLURMTF_LOCAL_RANK: str(self._start.get("local_rank", 0)),
            var.SLURMTF_WORLD_SIZE: str(self._plan.size.tasks),
            var.SLURMTF_ADDRESS: own[self._role.number] if own else "",
            **tf_config.build_host_variables(cluster),
            **tf_config.build_cluster_variable(cluster),
            **self._build_inputs(),
        }

    def _build_inputs(self) -> Dict[str, str]:
        places = self._staged.get("inputs", {})
        inputs = self._plan.inputs
        return {var.SLURMTF_INPUT + item.name: places.get(item.name) or to_native(item.path) for item in inputs}

    def _add_cluster(self, found: Dict[str, str]) -> None:
        """Set TF_CONFIG, or write it to a file for the script's Python if it is too long for a variable."""
        cluster = self._start.get("cluster")
        if cluster:
            config = tf_config.build_tf_config(cluster, self._role)
            found[var.TF_GRPC_REUSE_PORT] = "true"
            if var.does_fit(var.TF_CONFIG, config):
                found[var.TF_CONFIG] = config
            else:
                found[var.SLURMTF_TF_CONFIG_FILE] = self._write(config)
            for name in [name for name in found if name.startswith("SLURMTF_") and not var.does_fit(name, found[name])]:
                del found[name]
        if self._plan.distribution.check_world:
            found[var.SLURMTF_EXPECTED_WORLD] = str(self._plan.size.tasks)
        if self._plan.distribution.joined_by_jax:
            found[var.SLURMTF_JAX_PROCESS] = str(self._role.rank)

    def _write(self, config: str) -> str:
        path = os.path.join(self._layout.hook, "tf-config-{}.json".format(self._role.label))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(config)
        return path


def _has_content(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False
