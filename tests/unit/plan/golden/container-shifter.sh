#!/bin/bash
#SBATCH --job-name=digits
#SBATCH --account=m0000
#SBATCH --qos=regular
#SBATCH --constraint=gpu
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
#SBATCH --output=logs/job.log

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for perlmutter.
# Submit it again by hand with: sbatch job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG
trap '' USR2  # Slurm's warning before the time limit may come before the supervisor, who waits for it, has started

# --- site
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_SHLVL

# --- variables (those of the estimator are private and stay in plan.json)
export SLURM_CPU_BIND=cores
export PYTHONNOUSERSITE=1

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec /opt/env/bin/python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  srun --nodes=2 --ntasks=8 --ntasks-per-node=4 --cpus-per-task=32 --export=ALL --kill-on-bad-exit=1 --gpu-bind=none \
  shifter --image=docker:registry.example.org/lab/tensorflow:2.15 --module=gpu \
  python3 -I "$RUN"/agent.pyz task -- \
  python3 train.py
