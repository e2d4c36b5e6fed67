"""What the user asks for: the estimators, their distribution and their environment."""

from __future__ import annotations

from slurmtf.estimator.azureml import MpiConfiguration, TensorflowConfiguration
from slurmtf.estimator.distribution import Distribution, Jax, Mpi, MultiWorker, ParameterServer
from slurmtf.estimator.environment import Environment
from slurmtf.estimator.estimator import Estimator, TensorFlow
from slurmtf.estimator.inputs import Input
from slurmtf.estimator.life import Notice, Restart, Stall

__all__ = [
    "Distribution",
    "Environment",
    "Estimator",
    "Input",
    "Jax",
    "Mpi",
    "MpiConfiguration",
    "MultiWorker",
    "Notice",
    "ParameterServer",
    "Restart",
    "Stall",
    "TensorFlow",
    "TensorflowConfiguration",
]
