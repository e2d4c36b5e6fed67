"""The variables that other trackers find in the script."""

from __future__ import annotations

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Run
from slurmtf.job.contract.roles import Role
from slurmtf.job.task.trackers import build_variables

RUN, ROLE, LAYOUT = Run("digits-1", "digits"), Role(3, "worker", 2, 1), RunLayout("/runs/digits-1")


def test_the_ranks_of_a_run_are_grouped_and_named() -> None:
    assert build_variables(RUN, ROLE, LAYOUT, {}) == {
        "WANDB_RUN_GROUP": "digits-1",
        "WANDB_NAME": "digits-1/worker-2",
        "WANDB_JOB_TYPE": "worker",
        "COMET_START_EXPERIMENT_NAME": "digits-1/worker-2",
        "COMET_START_EXPERIMENT_TAGS": "digits-1",
        "MLFLOW_EXPERIMENT_NAME": "digits",
        "TENSORBOARD_LOGGING_DIR": "/runs/digits-1/outputs/tensorboard/worker-2",
    }


def test_the_users_own_variables_are_never_overridden() -> None:
    given = {
        "WANDB_NAME": "mine",
        "COMET_START_EXPERIMENT_NAME": "",
        "MLFLOW_EXPERIMENT_ID": "7",
        "TENSORBOARD_LOGGING_DIR": "board",
    }
    assert set(build_variables(RUN, ROLE, LAYOUT, given)) == {
        "WANDB_RUN_GROUP",
        "WANDB_JOB_TYPE",
        "COMET_START_EXPERIMENT_TAGS",
    }
