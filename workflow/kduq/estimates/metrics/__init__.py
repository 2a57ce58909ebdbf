"""Metrics: the registry, one file per metric or group of metrics.

Metrics that are not a function of one condition's students and a mask of inputs alone (variances
with their theory, groups of test inputs) are in the task's own module:
`kduq.estimates.regression`, `classification` and `text`.
"""

from kduq.estimates.metrics import (
    agreement,
    answer_agreement,
    answer_information,
    class_scores,
    distribution_scores,
    entropy_ratio,
    error_detection,
    reflection,
    right_answers,
    sequence_entropy,
    uncertainty_parts,
)
from kduq.estimates.metrics.protocol import Metric
from kduq.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    (
        class_scores.ACCURACY,
        class_scores.CALIBRATION_ERROR,
        class_scores.TEMPERED_CALIBRATION_ERROR,
        class_scores.BRIER_SCORE,
        class_scores.NEGATIVE_LOG_LIKELIHOOD,
        class_scores.AURC,
        class_scores.ERROR_AUROC,
        entropy_ratio.ENTROPY_RATIO_OF_ERRORS,
        uncertainty_parts.TOTAL_ENTROPY,
        uncertainty_parts.GINI_INTRA,
        uncertainty_parts.GINI_INTER,
        agreement.STUDENT_AGREEMENT,
        agreement.TEACHER_AGREEMENT,
        sequence_entropy.SEQUENCE_ENTROPY,
        sequence_entropy.SEQUENCE_ENTROPY_RATIO,
        sequence_entropy.SEMANTIC_ENTROPY,
        reflection.RANK_CORRELATION,
        reflection.KENDALL,
        reflection.SLOPE,
        reflection.ENSEMBLE_RANK_CORRELATION,
        reflection.CEILING,
        reflection.TOTAL_VARIATION,
        reflection.JENSEN_SHANNON,
        reflection.ENSEMBLE_TOTAL_VARIATION,
        answer_information.MUTUAL_INFORMATION,
        answer_information.TOTAL_ENTROPY,
        answer_information.GINI_INTRA,
        answer_information.GINI_INTER,
        answer_agreement.STUDENT_AGREEMENT,
        answer_agreement.TEACHER_AGREEMENT,
        right_answers.TOTAL_VARIATION_AMONG_RIGHT,
        error_detection.ERROR_AUROC,
        error_detection.PREDICTION_REJECTION_RATIO,
        distribution_scores.INTRA_STUDENT_VARIANCE,
        distribution_scores.INTRA_VARIANCE_RATIO,
        distribution_scores.TOTAL_VARIANCE,
        distribution_scores.PREDICTIVE_COVERAGE,
        distribution_scores.PREDICTIVE_COVERAGE_TRUTH,
        distribution_scores.CRPS,
        distribution_scores.CRPS_TRUTH,
    ),
    # Tasks share names of metrics: what is computed differs.
    key=lambda metric: f"{metric.task}/{metric.name}",
)


def of_task(task: str, has_distribution: bool = False) -> list[Metric]:
    """Metrics of a task, in the order of the registry.

    Parameters
    ----------
    task : str
        regression, classification or text.
    has_distribution : bool
        Whether students have a predictive distribution, which some metrics need.

    Returns
    -------
    list of Metric
        Those that can be estimated.
    """
    return [
        metric
        for metric in METRICS.values()
        if metric.task == task and (has_distribution or not metric.of_distribution)
    ]
