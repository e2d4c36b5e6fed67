"""A run as it is submitted to Azure ML. 'slurmtf import-azureml submit.py' writes job.yaml of it, and runs nothing."""

from azureml.core import Experiment, Workspace
from azureml.core.compute import ComputeTarget
from azureml.train.dnn import TensorFlow
from azureml.widgets import RunDetails

ws = Workspace.from_config()
cluster = ComputeTarget(workspace=ws, name="gpu-cluster")

estimator = TensorFlow(
    source_directory="./src",
    entry_script="train.py",
    script_params={"--learning-rate": 0.1, "--steps": 20},
    compute_target=cluster,
    pip_packages=["azureml-defaults"],
)
run = Experiment(ws, "parabola").submit(estimator)
RunDetails(run).show()
run.wait_for_completion(show_output=True)
print(run.get_metrics())
