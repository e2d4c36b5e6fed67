"""The names of everything in a run folder, in one place for the login node and the job."""

import os

PLAN, SCRIPT = "plan.json", "job.sh"
JOBS, JOURNALS = "jobs.jsonl", "journal"
TAGS = "tags"
SUBMITIT = "submitit"
LOGS, JOB_LOG = "logs", "job.log"
UNCAUGHT = ".uncaught"
BOARDS = "tensorboard"
IMAGES = os.path.join("metrics", "images")


class RunLayout:
    """A run folder. Every attribute is an absolute path in it."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)
        self.plan = self._path(PLAN)
        self.script = self._path(SCRIPT)
        self.agent = self._path("agent.pyz")
        self.source = self._path("source.tar")
        self.work = self._path("work")
        self.logs = self._path(LOGS)
        self.outputs = self._path("outputs")
        self.metrics = self._path("metrics")
        self.images = self._path(IMAGES)
        self.tags = self._path(TAGS)
        self.children = self._path("children")
        self.hook = self._path("hook")
        self.journals = self._path(JOURNALS)
        self.receipt = self._path("receipt.json")
        self.software = self._path("software.json")
        self.samples = self._path("samples")
        self.jobs = self._path(JOBS)
        self.submitit = self._path(SUBMITIT)
        self.ended = self._path("ended.json")
        self.follows = self._path("follows.json")
        self.submitting = self._path("submitting.json")
        self.cancel_mark = self._path("cancel-requested")
        self.trace = self._path(".line")
        self.job_log = os.path.join(self.logs, JOB_LOG)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def journal(self, job: str, number: int) -> str:
        """The journal of a job's ``number``-th attempt, from 0; the job is ``33``, or ``33_4`` for an array's element."""
        return os.path.join(self.journals, "{}.{}.jsonl".format(job, number))

    def launch(self, folder: str) -> "RunLayout":
        """The layout of a launch's own folder in the run folder, which has the same names; empty: the run folder itself."""
        return RunLayout(self._path(folder)) if folder else self

    def task_log(self, label: str, stream: str) -> str:
        """The log of one task: ``label`` is its role and index ('worker-0'), ``stream`` is 'out' or 'err'."""
        return os.path.join(self.logs, label + "." + stream)

    def log_clock(self, label: str) -> str:
        """The sizes of one task's logs over time (see task/log_clock.py)."""
        return os.path.join(self.logs, "." + label + ".clock")

    def uncaught(self, label: str) -> str:
        """The error or ``sys.exit`` that ended one task's script; an empty file: neither (see job/script)."""
        return os.path.join(self.logs, "." + label + UNCAUGHT)

    def task_metrics(self, label: str) -> str:
        """What the script of one task logs (see contract/metrics/entries.py)."""
        return os.path.join(self.metrics, label + ".jsonl")

    def board(self, label: str) -> str:
        """Where the script of one task may write TensorBoard's event files, so that they are known as that task's."""
        return os.path.join(self.outputs, BOARDS, label)

    def task_tags(self, label: str) -> str:
        """The tags that the script of one task gives to its run, in the format of contract/metrics/entries.py."""
        return os.path.join(self.tags, label + ".jsonl")

    def node_samples(self, job: str, host: str) -> str:
        """What the tasks of a job use on one node, sampled (see contract/attempt/samples.py)."""
        return os.path.join(self.samples, "{}.{}.jsonl".format(job, host))

    def notice(self, label: str) -> str:
        """The file that exists once one task's script has been notified that it will be ended."""
        return os.path.join(self.folder, "notice", label + ".json")

    def stacks(self, label: str) -> str:
        """Where one task's Python writes the stacks of its threads if the run stalls."""
        return os.path.join(self.folder, "stacks", label + ".txt")

    def child(self, child_id: str) -> "RunLayout":
        """The folder of a child run that a script opened within its run; it has metrics/, outputs/ and children/."""
        return RunLayout(os.path.join(self.children, child_id))

    def submitit_file(self, job_id: str, kind: str) -> str:
        """The path at which submitit looks for a file of a job's task 0 (submitit.core.utils.JobPaths)."""
        return os.path.join(self.submitit, job_id + "_0_" + kind)


def to_native(text: str) -> str:
    """Return text from the plan as this Python must represent it for the system to get UTF-8 in any locale."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))
