#!/bin/bash
#SBATCH --job-name=digits
#SBATCH --account=lab
#SBATCH --partition=batch
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=7
#SBATCH --gpus-per-task=1
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
#SBATCH --output=logs/job.log
#SBATCH --core-spec=8

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for frontier.
# Submit it again by hand with: sbatch job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG
trap '' USR2  # Slurm's warning before the time limit may come before the supervisor, who waits for it, has started

# --- variables (those of the estimator are private and stay in plan.json)
export NCCL_SOCKET_IFNAME=hsn0,hsn1,hsn2,hsn3

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec /opt/env/bin/python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  srun --nodes=1 --ntasks=1 --cpus-per-task=7 --export=ALL --gpu-bind=closest \
  /opt/env/bin/python3 -I "$RUN"/agent.pyz task -- \
  /opt/env/bin/python3 train.py --epochs 3 --mixed-precision
