"""Simulated studies of the sizes of the default study, whose truth is known."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from kduq import statistics
from kduq.estimates import regression
from kduq.statistics import Estimate, components

CONFIDENCE = 0.95
#: Terms of three factors: noise, initialisation, bootstrap, their pairs, residual.
THREE = np.array([1.0, 0.5, 0.5, 0.25, 0.25, 0.1, 0.3])
#: Most of the variance is of one factor, and one interaction is small.
DOMINATED = np.array([1.0, 0.05, 0.3, 0.02, 0.2, 0.02, 0.3])
#: Terms of four factors: noise, initialisation, bootstrap, decoding, pairs, the rest.
FOUR = np.array([0.3, 0.1, 0.1, 0.5] + [0.05] * 6 + [0.02] * 5)
#: Terms of split, teacher, noise and initialisation, nearly as networks on tables have them: noise
#: is drawn anew for every split, so the two have one large interaction.
STUDIES = np.array(
    [0.15, 0.01, 0.01, 0.02, 0.03, 0.45, 0.02, 0.0, 0.0, 0.0, 0.08, 0.06, 0.06, 0.0, 0.06]
)
#: Terms of split and noise, nearly as least squares has them.
LEAST_SQUARES = np.array([0.4, 0.05, 0.55])
FACTORS = ("noise", "initialisation", "bootstrap", "decoding")


@dataclass(frozen=True)
class Result:
    """One interval of one simulated study.

    Attributes
    ----------
    low, high : float
        Limits; NaN if there is no interval.
    truth : float
        The true value.
    exact : float
        Width of the exact interval for this design, NaN where none is known.
    """

    low: float
    high: float
    truth: float
    exact: float = np.nan


#: Simulates one study; returns one result, or several by name.
Simulate = Callable[[np.random.Generator], Result | dict[str, Result]]


@dataclass(frozen=True)
class Case:
    """An estimator, and studies in which its intervals are compared with the truth.

    Attributes
    ----------
    estimator : str
        Name of the function or of the metric.
    design : str
        What is simulated.
    students : str
        Number of students.
    rule : str
        How the interval is computed.
    simulate : callable
        See `Simulate`.
    studies : int
        Number of studies.
    wider : str
        Why coverage may be above 97 %; empty if it may not.
    """

    estimator: str
    design: str
    students: str
    rule: str
    simulate: Simulate
    studies: int = 2000
    wider: str = ""


def results(case: Case, studies: int) -> Iterator[dict[str, Result]]:
    """Simulate the studies of a case.

    Parameters
    ----------
    case : Case
        The case.
    studies : int
        Number of studies. Their seed depends on the names of the case alone.

    Yields
    ------
    dict of str to Result
        By the name of the part of the estimator; empty for a single one.
    """
    name = f"{case.estimator}, {case.design}, {case.students}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for _ in range(studies):
        found = case.simulate(rng)
        yield found if isinstance(found, dict) else {"": found}


def _result(estimate: Estimate, truth: float, exact: float = np.nan) -> Result:
    return Result(estimate.low, estimate.high, truth, exact)


def _chi_square_width(variance: float, freedom: float) -> float:
    """Width of the interval of a variance of normal values in one direction."""
    quantiles = scipy.stats.chi2.ppf([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], freedom)
    return float(freedom * variance * (1 / quantiles[0] - 1 / quantiles[1]))


def variance(students: int, distribution: str, directions: int = 1) -> Simulate:
    """Variance over students without draws.

    Parameters
    ----------
    students : int
        Number of students.
    distribution : str
        normal, t5 (Student's t of five degrees of freedom), or lognormal (σ = 0.45: test errors of
        networks are as skewed).
    directions : int
        Number of independent directions in which the inputs move.

    Returns
    -------
    callable
        See `Simulate`.
    """

    def simulate(rng: np.random.Generator) -> Result:
        shape, truth = (students, directions), 1.0
        if distribution == "normal":
            values = rng.normal(size=shape)
        elif distribution == "t5":
            values, truth = rng.standard_t(5, size=shape), 5 / 3
        else:
            values = rng.lognormal(sigma=0.45, size=shape)
            truth = float((np.exp(0.45**2) - 1) * np.exp(0.45**2))
        found = statistics.inter_student_variance(values[:, None], CONFIDENCE)
        is_exact = distribution == "normal" and directions == 1
        exact = _chi_square_width(found.value, students - 1) if is_exact else np.nan
        return _result(found, truth, exact)

    return simulate


def trace(students: int, draws: int, between: float, within: float, together: bool) -> Simulate:
    """Inter-student variance of answers, and systematic noise, of 30 prompts.

    Parameters
    ----------
    students, draws : int
        Numbers of students and of each student's answers per prompt.
    between, within : float
        Variance between students, and within them, of four coordinates together.
    together : bool
        Whether all prompts move together.

    Returns
    -------
    callable
        See `Simulate`; by estimator.
    """
    prompts, coordinates = 30, 4

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        moving = 1 if together else prompts
        own = rng.normal(size=(students, moving, 1, coordinates)) * np.sqrt(between / coordinates)
        noise = rng.normal(size=(students, prompts, draws, coordinates))
        answers = 1 + own + np.sqrt(within / coordinates) * noise
        means, inside = statistics.moments(answers)
        found = statistics.inter_student_trace(means, inside, draws, CONFIDENCE)
        target = np.zeros((prompts, coordinates))
        noise_found = statistics.systematic_noise(means, target, CONFIDENCE)
        return {
            "inter_student_trace": _result(found, between),
            "systematic_noise": _result(noise_found, float(coordinates)),
        }

    return simulate


def mean(students: int) -> Simulate:
    """Mean of skewed test errors over students (lognormal, σ = 0.45)."""

    def simulate(rng: np.random.Generator) -> Result:
        values = rng.lognormal(sigma=0.45, size=students)
        return _result(statistics.mean(values, CONFIDENCE), float(np.exp(0.45**2 / 2)))

    return simulate


def group_mean(students: int, share: float) -> Simulate:
    """Mean over the pairs of a group, to which a pair of student and input belongs by chance."""

    def simulate(rng: np.random.Generator) -> Result:
        values = 1 + rng.normal(size=(students, 1)) + rng.normal(size=(students, 25))
        members = rng.random(values.shape) < share
        return _result(statistics.pooled_mean(values, members, CONFIDENCE), 1.0)

    return simulate


def within_pairs(pairs: int, directions: int) -> Simulate:
    """Variance between students that start at the same parameters, which vary much more."""

    def simulate(rng: np.random.Generator) -> Result:
        starts = np.repeat(5 * rng.normal(size=(pairs, directions)), 2, axis=0)
        part = {
            "replicate": np.arange(2 * pairs),
            "diverged": np.zeros(2 * pairs, bool),
            "prediction": starts + rng.normal(size=(2 * pairs, directions)),
        }
        found = regression.given_initialisation(part, CONFIDENCE)
        return _result(found["variance_given_initialisation"], 1.0)

    return simulate


def distributions(students: int, shape: np.ndarray, concentration: float | None) -> Simulate:
    """Mutual information and Gini impurity of students' distributions over classes, 20 inputs.

    Parameters
    ----------
    students : int
        Number of students.
    shape : ndarray of shape (C,)
        Expected probabilities of the classes.
    concentration : float or None
        Sum of the parameters of the Dirichlet distribution of a student's probabilities; None for
        students that are sure of one class.

    Returns
    -------
    callable
        See `Simulate`; by estimator.
    """
    impurity = float(1 - (shape**2).sum())
    if concentration is None:
        information, inter = float(statistics.entropy(shape)), impurity
    else:
        psi, own = scipy.special.digamma, concentration * shape
        expected = psi(concentration + 1) - float((shape * psi(own + 1)).sum())
        information = float(statistics.entropy(shape)) - expected
        inter = impurity / (concentration + 1)

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        if concentration is None:
            chosen = rng.choice(len(shape), size=(students, 20), p=shape)
            p = np.eye(len(shape))[chosen]
        else:
            p = rng.dirichlet(concentration * shape, size=(students, 20))
        everyone = np.ones((students, 20), bool)
        found = statistics.mutual_information(p, everyone, CONFIDENCE)
        parts = statistics.gini(p, everyone[0], CONFIDENCE)
        results = {
            "mutual_information": _result(found, information),
            "gini_inter": _result(parts.inter, inter),
        }
        if concentration is not None:  # otherwise 0 without error
            results["gini_intra"] = _result(parts.intra, impurity - inter)
        return results

    return simulate


def pair_distances(students: int) -> Simulate:
    """Parameter variance from half the squared distances within pairs, 10 parameters."""

    def simulate(rng: np.random.Generator) -> Result:
        pairs = rng.normal(size=(students // 2, 2, 10))
        half = ((pairs[:, 0] - pairs[:, 1]) ** 2).mean(axis=1) / 2
        return _result(statistics.mean(half, CONFIDENCE), 1.0)

    return simulate


def factorial(
    levels: tuple[int, ...], variances: np.ndarray, directions: int, nested: int = 0
) -> Simulate:
    """Components of variance of normal effects, 12 inputs.

    Parameters
    ----------
    levels : tuple of int
        Numbers of levels of the factors.
    variances : ndarray of shape (2^F - 1,)
        Variances of all terms.
    directions : int
        Number of independent directions in which the inputs move.
    nested : int, optional
        How many of the first factors are a hierarchy.

    Returns
    -------
    callable
        See `Simulate`; by component, and by share of the total.
    """
    n = len(levels)
    factors, every = FACTORS[:n], components.terms(n)
    patterns = np.random.default_rng(1).normal(size=(directions, 12))
    patterns /= np.sqrt((patterns**2).sum(axis=0))
    truth = dict(zip(components.names(factors), variances.tolist(), strict=False))
    if n > 2:
        pooled = [v for v, term in zip(variances, every, strict=True) if len(term) > 2]
        truth["residual"] = float(np.sum(pooled))
    for place, factor in enumerate(factors):
        taking_part = np.array([place in term for term in every])
        truth[f"total_effect_{factor}"] = float(variances[taking_part].sum())
        truth[f"without_{factor}"] = float(variances[~taking_part].sum())
    of_term = dict(zip(every, variances.tolist(), strict=True))
    hierarchy = [f"nested_{name}" for name in (*factors[:nested], "students")]
    for name, level in zip(hierarchy, components.nested_terms(n, nested), strict=False):
        truth[name] = sum(of_term[term] for term in level)
    truth["total"] = total = float(variances.sum())

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        values = np.zeros((*levels, 12))
        for term, value in zip(every, variances, strict=True):
            shape = [size if f in term else 1 for f, size in enumerate(levels)]
            effect = rng.normal(size=(*shape, directions)) @ patterns
            values = values + np.sqrt(value) * effect
        absolute, shares = components.decompose(values, factors, CONFIDENCE, nested)
        found = {name: _result(value, truth[name]) for name, value in absolute.items()}
        return found | {
            f"share of {name}": _result(value, truth[name] / total)
            for name, value in shares.items()
        }

    return simulate


def resampled(students: int) -> Simulate:
    """Slope, ratio and difference from a bootstrap over replicates that all conditions share.

    Parameters
    ----------
    students : int
        Replicates. They also differ without noise, as networks do; of least squares the slope and
        the ratio have no error.

    Returns
    -------
    callable
        See `Simulate`; limits are point ± z · SD of 500 bootstrap samples, of ratios on the
        logarithmic scale.
    """
    alphas = np.array([0.1, 0.25, 0.5, 1.0, 2.0])
    inputs, z = 5, float(scipy.stats.norm.ppf(0.5 + CONFIDENCE / 2))

    def limits(point: float, draws: np.ndarray, truth: float) -> Result:
        half = z * float(draws.std(ddof=1))
        return Result(point - half, point + half, truth)

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        noise = rng.normal(size=(students, inputs))
        own = rng.normal(size=(students, inputs)) * 0.3
        values = [np.sqrt(a) * noise + own for a in alphas]
        true = alphas + 0.09
        weights = statistics.replicate_weights(students, 500, rng)
        point = np.array([v.var(axis=0, ddof=1).mean() for v in values])
        draws = np.stack([statistics.weighted_variance(v, weights) for v in values], axis=1)
        slope = statistics.log_log_slope(alphas, true[None])[0]
        errors = [((v - 1) ** 2).mean(axis=1) for v in values[-2:]]
        mean_point = float(errors[1].mean() - errors[0].mean())
        mean_draws = statistics.weighted_mean(errors[1], weights)
        mean_draws = mean_draws - statistics.weighted_mean(errors[0], weights)
        return {
            "slope of log variance": limits(
                float(statistics.log_log_slope(alphas, point[None])[0]),
                statistics.log_log_slope(alphas, draws),
                float(slope),
            ),
            "log ratio of variances": limits(
                float(np.log(point[-1] / point[0])),
                np.log(draws[:, -1] / draws[:, 0]),
                float(np.log(true[-1] / true[0])),
            ),
            "difference of mean errors": limits(mean_point, mean_draws, float(true[-1] - true[-2])),
            "difference of variances": limits(
                float(point[-1] - point[-2]),
                draws[:, -1] - draws[:, -2],
                float(true[-1] - true[-2]),
            ),
        }

    return simulate
