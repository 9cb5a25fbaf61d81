#!/bin/bash
# PruneScope on a Slurm cluster: one scheduler and, on every node, one worker for each GPU of the job.
#
#   cd PruneScope && PRUNESCOPE_HOME=/shared/runs sbatch docs/slurm.sh study --preset standard
#
# What follows docs/slurm.sh is given to "python -m core" on the first node. Without it the job only executes what others
# submit, until its time is up. The folder of the program and PRUNESCOPE_HOME must be seen by every node under one path.
# A job that ends early loses nothing: the same command goes on from the last checkpoints.
#SBATCH --job-name=prunescope
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --output=prunescope-%j.log
set -euo pipefail

python=${PRUNESCOPE_PYTHON:-$PWD/.venv/bin/python}
: "${PRUNESCOPE_HOME:?names the folder of runs that all nodes share}"
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export PRUNESCOPE_HOME PRUNESCOPE_SCHEDULER="tcp://$first:$((20000 + SLURM_JOB_ID % 20000))"

# Whatever way this script ends, its scheduler and workers end with it.
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"$python" -m core.jobs.serve scheduler &
scheduler=$!
srun --kill-on-bad-exit=0 "$python" -m core.jobs.serve worker &

if [ $# -eq 0 ]; then
  echo "Submit with: PRUNESCOPE_SCHEDULER=$PRUNESCOPE_SCHEDULER PRUNESCOPE_HOME=$PRUNESCOPE_HOME"
  wait
else
  until "$python" -c 'from core.jobs.cluster import check_scheduler as check; check()' 2>/dev/null; do
    kill -0 $scheduler # the scheduler could not start: its reason is in the log
    sleep 1
  done
  "$python" -m core "$@"
fi
