"""What the user wants: the estimators, their distribution and the environment they ask for."""

from __future__ import annotations

from slurmtf.estimator.distribution import Distribution, Mpi, MultiWorker, ParameterServer
from slurmtf.estimator.environment import Environment
from slurmtf.estimator.estimator import Estimator, TensorFlow

__all__ = ["Distribution", "Environment", "Estimator", "Mpi", "MultiWorker", "ParameterServer", "TensorFlow"]
