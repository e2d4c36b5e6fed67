"""The options that describe a training job, as data: the names of settings on the command line."""

from __future__ import annotations

from dataclasses import dataclass

import click

from slurmtf.cli.completing import Completer, complete_runs, complete_sites, complete_words
from slurmtf.estimator import TensorFlow
from slurmtf.estimator.metrics import AUTOLOGS


@dataclass(frozen=True)
class Option:
    """A command-line option and the estimator's parameter that it sets."""

    flags: tuple[str, ...]
    parameter: str
    about: str
    kind: click.Path | type = str
    repeated: bool = False
    completer: Completer | None = None


FILE, FOLDER = click.Path(), click.Path(file_okay=False)
OPTIONS = (
    Option(
        ("--site", "-s"),
        "compute_target",
        "Site to run on: a name, the path of a profile, or 'local' (this machine).",
        completer=complete_sites,
    ),
    Option(("--source",), "source_directory", "Source directory to snapshot (default: the script's folder).", FOLDER),
    Option(("--nodes", "-N"), "node_count", "Number of nodes.", int),
    Option(
        ("--backend",),
        "distributed_backend",
        "How the processes divide the work: mpi, ps, multiworker or jax.",
        completer=complete_words(*TensorFlow.BACKENDS),
    ),
    Option(("--processes-per-node",), "process_count_per_node", "MPI ranks per node.", int),
    Option(("--workers",), "worker_count", "Number of workers (ps, multiworker).", int),
    Option(("--parameter-servers",), "parameter_server_count", "Number of parameter servers (ps).", int),
    Option(("--gpu",), "use_gpu", "Request one GPU for each process.", bool),
    Option(("--gpus-per-node", "-G"), "gpus_per_node", "GPUs per node.", int),
    Option(("--gpu-type",), "gpu_type", "GPU type, as the site names it."),
    Option(("--cpus-per-task", "-c"), "cpus_per_task", "CPUs per process.", int),
    Option(("--mem",), "memory", "Memory per node, for example 16G."),
    Option(("--time", "-t"), "time", "Time limit, for example 1:30:00."),
    Option(("--partition", "-p"), "partition", "Partition to submit to."),
    Option(("--account", "-A"), "account", "Account to charge."),
    Option(("--qos", "-q"), "qos", "Quality of service."),
    Option(("--constraint", "-C"), "constraint", "Node features to require."),
    Option(("--exclusive",), "exclusive", "Allocate whole nodes.", bool),
    Option(("--job-name", "-J"), "job_name", "Job name in Slurm."),
    Option(("--mail-type",), "mail_type", "Events on which Slurm sends mail.", repeated=True),
    Option(("--mail-user",), "mail_user", "Recipient of Slurm's mail."),
    Option(("--preset",), "vm_size", "Preset of the site: a named bundle of partition, GPUs and the like."),
    Option(("--framework-version",), "framework_version", "TensorFlow version, of those that the site provides."),
    Option(("--launcher",), "launcher", "Launcher: srun, mpirun ... (default: the site's)."),
    Option(("--template",), "template", "Template for the batch script.", FILE),
    Option(
        ("--env", "-e"),
        "environment_variables",
        "Environment variable for the script, NAME=VALUE, or NAME for this shell's; may be secret.",
        repeated=True,
    ),
    Option(("--input",), "inputs", "Named data NAME=PATH[:MODE]; MODE is mount, download or upload.", repeated=True),
    Option(
        ("--resume-from",),
        "resume_from",
        "What to resume from: a folder, a run, or 'last'; passed on to the script as --resume-from FOLDER.",
        completer=complete_runs,
    ),
    Option(
        ("--restart",),
        "restarts",
        "Start again after CAUSE=TIMES[:xFACTOR[:AT_MOST]]: time-limit=10, preempted=unlimited, out-of-memory=2:x1.5:128G.",
        repeated=True,
    ),
    Option(
        ("--notice",),
        "notice",
        "Warn the script SECONDS before it is stopped, [SIGNAL@]SECONDS: with a signal, and in the file $SLURMTF_NOTICE.",
    ),
    Option(
        ("--stall",),
        "stall",
        "Write the tasks' stacks after so many minutes without output, metrics or CPU time; MINUTES:end also ends the run.",
    ),
    Option(("--primary-metric",), "primary_metric", "Metric to show beside the progress."),
    Option(("--stage",), "stage", "Where to read software and source from: node-local or shared."),
    Option(
        ("--autolog",), "autolog", "Library whose reports rank 0 logs as metrics: keras.", completer=complete_words(*AUTOLOGS)
    ),
    Option(("--sbatch",), "sbatch", "Any other sbatch flag, FLAG[=VALUE].", repeated=True),
    Option(("--srun",), "srun", "Any other srun flag, FLAG[=VALUE].", repeated=True),
)
SOFTWARE = (
    Option(("--python",), "python", "Python interpreter or environment folder (default: the one that runs slurmtf)."),
    Option(("--conda",), "conda", "Existing conda environment, by name or folder."),
    Option(("--image",), "image", "Container image: the path of a .sif file, or docker://NAME:TAG."),
    Option(("--module", "-m"), "modules", "Environment module to load.", repeated=True),
    Option(("--pip",), "pip_packages", "Pip package of an environment to build for the run.", repeated=True),
    Option(("--requirements",), "pip_requirements_file", "Requirements file, relative to the source."),
    Option(("--conda-package",), "conda_packages", "Conda package of an environment to build for the run.", repeated=True),
    Option(("--conda-file",), "conda_dependencies_file", "Conda environment file, relative to the source."),
)
PLACE = (
    Option(
        ("--after",),
        "after",
        "Start once another run has completed (RUN), has ended (RUN:any) or has failed (RUN:notok).",
        repeated=True,
        completer=complete_runs,
    ),
    Option(("--tag",), "tags", "Tag NAME[=VALUE] to find the run by: slurmtf ls --tag NAME.", repeated=True),
    Option(
        ("--experiment", "-x"),
        "experiment",
        "Experiment the run belongs to (default: the file's name, or for a job.yaml its folder's).",
    ),
    Option(("--workspace", "-w"), "workspace", "Workspace, the folder that holds runs; every node must see it.", FOLDER),
)


FLAG_OF = {option.parameter: option.flags[0] for option in (*OPTIONS, *SOFTWARE, *PLACE)}
FLAGS = {
    **{name: flag for name, flag in FLAG_OF.items() if name not in {option.parameter for option in SOFTWARE}},
    **{f"environment_definition.{option.parameter}": option.flags[0] for option in SOFTWARE},
}
"""The parameters' names on the command line, for findings."""
