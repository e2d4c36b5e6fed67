#!/bin/bash

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for local.
# Run it again by hand with: bash job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG

# --- software
module load tensorflow/2.16 || exit
module load cuda || exit

# --- variables (those of the estimator are private and stay in plan.json)
export TF_CPP_MIN_LOG_LEVEL=2

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  python3 -I "$RUN"/agent.pyz task -- \
  python3 sub/main.py --text $'a \'quoted\' "text" with $HOME, `id`, \\ and \xc3\xa9' --lines $'one\ntwo\r\n' --layers 64 32 --flag
