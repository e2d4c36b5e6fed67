"""Our own job in Slurm: query it, requeue it, and submit another one to continue."""

import re
import shutil
import signal
import subprocess
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..common import identity, wire
from ..contract.schedulers import is_outside_of_job

TIMEOUT_S = 15.0
"""Seconds that a command may take: a busy slurmctld is slow, and a job that is being killed has little time."""
PATIENCE_S = 180.0
"""Seconds for which a slurmctld that does not answer is queried again: it may be restarting."""
PAUSE_S = 2.0
NO_ANSWER = re.compile(
    r"Unable to contact slurm|timed out|Connection (refused|reset)|Zero Bytes|standby mode|Resource temporarily"
)
KEPT = {"Partition": "--partition", "Account": "--account", "QOS": "--qos", "TimeLimit": "--time"}
"""Settings that a continuing job takes over from this one: a user's defaults (SBATCH_*) are not known here."""
UNKNOWN = ("", "(null)", "N/A")


class Answer(NamedTuple):
    """The output of a command; ``error`` is empty if it succeeded."""

    text: str = ""
    error: str = ""

    @property
    def unanswered(self) -> bool:
        """Whether slurmctld did not answer; it may have received the request all the same."""
        return bool(NO_ANSWER.search(self.error))


def _refuse_to_give_up() -> bool:
    return False


def call_until_answered(call: Callable[[], Answer], given_up: Callable[[], bool] = _refuse_to_give_up) -> Answer:
    """Call until slurmctld has answered, there is no hope that it will, or it is ``given_up``."""
    end = time.monotonic() + PATIENCE_S
    answer = call()
    while answer.unanswered and time.monotonic() < end and not given_up():
        time.sleep(PAUSE_S)
        answer = call()
    return answer


class SlurmJob:
    """The job that we are in. ``given_up``: Slurm's answers are no longer needed, except to a submission."""

    def __init__(self, environ: Mapping[str, str], given_up: Callable[[], bool] = _refuse_to_give_up) -> None:
        self._given_up = given_up
        outside = {name: value for name, value in environ.items() if is_outside_of_job(name)}
        self._environ = {name: value for name, value in outside.items() if name != wire.ALLOCATION}
        self._id = identity.get_job_id(environ) or ""
        self._restarts = identity.count_requeues(environ)

    def ask_facts(self) -> Dict[str, str]:
        """Return Slurm's facts about the job; none if it does not answer."""
        return parse(self._ask(["scontrol", "--oneliner", "show", "job", self._id]).text)

    def was_requeued(self, facts: Mapping[str, str]) -> bool:
        """Return whether Slurm has requeued the job since this start: the counter increases at once, while processes are still
        being ended."""
        return facts.get("Restarts", "").isdigit() and int(facts["Restarts"]) > self._restarts

    def may_be_requeued(self, facts: Mapping[str, str]) -> bool:
        return facts.get("Requeue") == "1"

    def is_preempted(self, facts: Mapping[str, str]) -> bool:
        return facts.get("PreemptTime", "None") not in (*UNKNOWN, "None", "Unknown")

    def may_submit(self) -> bool:
        return shutil.which("sbatch", path=self._environ.get("PATH")) is not None

    def requeue(self) -> str:
        """Have Slurm requeue the job; return the error."""
        return self._ask(["scontrol", "requeue", self._id]).error

    def resubmit(self, script: str, facts: Mapping[str, str], exclude: Sequence[str], memory_mb: int) -> Answer:
        """Submit the script as a job that starts when this one has ended; return its id.

        A submission that got no answer may have succeeded: nothing is submitted twice.
        """
        answer = self._call(build_command(self._id, script, facts, exclude, memory_mb))
        if answer.unanswered:
            answer = call_until_answered(
                lambda: self._find_submitted(script) or self._call(build_command(self._id, script, facts, exclude, memory_mb))
            )
        number = re.match(r"[0-9]+", answer.text.strip())
        if number:
            return Answer(number.group())
        return Answer("", answer.error or "sbatch named no job: {}".format(answer.text))

    def _find_submitted(self, script: str) -> Optional[Answer]:
        """Return the id of a job of this run that waits for this one; None if there is none."""
        answer = self._call(["squeue", "--me", "--noheader", "--states=PENDING", "--format=%i|%E|%o"])
        number = find_follower(answer.text, self._id, script)
        return answer if answer.error else Answer(number) if number else None

    def cancel(self, job: str = "") -> None:
        """Cancel a job; by default this one."""
        self._ask(["scancel", job or self._id])

    def move_followers(self, was: str, now: str) -> str:
        """Make the user's jobs that wait for one job wait for another; return the errors."""
        waiting = self._ask(["squeue", "--me", "--noheader", "--states=PENDING", "--format=%F %E"])
        moves = [
            self._ask(["scontrol", "update", "jobid=" + job, "dependency=" + dependency])
            for job, dependency in sorted(move_dependencies(waiting.text, was, now).items())
        ]
        return "; ".join(answer.error for answer in (waiting, *moves) if answer.error)

    def _ask(self, command: Sequence[str]) -> Answer:
        return call_until_answered(lambda: self._call(command), self._given_up)

    def _call(self, command: Sequence[str]) -> Answer:
        try:
            done = subprocess.run(  # noqa: PLW1510
                list(command),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
                preexec_fn=_ignore_term,
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            return Answer("", "{}: {}".format(command[0], err))
        text, error = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Answer(text, (error.strip() or "{} failed".format(command[0])) if done.returncode else "")


def _ignore_term() -> None:
    """Ignore the signals that end the job: a requeue would otherwise end us before we can record it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def parse(text: str) -> Dict[str, str]:
    """Return the fields of ``scontrol --oneliner show job`` by name."""
    return dict(re.findall(r"(?:^|\s)([A-Za-z:/]+)=(\S*)", text))


def find_follower(text: str, job: str, script: str) -> str:
    """Return the id of the job with this script that waits for a job's end, from squeue's output; empty if there is none."""
    lines = (line.strip().split("|", 2) for line in text.splitlines())
    waits = re.compile(r"(^|,)afterany:{}(?![0-9_])".format(re.escape(job)))
    found = [line[0] for line in lines if len(line) == 3 and line[2] == script and waits.search(line[1])]
    return found[0] if found else ""


def move_dependencies(text: str, was: str, now: str) -> Dict[str, str]:
    """Return the dependencies to set so that what waits for ``was`` waits for ``now``, by waiting job.

    ``text`` is squeue's output: per line a job (for an array, its own id) and its dependencies, each with its state in
    parentheses. The job ``now`` itself waits for ``was``.
    """
    lines = (line.strip().partition(" ") for line in text.splitlines())
    dependencies = {job: re.sub(r"\([^)]*\)", "", dependency) for job, _, dependency in lines if job != now}
    name = re.compile(r"(?<=:){}(?![0-9_])".format(re.escape(was)))
    return {job: name.sub(now, dependency) for job, dependency in dependencies.items() if name.search(dependency)}


def build_command(job: str, script: str, facts: Mapping[str, str], exclude: Sequence[str], memory_mb: int) -> List[str]:
    """Return the command that submits a script again, to start after a job.

    An ``--exclude`` here replaces the script's own (sbatch(1)), so the nodes that this job excluded are excluded again.
    """
    kept = ["{}={}".format(flag, facts[name]) for name, flag in KEPT.items() if facts.get(name, "") not in UNKNOWN]
    own = [] if facts.get("ExcNodeList", "") in UNKNOWN else [facts["ExcNodeList"]]
    more = ["--exclude=" + ",".join(dict.fromkeys([*own, *exclude]))] if exclude else []
    more += ["--mem={}M".format(memory_mb)] if memory_mb else []
    return ["sbatch", "--parsable", "--dependency=afterany:" + job, *kept, *more, script]
