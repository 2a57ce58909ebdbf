"""Estimates of regression: errors, and variances of predictions across students."""

from typing import Any

import numpy as np
import scipy

from kduq import statistics
from kduq.conditions import Condition
from kduq.estimates import paired
from kduq.estimates.metrics import of_task
from kduq.estimates.metrics.protocol import TabularStudents
from kduq.estimates.settings import TabularSettings as Settings
from kduq.estimates.table import Table, exact
from kduq.estimates.tabular import TabularRun, read_run
from kduq.families import FAMILIES
from kduq.families.protocol import Model, Problem
from kduq.stage import Inputs, Outputs
from kduq.statistics import Estimate

__all__ = ["Settings", "estimate", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the estimates of a run; see `kduq.stage.Stage`."""
    outputs.write("estimates", estimate(settings, read_run(settings, inputs)))


def estimate(settings: Settings, run: TabularRun) -> dict[str, list[Any]]:
    """Compute all estimates of one run.

    Intervals are a jackknife over students, conditional on the data split and the teacher. Diverged
    students are excluded from means and variances; their number is the estimate
    ``diverged_count``. Where students of bootstrap samples may lack full rank, variance and test
    errors are also estimated from those of full rank alone, in the group ``full_rank``: the few
    others, whose solutions of minimum norm are arbitrary where labels are exact, can make nearly
    all of the variance. ``full_rank_share`` is their share. Conditions that share their replicates
    are compared in `kduq.estimates.paired`. Where pairs start at the same parameters, all estimates
    but ``variance_given_initialisation`` are from one student of each pair.

    Parameters
    ----------
    settings : Settings
        Of the run.
    run : TabularRun
        Its students, teacher and truth.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    table = Table(settings)
    for split, prediction, truth in (
        ("train", run.teacher[0], run.problem.train_y),
        ("test", run.teacher[1], run.test_y),
    ):
        error = float(((prediction - truth) ** 2).mean())
        table.add(table.unconditional, "teacher", f"{split}_mse_mean", exact(error))
    variance = exact(float(run.problem.train_y.var()))
    table.add(table.unconditional, "teacher", "target_variance", variance)
    model = FAMILIES[settings.family].model(settings.task)
    cells: dict[Condition, paired.Cell] = {}
    for i, condition in enumerate(settings.conditions):
        part = run.of_condition(i)
        given = {}
        if settings.pairs_start_equal:
            given = given_initialisation(part, settings.confidence)
            # Students that share their initial parameters are not independent: one of each pair.
            part = {name: values[part["replicate"] % 2 == 0] for name, values in part.items()}
        cells[condition] = paired.Cell.of_students(condition, part)
        estimates = _estimates(part, settings.confidence) | given
        theory = _theory(model, condition, run.problem, part)
        if theory is not None:
            n_students = len(part["diverged"])
            estimates["theory_inter_student_variance"] = exact(theory, n_students)
        estimates |= _metrics(settings, run, condition, part)
        for name, value in estimates.items():
            table.add(condition, "student", name, value)
        if condition.sample_fraction is not None and not _all_null(part["rank_deficient"]):
            for name, value in _of_full_rank(part, settings.confidence).items():
                group = "all" if name == "full_rank_share" else "full_rank"
                table.add(condition, "student", name, value, group)
    for condition, name, value, group in paired.estimates(cells, settings.confidence):
        table.add(condition, "student", name, value, group)
    return table.columns()


def _metrics(
    settings: Settings, run: TabularRun, condition: Condition, part: dict[str, np.ndarray]
) -> dict[str, Estimate]:
    """Registered metrics of the students of a condition."""
    good = ~part["diverged"].astype(bool)
    variances = part["predictive_variance"][good]
    has_distribution = bool(len(variances)) and not np.isnan(variances).any()
    metrics = of_task(settings.task, has_distribution)
    if not metrics:  # then all predictions need not fit in memory in double precision
        return {}
    noise = None if condition.alpha is None else condition.alpha * run.problem.train_y.var()
    students = TabularStudents(
        part["prediction"][good].astype(np.float64),
        run.test_y,
        run.teacher[1],
        variances.astype(np.float64) if has_distribution else None,
        None if noise is None else float(noise),
    )
    all_inputs = np.ones(len(run.test_y), bool)
    scores = {m.name: m.estimate(students, all_inputs, settings.confidence) for m in metrics}
    return {name: score for name, score in scores.items() if score is not None}


def _estimates(part: dict[str, np.ndarray], confidence: float) -> dict[str, Estimate]:
    good = ~part["diverged"].astype(bool)
    estimates: dict[str, Estimate] = {}
    for split in ("train", "test"):
        error = part[f"{split}_mse"][good]
        estimates[f"{split}_mse_mean"] = statistics.mean(error, confidence)
        estimates[f"{split}_mse_var"] = statistics.variance(error, confidence)
    draws = part["prediction"] if good.all() else part["prediction"][good]
    estimates["inter_student_variance"] = statistics.inter_student_variance(
        draws[:, None], confidence
    )
    estimates |= _parameter_variances(part, good, confidence)
    counts = {"diverged_count": ~good}
    deficient = part["rank_deficient"]
    if not _all_null(deficient):
        counts["rank_deficient_count"] = deficient.astype(bool)
    for metric, flags in counts.items():
        estimates[metric] = exact(float(flags.sum()), len(flags))
    return estimates


def _of_full_rank(part: dict[str, np.ndarray], confidence: float) -> dict[str, Estimate]:
    """Estimates from the students of full rank, and their share among those not diverged."""
    good = ~part["diverged"].astype(bool)
    full = good & ~part["rank_deficient"].astype(bool)
    error = part["test_mse"][full]
    return {
        "inter_student_variance": statistics.inter_student_variance(
            part["prediction"][full][:, None], confidence
        ),
        "test_mse_mean": statistics.mean(error, confidence),
        "test_mse_var": statistics.variance(error, confidence),
        "full_rank_share": _share(int(full.sum()), int(good.sum()), confidence),
    }


def _share(count: int, n: int, confidence: float) -> Estimate:
    """A share of students, with the interval of Wilson (1927, JASA 22, 209-212)."""
    if n == 0:
        return exact(np.nan, 0)
    limits = scipy.stats.binomtest(count, n).proportion_ci(confidence, "wilson")
    share = count / n
    error = float(np.sqrt(share * (1 - share) / n))
    return Estimate(share, error, float(limits.low), float(limits.high), n)


def _parameter_variances(
    part: dict[str, np.ndarray], good: np.ndarray, confidence: float
) -> dict[str, Estimate]:
    """Mean parameter variance from the distances within pairs of students.

    Half the mean squared difference of two independent students is an unbiased estimate of the
    variance averaged over parameters, and pairs are independent of each other. Both students of a
    pair have its distance, which is used once.
    """
    estimates = {}
    first, second = statistics.partners(part["replicate"])
    both = first[good[first] & good[second]]
    for moment in ("before", "after"):
        pairs = part[f"parameter_distance_{moment}"][both]
        pairs = pairs[np.isfinite(pairs)]
        if len(pairs):
            mean = statistics.mean(pairs, confidence)
            estimates[f"parameter_variance_{moment}"] = Estimate(
                mean.value, mean.se, mean.low, mean.high, 2 * len(pairs)
            )
    return estimates


def given_initialisation(part: dict[str, np.ndarray], confidence: float) -> dict[str, Estimate]:
    """Variance between students that start at the same parameters.

    Parameters
    ----------
    part : dict of str to ndarray
        replicate, diverged and prediction of the students of a condition, whose replicates 2i and
        2i + 1 start equal.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    dict of str to Estimate
        By metric.

    The mean over initial parameters of the variance given them: half the squared difference within
    a pair is unbiased for it, and pairs are independent.
    """
    good = ~part["diverged"].astype(bool)
    first, second = statistics.partners(part["replicate"])
    both = good[first] & good[second]
    draws = part["prediction"]
    difference = draws[first[both]].astype(np.float64) - draws[second[both]]
    mean = statistics.mean((difference**2).mean(axis=1) / 2, confidence)
    limits = mean.value, mean.se, mean.low, mean.high
    return {"variance_given_initialisation": Estimate(*limits, 2 * int(both.sum()))}


def _all_null(values: np.ndarray) -> bool:
    return all(value is None for value in values.tolist())


def _theory(
    model: type[Model],
    condition: Condition,
    problem: Problem,
    part: dict[str, np.ndarray],
) -> float | None:
    """Closed-form inter-student variance, None where the family has none for the condition."""
    if condition.alpha is not None:
        variance = condition.alpha * float(problem.train_y.var())
        return model.theoretical_variance(problem, condition.method, variance, condition.k or 1)
    noiseless = model.theoretical_variance(problem, "single", 0.0, 1)
    deficient = part["rank_deficient"]
    has_rank = condition.label_source == "teacher" and not _all_null(deficient)
    # Without noise on the labels the closed form, zero, holds at full rank only.
    return noiseless if has_rank and not deficient.astype(bool).any() else None
