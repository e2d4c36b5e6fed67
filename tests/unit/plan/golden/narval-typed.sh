#!/bin/bash
#SBATCH --job-name=digits
#SBATCH --account=lab
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=a100:2
#SBATCH --mem=255000M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
#SBATCH --output=logs/job.log

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for narval.
# Submit it again by hand with: sbatch job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG
trap '' USR2  # Slurm's warning before the time limit may come before the supervisor, who waits for it, has started

# --- variables (those of the estimator are private and stay in plan.json)
export NCCL_BLOCKING_WAIT=1

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec /opt/env/bin/python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  srun --nodes=1 --ntasks=1 --cpus-per-task=8 --export=ALL \
  /opt/env/bin/python3 -I "$RUN"/agent.pyz task -- \
  /opt/env/bin/python3 train.py
