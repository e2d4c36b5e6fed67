"""Describe a TensorFlow training job once, as an estimator, and run it on any Slurm cluster.

    from slurmtf import Experiment, TensorFlow

    estimator = TensorFlow("./my-tf-proj", entry_script="train.py", script_params={"--batch-size": 50},
                           compute_target="della", use_gpu=True)
    run = Experiment("mnist").submit(estimator)
    run.wait_for_completion(show_output=True)

The public names are imported when they are first used, so ``import slurmtf`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

from slurmtf._version import __version__

TYPE_CHECKING = False  # importing typing's takes 9 ms; type checkers know the name

_HOMES = {
    "Environment": "slurmtf.estimator",
    "Estimator": "slurmtf.estimator",
    "Input": "slurmtf.estimator",
    "Jax": "slurmtf.estimator",
    "Mpi": "slurmtf.estimator",
    "MpiConfiguration": "slurmtf.estimator",
    "MultiWorker": "slurmtf.estimator",
    "Notice": "slurmtf.estimator",
    "ParameterServer": "slurmtf.estimator",
    "Restart": "slurmtf.estimator",
    "Stall": "slurmtf.estimator",
    "TensorFlow": "slurmtf.estimator",
    "TensorflowConfiguration": "slurmtf.estimator",
    "Site": "slurmtf.sites",
    "Experiment": "slurmtf.experiments",
    "Model": "slurmtf.models",
    "Run": "slurmtf.experiments",
    "RunStatus": "slurmtf.runs",
    "SlurmtfError": "slurmtf.errors",
    "Sweep": "slurmtf.tune.sweep",
    "PrimaryMetricGoal": "slurmtf.tune.goal",
    "HyperDriveConfig": "slurmtf.tune.azureml",
    "HyperDriveRunConfig": "slurmtf.tune.azureml",
    "RandomParameterSampling": "slurmtf.tune.samplers",
    "GridParameterSampling": "slurmtf.tune.samplers",
    "BayesianParameterSampling": "slurmtf.tune.samplers",
    "BanditPolicy": "slurmtf.tune.policies",
    "MedianStoppingPolicy": "slurmtf.tune.policies",
    "TruncationSelectionPolicy": "slurmtf.tune.policies",
    "NoTerminationPolicy": "slurmtf.tune.policies",
    "choice": "slurmtf.tune.spaces",
    "randint": "slurmtf.tune.spaces",
    "uniform": "slurmtf.tune.spaces",
    "quniform": "slurmtf.tune.spaces",
    "loguniform": "slurmtf.tune.spaces",
    "qloguniform": "slurmtf.tune.spaces",
    "normal": "slurmtf.tune.spaces",
    "qnormal": "slurmtf.tune.spaces",
    "lognormal": "slurmtf.tune.spaces",
    "qlognormal": "slurmtf.tune.spaces",
    "SweepRun": "slurmtf.tune.run",
}

__all__ = [
    "BanditPolicy",
    "BayesianParameterSampling",
    "Environment",
    "Estimator",
    "Experiment",
    "GridParameterSampling",
    "HyperDriveConfig",
    "HyperDriveRunConfig",
    "Input",
    "Jax",
    "MedianStoppingPolicy",
    "Model",
    "Mpi",
    "MpiConfiguration",
    "MultiWorker",
    "NoTerminationPolicy",
    "Notice",
    "ParameterServer",
    "PrimaryMetricGoal",
    "RandomParameterSampling",
    "Restart",
    "Run",
    "RunStatus",
    "Site",
    "SlurmtfError",
    "Stall",
    "Sweep",
    "SweepRun",
    "TensorFlow",
    "TensorflowConfiguration",
    "TruncationSelectionPolicy",
    "__version__",
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]

if TYPE_CHECKING:
    from slurmtf.errors import SlurmtfError
    from slurmtf.estimator import (
        Environment,
        Estimator,
        Input,
        Jax,
        Mpi,
        MpiConfiguration,
        MultiWorker,
        Notice,
        ParameterServer,
        Restart,
        Stall,
        TensorFlow,
        TensorflowConfiguration,
    )
    from slurmtf.experiments import Experiment, Run
    from slurmtf.models import Model
    from slurmtf.runs import RunStatus
    from slurmtf.sites import Site
    from slurmtf.tune.azureml import HyperDriveConfig, HyperDriveRunConfig
    from slurmtf.tune.goal import PrimaryMetricGoal
    from slurmtf.tune.policies import BanditPolicy, MedianStoppingPolicy, NoTerminationPolicy, TruncationSelectionPolicy
    from slurmtf.tune.run import SweepRun
    from slurmtf.tune.samplers import BayesianParameterSampling, GridParameterSampling, RandomParameterSampling
    from slurmtf.tune.spaces import (
        choice,
        lognormal,
        loguniform,
        normal,
        qlognormal,
        qloguniform,
        qnormal,
        quniform,
        randint,
        uniform,
    )
    from slurmtf.tune.sweep import Sweep


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'slurmtf' has no attribute {name!r}")
    from slurmtf.loading import pause_collection  # noqa: PLC0415 - only when the first name is used

    with pause_collection():
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])
