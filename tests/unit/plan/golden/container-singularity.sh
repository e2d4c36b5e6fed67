#!/bin/bash
#SBATCH --job-name=digits
#SBATCH --account=project_462000000
#SBATCH --partition=standard-g
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=7
#SBATCH --gpus-per-node=4
#SBATCH --mem=245760M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
#SBATCH --output=logs/job.log

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for lumi-g.
# Submit it again by hand with: sbatch job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG
trap '' USR2  # Slurm's warning before the time limit may come before the supervisor, who waits for it, has started

# --- site
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL

# --- software
module use /appl/local/csc/modulefiles/ || exit
LOCAL=/tmp
if [ ! -d "$LOCAL" ]; then LOCAL=; fi
IMAGE=/images/rocm.sif
if [ ! -e "$IMAGE" ]; then
  echo "slurmtf: the image of this run is gone: $IMAGE. Put it back, or name another one" >&2
  exit 78
fi

# --- variables (those of the estimator are private and stay in plan.json)
export NCCL_SOCKET_IFNAME=hsn
export NCCL_NET_GDR_LEVEL=3
export CXI_FORK_SAFE=1
export PYTHONNOUSERSITE=1

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec /opt/env/bin/python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  srun --nodes=2 --ntasks=8 --ntasks-per-node=4 --cpus-per-task=7 --export=ALL --kill-on-bad-exit=1 \
  singularity exec --rocm --bind="$RUN" ${LOCAL:+--bind="$LOCAL"} "$IMAGE" \
  python3 -I "$RUN"/agent.pyz task -- \
  python3 train.py
