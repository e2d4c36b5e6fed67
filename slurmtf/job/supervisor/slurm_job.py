"""Our own job in Slurm: what it says of it, starting it again, and another one to go on."""

import re
import shutil
import subprocess
from typing import Dict, List, Mapping, NamedTuple, Sequence

from ..common import identity
from ..contract.schedulers import outside_of_a_job

TIMEOUT_S = 15.0
"""Seconds that a command may take: a busy slurmctld is slow, and who is being killed has little time."""
KEPT = {"Partition": "--partition", "Account": "--account", "QOS": "--qos", "TimeLimit": "--time"}
"""What a job that goes on asks for as this one has it: a user's defaults (SBATCH_*) are not known here."""
UNKNOWN = ("", "(null)", "N/A")


class Said(NamedTuple):
    """What a command said; ``error`` is empty where it did what it should."""

    text: str = ""
    error: str = ""


class SlurmJob:
    """The job that we are in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name: value for name, value in environ.items() if outside_of_a_job(name)}
        self._id = identity.job_id(environ) or ""
        self._restarts = identity.attempt(environ)

    def facts(self) -> Dict[str, str]:
        """Return what Slurm says of the job; nothing where it does not answer."""
        return parse(self._call(["scontrol", "--oneliner", "show", "job", self._id]).text)

    def returns(self, facts: Mapping[str, str]) -> bool:
        """Tell whether Slurm has requeued it since this start: it counts that at once, while it still ends the processes."""
        return facts.get("Restarts", "").isdigit() and int(facts["Restarts"]) > self._restarts

    def may_be_requeued(self, facts: Mapping[str, str]) -> bool:
        return facts.get("Requeue") == "1"

    def may_submit(self) -> bool:
        return shutil.which("sbatch", path=self._environ.get("PATH")) is not None

    def requeue(self) -> str:
        """Have Slurm end the job and start it again; return the error."""
        return self._call(["scontrol", "requeue", self._id]).error

    def resubmit(self, script: str, facts: Mapping[str, str], exclude: Sequence[str], memory_mb: int) -> Said:
        """Submit the script as a job that begins when this one has ended; return its number."""
        said = self._call(words(self._id, script, facts, exclude, memory_mb))
        number = re.match(r"[0-9]+", said.text.strip())
        return Said(number.group(), "") if number else Said("", said.error or "sbatch named no job: {}".format(said.text))

    def cancel(self, job: str) -> None:
        self._call(["scancel", job])

    def _call(self, command: Sequence[str]) -> Said:
        try:
            done = subprocess.run(  # noqa: PLW1510
                list(command),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            return Said("", "{}: {}".format(command[0], err))
        text, error = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Said(text, (error.strip() or "{} failed".format(command[0])) if done.returncode else "")


def parse(text: str) -> Dict[str, str]:
    """Return the words of ``scontrol --oneliner show job`` by their names."""
    return dict(re.findall(r"(?:^|\s)([A-Za-z:/]+)=(\S*)", text))


def words(job: str, script: str, facts: Mapping[str, str], exclude: Sequence[str], memory_mb: int) -> List[str]:
    """Return the command that submits a script again, to begin after a job."""
    kept = ["{}={}".format(flag, facts[name]) for name, flag in KEPT.items() if facts.get(name, "") not in UNKNOWN]
    more = ["--exclude=" + ",".join(exclude)] if exclude else []
    more += ["--mem={}M".format(memory_mb)] if memory_mb else []
    return ["sbatch", "--parsable", "--dependency=afterany:" + job, *kept, *more, script]
