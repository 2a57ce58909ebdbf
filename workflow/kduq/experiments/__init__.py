"""Experiments: the registry, one file per experiment."""

from kduq.experiments import (
    bootstrap,
    decomposition,
    fixed_initialisation,
    predictive_distribution,
    replication,
    student_init,
    student_output,
    study_variance,
    teacher_noise,
    variance_aware,
)
from kduq.experiments.protocol import Experiment
from kduq.registry import Registry

EXPERIMENTS: Registry[Experiment] = Registry(
    "experiment",
    (
        teacher_noise.EXPERIMENT,
        student_init.EXPERIMENT,
        bootstrap.EXPERIMENT,
        student_output.EXPERIMENT,
        predictive_distribution.EXPERIMENT,
        variance_aware.EXPERIMENT,
        fixed_initialisation.EXPERIMENT,
        decomposition.EXPERIMENT,
        study_variance.EXPERIMENT,
        replication.EXPERIMENT,
    ),
)
