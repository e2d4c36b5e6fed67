#!/bin/bash

# Run digits-20260101-120000-abc123 of experiment digits, written by slurmtf 0.0 for local.
# Run it again by hand with: bash job.sh
RUN=/scratch/ada/slurmtf/digits/digits-20260101-120000-abc123
# Records the line that this script has reached; once it becomes the supervisor, the journal records the rest.
trap '((LINENO == 1)) || { echo "${SLURM_JOB_ID:-$$} ${SLURM_RESTART_COUNT:-0} $LINENO" >|"$RUN"/.line; } 2>/dev/null' DEBUG

# --- launch: the supervisor starts the launcher, the launcher starts the tasks, a task starts the script
exec /opt/env/bin/python3 -I "$RUN"/agent.pyz supervise "$RUN"/plan.json -- \
  /opt/env/bin/python3 -I "$RUN"/agent.pyz task -- \
  /opt/env/bin/python3 train.py
