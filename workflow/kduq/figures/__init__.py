"""Figures: the registry, one file per figure."""

from kduq.figures import (
    bootstrap,
    claims,
    decomposition,
    language_gallery,
    language_methods,
    language_uncertainty,
    predictive_distribution,
    remedies,
    replication,
    sample_size,
    student_init,
    student_output,
    student_output_responses,
    study_variance,
    teacher_noise,
    variance_aware,
)
from kduq.figures.protocol import FigureKind
from kduq.registry import Registry

FIGURES: Registry[FigureKind] = Registry(
    "figure",
    (
        teacher_noise.FIGURE,
        student_init.FIGURE,
        bootstrap.FIGURE,
        student_output.FIGURE,
        student_output_responses.FIGURE,
        predictive_distribution.FIGURE,
        variance_aware.FIGURE,
        decomposition.FIGURE,
        study_variance.FIGURE,
        *replication.FIGURES,
        sample_size.FIGURE,
        language_uncertainty.FIGURE,
        language_methods.FIGURE,
        remedies.FIGURE,
        language_gallery.FIGURE,
        *claims.FIGURES,
    ),
)
