"""Messages about MPI and its startup."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

OTHER_MPI = (
    "set `launcher=mpirun`, another `srun[mpi]=...` ('srun --mpi=list' shows them), or, for Horovod, `Mpi.transport=gloo`"
)
NOT_BY_SRUN = f"srun can't start this MPI: {OTHER_MPI}"

MPI: tuple[Rule, ...] = (
    Rule("mpi-plugin", Kind.MPI, ("Invalid MPI type", "plugin name for mpi/", "mpi plugin for"),
         r"(?:Invalid MPI type '?|plugin name for mpi/|mpi plugin for (?:mpi/)?)(\w+)",
         f"this Slurm has no {{0}}: {OTHER_MPI}"),
    Rule("built-without-pmi", Kind.MPI, ("SLURM's PMI support",), r"OMPI was not built with SLURM's PMI support", NOT_BY_SRUN),
    Rule("no-pmi", Kind.MPI, ("No PMIx server was reachable", "OPAL ERROR: Unreachable",
         "PMIx_server_init", "PMIX ERROR: UNREACHABLE", "load PMIx library", "Fatal error in ", "PMII_singinit", "PMI_fd",
         "init failed for some reason", "process manager support", "_Init failed"),
         r"No PMIx server was reachable|OPAL ERROR: Unreachable in file|PMIx_server_init failed|"
         r"PMII_singinit: |Unable to write to PMI_fd|init failed for some reason; your parallel process|"
         r"for which process manager support was required|"
         r"PMIX ERROR: UNREACHABLE|PMI[2x]?_Init failed|"
         r"can ?not load PMIx library|Fatal error in P?MPI_Init",
         NOT_BY_SRUN),
    Rule("mpi-network", Kind.MPI, ("PML add procs failed", "opened in the pml framework", "selected pml ", "a NIC_POLICY of",
         "fabric is not available", "open hfi unit", "open nic unit",
         "assign_context command failed"),
         r"PML add procs failed|selected pml \w*, but peer|Unable to use a NIC_POLICY of|fabric is not available|"
         r"can't open (?:hfi|nic) unit|assign_context command failed|No components were able to be opened in the pml framework",
         "MPI finds no network that it can use: load the cluster's own MPI, or set `environment_variables[OMPI_MCA_pml]=ob1`"),
    Rule("mpi-daemon", Kind.LAUNCH, ("RTE daemon has unexpectedly failed", "start one or more daemons"),
         r"[OP]RTE daemon has unexpectedly failed|unable to reliably start one or more daemons",
         "mpirun could not start its daemon on another node: set `launcher=srun`"),
    Rule("alone", Kind.ALONE, ("slurmtf: ",), r"slurmtf: \S+ sees a world of \d+ process",
         "the line after it in the log says what to set"),
    Rule("no-slots", Kind.LAUNCH, ("not enough slots", "are already filled", "ppr for this topology", "binding more"),
         r"not enough slots available in the system|nodes which are allocated for this job are already filled|"
         r"more processes than the ppr for this topology|result in binding more\s+processes than cpus",
         "mpirun was told to start more processes than the job has tasks or cores: set `process_count_per_node`, or "
         "`launcher=srun`"),
)  # fmt: skip
