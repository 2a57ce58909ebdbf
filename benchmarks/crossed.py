"""Simulated studies in which students and prompts are both drawn, and the truth is known."""

import numpy as np
from kduq import statistics
from kduq.claims.contrasts import excess_by_k
from kduq.data.corpus import Corpus
from kduq.estimates.answer_scores import ModelScores, References
from kduq.estimates.answers import Answers
from kduq.estimates.metrics import METRICS
from kduq.statistics import Estimate

from benchmarks.simulated import CONFIDENCE, Result, Simulate

#: Dimensions of embeddings, and draws per prompt.
_DIMENSIONS, _DRAWS = 6, 20
#: Variance of one model's draws of an answer.
_INTRA = 0.25


def _result(estimate: Estimate, truth: float) -> Result:
    return Result(estimate.low, estimate.high, truth)


def mean(students: int, questions: int, spreads: tuple[float, float, float]) -> Simulate:
    """Mean of a score over students and prompts.

    Parameters
    ----------
    students, questions : int
        Their numbers, one prompt per question.
    spreads : tuple of float
        Standard deviations between students, between questions, and of their interaction.

    Returns
    -------
    callable
        See `benchmarks.simulated.Simulate`.
    """

    def simulate(rng: np.random.Generator) -> Result:
        scores = (
            spreads[0] * rng.normal(size=(students, 1))
            + spreads[1] * rng.normal(size=(1, questions))
            + spreads[2] * rng.normal(size=(students, questions))
        )
        return _result(statistics.two_way_mean(scores, np.arange(questions), CONFIDENCE), 0.0)

    return simulate


def _scores(
    draws: np.ndarray,
    logprobs: np.ndarray | None = None,
    teacher: ModelScores | None = None,
    support: np.ndarray | None = None,
) -> ModelScores:
    """Scores of answers (S, P, J, D) to as many questions, and probabilities (S, P, A) if known."""
    size = draws.shape[1]
    answers = 1 if support is None else support.shape[2]
    truth = None if support is None else [1 / answers] * answers
    corpus = Corpus(
        ["train"] * size,
        list(map(str, range(size))),
        [[str(a) for a in range(answers)]] * size,
        [truth] * size,
    )
    references = References(corpus, [np.zeros((answers, draws.shape[3]))] * size, np.arange(size))
    probabilities = [None if support is None else support[:, p] for p in range(size)]
    texts = np.full(draws.shape[:3], "0", dtype=object)
    given = Answers(texts, draws.astype(np.float32), probabilities, None, logprobs)
    return ModelScores(given, references, teacher)


def variances(students: int, questions: int, unequal: bool, together: bool) -> Simulate:
    """Variance of answers between students, and within them over the teacher's.

    Parameters
    ----------
    students, questions : int
        Their numbers.
    unequal : bool
        Whether questions differ in how far students differ, and in how much answers vary.
    together : bool
        Whether half of a student's deviation is the same at all prompts.

    Returns
    -------
    callable
        See `benchmarks.simulated.Simulate`. The teacher's variance is known from its draws alone.
    """

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        spread = rng.gamma(2, 0.5, size=questions) if unequal else np.ones(questions)
        shape = (students, questions, 1, _DIMENSIONS)
        away = rng.normal(size=shape)
        if together:
            away = (away + rng.normal(size=(students, 1, 1, _DIMENSIONS))) / np.sqrt(2)
        scale = np.sqrt(spread / _DIMENSIONS)[:, None, None]
        within = np.sqrt(_INTRA) * scale

        def draws(n: int) -> np.ndarray:
            return within * rng.normal(size=(n, questions, _DRAWS, _DIMENSIONS))

        teacher = _scores(2 * draws(1))
        scores = _scores(scale * away + draws(students), None, teacher)
        found = scores.across(np.ones(questions, bool), CONFIDENCE)
        return {
            "inter_student_variance": _result(found["inter_student_variance"], 1.0),
            "intra_variance_ratio": _result(found["intra_variance_ratio"], 0.25),
            "inter_variance_ratio": _result(found["inter_variance_ratio"], 1 / (4 * _INTRA)),
            "total_variance_ratio": _result(found["total_variance_ratio"], 0.25 + 1),
        }

    return simulate


def slope(students: int, questions: int) -> Simulate:
    """Slope of a student's entropy on the teacher's, over prompts.

    Parameters
    ----------
    students, questions : int
        Their numbers.

    Returns
    -------
    callable
        See `benchmarks.simulated.Simulate`. The teacher's entropies are known exactly.
    """
    metric = METRICS["text/entropy_slope"]

    def simulate(rng: np.random.Generator) -> Result:
        own = rng.uniform(0.2, 1.5, size=questions)
        nothing = np.zeros((1, questions, 1, 1))
        teacher = _scores(nothing, -own[None, :, None])
        slopes = 0.6 + 0.2 * rng.normal(size=(students, 1))
        entropies = slopes * own + 0.2 * rng.normal(size=questions)
        entropies = entropies + 0.2 * rng.normal(size=(students, questions))
        scores = _scores(np.repeat(nothing, students, axis=0), -entropies[..., None], teacher)
        found = metric.estimate(scores, np.ones(questions, bool), CONFIDENCE)
        assert found is not None
        return _result(found, 0.6)

    return simulate


def gini(students: int, questions: int) -> Simulate:
    """Parts of 1 - Σ p² within and between students.

    Parameters
    ----------
    students, questions : int
        Their numbers; questions differ in how far students differ.

    Returns
    -------
    callable
        See `benchmarks.simulated.Simulate`.
    """
    answers = 3
    nothing = np.zeros((students, questions, 1, 1))

    def simulate(rng: np.random.Generator) -> dict[str, Result]:
        # Σ Var p = (1 - Σ m²)/(c + 1) for a Dirichlet distribution of mean m and concentration c.
        concentration = rng.choice([0.5, 4.0], size=questions)
        probabilities = np.stack(
            [rng.dirichlet([c / answers] * answers, size=students) for c in concentration], axis=1
        )
        scores = _scores(nothing, None, _scores(nothing[:1]), probabilities)
        whole = 1 - 1 / answers
        between = whole * np.mean([1 / (c + 1) for c in (0.5, 4.0)])
        results = {}
        for name, truth in (("gini_inter", between), ("gini_intra", whole - between)):
            found = METRICS[f"text/{name}"].estimate(scores, np.ones(questions, bool), CONFIDENCE)
            assert found is not None
            results[name] = _result(found, float(truth))
        return results

    return simulate


def share_of_noise(students: int, noise: float) -> Simulate:
    """The statistic of claim 3, k (V_k - V_0)/(V_1 - V_0), which is 1 if noise falls as 1/k.

    Parameters
    ----------
    students : int
        Number of students.
    noise : float
        Variance due to the noise of one response, where that without noise is 1.

    Returns
    -------
    callable
        See `benchmarks.simulated.Simulate`.
    """
    ks = (3, 5, 10, 50)

    def simulate(rng: np.random.Generator) -> Result:
        started = rng.normal(size=students)
        responses = np.sqrt(noise) * rng.normal(size=(students, max(ks)))
        cells = [started, started + responses[:, 0]]
        cells += [started + responses[:, :k].mean(axis=1) for k in ks]
        weights = statistics.replicate_weights(students, 400, rng)
        pairs = [
            (float(c.var(ddof=1)), statistics.weighted_variance(c[:, None], weights)) for c in cells
        ]
        point, draws = excess_by_k(ks, pairs[2:], pairs[1], pairs[0])
        half = 1.96 * draws.std(ddof=1)
        return Result(float(point[0]) - half, float(point[0]) + half, 1.0)

    return simulate
