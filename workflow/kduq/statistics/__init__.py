"""Statistics: estimates with intervals, variance, information, the bootstrap.

Calibration and components of variance are separate modules, which are imported where needed.
"""

from kduq.statistics.bootstrap import (
    log_log_slope,
    partners,
    replicate_weights,
    weighted_mean,
    weighted_variance,
)
from kduq.statistics.information import (
    Gini,
    Information,
    entropy,
    gini,
    information_by_group,
    mutual_information,
    total_entropy,
)
from kduq.statistics.intervals import (
    Estimate,
    from_leave_one_out,
    jackknife,
    mean,
    pooled_mean,
    ratio_of_sums,
)
from kduq.statistics.random_effects import (
    inter_student_trace,
    inter_student_variance,
    moments,
    systematic_noise,
    variance,
)
from kduq.statistics.two_way import degrees_of_freedom, two_way_jackknife, two_way_mean

__all__ = [
    "Estimate",
    "Gini",
    "Information",
    "degrees_of_freedom",
    "entropy",
    "from_leave_one_out",
    "gini",
    "information_by_group",
    "inter_student_trace",
    "inter_student_variance",
    "jackknife",
    "log_log_slope",
    "mean",
    "moments",
    "mutual_information",
    "partners",
    "pooled_mean",
    "ratio_of_sums",
    "replicate_weights",
    "systematic_noise",
    "total_entropy",
    "two_way_jackknife",
    "two_way_mean",
    "variance",
    "weighted_mean",
    "weighted_variance",
]
