"""Ratio of a classifier's predictive entropy where it is wrong to that where it is right."""

import numpy as np

from kduq import statistics
from kduq.estimates.metrics.protocol import Metric, TabularStudents
from kduq.estimates.paired import ratio_from
from kduq.statistics import Estimate
from kduq.statistics.intervals import FEWEST_FOR_GROUP


def _estimate(students: TabularStudents, inputs: np.ndarray, confidence: float) -> Estimate | None:
    classes = students.truth[inputs].argmax(axis=1)
    # Sum of the entropies of each student and number of its inputs, where it is right and wrong.
    totals, counts = np.zeros((2, 2, len(students.predictions)))
    for s, own in enumerate(students.predictions):
        probabilities = own[inputs]
        entropies = statistics.entropy(probabilities)
        wrong = probabilities.argmax(axis=1) != classes
        for group, members in enumerate((~wrong, wrong)):
            totals[group, s], counts[group, s] = entropies[members].sum(), members.sum()
    present = int((counts[1] > 0).sum())
    if not (counts.sum(axis=1) > 0).all() or not (totals.sum(axis=1) > 0).all():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        right, wrong_mean = (
            np.log(np.append(t.sum(), t.sum() - t)) - np.log(np.append(c.sum(), c.sum() - c))
            for t, c in zip(totals, counts, strict=True)
        )
        found = ratio_from(wrong_mean - right, confidence, present)
    if present < FEWEST_FOR_GROUP:
        return Estimate(found.value, found.se, np.nan, np.nan, present)
    return found


ENTROPY_RATIO_OF_ERRORS = Metric(
    "entropy_ratio_of_errors",
    "classification",
    "mean predictive entropy where a model is wrong, over that where it is right",
    _estimate,
    of_teacher=True,
)
