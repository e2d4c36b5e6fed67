"""Variables for other trackers in the script, which group the ranks of a run and name them.

Sources: docs.wandb.ai, Environment variables; comet_ml, "COMET_START_..." of comet_ml.start; mlflow/environment_variables.py.
TensorBoard and TensorFlow read no variable; Transformers 5 reads TENSORBOARD_LOGGING_DIR, and any script may.
"""

from typing import Dict, Mapping

from ..contract import variables as var
from ..contract.layout import RunLayout
from ..contract.plan import Run
from ..contract.roles import Role


def build_variables(run: Run, role: Role, layout: RunLayout, given: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables for one task of a run, without those of a tracker that ``given`` already configures. ``layout`` is
    the launch's."""
    name = "{}/{}".format(run.run_id, role.label)
    found = {
        var.WANDB_RUN_GROUP: run.run_id,
        var.WANDB_NAME: name,
        var.WANDB_JOB_TYPE: role.role,
        var.COMET_START_EXPERIMENT_NAME: name,
        var.COMET_START_EXPERIMENT_TAGS: run.run_id,
        var.MLFLOW_EXPERIMENT_NAME: run.experiment,
        var.TENSORBOARD_LOGGING_DIR: layout.board(role.label),
    }
    if var.MLFLOW_EXPERIMENT_ID in given:
        del found[var.MLFLOW_EXPERIMENT_NAME]
    return {name: value for name, value in found.items() if name not in given}
