"""Messages of Slurm: slurmstepd and srun, as of 22.05 and since 23.02."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import MORE_MEMORY, Rule

SLURM: tuple[Rule, ...] = (
    Rule("slurm-oom", Kind.HOST_MEMORY, ("oom-kill event", "oom_kill event"), r"Detected \d+ oom[-_]kill event", MORE_MEMORY),
    Rule("srun-oom", Kind.HOST_MEMORY, ("Out Of Memory",), r"srun: error: \S+: tasks? [\d,\-]+: Out Of Memory", MORE_MEMORY),
    Rule("slurm-over-memory", Kind.HOST_MEMORY, ("emory limit",),
         r"[Ee]xceeded (?:step|job)? ?memory limit (?:\(\d+ > \d+\)|at some point)", MORE_MEMORY),
    Rule("kernel-oom", Kind.HOST_MEMORY, ("ut of memory: Kill",), r"[Oo]ut of memory: Kill(?:ed)? process \d+", MORE_MEMORY),
    Rule("time-limit", Kind.TIME_LIMIT, ("DUE TO TIME LIMIT",), r"CANCELLED AT \S+ DUE TO TIME LIMIT",
         "set a longer `time`, and have the script save checkpoints and resume from them"),
    Rule("preempted", Kind.PREEMPTED, ("DUE TO PREEMPTION",), r"CANCELLED AT \S+ DUE TO PREEMPTION",
         "submit it again, to a `partition` or `qos` that is not preempted if there is one"),
    Rule("node-failure", Kind.NODE, ("NODE FAILURE", "Node failure on", "RTE has lost communication"),
         r"DUE TO NODE FAILURE|Node failure on (?P<host>[\w.-]+)|[OP]RTE has lost communication with a remote daemon",
         "not the script's fault: submit it again, without that node (`sbatch[exclude]=...`)"),
    Rule("unkillable", Kind.NODE, ("NOT ENDING WITH SIGNALS",), r"STEPD TERMINATED ON (?P<host>\S+) .*NOT ENDING WITH SIGNALS",
         "a process hung in a disk or a driver: leave that node out (`sbatch[exclude]=...`) and tell your admins"),
    Rule("step-refused", Kind.LAUNCH, ("Unable to create step", "Unable to confirm allocation"),
         r"Unable to (?:create step|confirm allocation) for job \S+: (.+)",
         "srun requests more than the job has, or the job was ending: {0}"),
    Rule("task-launch", Kind.LAUNCH, ("ask launch for ", " launch failed: "),
         r"[Tt]ask launch for \S+ failed on node \S+: (.+)|(?:task \S+|Application) launch failed: (.+)",
         "srun could not start the task: {0}{1}; submit again; if it keeps failing, without that node (`sbatch[exclude]=...`)"),
)  # fmt: skip
