"""Statistics: estimates with intervals, variance, information, the bootstrap.

Calibration and components of variance are separate modules, which are imported where needed.
"""

from kduq.statistics.bootstrap import (
    log_log_slope,
    replicate_weights,
    weighted_mean,
    weighted_variance,
)
from kduq.statistics.information import entropy, mutual_information
from kduq.statistics.intervals import (
    Estimate,
    from_leave_one_out,
    jackknife,
    mean,
    pooled_mean,
)
from kduq.statistics.random_effects import (
    inter_student_trace,
    inter_student_variance,
    moments,
    systematic_noise,
    variance,
)

__all__ = [
    "Estimate",
    "entropy",
    "from_leave_one_out",
    "inter_student_trace",
    "inter_student_variance",
    "jackknife",
    "log_log_slope",
    "mean",
    "moments",
    "mutual_information",
    "pooled_mean",
    "replicate_weights",
    "systematic_noise",
    "variance",
    "weighted_mean",
    "weighted_variance",
]
