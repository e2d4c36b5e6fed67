#!/bin/bash
#SBATCH --job-name="all of it \#1"
#SBATCH --partition=owners
#SBATCH --constraint="a|b"
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --mem=32G
#SBATCH --exclusive
#SBATCH --time=01:30:00
#SBATCH --mail-type=END,FAIL
#SBATCH --mail-user=ada@example.org
#SBATCH --signal=B:USR2@120
#SBATCH --open-mode=append
#SBATCH --chdir=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
#SBATCH --output=logs/job.log
#SBATCH --comment="it's \"5 o'clock\" \\ \#1"
#SBATCH --hint=nomultithread

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for sherlock.
# Submit it again by hand with: sbatch job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG
trap '' USR2  # Slurm's warning before the time limit may come before the supervisor, who waits for it, has started

# --- software
module load tensorflow/2.16 || exit
module load cuda || exit

# --- variables (those of the estimator are private and stay in plan.json)
export TF_CPP_MIN_LOG_LEVEL=2

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  srun --nodes=1 --ntasks=1 --cpus-per-task=4 --export=ALL --cpu-bind=verbose,none --label \
  python3 -I "$RUN"/agent.pyz task -- \
  python3 sub/main.py --text $'a \'quoted\' "text" with $HOME, `id`, \\ and \xc3\xa9' --lines $'one\ntwo\r\n' --layers 64 32 --flag
